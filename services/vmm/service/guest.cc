// SPDX-License-Identifier: Apache-2.0
#include "services/vmm/service/guest.h"

#include <algorithm>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/domids.h"
#include "runtime/clock.h"
#include "runtime/kernel/cap_allocator.h"
#include "runtime/kernel/personality/personality.h"
#include "runtime/kernel/syscall.h"
#include "runtime/service.h"
#include "services/vmm/boot.h"
#include "services/vmm/exit.h"

namespace pyrene::vmm {
namespace {

// Where this service sees things; the runtime's own window begins at kWindowAddress and stays
// below.
constexpr uint64_t kStateWindow = uint64_t{0x8} << 32;
constexpr uint64_t kMagicWindow = kStateWindow + 0x100000;
constexpr uint64_t kFramesWindow = kStateWindow + 0x200000;
constexpr uint64_t kBundleWindow = uint64_t{0x10} << 32;
constexpr uint64_t kFilesWindow = uint64_t{0x18} << 32;
constexpr uint64_t kRamWindow = uint64_t{0x20} << 32;

constexpr uint64_t kPage = uint64_t{1} << xen::kPageShift;
constexpr uint64_t kMagicPages = 4;
constexpr uint64_t kGiccPages = 2;
constexpr uint64_t kBank0Limit = uint64_t{3} << 30;
constexpr size_t kThreadStackBytes = 64 << 10;
constexpr uint8_t kVcpuPriority = 4;
constexpr uint64_t kCapPeriodUs = 10000;
constexpr Rights kReadWrite = rights::kRead | rights::kWrite;

absl::Status Check(Status status, const char* what) {
  if (status == Status::kOk) return absl::OkStatus();
  if (status == Status::kNoMemory)
    return absl::ResourceExhaustedError(absl::StrCat(what, ": out of kernel memory"));
  return absl::InternalError(absl::StrCat(what, ": kernel error ", static_cast<int64_t>(status)));
}

}  // namespace

absl::Status Guest::MapMemory() {
  caps_.guest = runtime::FindCapability("guest");
  caps_.frames = runtime::FindCapability("frames");
  const CapIndex magic = runtime::FindCapability("magic");
  const CapIndex bundle = runtime::FindCapability("bundle");
  uint64_t gpa = xen::kRam0Base;
  uint64_t here = kRamWindow;
  for (const CapIndex memory : setup_.ram) {
    const auto info = sys::MemoryInfo(memory);
    if (absl::Status s = Check(info.status, "guest RAM"); !s.ok()) return s;
    // A piece that reaches over the end of the first bank goes on in the second.
    for (uint64_t first = 0; first < info.pages;) {
      if (gpa == xen::kRam0Base + kBank0Limit) gpa = xen::kRam1Base;
      uint64_t pages = info.pages - first;
      if (gpa < xen::kRam1Base)
        pages = std::min(pages, (xen::kRam0Base + kBank0Limit - gpa) / kPage);
      if (caps_.ram_pieces == KernelCaps::kRamPieces)
        return absl::InternalError("RAM in too many pieces");
      caps_.ram[caps_.ram_pieces++] = {memory, first, gpa / kPage, pages};
      if (absl::Status s = Check(
              sys::DomainMap(kSelfDomainCap, memory, first, here, pages, kReadWrite), "map RAM");
          !s.ok())
        return s;
      if (absl::Status s = Check(
              sys::DomainMap(caps_.guest, memory, first, gpa, pages, kReadWrite | rights::kExecute),
              "map RAM in the guest");
          !s.ok())
        return s;
      gpa += pages * kPage;
      here += pages * kPage;
      first += pages;
    }
  }
  memory_bytes_ = here - kRamWindow;
  struct Window {
    const char* what;
    CapIndex domain, memory;
    uint64_t address, pages;
    Rights rights;
  };
  const auto bundle_info = sys::MemoryInfo(bundle);
  if (absl::Status s = Check(bundle_info.status, "bundle"); !s.ok()) return s;
  const Window windows[] = {
      {"map frames", kSelfDomainCap, caps_.frames, kFramesWindow,
       1 + DomainConfig{}.max_grant_frames, kReadWrite},
      {"map magic pages", kSelfDomainCap, magic, kMagicWindow, kMagicPages, kReadWrite},
      {"map the bundle", kSelfDomainCap, bundle, kBundleWindow, bundle_info.pages, rights::kRead},
      {"map magic pages in the guest", caps_.guest, magic, xen::kMagicBase, kMagicPages,
       kReadWrite},
      {"map the CPU interface in the guest", caps_.guest, runtime::FindCapability("gicv"),
       xen::kGiccBase, kGiccPages, kReadWrite},
  };
  for (const Window& w : windows) {
    if (absl::Status s =
            Check(sys::DomainMap(w.domain, w.memory, 0, w.address, w.pages, w.rights), w.what);
        !s.ok())
      return s;
  }
  if (const CapIndex files = runtime::FindCapability("files"); files != kNullCap) {
    const auto info = sys::MemoryInfo(files);
    if (absl::Status s = Check(info.status, "files"); !s.ok()) return s;
    if (absl::Status s =
            Check(sys::DomainMap(kSelfDomainCap, files, 0, kFilesWindow, info.pages, rights::kRead),
                  "map the files");
        !s.ok())
      return s;
  }
  auto* ram = reinterpret_cast<std::byte*>(kRamWindow);
  auto* frames = reinterpret_cast<std::byte*>(kFramesWindow);
  const uint64_t bank0 = std::min(memory_bytes_, kBank0Limit);
  GuestMemory::Region bank1;
  if (memory_bytes_ > bank0) bank1 = {xen::kRam1Base, memory_bytes_ - bank0, ram + bank0};
  memory_ = std::make_unique<GuestMemory>(
      GuestMemory::Region{xen::kRam0Base, bank0, ram}, bank1,
      GuestMemory::Region{xen::kMagicBase, kMagicPages * kPage,
                          reinterpret_cast<std::byte*>(kMagicWindow)},
      GuestMemory::Frames{frames, frames + kPage, DomainConfig{}.max_grant_frames});
  return absl::OkStatus();
}

absl::Status Guest::MakeVcpus() {
  for (uint32_t i = 0; i < setup_.vcpus; ++i) {
    caps_.vcpu[i] = runtime::Caps().Allocate();
    caps_.vcpu_notification[i] = runtime::Caps().Allocate();
    const uint64_t state = kStateWindow + i * kPage;
    if (absl::Status s =
            Check(sys::VcpuCreate(caps_.vcpu[i], caps_.guest, state, i), "create a vCPU");
        !s.ok())
      return s;
    if (absl::Status s =
            Check(sys::NotificationCreate(caps_.vcpu_notification[i]), "create a notification");
        !s.ok())
      return s;
    states_[i] = reinterpret_cast<VcpuState*>(state);
    placement_[i] = i < setup_.placement.size() ? setup_.placement[i] : 0;
  }
  return absl::OkStatus();
}

absl::Status Guest::SetUp(GuestSetup setup) {
  setup_ = std::move(setup);
  caps_.event = events_.handle();
  caps_.event_bit = uint64_t{1} << bits_.timers;
  caps_.services.notification[0] = runtime::FindCapability("pv.console.peer");
  caps_.services.notification[1] = runtime::FindCapability("pv.xenstore.peer");
  caps_.services.bits[0] = caps_.services.bits[1] = runtime::kAllBits;
  caps_.services.notification[kOwnRings] = events_.handle();
  caps_.services.bits[kOwnRings] = uint64_t{1} << bits_.rings;
  if (absl::Status s = MapMemory(); !s.ok()) return s;
  if (absl::Status s = MakeVcpus(); !s.ok()) return s;

  DomainConfig config;
  config.domid = setup_.domid;
  config.vcpus = setup_.vcpus;
  std::copy(std::begin(setup_.uuid), std::end(setup_.uuid), config.uuid);
  config.console_domid = proto::kConsoleDomid;
  config.xenstore_domid = proto::kXenstoreDomid;
  config.console = {0, 0};
  config.xenstore = {1, 0};
  config.counter_frequency = sys::TickFrequency();
  config.ids = GuestIdRegisters(HostIdRegisters(states_[0]->el1.vpidr));
  if (const char* problem = ConfigError(config)) return absl::InvalidArgumentError(problem);
  host_ = std::make_unique<KernelHost>(caps_, text_, KernelHost::Rings{kOwnRings, serve_rings_});
  domain_ = std::make_unique<Domain>(config, *memory_, states_, *host_);
  return absl::OkStatus();
}

absl::Status Guest::Boot() {
  const auto file = [](const GuestFile& f) {
    const auto* base = reinterpret_cast<const uint8_t*>(f.in_files ? kFilesWindow : kBundleWindow);
    return std::span<const uint8_t>(base + f.offset, f.bytes);
  };
  const auto entry =
      LoadGuest(*memory_, setup_.vcpus,
                {file(setup_.kernel), file(setup_.ramdisk), setup_.command_line, setup_.seed});
  if (!entry.ok()) return entry.status();
  domain_->Boot(entry->entry, entry->device_tree, runtime::WallClockNow());
  for (uint32_t i = 0; i < setup_.vcpus; ++i) {
    if (absl::Status s = StartThread(i); !s.ok()) return s;
  }
  ended_.store(0);
  boots_.fetch_add(1);
  for (uint32_t i = 0; i < setup_.vcpus; ++i) host_->WakeThread(i);
  return absl::OkStatus();
}

absl::Status Guest::StartThread(uint32_t index) {
  if (caps_.vcpu_thread[index] != kNullCap) return absl::OkStatus();  // waits since the last stop
  runners_[index] = {this, index};
  pthread_attr_t attributes;
  pthread_t thread;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kThreadStackBytes);
  const int error = pthread_create(&thread, &attributes, RunnerEntry, &runners_[index]);
  pthread_attr_destroy(&attributes);
  if (error != 0) return absl::ResourceExhaustedError("cannot start a vCPU's thread");
  pthread_detach(thread);
  // Its capability is known when it has begun to run.
  while (threads_[index].load() == kNullCap) sys::ThreadYield();
  caps_.vcpu_thread[index] = threads_[index].load();
  return Move(index, placement_[index]);
}

