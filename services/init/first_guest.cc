// SPDX-License-Identifier: Apache-2.0
//
// The first step's only service: it holds everything the kernel gives away, runs one guest from the
// boot bundle, and copies the guest's console to and from the serial line.
#include <pthread.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>

#include "kernel/abi/boot_info.h"
#include "kernel/abi/bundle.h"
#include "runtime/kernel/cap_allocator.h"
#include "runtime/kernel/syscall.h"
#include "services/console/pl011.h"
#include "services/console/pv_ring.h"
#include "services/vmm/boot.h"
#include "services/vmm/domain.h"
#include "services/vmm/exit.h"
#include "services/vmm/kernel_host.h"

namespace pyrene {
namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kBlock = uint64_t{2} << 20;
constexpr uint64_t kGuestBytes = uint64_t{128} << 20;
constexpr uint32_t kGrantFrames = 64;
constexpr uint64_t kGuestQuotaPages = 64;
constexpr Rights kReadWrite = rights::kRead | rights::kWrite;

// Where this service sees things.
constexpr uint64_t kUartWindow = kWindowAddress;
constexpr uint64_t kStateWindow = kWindowAddress + kPage;
constexpr uint64_t kMagicWindow = kWindowAddress + 0x100000;
constexpr uint64_t kFramesWindow = kWindowAddress + 0x200000;
constexpr uint64_t kBundleWindow = uint64_t{0x10} << 32;
constexpr uint64_t kRamWindow = uint64_t{0x20} << 32;

// Bits of the event notification.
constexpr uint64_t kTimersBit = 1 << 0;
constexpr uint64_t kConsoleBit = 1 << 1;
constexpr uint64_t kUartBit = 1 << 2;
constexpr uint64_t kVcpuBit = 1 << 3;

// The PL011s of the two machines.
struct Uart {
  uint64_t base;
  uint32_t intid;
};
constexpr uint64_t kVirtRam = uint64_t{1} << 30;
constexpr Uart kUarts[] = {{0xfe201000, 153}, {0x09000000, 33}};

[[noreturn]] void Fail(const char* what, Status status = Status::kOk) {
  printf("init: %s (%ld)\n", what, static_cast<long>(status));
  fflush(stdout);
  sys::ThreadExit(1);
}

void Check(Status status, const char* what) {
  if (status != Status::kOk) Fail(what, status);
}

const BootInfo& Boot() { return *reinterpret_cast<const BootInfo*>(kStartInfoAddress); }

console::Pl011 uart(reinterpret_cast<void*>(kUartWindow));
bool uart_mapped = false;

void MapUart(uint32_t* intid) {
  for (const Uart& candidate : kUarts) {
    for (uint32_t i = 0; i < Boot().memories; ++i) {
      const BootMemory& m = Boot().memory[i];
      if (m.type != static_cast<uint32_t>(MemoryType::kDevice) || candidate.base < m.base ||
          candidate.base >= m.base + m.pages * kPage)
        continue;
      // virt has its RAM above 1 GiB, where the Pi's tree shows none.
      if ((candidate.base == kUarts[0].base) ==
          (Boot().memory[Boot().memories - 1].base >= kVirtRam))
        continue;
      if (sys::DomainMap(kSelfDomainCap, m.cap, (candidate.base - m.base) / kPage, kUartWindow, 1,
                         kReadWrite) == Status::kOk) {
        uart_mapped = true;
        *intid = candidate.intid;
        return;
      }
    }
  }
}

void WriteText(const char* text, size_t length) {
  if (!uart_mapped) return;
  for (size_t i = 0; i < length; ++i) {
    while (!uart.Put(text[i])) {
    }
  }
}

// Free RAM, handed out from a range that the kernel listed.
CapIndex TakeRam(uint64_t bytes, uint64_t alignment) {
  static uint64_t taken[BootInfo::kMaxMemories];
  for (uint32_t i = 0; i < Boot().memories; ++i) {
    const BootMemory& m = Boot().memory[i];
    if (m.type != static_cast<uint32_t>(MemoryType::kRam)) continue;
    const uint64_t start = (m.base + taken[i] + alignment - 1) & ~(alignment - 1);
    if (start + bytes > m.base + m.pages * kPage) continue;
    taken[i] = start + bytes - m.base;
    const CapIndex cap = runtime::Caps().Allocate();
    Check(sys::MemoryDerive(cap, m.cap, (start - m.base) / kPage, bytes / kPage, rights::kAll),
          "cannot derive memory");
    return cap;
  }
  Fail("too little memory");
}

CapIndex NewNotification() {
  const CapIndex cap = runtime::Caps().Allocate();
  Check(sys::NotificationCreate(cap), "cannot create a notification");
  return cap;
}

std::string_view FileOrFail(const char* bundle, const char* name) {
  BundleFile file;
  if (BundleReader::Find(bundle, Boot().bundle_bytes, name, file) != BundleReader::Result::kFile) {
    printf("init: the boot bundle has no %s\n", name);
    Fail("cannot start the guest");
  }
  return {file.data, file.bytes};
}

std::span<const uint8_t> Bytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

vmm::KernelCaps caps;
vmm::Domain* domain;

void* RunVcpu(void*) {
  vmm::Vcpu& vcpu = domain->vcpu(0);
  vmm::Action action = domain->Resume(vcpu);
  for (;;) {
    switch (action) {
      case vmm::Action::kRun:
      case vmm::Action::kBlock: {
        const sys::VcpuExit exit =
            sys::VcpuRun(caps.vcpu[0], action == vmm::Action::kBlock ? run_flags::kBlock : 0);
        if (exit.status != Status::kOk) Fail("vcpu_run", exit.status);
        action = HandleExit(vcpu, exit.reason);
        break;
      }
      case vmm::Action::kYield:
        sys::ThreadYield();
        action = vmm::Action::kRun;
        break;
      case vmm::Action::kWait:
        static_cast<void>(
            sys::NotificationWait(caps.vcpu_notification[0], ~uint64_t{0}, kNoDeadline));
        action = domain->Resume(vcpu);
        break;
      case vmm::Action::kEnd:
        static_cast<void>(sys::NotificationSignal(caps.event, kVcpuBit));
        return nullptr;
    }
  }
}

void StartVcpuThread() {
  pthread_attr_t attributes;
  pthread_t thread;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 64 << 10);
  if (pthread_create(&thread, &attributes, RunVcpu, nullptr) != 0) Fail("cannot start a thread");
}

