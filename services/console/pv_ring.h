// SPDX-License-Identifier: Apache-2.0
//
// The back end of one PV console ring (ABI 6): one page, 1024 bytes towards the guest, 2048 from
// it, free-running indices. The guest changes the page at any time; each index is loaded once and
// checked, and a ring that makes no sense is not read.
//
// Only one thread may use a ring's back end. After a call that answered "notify", signal the
// guest's console port.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace pyrene::console {

class PvRing {
 public:
  static constexpr uint32_t kInBytes = 1024;
  static constexpr uint32_t kOutBytes = 2048;

  explicit PvRing(void* page) : page_(static_cast<Layout*>(page)) {}

  // Takes up to `limit` bytes that the guest wrote. Returns how many; notify the guest if not 0 (it
  // may be waiting for space).
  size_t Drain(char* to, size_t limit) {
    const uint32_t consumer = Load(page_->out_cons);
    const uint32_t filled = Load(page_->out_prod) - consumer;
    if (filled > kOutBytes) return 0;  // broken, or being reset by the guest
    size_t count = filled < limit ? filled : limit;
    for (size_t i = 0; i < count; ++i) {
      to[i] = Volatile(page_->out[(consumer + i) & (kOutBytes - 1)]);
    }
    // The bytes were read before the guest may overwrite them.
    Store(page_->out_cons, consumer + static_cast<uint32_t>(count));
    return count;
  }

  // Gives the guest as much of the input as fits. Returns how many bytes; notify the guest if not
  // 0.
  size_t Fill(const char* from, size_t count) {
    const uint32_t producer = Load(page_->in_prod);
    const uint32_t filled = producer - Load(page_->in_cons);
    if (filled > kInBytes) return 0;
    const size_t space = kInBytes - filled;
    if (count > space) count = space;
    for (size_t i = 0; i < count; ++i) {
      Volatile(page_->in[(producer + i) & (kInBytes - 1)]) = from[i];
    }
    Store(page_->in_prod, producer + static_cast<uint32_t>(count));
    return count;
  }

 private:
  struct Layout {
    char in[kInBytes];
    char out[kOutBytes];
    uint32_t in_cons, in_prod;
    uint32_t out_cons, out_prod;
  };
  static_assert(offsetof(Layout, in_cons) == 3072 && offsetof(Layout, out_prod) == 3084);

  static uint32_t Load(const uint32_t& index) { return __atomic_load_n(&index, __ATOMIC_ACQUIRE); }
  static void Store(uint32_t& index, uint32_t value) {
    __atomic_store_n(&index, value, __ATOMIC_SEQ_CST);
  }
  static volatile char& Volatile(char& byte) { return byte; }

  Layout* page_;
};

}  // namespace pyrene::console
