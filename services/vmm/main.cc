// SPDX-License-Identifier: Apache-2.0
//
// The VMM of one guest. Capabilities: `guest`, `magic`, `frames`, `bundle`, `gicv`, `events`,
// `pv.console.peer`, `pv.xenstore.peer`; channels `init`, `vmm`, `console`, `xenstore`, and with
// blkback `disk.K` for each disk, or the pieces of a RAM disk, `disk.K.P`; `files` if what it boots
// comes from the disk. Init sends `start`; from then on the guest's life is decided here: boots,
// reboots and crashes need nobody else.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "proto/connect.h"
#include "proto/domids.h"
#include "proto/guest.capnp.h"
#include "proto/vmm.capnp.h"
#include "runtime/clock.h"
#include "runtime/event_loop.h"
#include "runtime/kernel/syscall.h"
#include "runtime/log.h"
#include "runtime/service.h"
#include "runtime/time_math.h"
#include "services/init/client/supervision_client.h"
#include "services/vmm/service/console_client.h"
#include "services/vmm/service/disks.h"
#include "services/vmm/service/guest.h"
#include "services/vmm/service/store_client.h"
#include "services/xl/xenstore_tree.h"

namespace pyrene::vmm {
namespace {

constexpr unsigned kBatch = 16;
constexpr uint64_t kConsoleTakesWithin = 100 * runtime::kMillisecond;
constexpr uint32_t kXenstoreDomid = 0x7fef;
constexpr unsigned kMaxDisks = 16;  // init gives fewer

OnAction FromMessage(proto::Action action) { return static_cast<OnAction>(action); }

std::string UuidText(const uint8_t (&uuid)[16]) {
  std::string text;
  for (unsigned i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    absl::StrAppendFormat(&text, "%02x", uuid[i]);
  }
  return text;
}

// Text of the guest comes from vCPU threads, which know no object of the event thread's.
ConsoleClient* text_sink = nullptr;
const runtime::Notification* text_events = nullptr;
unsigned text_bit = 0;

void GuestText(const char* text, size_t length) {
  if (text_sink->AddText({text, length})) text_events->Signal(uint64_t{1} << text_bit);
}

class Main {
 public:
  absl::Status Start();
  [[noreturn]] void Run();

 private:
  void OnControl();
  absl::Status ListenToDisks(unsigned bit);
  void OnOffered(const init::Offer& offer);
  void OnDisks();
  absl::Status Handle(proto::VmmRequest::Reader request);
  absl::Status StartGuest(proto::Start::Reader start);
  void ReplyDone(uint32_t id);
  void ReplyFailed(uint32_t id, const absl::Status& status);
  // To go on with, whatever the status is.
  absl::Status Reply(uint32_t id, const absl::Status& status);
  void ReplyState(uint32_t id);
  void Report(std::function<void(proto::VmmEvent::Builder)> fill);
  void FlushReports();

  // A boot: XenStore's nodes first, then the guest.
  void WriteTree();
  void BootGuest(absl::Status tree);
  void OnEnded();
  void Restart();
  absl::Status SetOnline(uint32_t vcpus);
  absl::Status SetAffinity(proto::Affinity::Reader affinity);

  std::unique_ptr<runtime::EventLoop> loop_;
  std::unique_ptr<init::SupervisionClient> supervision_;
  std::unique_ptr<proto::Channel> control_;
  std::unique_ptr<ConsoleClient> console_;
  std::unique_ptr<StoreClient> store_;
  std::unique_ptr<Guest> guest_;
  std::unique_ptr<Disks> disks_;
  std::optional<unsigned> disk_bit_;  // blkback signals it
  unsigned rings_bit_ = 0;            // this service itself: there is more to do for the disks
  proto::MessageBuilder builder_;
  std::deque<std::function<void(proto::VmmEvent::Builder)>> reports_;

