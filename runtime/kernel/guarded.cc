// SPDX-License-Identifier: Apache-2.0
#include "runtime/guarded.h"

namespace {

// Returned in x0 and x1.
struct Result {
  uint64_t value;
  uint64_t failed;
};

}  // namespace

extern "C" {
Result pyrene_guarded_load8(const uint8_t*);
Result pyrene_guarded_load16(const uint16_t*);
Result pyrene_guarded_load32(const uint32_t*);
Result pyrene_guarded_load64(const uint64_t*);
Result pyrene_guarded_store8(uint8_t*, uint8_t);
Result pyrene_guarded_store16(uint16_t*, uint16_t);
Result pyrene_guarded_store32(uint32_t*, uint32_t);
Result pyrene_guarded_store64(uint64_t*, uint64_t);
Result pyrene_guarded_exchange32(uint32_t*, uint32_t expected, uint32_t desired);
Result pyrene_guarded_copy(void* to, const void* from, size_t n);
}

namespace pyrene::runtime {
namespace {

template <typename T>
bool Take(const Result& result, T& value) {
  value = static_cast<T>(result.value);
  return result.failed == 0;
}

}  // namespace

bool GuardedCopy(void* to, const void* from, size_t n) {
  return pyrene_guarded_copy(to, from, n).failed == 0;
}

bool GuardedLoad(const uint8_t* from, uint8_t& value) {
  return Take(pyrene_guarded_load8(from), value);
}
bool GuardedLoad(const uint16_t* from, uint16_t& value) {
  return Take(pyrene_guarded_load16(from), value);
}
bool GuardedLoad(const uint32_t* from, uint32_t& value) {
  return Take(pyrene_guarded_load32(from), value);
}
bool GuardedLoad(const uint64_t* from, uint64_t& value) {
  return Take(pyrene_guarded_load64(from), value);
}

bool GuardedStore(uint8_t* to, uint8_t value) {
  return pyrene_guarded_store8(to, value).failed == 0;
}
bool GuardedStore(uint16_t* to, uint16_t value) {
  return pyrene_guarded_store16(to, value).failed == 0;
}
bool GuardedStore(uint32_t* to, uint32_t value) {
  return pyrene_guarded_store32(to, value).failed == 0;
}
bool GuardedStore(uint64_t* to, uint64_t value) {
  return pyrene_guarded_store64(to, value).failed == 0;
}

bool GuardedCompareExchange(uint32_t* to, uint32_t& expected, uint32_t desired) {
  return Take(pyrene_guarded_exchange32(to, expected, desired), expected);
}

void FullBarrier() { asm volatile("dmb ish" ::: "memory"); }

absl::Status MemoryGone() { return absl::UnavailableError("shared memory has been taken away"); }

}  // namespace pyrene::runtime