absl::Status Guest::Move(uint32_t vcpu, uint8_t cpu) {
  const ThreadParameters parameters{.priority = kVcpuPriority, .cpu = cpu, .weight = setup_.weight};
  const uint64_t share = setup_.cap_percent * kCapPeriodUs / 100 / setup_.online;
  // A whole CPU is no limit.
  const bool limited = setup_.cap_percent != 0 && share < kCapPeriodUs;
  if (absl::Status s = Check(
          sys::ThreadSet(caps_.vcpu_thread[vcpu], parameters,
                         limited ? std::max<uint64_t>(share, 1) : 0, limited ? kCapPeriodUs : 0),
          "place a vCPU");
      !s.ok())
    return s;
  placement_[vcpu] = cpu;
  return absl::OkStatus();
}

absl::Status Guest::SetSchedule(uint16_t weight, uint32_t cap_percent, uint32_t online) {
  setup_.weight = weight;
  setup_.cap_percent = cap_percent;
  setup_.online = online;
  for (uint32_t i = 0; i < setup_.vcpus; ++i) {
    if (caps_.vcpu_thread[i] == kNullCap) continue;  // it gets them when it starts
    if (absl::Status s = Move(i, placement_[i]); !s.ok()) return s;
  }
  return absl::OkStatus();
}

