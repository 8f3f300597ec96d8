// SPDX-License-Identifier: Apache-2.0
//
// Limits what a guest may write into the log by console_io: a token bucket in bytes. Large enough
// for a whole boot by an early console; a guest that goes on loses text, not the log's other users'
// room.
#pragma once

#include <cstdint>

#include "services/vmm/mutex.h"

namespace pyrene::vmm {

class GuestLogLimit {
 public:
  static constexpr uint64_t kBurst = 256 * 1024;
  static constexpr uint64_t kBytesPerSecond = 32 * 1024;

  void Reset(uint64_t now) {
    tokens_ = kBurst;
    last_ = now;
    dropped_ = 0;
  }
  // How many of `wanted` bytes may be written now. `now` in ticks of `frequency`. Caller holds
  // mutex().
  uint64_t Take(uint64_t wanted, uint64_t now, uint64_t frequency) {
    const uint64_t elapsed = now - last_;
    const uint64_t full = (kBurst / kBytesPerSecond) * frequency;
    const uint64_t earned = elapsed >= full ? kBurst : elapsed * kBytesPerSecond / frequency;
    if (earned != 0) {
      last_ = now;
      tokens_ = tokens_ + earned > kBurst ? kBurst : tokens_ + earned;
    }
    const uint64_t taken = wanted < tokens_ ? wanted : tokens_;
    tokens_ -= taken;
    dropped_ += wanted - taken;
    return taken;
  }
  uint64_t dropped() const { return dropped_; }
  Mutex& mutex() { return mutex_; }

 private:
  Mutex mutex_;
  uint64_t tokens_ = kBurst;
  uint64_t last_ = 0;
  uint64_t dropped_ = 0;
};

}  // namespace pyrene::vmm
