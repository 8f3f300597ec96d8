// SPDX-License-Identifier: Apache-2.0
#include "tests/guest/hypercall.h"
#include "tests/hostile/guest/address.h"
#include "tests/hostile/guest/arena.h"
#include "tests/hostile/guest/operations.h"

namespace pyrene::guest::hostile {
namespace {

constexpr uint32_t kHvc = 0xd4000002;
constexpr uint32_t kSmc = 0xd4000003;
constexpr uint32_t kSuspend = 2, kCrash = 3;  // reasons of SCHEDOP_shutdown
constexpr uint64_t kScratchPages = kScratchBytes / 4096;
// An operation that ends the guest is to be rare: each new life costs more than the operations do.
constexpr uint64_t kDeathIsOneIn = 40;
constexpr uint64_t kOffIsOneIn = 4;

uint64_t Answer(uint64_t number, uint64_t a0, uint64_t a1, uint64_t a2 = 0, uint64_t a3 = 0,
                uint64_t a4 = 0) {
  register uint64_t x0 asm("x0") = a0;
  register uint64_t x1 asm("x1") = a1;
  register uint64_t x2 asm("x2") = a2;
  register uint64_t x3 asm("x3") = a3;
  register uint64_t x4 asm("x4") = a4;
  register uint64_t x16 asm("x16") = number;
  asm volatile("hvc #0xea1"
               : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3), "+r"(x4), "+r"(x16)::"memory");
  return x0;
}

// A structure of such words somewhere in scratch memory, or a bad address.
uint64_t Structure(Random& random, uint64_t (*word)(Random&), unsigned words) {
  if (random.OneIn(8)) return Number(random);
  // Often across the end of a page.
  uint64_t address = kScratch + random.Below(kScratchPages - 2) * 4096;
  address += random.OneIn(3) ? 4096 - random.Below(64) * 8 : random.Below(500) * 8;
  auto* const at = reinterpret_cast<volatile uint64_t*>(address);
  for (unsigned i = 0; i < words; ++i) at[i] = word(random);
  return address + (random.OneIn(16) ? random.Below(8) : 0);
}

// Two halves: domain ids, ports, references, counts.
uint64_t Halves(Random& random) {
  const auto half = [&random]() -> uint64_t {
    switch (random.Below(5)) {
      case 0:
        return random.Below(8);
      case 1:
        return 0x7ff0 + random.Below(16) - 8;  // DOMID_SELF and its neighbours
      case 2:
        return random.Below(1100);
      default:
        return Number(random) & 0xffffffff;
    }
  };
  const uint64_t low = half();
  return low | half() << 32;
}

uint64_t FrameOrNumber(Random& random) {
  return random.OneIn(3) ? Halves(random) : random.OneIn(4) ? Number(random) : Frame(random);
}

void Call(Random& random, uint64_t number, uint64_t operations, uint64_t (*word)(Random&),
          unsigned words) {
  const uint64_t operation = random.OneIn(12) ? Number(random) : random.Below(operations);
  Answer(number, operation, Structure(random, word, words), random.Below(5), Number(random),
         Number(random));
}

}  // namespace

void AnyHypercall(Random& random) {
  uint64_t number = random.OneIn(4) ? Number(random) : random.Below(64);
  // These have functions of their own.
  if (number == xen::kSchedOp || number == xen::kGrantTableOp) number = xen::kXenVersion;
  // Text of the guest's may be anything, but not much: it is on our serial line.
  if (number == xen::kConsoleIo) {
    Answer(number, random.Below(4), random.Below(16), Address(random));
    return;
  }
  Answer(number, Number(random), Number(random), Number(random), Number(random), Number(random));
}

void AnyEventChannelOp(Random& random) { Call(random, xen::kEventChannelOp, 15, Halves, 4); }

