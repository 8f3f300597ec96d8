// SPDX-License-Identifier: Apache-2.0
#include "tests/hostile/guest/address.h"
#include "tests/hostile/guest/arena.h"
#include "tests/hostile/guest/operations.h"

namespace pyrene::guest::hostile {
namespace {

// Fields of instructions (Arm ARM C4).
constexpr uint32_t Field(uint64_t value, unsigned shift, unsigned bits) {
  return (static_cast<uint32_t>(value) & ((1u << bits) - 1)) << shift;
}

constexpr uint32_t kRead = 1u << 21;

// What is likely to end this life is rare: a new one costs more than the operations do.
constexpr uint64_t kLossIsOneIn = 8;
constexpr uint64_t kEscapeIsOneIn = 16;

// op0:op1:CRn of registers without which the guest cannot go on: SCTLR and CPACR's group, TTBR and
// TCR, MAIR, VBAR.
bool GuestNeeds(uint32_t instruction) {
  if ((instruction & kRead) != 0) return false;
  const uint32_t op0 = instruction >> 19 & 3, op1 = instruction >> 16 & 7;
  const uint32_t crn = instruction >> 12 & 15;
  return op0 == 3 && op1 == 0 && (crn == 1 || crn == 2 || crn == 10 || crn == 12);
}

// The group of branches, exceptions and system instructions (Arm ARM C4.1: op0 x101): they go on in
// the guest's own code or in another mode, and the way back is the arena's end.
bool Escapes(uint32_t instruction) { return (instruction >> 26 & 7) == 5; }

void One(Random& random, uint32_t instruction, bool watched = false) {
  Execute(random, &instruction, 1, watched);
}

}  // namespace

void AnyAccess(Random& random) {
  // The base is x1: the address, by MOVZ and MOVK.
  const uint64_t address = Address(random);
  const auto part = [address](unsigned shift) { return Field(address >> shift, 5, 16); };
  const uint32_t size = Field(random.Next(), 30, 2);
  const uint32_t rt = Field(random.OneIn(4) ? 1 : random.Next(), 0, 5);
  constexpr uint32_t kBase = 1u << 5;
  uint32_t access = 0;
  switch (random.Below(9)) {
    case 0:  // unsigned offset: store, load, sign-extending loads
      access = 0x39000000 | size | Field(random.Next(), 22, 2);
      break;
    case 1:  // post- or pre-indexed, unscaled, unprivileged: no valid syndrome with writeback
      access = 0x38000000 | size | Field(random.Next(), 22, 2) | Field(random.Next(), 10, 2) |
               Field(random.Next(), 12, 9);
      break;
    case 2:  // pairs, of all addressing modes
      access = 0x28000000 | Field(random.Next(), 30, 2) | Field(random.Next(), 22, 3) |
               Field(random.Next(), 10, 5) | Field(random.Next(), 15, 7);
      break;
    case 3:  // exclusives, acquire and release
      access = 0x08000000 | size | Field(random.Next(), 21, 3) | Field(random.Next(), 16, 5) |
               Field(random.Next(), 10, 6);
      break;
    case 4:  // FP and SIMD registers
      access = 0x3d000000 | size | Field(random.Next(), 22, 2);
      break;
    case 5:  // SIMD structures
      access = 0x0c000000 | Field(random.Next(), 30, 1) | Field(random.Next(), 22, 1) |
               Field(random.Next(), 10, 6);
      break;
    case 6:  // prefetch
      access = 0xf9800000;
      break;
    default:  // what a device is accessed with
      access = (random.OneIn(2) ? 0xb9000000 : 0xb9400000);
      break;
  }
  const uint32_t words[] = {0xd2800001 | part(0), 0xf2a00001 | part(16), 0xf2c00001 | part(32),
                            access | kBase | rt};
  Execute(random, words, 4, false);
}

void AnySystemRegister(Random& random) {
  uint32_t instruction = 0xd5100000 | Field(random.Next(), 0, 22);  // op0 2 or 3, MSR or MRS
  if (random.OneIn(2)) instruction |= kRead;
  if (random.OneIn(3)) instruction = (instruction & ~0x00070000u) | 0x00080000;  // op0 3, op1 0
  if (GuestNeeds(instruction) && !random.OneIn(kLossIsOneIn)) instruction |= kRead;
  One(random, instruction);
}

void AnyMaintenance(Random& random) {
  // SYS: op0 1.
  One(random, 0xd5080000 | Field(random.Next(), 0, 19) | Field(random.Next(), 21, 1));
}

void AnyWait(Random& random) {
  constexpr uint32_t kHint = 0xd503201f;
  const uint32_t words[] = {kHint | Field(random.Below(8), 5, 7), kHint | Field(3, 5, 7)};
  Execute(random, words, random.OneIn(8) ? 2 : 1, true);
}

void AnyGarbage(Random& random) {
  uint32_t words[kMostInstructions];
  for (uint32_t& word : words) {
    do {
      word = static_cast<uint32_t>(random.Next() >> 11);
    } while (Escapes(word) && !random.OneIn(kEscapeIsOneIn));
  }
  Execute(random, words, kMostInstructions, true);
}

void AnyTrap(Random& random) {
  constexpr uint32_t kBases[] = {0xd4000001, 0xd4000002, 0xd4000003, 0xd4200000,
                                 0xd4400000, 0xd4a00001, 0xd4a00002, 0xd4a00003};
  const uint32_t base = kBases[random.Below(8)];
  uint64_t immediate = random.OneIn(2) ? random.Below(4) : random.Next();
  // Hypercalls and PSCI have functions of their own, which keep death rare.
  if (base == 0xd4000002 && ((immediate & 0xffff) == 0 || (immediate & 0xffff) == 0xea1))
    immediate = 1;
  if (base == 0xd4000003 && (immediate & 0xffff) == 0) immediate = 1;
  One(random, base | Field(immediate, 5, 16));
}

}  // namespace pyrene::guest::hostile
