// SPDX-License-Identifier: Apache-2.0
//
// Atomic access to words in memory that the guest changes at the same time, and copies that read
// each byte once. Atomics here are sequentially consistent read-modify-writes: the event-channel
// protocol needs the order between its steps.
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/load_hook.h"

namespace pyrene::vmm {

inline uint64_t GuestLoad(const uint64_t* word) {
  runtime::BeforeLoad(word, sizeof(*word));
  return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}
// What the other side has written before it is seen behind this.
template <typename T>
inline T GuestAcquire(const T* word) {
  runtime::BeforeLoad(word, sizeof(T));
  return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}
inline uint64_t GuestFetchOr(uint64_t* word, uint64_t bits) {
  return __atomic_fetch_or(word, bits, __ATOMIC_SEQ_CST);
}
inline uint64_t GuestFetchAnd(uint64_t* word, uint64_t bits) {
  return __atomic_fetch_and(word, bits, __ATOMIC_SEQ_CST);
}
inline uint8_t GuestExchange(uint8_t* byte, uint8_t value) {
  return __atomic_exchange_n(byte, value, __ATOMIC_SEQ_CST);
}

// Plain stores that the compiler may not move, merge or tear.
template <typename T>
inline void GuestStore(T* word, T value) {
  __atomic_store_n(word, value, __ATOMIC_RELAXED);
}

namespace internal {
// Any alignment: services run with alignment checks off.
struct [[gnu::packed, gnu::may_alias]] Word64 {
  uint64_t value;
};
struct [[gnu::packed, gnu::may_alias]] Word32 {
  uint32_t value;
};
}  // namespace internal

// Copies without libc's memcpy, which uses the FP registers. Volatile, so that the source is read
// exactly once and no later use can go back to it.
inline void GuestCopy(void* to, const void* from, size_t length) {
  auto* out = static_cast<unsigned char*>(to);
  auto* in = static_cast<const unsigned char*>(from);
  for (; length >= 8; length -= 8, in += 8, out += 8) {
    runtime::BeforeLoad(in, 8);
    reinterpret_cast<volatile internal::Word64*>(out)->value =
        reinterpret_cast<const volatile internal::Word64*>(in)->value;
  }
  if (length >= 4) {
    runtime::BeforeLoad(in, 4);
    reinterpret_cast<volatile internal::Word32*>(out)->value =
        reinterpret_cast<const volatile internal::Word32*>(in)->value;
    length -= 4, in += 4, out += 4;
  }
  for (; length != 0; --length) {
    runtime::BeforeLoad(in, 1);
    *static_cast<volatile unsigned char*>(out++) =
        *static_cast<const volatile unsigned char*>(in++);
  }
}

}  // namespace pyrene::vmm
