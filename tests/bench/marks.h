// SPDX-License-Identifier: Apache-2.0
//
// Marks: instructions that do nothing and that the plugin trace.c sees. Their numbers stand in
// xen_reference.json, too ("between_cpus" and "latency").
#pragma once

#include <cstdint>

namespace pyrene::bench {

// HINT numbers 64 to 127: not allocated, so NOP.
enum class Mark : uint32_t {
  // Before what is measured.
  kSgiToRunning = 64,
  kSgiToSleeping = 65,
  kStoreRunning = 66,
  kStoreSleeping = 67,
  // Before the samples under each load of latency_bench.cc.
  kIdle = 72,
  kCompute = 73,
  kGuestExits = 74,
  kMap = 75,
  kSplit = 76,
  kRevoke = 77,
  kDestroy = 78,
  kCreate = 79,
  kCalls = 80,
  // Where it ends.
  kHandler = 96,
  kDriver = 97,
};

template <Mark kMark>
inline void Put() {
  asm volatile("hint %0" ::"i"(static_cast<uint32_t>(kMark)) : "memory");
}

}  // namespace pyrene::bench
