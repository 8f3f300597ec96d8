// SPDX-License-Identifier: Apache-2.0
//
// Servers and clients for the tests of ports.
#pragma once

#include <atomic>
#include <cstdint>

#include "runtime/kernel/port_call.h"
#include "tests/kernel/fixture.h"
#include "tests/kernel/task.h"

namespace pyrene::kernel_test {

inline constexpr uint64_t kQuit = 0x91'0000'0001;

// A server that answers each call with its words plus one and remembers what it saw.
struct Server {
  CapIndex port;
  std::atomic<uint64_t> calls{0};
  std::atomic<uint64_t> badge{0};
  std::atomic<int64_t> last{1};  // status of the ReplyWait that ended it

  void operator()() {
    sys::PortMessage message = {};
    for (;;) {
      const sys::PortAnswer call = sys::PortReplyWait(port, message);
      last = static_cast<int64_t>(call.status);
      if (call.status != Status::kOk) return;
      badge = call.badge;
      calls = calls + 1;
      if (message.word[0] == kQuit) return;
      for (uint64_t& word : message.word) ++word;
    }
  }
  Status Last() const { return static_cast<Status>(last.load()); }
};

// One call by a task.
struct Client {
  CapIndex port;
  sys::PortMessage message = {{10, 11, 12, 13, 14, 15, 16, 17}};
  std::atomic<int64_t> status{1};
  void operator()() { status = static_cast<int64_t>(sys::PortCall(port, message).status); }
  Status Result() const { return static_cast<Status>(status.load()); }
  bool Returned() const { return status != 1; }
};

class PortTest : public KernelTest {
 protected:
  CapIndex NewPort() {
    const CapIndex port = Slot();
    EXPECT_EQ(sys::PortCreate(port), Status::kOk);
    return port;
  }
  CapIndex CopyOf(CapIndex source, Rights rights, uint64_t badge = 0) {
    const CapIndex copy = Slot();
    EXPECT_EQ(sys::CapCopy(kNullCap, copy, source, rights, badge), Status::kOk);
    return copy;
  }
  static uint32_t LastCpu() { return Boot().cpus - 1; }
};

}  // namespace pyrene::kernel_test
