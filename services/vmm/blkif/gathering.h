// SPDX-License-Identifier: Apache-2.0
//
// When a guest's requests are carried out: at the event that tells of the first, or together with
// those that follow it, when the guest goes to sleep. A guest with many requests under way gains by
// the latter, as one event, one wake-up of blkback and one interrupt serve for all; one that waits
// for each request would only lose time. Which one it is shows a try now and then: requests are
// gathered as long as there are several of them each time.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

namespace pyrene::vmm::blkif {

class Gathering {
 public:
  static constexpr uint32_t kWorth = 4;  // requests: fewer do not pay for the guest's sleep
  // Events from one try to the next, which doubles with each that is in vain.
  static constexpr uint32_t kShortest = 16;
  static constexpr uint32_t kLongest = 1024;

  // The guest has sent an event. True: it is not served now.
  bool PutOff() {
    if (!gathers_ && --left_ != 0) return false;
    gathers_ = waits_ = true;
    return true;
  }

  // The rings were served, and had so many requests.
  void Served(uint32_t requests) {
    if (!std::exchange(waits_, false)) return;
    if (requests >= kWorth) {
      interval_ = kShortest;
      return;
    }
    gathers_ = false;
    left_ = interval_;
    interval_ = std::min(2 * interval_, kLongest);
  }

 private:
  bool gathers_ = false;
  bool waits_ = false;  // an event is put off now
  uint32_t left_ = kShortest;
  uint32_t interval_ = kShortest;
};

}  // namespace pyrene::vmm::blkif