  xl::GuestTree tree_;
  OnActions actions_;
  bool start_paused_ = false;
  uint32_t start_id_ = 0;  // of the `start` that is not answered yet
  uint32_t boots_ = 0;
  bool restarting_ = false;
  bool kept_ = false;  // shut down, preserved
  uint32_t kept_reason_ = 0;
};

absl::Status Main::Start() {
  const NamedCapability* events = runtime::FindNamed("events");
  if (events == nullptr) return absl::NotFoundError("no capability events");
  loop_ = std::make_unique<runtime::EventLoop>(runtime::Notification::Adopt(events->cap));

  init::SupervisionClient::Handlers handlers;
  handlers.offered = [this](const init::Offer& offer) { OnOffered(offer); };
  handlers.revoked = [this](const std::string& name) {
    disks_->Forget(name);
    supervision_->Closed(name);
  };
  auto supervision = init::SupervisionClient::Open(std::move(handlers));
  if (!supervision.ok()) return supervision.status();
  supervision_ = *std::move(supervision);
  auto control =
      proto::OpenChannel("vmm", proto::Side::kServer, proto::SchemaId<proto::VmmRequest>());
  if (!control.ok()) return control.status();
  auto console =
      proto::OpenChannel("console", proto::Side::kClient, proto::SchemaId<proto::ConsoleRequest>());
  if (!console.ok()) return console.status();
  auto store = proto::OpenChannel("xenstore", proto::Side::kClient,
                                  proto::SchemaId<proto::XenstoreRequest>());
  if (!store.ok()) return store.status();
  control_ = std::make_unique<proto::Channel>(std::move(control->channel));
  console_ = std::make_unique<ConsoleClient>(std::move(console->channel), console->bit);
  store_ = std::make_unique<StoreClient>(std::move(store->channel), store->bit);
  disks_ = std::make_unique<Disks>(*loop_, *store_);

  const auto add = [this](unsigned bit, runtime::EventLoop::Handler handler) {
    return loop_->AddSourceAt(bit, std::move(handler));
  };
  if (absl::Status s = add(supervision_->bit(), [this] { supervision_->OnWake(); }); !s.ok())
    return s;
  if (absl::Status s = add(control->bit, [this] { OnControl(); }); !s.ok()) return s;
  if (absl::Status s = add(console_->bit(), [this] { console_->OnWake(); }); !s.ok()) return s;
  if (absl::Status s = add(store_->bit(), [this] { store_->OnWake(); }); !s.ok()) return s;
  const auto ring = [this, &add](const char* name, uint16_t domid, auto port) {
    const NamedCapability* peer = runtime::FindNamed(name);
    if (peer == nullptr) return absl::NotFoundError(absl::StrCat("no capability ", name));
    return add(peer->value, [this, domid, port] {
      if (guest_ != nullptr && guest_->domain() != nullptr)
        guest_->domain()->events().RaiseFromService(port(*guest_->domain()), domid);
    });
  };
  if (absl::Status s =
          ring("pv.console.peer", proto::kConsoleDomid, [](Domain& d) { return d.console_port(); });
      !s.ok())
    return s;
  if (absl::Status s =
          ring("pv.xenstore.peer", kXenstoreDomid, [](Domain& d) { return d.xenstore_port(); });
      !s.ok())
    return s;
  const auto timers = loop_->AddSource([this] { console_->OnWake(); });
  const auto ended = loop_->AddSource([this] { OnEnded(); });
  const auto rings = loop_->AddSource([this] { OnDisks(); });
  // Not RAM disks, which nobody signals for.
  for (unsigned i = 0; i < kMaxDisks; ++i) {
    const NamedCapability* disk = runtime::FindNamed(absl::StrCat("disk.", i));
    if (disk == nullptr) continue;
    if (absl::Status s = ListenToDisks(disk->value); !s.ok()) return s;
  }
  if (!timers.ok() || !ended.ok() || !rings.ok())
    return absl::ResourceExhaustedError("no free event bit");
  rings_bit_ = *rings;
  text_sink = console_.get();
  text_events = &loop_->notification();
  text_bit = *timers;
  guest_ = std::make_unique<Guest>(
      loop_->notification(), Guest::Bits{*timers, *ended, *rings}, GuestText,
      [this](Vcpu& vcpu, bool may_put_off) { return disks_->TryServe(vcpu, may_put_off); });
  supervision_->Ready();
  supervision_->OnWake();
  console_->OnWake();
  store_->OnWake();
  OnControl();
  return absl::OkStatus();
}

void Main::Run() {
  for (;;) {
    uint64_t deadline = runtime::kNever;
    if (guest_->domain() != nullptr) {
      const uint64_t ticks = guest_->domain()->RunTimers();
      // Any that the guest asks for.
      if (ticks != kNoDeadline) deadline = TicksToNanoseconds(ticks, sys::TickFrequency());
    }
    const absl::Status status = loop_->RunOnce(deadline);
    if (!status.ok()) {
      runtime::LogError(status.message());
      exit(1);
    }
  }
}

void Main::OnControl() {
  if (control_->Update() != proto::Channel::State::kUp) return;
  while (control_->Receive<proto::VmmRequest>(kBatch,
                                              [this](auto request) { return Handle(request); })) {
  }
  FlushReports();
}

absl::Status Main::ListenToDisks(unsigned bit) {
  if (disk_bit_.has_value()) return absl::OkStatus();
  disk_bit_ = bit;
  return loop_->AddSourceAt(bit, [this] { OnDisks(); });
}

void Main::OnOffered(const init::Offer& offer) {
  absl::Status status;
  if (offer.wake_peer != runtime::kNoHandle) status = ListenToDisks(offer.bit);
  if (status.ok())
    status = disks_->Attach(offer, [this, name = offer.name] { supervision_->Taken(name); });
  if (!status.ok()) {
    runtime::LogError("disk ", offer.disk.getVdev().cStr(), ": ", status.message());
    return supervision_->Closed(offer.name);
  }
  OnDisks();
  store_->OnWake();
}

void Main::OnDisks() {
  if (disks_->OnWake()) loop_->notification().Signal(uint64_t{1} << rings_bit_);
  // It may have found something to say to XenStore.
  if (store_->running()) store_->OnWake();
}

void Main::Report(std::function<void(proto::VmmEvent::Builder)> fill) {
  reports_.push_back(std::move(fill));
  FlushReports();
}

void Main::FlushReports() {
  while (!reports_.empty()) {
    auto event = builder_.Start<proto::VmmEvent>();
    reports_.front()(event);
    if (!control_->Send(builder_).ok()) break;
    reports_.pop_front();
  }
  control_->Flush();
}

void Main::ReplyDone(uint32_t id) {
  Report([id](proto::VmmEvent::Builder event) {
    event.setId(id);
    event.setDone();
  });
}

void Main::ReplyFailed(uint32_t id, const absl::Status& status) {
  runtime::LogError(status.message());
  Report([id, text = std::string(status.message())](proto::VmmEvent::Builder event) {
    event.setId(id);
    event.setFailed(text.substr(0, 200));
  });
}

absl::Status Main::Reply(uint32_t id, const absl::Status& status) {
  status.ok() ? ReplyDone(id) : ReplyFailed(id, status);
  return absl::OkStatus();
}

void Main::ReplyState(uint32_t id) {
  Report([this, id](proto::VmmEvent::Builder event) {
    event.setId(id);
    auto state = event.initState();
    Domain* domain = guest_->domain();
    if (domain == nullptr) return;
    const GuestSetup& setup = guest_->setup();
    state.setDomid(setup.domid);
    state.setName(tree_.config.name);
    state.setUuid({setup.uuid, 16});
    state.setMemoryKib(guest_->memory_bytes() >> 10);
    state.setMaxMemoryKib(static_cast<uint64_t>(tree_.config.max_memory_mib) << 10);
    state.setPaused(domain->paused());
    state.setShutdown(kept_);
    state.setShutdownReason(kept_reason_);
    state.setStartTime(static_cast<int64_t>(tree_.start_time_us / 1000000));
    state.setReboots(boots_ == 0 ? 0 : boots_ - 1);
    auto vcpus = state.initVcpus(setup.vcpus);
    for (uint32_t i = 0; i < setup.vcpus; ++i) {
      const Vcpu& vcpu = domain->vcpu(i);
      const bool online = vcpu.power.load() == Power::kOn || vcpu.power.load() == Power::kStarting;
      vcpus[i].setCpu(guest_->CpuOf(i));
      vcpus[i].setOnline(online);
      vcpus[i].setBlocked(vcpu.IsBlocked());
      vcpus[i].setRunning(online && !vcpu.IsBlocked() && !domain->paused() && !kept_);
      vcpus[i].setCpuTimeNs(domain->scale().ToNs(guest_->CpuTicks(i)));
      const auto mask = [i](const std::vector<uint64_t>& masks) {
        return i < masks.size() ? masks[i] : ~uint64_t{0};
      };
      vcpus[i].setHardAffinity(mask(tree_.config.cpus));
      vcpus[i].setSoftAffinity(mask(tree_.config.cpus_soft));
    }
  });
}

absl::Status Main::Handle(proto::VmmRequest::Reader request) {
  const uint32_t id = request.getId();
  if (request.isStart()) {
    if (guest_->domain() != nullptr) return absl::InvalidArgumentError("a second start");
    start_id_ = id;
    if (absl::Status s = StartGuest(request.getStart()); !s.ok()) {
      start_id_ = 0;
      ReplyFailed(id, s);
    }
    return absl::OkStatus();
  }
  Domain* domain = guest_->domain();
  if (domain == nullptr) {
    ReplyFailed(id, absl::FailedPreconditionError("the guest was not started"));
    return absl::OkStatus();
  }
  switch (request.which()) {
    case proto::VmmRequest::PAUSE:
      domain->Pause();
      break;
    case proto::VmmRequest::UNPAUSE:
      domain->Unpause();
      break;
    case proto::VmmRequest::GET_STATE:
      ReplyState(id);
      return absl::OkStatus();
    case proto::VmmRequest::SHUTDOWN:
      domain->RequestShutdown(static_cast<ShutdownReason>(request.getShutdown()));
      break;
    case proto::VmmRequest::SET_AFFINITY:
      return Reply(id, SetAffinity(request.getSetAffinity()));
    case proto::VmmRequest::SET_SCHEDULE: {
      const auto schedule = request.getSetSchedule();
      if (schedule.getWeight() == 0) return absl::InvalidArgumentError("weight 0");
      return Reply(id, guest_->SetSchedule(schedule.getWeight(), schedule.getCapPercent(),
                                           guest_->setup().online));
    }
    case proto::VmmRequest::RENAME:
      tree_.config.name = request.getRename();
      break;
    case proto::VmmRequest::DETACH_DISK: {
      const auto detach = request.getDetachDisk();
      const absl::Status detaching = disks_->Detach(
          detach.getNumber(), detach.getForce(),
          [this, id](const absl::Status& s) { s.ok() ? ReplyDone(id) : ReplyFailed(id, s); });
      if (!detaching.ok()) ReplyFailed(id, detaching);
      store_->OnWake();
      return absl::OkStatus();
    }
    case proto::VmmRequest::SET_VCPUS:
      return Reply(id, SetOnline(request.getSetVcpus()));
    default:
      return absl::InvalidArgumentError("an unknown request");
  }
  ReplyDone(id);
  return absl::OkStatus();
}

absl::Status Main::StartGuest(proto::Start::Reader start) {
  const auto config = start.getConfig();
  GuestSetup setup;
  setup.domid = start.getDomid();
  setup.vcpus = std::max<uint32_t>(config.getMaxVcpus(), 1);
  if (config.getUuid().size() != sizeof(setup.uuid))
    return absl::InvalidArgumentError("the UUID has not 16 bytes");
  std::copy(config.getUuid().begin(), config.getUuid().end(), setup.uuid);
  for (const uint32_t cap : start.getRam()) setup.ram.push_back(cap);
  for (const uint8_t cpu : start.getPlacement()) setup.placement.push_back(cpu);
  const auto file = [](proto::FileRange::Reader range) {
    return GuestFile{range.getOffset(), range.getBytes(), range.getInFiles()};
  };
  setup.kernel = file(start.getKernel());
  setup.ramdisk = file(start.getRamdisk());
  setup.command_line = config.getCommandLine();
  const auto seed = start.getSeed();
  for (size_t i = 0; i < 128; ++i)
    setup.seed.push_back(seed.size() == 0 ? 0 : seed[i % seed.size()]);
  setup.weight = config.getWeight();
  setup.cap_percent = config.getCapPercent();
  setup.online = std::max<uint32_t>(config.getVcpus(), 1);
  start_paused_ = config.getStartPaused();
  actions_ = {FromMessage(config.getOnPoweroff()), FromMessage(config.getOnReboot()),
              FromMessage(config.getOnCrash()), FromMessage(config.getOnWatchdog()),
              FromMessage(config.getOnSoftReset())};

  tree_.domid = setup.domid;
  tree_.config.name = config.getName();
  tree_.config.uuid = UuidText(setup.uuid);
  tree_.config.kernel = config.getKernel();
  tree_.config.ramdisk = config.getRamdisk();
  tree_.config.cmdline = config.getCommandLine();
  tree_.config.memory_mib = static_cast<int64_t>(config.getMemoryKib() >> 10);
  tree_.config.max_memory_mib = static_cast<int64_t>(config.getMaxMemoryKib() >> 10);
  tree_.config.vcpus = std::max<int>(config.getVcpus(), 1);
  tree_.config.max_vcpus = static_cast<int>(setup.vcpus);
  for (const uint64_t mask : config.getCpus()) tree_.config.cpus.push_back(mask);
  for (const uint64_t mask : config.getCpusSoft()) tree_.config.cpus_soft.push_back(mask);
  const absl::Status opened = disks_->Open(config, setup.domid, ServiceEnd{Guest::kOwnRings, 0});
  if (!opened.ok()) return opened;
  if (absl::Status s = guest_->SetUp(std::move(setup)); !s.ok()) return s;
  disks_->SetDomain(*guest_->domain());
  if (!disks_->empty()) OnDisks();
  tree_.store_port = guest_->domain()->xenstore_port();
  tree_.store_gfn = xen::kXenstoreRing >> xen::kPageShift;
  tree_.console_port = guest_->domain()->console_port();
  tree_.console_gfn = xen::kConsoleRing >> xen::kPageShift;
  tree_.console_backend = proto::kConsoleDomid;
  WriteTree();
  return absl::OkStatus();
}

void Main::WriteTree() {
  tree_.start_time_us = runtime::WallClockNow() / runtime::kMicrosecond;
  // What an earlier boot left goes first, its connection too.
  StoreClient::Steps before;
  before.push_back({[domid = tree_.domid](proto::XenstoreRequest::Builder request) {
                      request.setRelease(static_cast<uint16_t>(domid));
                    },
                    true});
  StoreClient::Steps inside;
  for (const std::string& path :
       xl::GuestRemovalPaths(tree_.domid, tree_.config.uuid,
                             {{proto::kConsoleDomid, "console"}, {proto::kBlkbackDomid, "vbd"}}))
    before.push_back(StoreClient::Remove(path));
  const auto add = [&inside](const std::vector<xl::XenstoreNode>& nodes) {
    for (const xl::XenstoreNode& node : nodes) {
      inside.push_back(StoreClient::WriteNode(node));
      inside.push_back(StoreClient::SetPermissions(node));
    }
  };
  add(xl::GuestNodes(tree_));
  add(disks_->Nodes());  // before the console, as libxl has them
  add(xl::ConsoleNodes(tree_));
  StoreClient::Steps after;
  after.push_back({[this](proto::XenstoreRequest::Builder request) {
    auto introduce = request.initIntroduce();
    introduce.setDomid(static_cast<uint16_t>(tree_.domid));
    introduce.setGfn(tree_.store_gfn);
    introduce.setPort(tree_.store_port);
  }});
  store_->Run(std::move(before), std::move(inside), std::move(after),
              [this](absl::Status status) { BootGuest(std::move(status)); });
  store_->OnWake();
}

void Main::BootGuest(absl::Status status) {
  if (status.ok()) {
    console_->Started(guest_->domain()->console_port());
    if (boots_ == 0 && start_paused_) guest_->domain()->Pause();
    status = guest_->Boot();
  }
  const uint32_t id = std::exchange(start_id_, 0);
  if (!status.ok()) {
    if (id != 0) return ReplyFailed(id, status);
    runtime::LogError("cannot boot the guest again: ", status.message());
    supervision_->Failed(status.message());
    return;
  }
  if (id != 0) ReplyDone(id);
  Report([boot = boots_++](proto::VmmEvent::Builder event) { event.setBooted(boot); });
}

void Main::OnEnded() {
  if (!guest_->AllEnded() || restarting_ || kept_ || !guest_->domain()->shut_down()) return;
  const ShutdownReason reason = guest_->domain()->shutdown_reason();
  const Decision decision = Decide(reason, actions_);
  runtime::LogInfo("the guest has shut down, reason ", static_cast<unsigned>(reason));
  Report([reason, fate = decision.fate](proto::VmmEvent::Builder event) {
    auto stopped = event.initStopped();
    stopped.setReason(static_cast<uint32_t>(reason));
    stopped.setAction(fate == Fate::kRestart    ? proto::Action::RESTART
                      : fate == Fate::kPreserve ? proto::Action::PRESERVE
                                                : proto::Action::DESTROY);
  });
  if (decision.fate == Fate::kRestart) {
    restarting_ = true;
    // Console has the last words before the rings are zeroed; or it is being restarted and gets
    // them from its journal.
    const auto timer =
        loop_->AddTimer(runtime::MonotonicNow() + kConsoleTakesWithin, [this] { Restart(); });
    console_->Stopped([this, timer] {
      loop_->CancelTimer(timer);
      Restart();
    });
  } else {
    kept_ = true;
    kept_reason_ = static_cast<uint32_t>(reason);
    console_->Stopped([] {});
  }
}

void Main::Restart() {
  if (!restarting_) return;
  restarting_ = false;
  disks_->Reset();
  guest_->Reset();
  WriteTree();
}

absl::Status Main::SetOnline(uint32_t vcpus) {
  const GuestSetup& setup = guest_->setup();
  if (vcpus == 0 || vcpus > setup.vcpus) return absl::InvalidArgumentError("no such vCPU");
  if (absl::Status s = guest_->SetSchedule(setup.weight, setup.cap_percent, vcpus); !s.ok())
    return s;
  // Of its next boots, too.
  tree_.config.vcpus = static_cast<int>(vcpus);
  StoreClient::Steps steps;
  for (const xl::XenstoreNode& node : xl::AvailabilityNodes(tree_.domid, tree_.config))
    steps.push_back(StoreClient::WriteNode(node));
  store_->RunNext(std::move(steps), {}, [](const absl::Status&) {});
  store_->OnWake();
  return absl::OkStatus();
}

absl::Status Main::SetAffinity(proto::Affinity::Reader affinity) {
  const uint32_t vcpu = affinity.getVcpu();
  if (vcpu >= guest_->setup().vcpus) return absl::InvalidArgumentError("no such vCPU");
  if (affinity.getCpu() >= 64 || (affinity.getHard() >> affinity.getCpu() & 1) == 0)
    return absl::InvalidArgumentError("a CPU that the vCPU may not use");
  if (absl::Status s = guest_->Move(vcpu, affinity.getCpu()); !s.ok()) return s;
  const auto set = [&](std::vector<uint64_t>& masks, uint64_t mask) {
    if (masks.size() <= vcpu) masks.resize(vcpu + 1, ~uint64_t{0});
    masks[vcpu] = mask;
  };
  set(tree_.config.cpus, affinity.getHard());
  set(tree_.config.cpus_soft, affinity.getSoft());
  return absl::OkStatus();
}

}  // namespace
}  // namespace pyrene::vmm

int main() {
  static pyrene::vmm::Main service;
  if (const absl::Status status = service.Start(); !status.ok()) {
    pyrene::runtime::LogError("cannot start: ", status.message());
    return EXIT_FAILURE;
  }
  service.Run();
}
