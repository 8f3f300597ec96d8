// SPDX-License-Identifier: Apache-2.0
//
// The guest's front-end of its disk xvda: one request of one page at a time, its end polled for. An
// answer that is no success fails the measurement.
#pragma once

#include <cstdint>

#include "tests/bench/guest/store.h"

namespace pyrene::guest::bench {

class BlockRing {
 public:
  static constexpr uint32_t kSectors = 8;  // of a request

  // Connects it; fails the measurement if there is none.
  explicit BlockRing(StoreRing& store);

  // Ticks until the answer is there.
  uint64_t Read(uint64_t sector);
  uint64_t Write(uint64_t sector);

 private:
  uint64_t Run(uint8_t operation, uint64_t sector);

  uint32_t port_;
  uint32_t produced_ = 0;
};

}  // namespace pyrene::guest::bench
