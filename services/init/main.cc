// SPDX-License-Identifier: Apache-2.0
//
// init: the root domain. Takes all that the kernel found, starts what the manifest names, and
// serves its channels for ever. What it can not do at boot ends the system with a message on the
// serial line.
#include <exception>
#include <memory>
#include <new>
#include <string>

#include "absl/strings/str_cat.h"
#include "kernel/abi/boot_info.h"
#include "runtime/event_loop.h"
#include "runtime/kernel/personality/personality.h"
#include "runtime/kernel/syscall.h"
#include "runtime/log.h"
#include "runtime/service.h"
#include "services/init/file_loader.h"
#include "services/init/guests.h"
#include "services/init/halt.h"
#include "services/init/host.h"
#include "services/init/machine.h"
#include "services/init/manifests.h"
#include "services/init/supervisor.h"
#include "services/init/toolstack.h"
#include "services/init/wall_clock.h"
#include "services/init/zeroer.h"

namespace pyrene::init {
namespace {

constexpr uint64_t kLogPages = 4;

// Bits of init's notification; the supervisor has those from 8 on.
constexpr unsigned kZeroerBit = 0;
constexpr unsigned kToolstackBit = 1;
constexpr unsigned kFilesBit = 2;

// For Halt alone, which must work with a corrupt manifest, too.
struct Uart {
  const char* compatible;
  uint64_t base;
};
constexpr Uart kUarts[] = {{"raspberrypi,4-model-b", 0xfe201000}, {"linux,dummy-virt", 0x09000000}};

Supervisor* supervisor;

template <typename Value>
Value OrHalt(absl::StatusOr<Value> value) {
  if (!value.ok()) Halt(value.status().message());
  return *std::move(value);
}
void OrHalt(const absl::Status& status) {
  if (!status.ok()) Halt(status.message());
}

void OpenHaltUart(const Machine& machine, Resources& resources) {
  static runtime::Memory registers;
  for (const Uart& uart : kUarts) {
    for (const std::string& name : machine.compatible) {
      if (name != uart.compatible) continue;
      const absl::StatusOr<CapIndex> device = resources.Device(uart.base, 1);
      if (!device.ok()) return;
      absl::StatusOr<runtime::Memory> mapped =
          runtime::Memory::Map(*device, runtime::Access::kReadWrite);
      if (!mapped.ok()) return;
      registers = *std::move(mapped);
      SetHaltUart(reinterpret_cast<volatile uint32_t*>(registers.data()));
    }
  }
}

Machine OpenMachine(const BootInfo& boot) {
  const absl::StatusOr<runtime::Memory> tree =
      runtime::Memory::Map(boot.device_tree, runtime::Access::kRead);
  if (!tree.ok()) return {};
  return ReadMachine({tree->data() + boot.device_tree_offset, boot.device_tree_bytes})
      .value_or(Machine());
}

// Init's own log ring: what is written before console runs is kept there.
const Ram& OpenLog(RamPool& pool, runtime::Memory& view) {
  static const Ram ring = OrHalt(pool.Allocate(kLogPages, 0, "log of init"));
  view = OrHalt(ring.Map());
  personality::SetLog(view.data(), view.size(), kNullCap);
  return ring;
}

// From now on whoever shows the log is told of new lines.
void SignalLog(const runtime::Memory& view, const Grant& signal) {
  const CapIndex index = runtime::Caps().Allocate();
  if (signal.source == kNullCap ||
      sys::CapCopy(kNullCap, index, signal.source, signal.rights, signal.badge) != Status::kOk) {
    return;
  }
  personality::SetLog(view.data(), view.size(), index);
}

[[noreturn]] void Run() {
  const BootInfo& boot = *runtime::Boot();
  static RamPool ram(boot);
  static Resources resources(boot, ram);
  const Machine machine = OpenMachine(boot);
  OpenHaltUart(machine, resources);
  std::set_terminate([] { Halt("an exception was not caught"); });
  std::set_new_handler([] { Halt("out of memory of its own"); });
  static runtime::Memory log_view;
  const Ram& log = OpenLog(ram, log_view);
  personality::StirRandom(machine.seed.data(), machine.seed.size());

  static Bundle bundle = OrHalt(Bundle::Open(boot));
  const std::string seed = OrHalt(bundle.TakeSeed());
  personality::StirRandom(seed.data(), seed.size());
  const proto::Manifest::Reader manifest = OrHalt(ChooseManifest(Manifests(), machine.compatible));
  static const std::unique_ptr<runtime::EventLoop> loop = OrHalt(runtime::EventLoop::Create());
  NameObject(loop->notification().handle(), "init.events");
  static World world{ram, bundle, *loop, boot.cpus, boot.counter_frequency};
  const int64_t seconds = WallClockAtBoot(machine, resources, bundle.files());
  world.realtime_offset_ns = seconds * static_cast<int64_t>(runtime::kSecond) -
                             static_cast<int64_t>(runtime::MonotonicNow());
  personality::SetRealtimeOffset(world.realtime_offset_ns);

  static Supervisor all(world, resources, manifest, log.cap());
  supervisor = &all;
  SetHaltHook([] { supervisor->DestroyAll(); });
  static Zeroer zeroer(*loop, kZeroerBit);
  static Guests guests(world, all, zeroer, manifest);
  all.SetHooks(
      {.restarting = [](Service& service) { guests.OnServiceRestarting(service); },
       .stopped = [](Service& vmm, const std::string& why) { guests.OnVmmStopped(vmm, why); },
       .offers_changed = [] { guests.Wake(); },
       .woken = [](Service& vmm) { guests.OnVmmWake(vmm); }});
  static Host host(boot, machine, resources, world, all);
  static Toolstack toolstack(world, all, guests, host, kToolstackBit);
  runtime::LogInfo(machine.model, ": ", boot.cpus, " CPUs, ", ram.free().free_pages() * 4,
                   " KiB free");
  OrHalt(zeroer.Start());
  OrHalt(all.Start());
  OrHalt(toolstack.Open());
  static FileLoader loader(*loop, OrHalt(all.OpenOwnEnd("files")), kFilesBit);
  OrHalt(loop->AddSourceAt(kFilesBit, [] { loader.OnWake(); }));
  loader.OnWake();
  guests.SetLoader(&loader);
  SignalLog(log_view, all.LogSignal());
  OrHalt(loop->Run());
  Halt("its event loop ended");
}

}  // namespace
}  // namespace pyrene::init

int main() { pyrene::init::Run(); }
