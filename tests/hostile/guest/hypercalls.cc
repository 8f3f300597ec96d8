// SPDX-License-Identifier: Apache-2.0
#include "services/vmm/xen_interface.h"
#include "tests/hostile/guest/operations.h"

namespace pyrene::hostile {
namespace {

namespace xen = vmm::xen;

constexpr uint32_t kHvc = 0xd4000002;
constexpr unsigned kImmediateShift = 5;
constexpr uint64_t kArgumentBytes = 128;  // more than the largest structure

// Something that a structure may hold: a small number, a frame, a pointer, SELF.
uint64_t Field(Random& random) {
  switch (random.Below(6)) {
    case 0:
      return random.Below(8);
    case 1:
      return random.Below(xen::kPorts + 2);
    case 2:
      return (kPlayground >> xen::kPageShift) + random.Below(kPlaygroundBytes >> xen::kPageShift);
    case 3:
      return Pointer(random);
    case 4:
      return xen::kDomidSelf | random.Below(64) << 32;
    default:
      return random.Number();
  }
}

// A structure where the hypervisor can read it.
uint64_t Argument(Random& random) {
  const uint64_t address =
      kPlayground + (random.Below(kPlaygroundBytes - xen::kPageSize) & ~uint64_t{7});
  auto* words = reinterpret_cast<volatile uint64_t*>(address);
  for (unsigned i = 0; i < kArgumentBytes / sizeof(*words); ++i) {
    // Often two or four numbers share a word; SELF first makes more operations go on.
    uint64_t value = Field(random);
    if (random.OneIn(2)) value = (value & 0xffff'ffff) | Field(random) << 32;
    if (i == 0 && random.OneIn(2)) value = (value & ~uint64_t{0xffff}) | xen::kDomidSelf;
    words[i] = value;
  }
  return address;
}

// SCHEDOP_shutdown with a reason that ends the run only now and then, and never for suspension.
uint64_t ShutdownArgument(Random& random) {
  static constexpr uint32_t kReasons[] = {0, 1, 3, 4, 5};
  const uint64_t address = kPlayground + (random.Below(kPlaygroundBytes) & ~uint64_t{7});
  *reinterpret_cast<volatile uint32_t*>(address) =
      random.OneIn(32) ? random.Pick(kReasons) : 6 + static_cast<uint32_t>(random.Below(1000));
  return address;
}

// SCHEDOP_watchdog: never disarms, and arms for seconds at most.
uint64_t WatchdogArgument(Random& random) {
  const uint64_t address = kPlayground + (random.Below(kPlaygroundBytes) & ~uint64_t{7});
  auto* words = reinterpret_cast<volatile uint32_t*>(address);
  words[0] = static_cast<uint32_t>(random.OneIn(2) ? random.Below(3) : random.Number() | 4);
  words[1] = 1 + static_cast<uint32_t>(random.Below(3));
  return address;
}

}  // namespace

void PrepareHypercall(Random& random, Trial& trial) {
  static constexpr uint64_t kKnown[] = {
      xen::kMemoryOp, xen::kXenVersion,     xen::kConsoleIo, xen::kGrantTableOp,
      xen::kVmAssist, xen::kVcpuOp,         xen::kSchedOp,   xen::kEventChannelOp,
      xen::kHvmOp,    xen::kEventChannelOp, xen::kMemoryOp,  xen::kGrantTableOp};
  const uint64_t number = random.OneIn(8) ? random.Number() : random.Pick(kKnown);
  uint64_t* x = trial.x;
  x[16] = number;
  x[0] = random.OneIn(8) ? random.Number() : random.Below(26);
  x[1] = random.OneIn(4) ? Pointer(random) : Argument(random);
  x[2] = random.OneIn(4) ? random.Number() : random.Below(8);
  x[3] = random.Number();
  x[4] = random.Number();
  switch (number) {
    case xen::kSchedOp:
      if (x[0] == xen::kSchedShutdown) x[1] = ShutdownArgument(random);
      if (x[0] == xen::kSchedWatchdog) x[1] = WatchdogArgument(random);
      break;
    case xen::kConsoleIo:
      // The log is bounded; a long text only takes its time.
      x[0] = random.Below(3);
      x[1] = random.OneIn(64) ? random.Number() & 0x7ffff : random.Below(300);
      x[2] = Pointer(random);
      break;
    case xen::kVcpuOp:
      x[2] = x[1];
      x[1] = random.OneIn(4) ? random.Number() : random.Below(3);
      break;
    case xen::kXenVersion:
    case xen::kVmAssist:
      x[0] = random.Below(12);
      if (number == xen::kVmAssist) x[1] = random.Below(8);
      break;
    default:
      break;
  }
  trial.Add(kHvc | xen::kHypercallImmediate << kImmediateShift);
}

}  // namespace pyrene::hostile
