// SPDX-License-Identifier: Apache-2.0
//
// What every test on the target needs. The test program is the root service: it holds all memory,
// and its thread has the highest priority, on CPU 0.
//
// Tests wait with a time limit everywhere, so that a lost wake-up is a failed test and not a
// hanging machine.
#pragma once

#include <cstdint>
#include <functional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "kernel/abi/boot_info.h"
#include "kernel/abi/capability.h"
#include "kernel/abi/syscall.h"
#include "runtime/kernel/syscall.h"

namespace pyrene {

inline void PrintTo(Status status, std::ostream* out) {
  *out << "Status " << static_cast<int64_t>(status);
}

inline void PrintTo(ThreadState state, std::ostream* out) {
  *out << "ThreadState " << static_cast<uint64_t>(state);
}
inline void PrintTo(FaultKind kind, std::ostream* out) {
  *out << "FaultKind " << static_cast<uint64_t>(kind);
}
inline void PrintTo(ExitReason reason, std::ostream* out) {
  *out << "ExitReason " << static_cast<uint64_t>(reason);
}
inline void PrintTo(ObjectType type, std::ostream* out) {
  *out << "ObjectType " << static_cast<unsigned>(type);
}

namespace kernel_test {

inline constexpr uint64_t kPage = 4096;
inline constexpr uint64_t kBlock = uint64_t{2} << 20;
inline constexpr Rights kReadWrite = rights::kRead | rights::kWrite;
// More than anything here takes, however busy the host is.
inline constexpr uint64_t kLongMilliseconds = 30000;

const BootInfo& Boot();

// Words of the bundle's file `cmdline`; the value of NAME=VALUE, or `standard`.
uint64_t Option(std::string_view name, uint64_t standard);

// Deadlines, in ticks.
uint64_t InMicroseconds(uint64_t microseconds);
inline uint64_t InMilliseconds(uint64_t milliseconds) {
  return InMicroseconds(milliseconds * 1000);
}
inline uint64_t Soon() { return InMilliseconds(kLongMilliseconds); }

// Blocks the calling thread for so long.
void Sleep(uint64_t microseconds);

// Whether `condition` comes true within the long time limit; sleeps between the looks.
bool Eventually(const std::function<bool()>& condition);

class KernelTest : public testing::Test {
 protected:
  void SetUp() override;
  // Deletes what the test made, in reverse order.
  void TearDown() override;

 public:
  // A free index of this domain's table. What is in it at the end is deleted.
  CapIndex Slot();
  CapIndex NewNotification();
  // `pages` pages of free RAM with all rights; different pages for each call of one test. Not
  // zeroed.
  CapIndex Ram(uint64_t pages, uint64_t alignment = kPage);
  // Maps it into this domain until the end of the test.
  uint8_t* Map(CapIndex memory, uint64_t pages, Rights rights = kReadWrite);
  template <typename T>
  T* MapAs(CapIndex memory, Rights rights = kReadWrite) {
    return reinterpret_cast<T*>(Map(memory, (sizeof(T) + kPage - 1) / kPage, rights));
  }
  // An address range of this domain that nothing uses.
  uint64_t FreeAddress(uint64_t pages, uint64_t alignment = kPage);
  // A domain without anything.
  CapIndex NewDomain(uint64_t quota_pages);
  // Does life(i) for `rounds` of i, each with what it made deleted: they cost this domain nothing.
  // A first one is not counted: capability and page tables of this domain stay.
  void CostsNothing(uint64_t rounds, const std::function<void(uint64_t)>& life);

 private:
  struct Range {
    uint64_t address, pages;
  };
  std::vector<CapIndex> slots_;
  std::vector<Range> ranges_;
  uint64_t ram_taken_ = 0;
};

// Pages of this domain's quota that are in use.
uint64_t UsedPages();

}  // namespace kernel_test
}  // namespace pyrene