void PumpConsole(console::PvRing& ring, uint32_t port) {
  char text[512];
  bool moved = false;
  while (size_t count = ring.Drain(text, sizeof(text))) {
    moved = true;
    WriteText(text, count);
  }
  if (moved) domain->events().RaiseFromService(port, 0x7fee);
}

void PumpInput(console::PvRing& ring, uint32_t port, CapIndex irq) {
  uart.ClearInterrupts();
  bool moved = false;
  for (int c = uart.Get(); c >= 0; c = uart.Get()) {
    const char byte = static_cast<char>(c);
    moved = ring.Fill(&byte, 1) != 0 || moved;
  }
  if (moved) domain->events().RaiseFromService(port, 0x7fee);
  Check(sys::IrqAcknowledge(irq), "cannot acknowledge the UART's interrupt");
}

int Main() {
  uint32_t intid = 0;
  MapUart(&intid);
  if (!uart_mapped) Fail("no UART");
  uart.Start();

  Check(sys::DomainMap(kSelfDomainCap, Boot().bundle, 0, kBundleWindow,
                       (Boot().bundle_offset + Boot().bundle_bytes + kPage - 1) / kPage,
                       rights::kRead),
        "cannot map the bundle");
  const char* bundle = reinterpret_cast<const char*>(kBundleWindow + Boot().bundle_offset);

  caps.event = NewNotification();
  caps.event_bit = kTimersBit;
  caps.vcpu_notification[0] = NewNotification();
  caps.services.notification[0] = caps.event;
  caps.services.bits[0] = kConsoleBit;
  caps.vcpu_thread[0] = kSelfThreadCap;

  caps.guest = runtime::Caps().Allocate();
  Check(sys::DomainCreate(caps.guest, kGuestQuotaPages).status, "cannot create the guest's domain");
  caps.ram[0] = {TakeRam(kGuestBytes, kBlock), 0, vmm::xen::kRam0Base / kPage, kGuestBytes / kPage};
  caps.ram_pieces = 1;
  caps.frames = TakeRam((1 + kGrantFrames) * kPage, kPage);
  const CapIndex magic = TakeRam(4 * kPage, kPage);
  Check(sys::DomainMap(kSelfDomainCap, caps.ram[0].memory, 0, kRamWindow, caps.ram[0].pages,
                       kReadWrite),
        "map RAM");
  Check(sys::DomainMap(kSelfDomainCap, caps.frames, 0, kFramesWindow, 1 + kGrantFrames, kReadWrite),
        "map frames");
  Check(sys::DomainMap(kSelfDomainCap, magic, 0, kMagicWindow, 4, kReadWrite), "map magic pages");
  Check(sys::DomainMap(caps.guest, caps.ram[0].memory, 0, vmm::xen::kRam0Base, caps.ram[0].pages,
                       kReadWrite | rights::kExecute),
        "map the guest's RAM");
  Check(sys::DomainMap(caps.guest, magic, 0, vmm::xen::kMagicBase, 4, kReadWrite),
        "map guest magic");
  Check(sys::DomainMap(caps.guest, Boot().gicv, 0, vmm::xen::kGiccBase, 2, kReadWrite), "map GICV");
  caps.vcpu[0] = runtime::Caps().Allocate();
  Check(sys::VcpuCreate(caps.vcpu[0], caps.guest, kStateWindow, 0), "cannot create the vCPU");

  auto* ram = reinterpret_cast<std::byte*>(kRamWindow);
  auto* magic_pages = reinterpret_cast<std::byte*>(kMagicWindow);
  auto* frames = reinterpret_cast<std::byte*>(kFramesWindow);
  static vmm::GuestMemory memory({vmm::xen::kRam0Base, kGuestBytes, ram}, {},
                                 {vmm::xen::kMagicBase, 4 * kPage, magic_pages},
                                 {frames, frames + kPage, kGrantFrames});
  auto* state = reinterpret_cast<VcpuState*>(kStateWindow);
  VcpuState* states[] = {state};
  vmm::DomainConfig config;
  config.domid = 1;
  config.console_domid = 0x7fee;
  config.console = {0, 1};
  config.xenstore_domid = 0x7fef;
  config.xenstore = {3, 0};
  config.counter_frequency = Boot().counter_frequency;
  config.ids = vmm::GuestIdRegisters(vmm::HostIdRegisters(state->el1.vpidr));
  if (const char* problem = vmm::ConfigError(config)) Fail(problem);
  static vmm::KernelHost host(caps, WriteText);
  static vmm::Domain guest(config, memory, states, host);
  domain = &guest;

  uint8_t seed[128];
  for (unsigned i = 0; i < sizeof(seed); ++i) seed[i] = static_cast<uint8_t>(i * 37 + sys::Ticks());
  const auto entry = vmm::LoadGuest(memory, 1,
                                    {Bytes(FileOrFail(bundle, "guests/vmlinuz")),
                                     Bytes(FileOrFail(bundle, "guests/initramfs.cpio.gz")),
                                     "earlycon=xenboot console=hvc0 rdinit=/init", seed});
  if (!entry.ok()) Fail(std::string(entry.status().message()).c_str());
  // No XenStore yet: "reconnecting" makes the guest wait for an event instead of for an answer.
  constexpr unsigned kConnectionOffset = 2068;
  const uint32_t reconnecting = 1;
  memcpy(magic_pages + kPage + kConnectionOffset, &reconnecting, sizeof(reconnecting));
  guest.Boot(entry->entry, entry->device_tree, 0);

  const CapIndex irq = runtime::Caps().Allocate();
  Check(sys::IrqDerive(irq, Boot().irq_control, intid), "no UART interrupt");
  Check(sys::IrqBind(irq, caps.event, kUartBit), "cannot bind the UART's interrupt");
  console::PvRing ring(magic_pages);
  StartVcpuThread();
  for (;;) {
    const uint64_t deadline = guest.RunTimers();
    const auto wait = sys::NotificationWait(caps.event, ~uint64_t{0}, deadline);
    const uint64_t bits = wait.status == Status::kOk ? wait.bits : 0;
    if ((bits & kConsoleBit) != 0) PumpConsole(ring, guest.console_port());
    if ((bits & kUartBit) != 0) PumpInput(ring, guest.console_port(), irq);
    if ((bits & kVcpuBit) != 0) {
      PumpConsole(ring, guest.console_port());
      Fail("the guest has shut down", static_cast<Status>(guest.shutdown_reason()));
    }
  }
}

}  // namespace
}  // namespace pyrene

extern "C" void personality_write(int, const void* bytes, size_t count) {
  pyrene::WriteText(static_cast<const char*>(bytes), count);
}

int main() { return pyrene::Main(); }
