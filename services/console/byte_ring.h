// SPDX-License-Identifier: Apache-2.0
//
// A ring of bytes in memory that survives this process: whatever instruction is its last, the next
// life finds the ring as it was before or after the operation that was under way. Nobody else
// touches it.
//
// Indices count bytes modulo 2^32. An operation stores them with Commit, after the bytes that they
// publish and before the bytes that they give up are overwritten. With `head` in the same word, and
// so at the same instant, goes a `mark`: what the producer remembers about where the bytes came
// from.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>

#include "absl/strings/string_view.h"

namespace pyrene::console {

// Stores `value` in its place among the stores of this thread. No CPU has to see that order but the
// one that runs the next life, and to it all of them are done: a fence for the compiler is enough.
template <typename T>
void Commit(T& word, T value) {
  std::atomic_signal_fence(std::memory_order_seq_cst);
  __atomic_store_n(&word, value, __ATOMIC_RELAXED);
  std::atomic_signal_fence(std::memory_order_seq_cst);
}

struct ByteRingState {
  uint64_t head_and_mark;  // head in the low half
  uint32_t tail;
  uint32_t reserved;
};

class ByteRing {
 public:
  // `capacity` bytes at `data`, a power of two. Zeroed state is an empty ring; state that makes no
  // sense is made one.
  ByteRing(ByteRingState& state, char* data, uint32_t capacity)
      : state_(&state), data_(data), capacity_(capacity) {
    if (used() > capacity_) Clear();
  }

  uint32_t head() const { return static_cast<uint32_t>(state_->head_and_mark); }
  uint32_t tail() const { return state_->tail; }
  uint32_t mark() const { return static_cast<uint32_t>(state_->head_and_mark >> 32); }
  uint32_t used() const { return head() - tail(); }
  uint32_t room() const { return capacity_ - used(); }
  bool empty() const { return used() == 0; }

  // Adds the last `capacity` bytes of `text`; what there is no room for is dropped, oldest first.
  void Append(absl::string_view text, uint32_t mark) {
    if (text.size() > capacity_) text.remove_prefix(text.size() - capacity_);
    const uint32_t size = static_cast<uint32_t>(text.size());
    if (size > room()) Consume(size - room());
    const uint32_t at = head() & (capacity_ - 1);
    const uint32_t first = size < capacity_ - at ? size : capacity_ - at;
    std::memcpy(data_ + at, text.data(), first);
    std::memcpy(data_, text.data() + first, size - first);
    Commit(state_->head_and_mark, Pack(head() + size, mark));
  }
  void Append(absl::string_view text) { Append(text, mark()); }
  void SetMark(uint32_t mark) { Commit(state_->head_and_mark, Pack(head(), mark)); }

  // The oldest bytes, at most `limit`, as far as they lie in one piece; valid until the next
  // Append.
  absl::string_view Front(uint32_t limit) const {
    const uint32_t at = tail() & (capacity_ - 1);
    uint32_t size = used() < limit ? used() : limit;
    if (size > capacity_ - at) size = capacity_ - at;
    return {data_ + at, size};
  }
  // Gives up the oldest `count` bytes, at most used().
  void Consume(uint32_t count) { Commit(state_->tail, tail() + count); }
  void Clear() { Commit(state_->tail, head()); }

 private:
  static uint64_t Pack(uint32_t head, uint32_t mark) { return uint64_t{mark} << 32 | head; }

  ByteRingState* state_;
  char* data_;
  uint32_t capacity_;
};

}  // namespace pyrene::console