void Guest::Reset() { domain_->Reset(); }

uint64_t Guest::CpuTicks(uint32_t vcpu) const {
  return caps_.vcpu_thread[vcpu] == kNullCap ? 0
                                             : sys::ThreadInfo(caps_.vcpu_thread[vcpu]).cpu_ticks;
}

void* Guest::RunnerEntry(void* argument) {
  const auto* runner = static_cast<const Runner*>(argument);
  Guest& guest = *runner->guest;
  const uint32_t index = runner->index;
  guest.threads_[index].store(personality::CurrentThread());
  for (uint32_t boots = 0;;) {
    while (guest.boots_.load() == boots) {
      static_cast<void>(sys::NotificationWait(guest.caps_.vcpu_notification[index],
                                              runtime::kAllBits, kNoDeadline));
    }
    boots = guest.boots_.load();
    guest.Run(index);
    guest.ended_.fetch_add(1);
    guest.events_.Signal(uint64_t{1} << guest.bits_.ended);
  }
}

// vcpu_run once, and what is to be done about the exit.
inline Action Guest::RunOnce(Vcpu& vcpu, CapIndex cap, uint64_t flags) {
  const sys::VcpuExit exit = sys::VcpuRun(cap, flags);
  if (exit.status == Status::kOk) [[likely]]
    return HandleExit(vcpu, exit.reason);
  domain_->RequestShutdown(ShutdownReason::kCrash);
  return domain_->Resume(vcpu);
}

void Guest::Run(uint32_t index) {
  Vcpu& vcpu = domain_->vcpu(index);
  const CapIndex cap = caps_.vcpu[index];
  Action action = domain_->Resume(vcpu);
  for (;;) {
    // Nearly every exit is answered here.
    while (action == Action::kRun) [[likely]] action = RunOnce(vcpu, cap, 0);
    switch (action) {
      case Action::kRun:
        break;
      case Action::kBlock:
        action = RunOnce(vcpu, cap, run_flags::kBlock);
        break;
      case Action::kYield:
        action = RunOnce(vcpu, cap, run_flags::kYield);
        break;
      case Action::kWait:
        static_cast<void>(
            sys::NotificationWait(caps_.vcpu_notification[index], runtime::kAllBits, kNoDeadline));
        action = domain_->Resume(vcpu);
        break;
      case Action::kEnd:
        return;
    }
  }
}

}  // namespace pyrene::vmm
