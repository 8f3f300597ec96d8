// SPDX-License-Identifier: Apache-2.0
//
// What the SDHCI driver needs of the world: registers, the interrupt, time, caches. The target has
// the real one (main.cc), the tests a model of a controller with a card.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pyrene::emmc2 {

class SdhciIo {
 public:
  virtual ~SdhciIo() = default;
  // Words only: some of the board's bridges do no narrower access. `offset` is a multiple of 4.
  virtual uint32_t Read(uint32_t offset) = 0;
  virtual void Write(uint32_t offset, uint32_t value) = 0;
  // Sleeps until the controller's interrupt, or until `deadline`; may return early.
  virtual void WaitInterrupt(uint64_t deadline) = 0;
  virtual uint64_t Now() = 0;
  // Data that the device is to read, or has written, is in memory and not in a cache: before and
  // after each transfer by DMA, because the board's is not coherent.
  virtual void CleanAndInvalidate(const void* data, size_t bytes) = 0;
};

}  // namespace pyrene::emmc2
