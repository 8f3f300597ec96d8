// SPDX-License-Identifier: Apache-2.0
//
// The back end of one PV console ring (ABI 6): one page, 1024 bytes towards the guest, 2048 from
// it, free-running indices. The guest changes the page at any time, and it may vanish: it is
// touched by guarded access only, each index is loaded once and checked, and a ring that makes no
// sense is not used.
//
// Only one thread may use a ring's back end. After bytes were taken or given, signal the guest's
// console port: it may be waiting for room, or for input.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "runtime/guarded.h"

namespace pyrene::console {

class PvRing {
 public:
  static constexpr uint32_t kInBytes = 1024;
  static constexpr uint32_t kOutBytes = 2048;

  explicit PvRing(void* page) : page_(static_cast<Layout*>(page)) {}

  // Output in three steps, for who wants to keep it between them. How much there is, `filled`, from
  // index `consumer` on; false: nothing can be read.
  bool Output(uint32_t& consumer, uint32_t& filled) const {
    uint32_t producer;
    if (!runtime::GuardedLoad(&page_->out_cons, consumer) ||
        !runtime::GuardedLoad(&page_->out_prod, producer)) {
      return false;
    }
    filled = producer - consumer;
    return filled <= kOutBytes;
  }
  // Copies `count` bytes, at most `filled`, from `consumer` on.
  bool Read(uint32_t consumer, char* to, uint32_t count) const {
    const uint32_t at = consumer & (kOutBytes - 1);
    const uint32_t first = std::min(count, kOutBytes - at);
    return runtime::GuardedCopy(to, page_->out + at, first) &&
           runtime::GuardedCopy(to + first, page_->out, count - first);
  }
  // What is before `consumer` was read: the guest may overwrite it.
  void Consumed(uint32_t consumer) {
    // A page that is gone has no guest any more who could wait for it.
    static_cast<void>(runtime::GuardedStore(&page_->out_cons, consumer));
  }

  // Takes up to `limit` bytes that the guest wrote, and says how many.
  size_t Drain(char* to, size_t limit) {
    uint32_t consumer;
    uint32_t filled;
    if (!Output(consumer, filled)) return 0;
    const uint32_t count = static_cast<uint32_t>(std::min<size_t>(filled, limit));
    if (!Read(consumer, to, count)) return 0;
    Consumed(consumer + count);
    return count;
  }

  // How many bytes of input the guest has room for.
  uint32_t InputRoom() const {
    uint32_t producer;
    uint32_t filled;
    return Input(producer, filled) ? kInBytes - filled : 0;
  }
  // Gives the guest as much of the input as fits, and says how many bytes.
  size_t Fill(const char* from, size_t count) {
    uint32_t producer;
    uint32_t filled;
    if (!Input(producer, filled)) return 0;
    const uint32_t size = static_cast<uint32_t>(std::min<size_t>(count, kInBytes - filled));
    const uint32_t at = producer & (kInBytes - 1);
    const uint32_t first = std::min(size, kInBytes - at);
    if (!runtime::GuardedCopy(page_->in + at, from, first) ||
        !runtime::GuardedCopy(page_->in, from + first, size - first) ||
        !runtime::GuardedStore(&page_->in_prod, producer + size)) {
      return 0;
    }
    return size;
  }

  // The page was zeroed while this end may have been storing an index: makes a ring that makes no
  // sense a fresh one.
  void Repair() {
    uint32_t index;
    uint32_t filled;
    if (!Output(index, filled)) Consumed(0);
    uint32_t consumer;
    if (!Input(index, filled) && runtime::GuardedLoad(&page_->in_cons, consumer)) {
      static_cast<void>(runtime::GuardedStore(&page_->in_prod, consumer));
    }
  }

 private:
  struct Layout {
    char in[kInBytes];
    char out[kOutBytes];
    uint32_t in_cons, in_prod;
    uint32_t out_cons, out_prod;
  };
  static_assert(offsetof(Layout, in_cons) == 3072 && offsetof(Layout, out_prod) == 3084);

  bool Input(uint32_t& producer, uint32_t& filled) const {
    uint32_t consumer;
    if (!runtime::GuardedLoad(&page_->in_prod, producer) ||
        !runtime::GuardedLoad(&page_->in_cons, consumer)) {
      return false;
    }
    filled = producer - consumer;
    return filled <= kInBytes;
  }

  Layout* page_;
};

}  // namespace pyrene::console
