// SPDX-License-Identifier: Apache-2.0
#include "services/init/host.h"

#include <algorithm>

#include "runtime/address_window.h"
#include "runtime/kernel/personality/personality.h"
#include "runtime/kernel/syscall.h"
#include "services/init/halt.h"

namespace pyrene::init {
namespace {

// Power management of the BCM2711, at least as far as resets go; every write needs the password.
constexpr uint64_t kPowerManager = 0xfe100000;
constexpr size_t kResetControl = 0x1c;
constexpr size_t kResetStatus = 0x20;
constexpr size_t kWatchdog = 0x24;
constexpr uint32_t kPassword = 0x5a000000;
constexpr uint32_t kFullReset = 0x20;
constexpr uint32_t kResetMask = 0x30;
constexpr uint32_t kHaltPartition =
    0x555;  // 63, in every other bit: the firmware stops instead of booting
constexpr uint32_t kWatchdogTicks = 10;  // of 1/65536 s

constexpr uint64_t kProbeQuota = 8;

}  // namespace

// A vCPU's state tells it: ID registers are not readable at EL0.
uint64_t Host::Midr() {
  if (midr_ != 0) return midr_;
  const absl::StatusOr<Object> domain = Object::Create(
      "probe", [](CapIndex index) { return sys::DomainCreate(index, kProbeQuota).status; });
  const uint64_t page = runtime::Window().Allocate(1);
  if (!domain.ok() || page == 0) return 0;
  {
    const absl::StatusOr<Object> vcpu = Object::Create("probe vcpu", [&](CapIndex index) {
      return sys::VcpuCreate(index, domain->cap(), page, 0);
    });
    if (vcpu.ok()) midr_ = reinterpret_cast<const VcpuState*>(page)->el1.vpidr;
  }
  runtime::Window().Free(page, 1);
  return midr_;
}

void Host::SetClock(int64_t ns_since_1970) {
  world_.realtime_offset_ns = ns_since_1970 - static_cast<int64_t>(runtime::MonotonicNow());
  personality::SetRealtimeOffset(world_.realtime_offset_ns);
  for (Service* service : supervisor_.services()) service->SetClock();
}

void Host::PowerOff() { End(true); }
void Host::Reboot() { End(false); }

void Host::End(bool off) {
  supervisor_.DestroyAll();
  if (boot_.firmware != kNullCap) {
    static_cast<void>(off ? sys::SystemOff(boot_.firmware) : sys::SystemReset(boot_.firmware));
  } else {
    FireWatchdog(off);
  }
  Halt(off ? "this machine can not be turned off" : "this machine can not be reset");
}

void Host::FireWatchdog(bool off) {
  const bool has_one =
      std::any_of(machine_.compatible.begin(), machine_.compatible.end(),
                  [](const std::string& name) { return name == "raspberrypi,4-model-b"; });
  const absl::StatusOr<CapIndex> device = resources_.Device(kPowerManager, 1);
  if (!has_one || !device.ok()) return;
  const absl::StatusOr<runtime::Memory> registers =
      runtime::Memory::Map(*device, runtime::Access::kReadWrite);
  if (!registers.ok()) return;
  auto* const base = reinterpret_cast<volatile uint32_t*>(registers->data());
  if (off) base[kResetStatus / 4] = kPassword | base[kResetStatus / 4] | kHaltPartition;
  base[kWatchdog / 4] = kPassword | kWatchdogTicks;
  base[kResetControl / 4] = kPassword | (base[kResetControl / 4] & ~kResetMask) | kFullReset;
  // It takes a fraction of a millisecond.
  const uint64_t deadline = runtime::MonotonicNow() + runtime::kSecond;
  while (runtime::MonotonicNow() < deadline) {
  }
}

}  // namespace pyrene::init
