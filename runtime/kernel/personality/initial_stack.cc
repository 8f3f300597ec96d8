// SPDX-License-Identifier: Apache-2.0
#include "runtime/kernel/personality/initial_stack.h"

#include "runtime/kernel/personality/page_allocator.h"

namespace pyrene::personality {
namespace {

// Linux's <elf.h> and <asm/hwcap.h>.
constexpr uint64_t kAtNull = 0, kAtPhdr = 3, kAtPhent = 4, kAtPhnum = 5, kAtPagesz = 6,
                   kAtEntry = 9, kAtUid = 11, kAtEuid = 12, kAtGid = 13, kAtEgid = 14,
                   kAtHwcap = 16, kAtClktck = 17, kAtSecure = 23, kAtRandom = 25, kAtHwcap2 = 26;
constexpr uint64_t kProgramHeaderBytes = 56;  // Elf64_Phdr
// FP and ASIMD, which every Armv8-A core of ours has. CPUID is left out on purpose: glibc would
// read MIDR_EL1, which traps.
constexpr uint64_t kHwcap = 1 << 0 | 1 << 1;
constexpr uint64_t kClockTicks = 100;

// Next string, or nullptr at the end of the area or when it is not terminated.
const char* NextArgument(const char*& at, const char* end) {
  const char* const string = at;
  while (at != end) {
    if (*at++ == '\0') return string;
  }
  return nullptr;
}

}  // namespace

uintptr_t BuildInitialStack(uintptr_t top, const InitialStack& facts) {
  top -= sizeof(facts.random);
  uint8_t* const random = reinterpret_cast<uint8_t*>(top);
  for (size_t i = 0; i < sizeof(facts.random); ++i) random[i] = facts.random[i];

  const char* argument[StartInfo::kMaxArguments];
  size_t arguments = 0;
  const char* at = facts.arguments;
  const char* const end = facts.arguments + facts.argument_bytes;
  while (arguments < facts.argument_count && arguments < StartInfo::kMaxArguments) {
    argument[arguments] = NextArgument(at, end);
    if (argument[arguments] == nullptr) break;
    ++arguments;
  }

  constexpr size_t kAuxiliaryEntries = 15;
  // argc, argv[0], argv's end, one variable, the environment's end.
  constexpr size_t kFixedWords = 5 + 2 * kAuxiliaryEntries;
  static_assert((kFixedWords + StartInfo::kMaxArguments + 1) * sizeof(uint64_t) +
                    sizeof(facts.random) <=
                kInitialStackBytes);
  uintptr_t sp = top - (kFixedWords + arguments) * sizeof(uint64_t);
  sp &= ~uintptr_t{15};

  uint64_t* word = reinterpret_cast<uint64_t*>(sp);
  *word++ = arguments + 1;
  *word++ = reinterpret_cast<uintptr_t>(facts.name);
  for (size_t i = 0; i < arguments; ++i) *word++ = reinterpret_cast<uintptr_t>(argument[i]);
  *word++ = 0;
  *word++ = reinterpret_cast<uintptr_t>(facts.environment);
  *word++ = 0;
  // One by one: a table would be copied by memcpy, which is not relocated yet this early.
  const auto put = [&word](uint64_t type, uint64_t value) {
    *word++ = type;
    *word++ = value;
  };
  put(kAtPhdr, facts.program_headers);
  put(kAtPhent, kProgramHeaderBytes);
  put(kAtPhnum, facts.program_header_count);
  put(kAtPagesz, kPageBytes);
  put(kAtEntry, facts.entry);
  put(kAtUid, 0);
  put(kAtEuid, 0);
  put(kAtGid, 0);
  put(kAtEgid, 0);
  put(kAtHwcap, kHwcap);
  put(kAtHwcap2, 0);
  put(kAtClktck, kClockTicks);
  put(kAtSecure, 0);
  put(kAtRandom, reinterpret_cast<uintptr_t>(random));
  put(kAtNull, 0);
  return sp;
}

}  // namespace pyrene::personality
