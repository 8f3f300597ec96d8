// SPDX-License-Identifier: Apache-2.0
#include "tests/hostile/guest/operations.h"

#include "services/vmm/xen_interface.h"

namespace pyrene::hostile {
namespace {

namespace xen = vmm::xen;

constexpr uint32_t kHvc = 0xd4000002;
constexpr uint32_t kSmc = 0xd4000003;
constexpr unsigned kImmediateShift = 5;

// Firmware calls (PSCI, Arm DEN0022; SMCCC, DEN0028), by HVC or SMC.
void PrepareFirmware(Random& random, Trial& trial) {
  static constexpr uint32_t kFunctions[] = {
      0x80000000, 0x80000001, 0x84000000, 0x84000001, 0x84000002, 0x84000003, 0x84000004,
      0x84000005, 0x84000006, 0x84000007, 0x84000008, 0x84000009, 0x8400000a, 0x8400000b,
      0x8400000c, 0x84000012, 0x8500ff00, 0x8500ff01, 0x8500ff03, 0xc4000001, 0xc4000003,
      0xc4000004, 0xc4000005, 0xc400000c, 0xc4000012, 1,          2,          3};
  // These end the run, or sleep until the timer: now and then.
  static constexpr uint32_t kEnds[] = {0x84000002, 0x84000008, 0x84000009, 1};
  uint32_t function = random.Pick(kFunctions);
  for (const uint32_t end : kEnds) {
    if (function == end && !random.OneIn(16)) function = 0x84000000;
  }
  trial.x[0] = random.OneIn(4) ? random.Number() & ~uint64_t{0xf} : function;
  trial.x[1] = random.OneIn(2) ? random.Below(4) : random.Number();
  trial.x[2] = Pointer(random);
  const uint32_t immediate = random.OneIn(4) ? static_cast<uint32_t>(random.Below(0x10000)) : 0;
  // A hypercall by the right immediate is the other kind's.
  const bool by_hvc = random.OneIn(2) && immediate != xen::kHypercallImmediate;
  trial.Add((by_hvc ? kHvc : kSmc) | immediate << kImmediateShift);
}

// An address that is not the guest's memory: devices, holes, grants, rings, above memory.
uint64_t DeviceAddress(Random& random) {
  switch (random.Below(8)) {
    case 0:
    case 1:
    case 2:
      return xen::kGicdBase + random.Below(xen::kGicdSize);
    case 3:
      return xen::kGiccBase + random.Below(xen::kGiccSize);
    case 4:
      return xen::kMagicBase + random.Below(5 * xen::kPageSize);
    case 5:
      return xen::kGrantWindowBase + random.Below(xen::kGrantWindowSize);
    case 6:
      return random.Below(xen::kAddressLimit);
    default:
      return (uint64_t{1} << (12 + random.Below(27))) + random.Below(16) - 8;
  }
}

// Loads and stores of every size and form, with Rn = x1 (Arm ARM C4.1); Rt is filled in.
void PrepareMmio(Random& random, Trial& trial) {
  static constexpr uint32_t kForms[] = {
      0x39400000, 0x39000000, 0x39800000, 0x39c00000,  // ldrb strb ldrsb(x) ldrsb(w)
      0x79400000, 0x79000000, 0x79800000, 0x79c00000,  // ldrh strh ldrsh(x) ldrsh(w)
      0xb9400000, 0xb9000000, 0xb9800000, 0xb9400000,  // ldr(w) str(w) ldrsw
      0xf9400000, 0xf9000000,                          // ldr(x) str(x)
      0x29400000, 0x29000000, 0xa9400000, 0xa9000000,  // pairs
      0xb8404400, 0xb8004c00, 0xf85f8400, 0xf81f8c00,  // with writeback: no syndrome
      0x885f7c00, 0x88007c00, 0xc85f7c00, 0xc8007c00,  // exclusives, status in w0
      0x88dffc00, 0x889ffc00,                          // ldar stlr
      0xb8400800, 0xb8000800,                          // unprivileged
      0x3dc00000, 0x3d800000, 0x4c407000, 0x4c007000,  // SIMD
      0xb8200000, 0x88a07c00,                          // ldadd cas: not in this CPU
      0xf9800000};                                     // prfm
  static constexpr uint32_t kByAddress[] = {
      // dc zva, cvac, civac, ivac, cvau; ic ivau; at s1e1r
      0xd50b7420, 0xd50b7a20, 0xd50b7e20, 0xd5087620, 0xd50b7b20, 0xd50b7520, 0xd5087800};
  uint64_t address = DeviceAddress(random);
  if (!random.OneIn(4)) address &= ~uint64_t{7};
  trial.x[1] = address;
  if (random.OneIn(12)) {
    trial.Add(random.Pick(kByAddress) | 1);
    return;
  }
  const uint32_t rt = 2 + static_cast<uint32_t>(random.Below(30));
  // A second register of pairs: x4.
  constexpr uint32_t kPairMask = 0x3e000000;
  const uint32_t form = random.Pick(kForms);
  const uint32_t second = (form & kPairMask) == 0x28000000 ? 4u << 10 : 0;
  trial.Add(form | second | 1u << 5 | rt);
}

// MRS, MSR and SYS. Half are anything, half what a hypervisor traps.
void PrepareRegister(Random& random, Trial& trial) {
  constexpr uint32_t kSystem = 0xd5000000;
  const auto bits = [&random](unsigned count) {
    return static_cast<uint32_t>(random.Below(uint64_t{1} << count));
  };
  uint32_t op0 = bits(2);
  uint32_t op1 = bits(3);
  uint32_t crn = bits(4);
  uint32_t crm = bits(4);
  const uint32_t op2 = bits(3);
  switch (random.Below(8)) {
    case 0:  // identification
      op0 = 3, op1 = 0, crn = 0;
      break;
    case 1:  // debug
      op0 = 2, op1 = 0, crn = bits(1);
      break;
    case 2:  // performance monitors
      op0 = 3, op1 = 3, crn = random.OneIn(2) ? 9 : 14, crm = 8 + bits(3);
      break;
    case 3:  // timers
      op0 = 3, op1 = 3, crn = 14, crm = bits(2);
      break;
    case 4:  // cache maintenance and translation
      op0 = 1, op1 = bits(1) * 3, crn = 7 + bits(1);
      break;
    default:
      break;
  }
  const uint32_t read = bits(1);
  const uint32_t rt = static_cast<uint32_t>(random.Below(32));
  trial.Add(kSystem | read << 21 | op0 << 19 | op1 << 16 | crn << 12 | crm << 8 | op2 << 5 | rt);
}

// Instructions that are anything, or nearly something.
void PrepareGarbage(Random& random, Trial& trial) {
  static constexpr uint32_t kStems[] = {0xd4000000, 0xd5000000, 0x1e000000, 0x08000000,
                                        0x0c000000, 0x9a000000, 0x14000000, 0xd6000000};
  const uint64_t count = 1 + random.Below(kMaxInstructions - 1);
  for (uint64_t i = 0; i < count; ++i) {
    const auto word = static_cast<uint32_t>(random.Next());
    trial.Add(random.OneIn(3) ? random.Pick(kStems) | (word & 0x01ff'ffff) : word);
  }
}

// Sleeping and hints. A timer is set first, so that sleep ends.
void PrepareWait(Random& random, Trial& trial) {
  static constexpr uint32_t kHints[] = {0xd503207f, 0xd503205f, 0xd503203f, 0xd503209f, 0xd50320bf};
  constexpr uint32_t kEnableVirtualTimer = 0xd51be320;  // msr cntv_ctl_el0, x0
  constexpr uint32_t kSetTimer = 0xd51be301;            // msr cntv_tval_el0, x1
  volatile auto* enable = reinterpret_cast<volatile uint32_t*>(xen::kGicdBase + 0x100);
  *enable = 1u << xen::kTimerPpi | 1u << xen::kUpcallPpi;
  *reinterpret_cast<volatile uint32_t*>(xen::kGicdBase) = 1;
  *reinterpret_cast<volatile uint32_t*>(xen::kGiccBase + 4) = 0xf0;
  *reinterpret_cast<volatile uint32_t*>(xen::kGiccBase) = 1;
  trial.x[0] = 1;
  trial.x[1] = random.Below(2000);
  trial.Add(kSetTimer);
  trial.Add(kEnableVirtualTimer);
  trial.Add(0xd5033fdf);  // isb
  trial.Add(random.Pick(kHints));
}

}  // namespace

void MapEverything() {
  constexpr unsigned kEntries = 512;
  constexpr unsigned kGibShift = 30;
  constexpr uint64_t kDeviceBlock = 1 | 1u << 2 | 3u << 8 | 1u << 10 | uint64_t{3} << 53;
  uint64_t* level1;
  asm volatile("mrs %0, ttbr0_el1" : "=r"(level1));
  for (uint64_t i = 0; i < kEntries; ++i) {
    if (level1[i] == 0) level1[i] = i << kGibShift | kDeviceBlock;
  }
  asm volatile("dsb sy\n\ttlbi vmalle1\n\tdsb nsh\n\tisb" ::: "memory");
}

uint64_t Pointer(Random& random) {
  const uint64_t page = kPlayground + (random.Below(kPlaygroundBytes) & ~(xen::kPageSize - 1));
  switch (random.Below(10)) {
    case 0:
      return page - random.Below(64);
    case 1:
      return page + xen::kPageSize - random.Below(64);
    case 2:
      return DeviceAddress(random);
    case 3:
      return random.Number();
    case 4:
      return random.OneIn(256) ? xen::kRam0Base + random.Below(uint64_t{64} << 20) : 0;
    case 5:
      return xen::kRam0Base + (uint64_t{64} << 20) - random.Below(64);
    default:
      return page + random.Below(xen::kPageSize);
  }
}

void Prepare(Kind kind, Random& random, Trial& trial) {
  switch (kind) {
    case kHypercall:
      return PrepareHypercall(random, trial);
    case kFirmware:
      return PrepareFirmware(random, trial);
    case kMmio:
      return PrepareMmio(random, trial);
    case kRegister:
      return PrepareRegister(random, trial);
    case kGarbage:
      return PrepareGarbage(random, trial);
    default:
      return PrepareWait(random, trial);
  }
}

}  // namespace pyrene::hostile
