// SPDX-License-Identifier: Apache-2.0
//
// The interrupt state of one vCPU: what the banked registers of a GICv2 distributor hold for it,
// and what waits for a list register. Interrupt ids: 0..15 SGI, 16..31 PPI, 32..63 SPI, so that a
// set of them is one 64-bit word.
#pragma once

#include <atomic>
#include <cstdint>

namespace pyrene::vmm {

inline constexpr unsigned kSgis = 16;
inline constexpr unsigned kPrivateInterrupts = 32;
inline constexpr unsigned kSpis = 32;

struct VgicCpu {
  // Any thread: interrupts raised by others, merged into `pending` by the own thread. For an SGI
  // the sender is stored first.
  std::atomic<uint64_t> incoming{0};
  // Sender of the latest SGI of each number. SGIs of one number that wait at the same time are
  // merged and show one of their senders, which the guest interface allows (ABI 9.1).
  std::atomic<uint8_t> sgi_source[kSgis] = {};

  // Own thread only.
  uint64_t pending = 0;      // latched, not in a list register
  uint64_t deliverable = 0;  // enabled here, or shared and enabled, and the distributor is on
  uint32_t enabled = 0;      // SGIs and PPIs
  // What goes into a list register for each SGI and PPI: number, priority, pending state; the
  // sender of an SGI is added.
  uint32_t list_word[kPrivateInterrupts] = {};
};

}  // namespace pyrene::vmm