void AnyGrantTableOp(Random& random) {
  const uint64_t operation = random.OneIn(12) ? Number(random) : random.Below(13);
  // A count of billions is done, piece by piece, and keeps the guest from everything else.
  Answer(xen::kGrantTableOp, operation, Structure(random, FrameOrNumber, 12),
         random.OneIn(8) ? Number(random) & 0xfff : random.Below(4));
}

void AnyMemoryOp(Random& random) {
  // Lists of extents lie where the structure's first word points.
  const uint64_t list = Structure(random, FrameOrNumber, 16);
  const uint64_t operation = random.OneIn(12) ? Number(random) : random.Below(30);
  const uint64_t structure = Structure(random, FrameOrNumber, 6);
  if (structure >= kScratch && structure < kScratch + kScratchBytes - 8 && random.OneIn(2))
    *reinterpret_cast<volatile uint64_t*>(structure & ~uint64_t{7}) = list;
  Answer(xen::kMemoryOp, operation, structure);
}

void AnySchedOp(Random& random) {
  uint64_t operation = random.OneIn(12) ? Number(random) : random.Below(10);
  const bool waits = operation == xen::kSchedBlock || operation == xen::kSchedPoll;
  if (operation == xen::kSchedShutdown && !random.OneIn(kDeathIsOneIn))
    operation = xen::kSchedYield;
  const uint64_t structure = Structure(random, Halves, 4);
  if (operation == xen::kSchedShutdown) {
    // All reasons but suspend, after which the toolstack would have to resume it.
    uint32_t reason = random.OneIn(4) ? static_cast<uint32_t>(Number(random)) : random.Below(8);
    if (reason == kSuspend) reason = kCrash;
    Answer(xen::kSchedOp, operation, reinterpret_cast<uint64_t>(&reason));
    return;
  }
  if (waits) {
    // A block unmasks interrupts, and the timer's is the way back.
    const uint32_t hvc = kHvc | xen::kHypercallImmediate << 5;
    const uint32_t words[] = {0xd2800000 | static_cast<uint32_t>(operation) << 5,  // mov x0, #op
                              0xd28003b0,                                          // mov x16, #29
                              hvc};
    Execute(random, words, 3, true);
    return;
  }
  Answer(xen::kSchedOp, operation, structure);
}

void AnyHvmOp(Random& random) { Call(random, xen::kHvmOp, 26, Halves, 4); }

void AnyVcpuOp(Random& random) {
  // Operation, CPU, argument.
  Answer(xen::kVcpuOp, random.OneIn(12) ? Number(random) : random.Below(14),
         random.OneIn(4) ? Number(random) : random.Below(10), Structure(random, FrameOrNumber, 8));
}

void AnyPsciCall(Random& random) {
  constexpr uint32_t kCpuSuspend = 1, kCpuOff = 2, kSystemOff = 8, kSystemReset = 9, kReset2 = 18;
  uint32_t function = static_cast<uint32_t>(random.Below(24));
  const bool death = function == kSystemOff || function == kSystemReset || function == kReset2;
  if (death && !random.OneIn(kDeathIsOneIn)) function = 0;
  if (function == kCpuOff && !random.OneIn(kOffIsOneIn))
    function = 0;  // the warden starts it again
  const uint32_t number = (random.OneIn(3) ? 0x84000000 : 0xc4000000) + function;
  const uint32_t words[] = {0x52800000 | (number & 0xffff) << 5,  // mov w0, #low
                            0x72a00000 | (number >> 16) << 5,     // movk w0, #high, lsl #16
                            random.OneIn(3) ? kSmc : kHvc};
  Execute(random, words, 3, function == kCpuSuspend);
}

void FillScratch(Random& random) {
  const uint64_t address = random.OneIn(4)
                               ? xen::kMagicBase + random.Below(4) * 4096 + random.Below(500) * 8
                               : kScratch + random.Below(kScratchBytes - 64);
  auto* const at = reinterpret_cast<volatile uint64_t*>(address & ~uint64_t{7});
  for (unsigned i = 0; i < 4; ++i) at[i] = FrameOrNumber(random);
}

}  // namespace pyrene::guest::hostile
