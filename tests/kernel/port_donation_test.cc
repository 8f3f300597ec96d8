// SPDX-License-Identifier: Apache-2.0
//
// Calls on one CPU run at the caller's priority and on the caller's time.
#include <atomic>
#include <memory>
#include <vector>

#include "tests/kernel/child.h"
#include "tests/kernel/port_scene.h"

namespace pyrene::kernel_test {
namespace {

using sys::PortCall;
using sys::PortMessage;
using sys::PortReplyWait;

// A server of low priority, called on its own CPU, runs at its caller's: a thread between the two
// does not delay the call.
TEST_F(PortTest, ServerRunsAtItsCallersPriority) {
  Server server{NewPort()};
  TaskOf server_task(On(LastCpu(), 2), [&server] { server(); });
  server_task->Start();
  ASSERT_TRUE(server_task->Reaches(ThreadState::kBlocked));
  struct {
    std::atomic<uint64_t> count{0};
    std::atomic<bool> stop{false};
  } busy;
  TaskOf busy_task(On(LastCpu(), 5), [&busy] {
    while (!busy.stop) ++busy.count;
  });
  busy_task->Start();
  ASSERT_TRUE(Eventually([&] { return busy.count != 0; }));
  Client client{server.port};
  TaskOf client_task(On(LastCpu(), 9), [&client] { client(); });
  client_task->Start();
  EXPECT_TRUE(client_task->Ends());
  EXPECT_EQ(client.Result(), Status::kOk);
  // Afterwards the server has its own priority again: it does not run before the busy one ends.
  const uint64_t before = busy.count;
  EXPECT_TRUE(Eventually([&] { return busy.count != before; }));
  busy.stop = true;
  EXPECT_TRUE(busy_task->Ends());
}

// A server that spins for some milliseconds for each call.
struct Spinner {
  CapIndex port;
  uint64_t ticks;
  void operator()() {
    PortMessage message = {};
    while (PortReplyWait(port, message).status == Status::kOk) {
      const uint64_t end = sys::Ticks() + ticks;
      while (sys::Ticks() < end) {
      }
    }
  }
};

TEST_F(PortTest, CallerPaysOnItsOwnCpu) {
  Spinner spinner{NewPort(), sys::TickFrequency() / 100};
  TaskOf server(On(LastCpu()), [&spinner] { spinner(); });
  server->Start();
  ASSERT_TRUE(server->Reaches(ThreadState::kBlocked));
  const uint64_t server_before = sys::ThreadInfo(server->cap()).cpu_ticks;
  Client client{spinner.port};
  TaskOf client_task(On(LastCpu()), [&client] { client(); });
  client_task->Start();
  ASSERT_TRUE(client_task->Ends());
  EXPECT_GE(sys::ThreadInfo(client_task->cap()).cpu_ticks, spinner.ticks / 2);
  EXPECT_LT(sys::ThreadInfo(server->cap()).cpu_ticks - server_before, spinner.ticks / 2);
}

// The bill of a later client must not go to an earlier one.
TEST_F(PortTest, QueuedCallerDoesNotRunOnAnEarlierOnesTime) {
  Spinner spinner{NewPort(), sys::TickFrequency() / 50};
  TaskOf server(On(LastCpu(), 10), [&spinner] { spinner(); });
  server->Start();
  ASSERT_TRUE(server->Reaches(ThreadState::kBlocked));
  Client first{spinner.port}, second{spinner.port};
  TaskOf first_task(On(LastCpu(), 9), [&first] { first(); });
  TaskOf second_task(On(0, 9), [&second] { second(); });
  first_task->Start();
  second_task->Start();  // from another CPU: it queues while the first is served
  ASSERT_TRUE(first_task->Ends());
  const uint64_t paid = sys::ThreadInfo(first_task->cap()).cpu_ticks;
  ASSERT_TRUE(second_task->Ends());
  EXPECT_EQ(sys::ThreadInfo(first_task->cap()).cpu_ticks, paid);
}

// A calls S, S calls T, both on A's time. A is destroyed while T works: T's time must not go to
// what lies where A was.
TEST_F(PortTest, EndOfAPayerThatNestedCallsRunFor) {
  struct Inner {
    CapIndex port;
    std::atomic<bool> in{false}, go{false};
  } inner;
  struct Outer {
    CapIndex port, inner;
  } outer;
  inner.port = NewPort();
  outer = {NewPort(), inner.port};
  TaskOf inner_task(On(LastCpu()), [&inner] {
    PortMessage message = {};
    while (PortReplyWait(inner.port, message).status == Status::kOk) {
      inner.in = true;
      while (!inner.go) {
      }
    }
  });
  TaskOf outer_task(On(LastCpu()), [&outer] {
    PortMessage message = {};
    while (PortReplyWait(outer.port, message).status == Status::kOk) PortCall(outer.inner, message);
  });
  inner_task->Start();
  outer_task->Start();
  ASSERT_TRUE(inner_task->Reaches(ThreadState::kBlocked));
  ASSERT_TRUE(outer_task->Reaches(ThreadState::kBlocked));
  Client client{outer.port};
  {
    TaskOf client_task(On(LastCpu()), [&client] { client(); });
    client_task->Start();
    ASSERT_TRUE(Eventually([&] { return inner.in.load(); }));
  }
  // The same slots of the same slab hold new threads now, which never run.
  std::vector<std::unique_ptr<Task>> fresh;
  for (int i = 0; i < 6; ++i) fresh.push_back(std::make_unique<Task>([](void*) {}, nullptr, On(0)));
  Sleep(30000);
  inner.go = true;
  ASSERT_TRUE(inner_task->Reaches(ThreadState::kBlocked));
  ASSERT_TRUE(outer_task->Reaches(ThreadState::kBlocked));
  for (const auto& task : fresh) EXPECT_EQ(sys::ThreadInfo(task->cap()).cpu_ticks, 0u);
}

// The server waits in the ready queue of its caller's priority when the reason for that priority
// goes away.
TEST_F(PortTest, CallEndsWhileItsServerIsPreempted) {
  for (const bool end_port : {false, true}) {
    struct {
      CapIndex port;
      std::atomic<bool> in{false}, go{false};
    } slow;
    slow.port = NewPort();
    TaskOf server(On(LastCpu(), 2), [&slow] {
      PortMessage message = {};
      while (PortReplyWait(slow.port, message).status == Status::kOk) {
        slow.in = true;
        while (!slow.go) {
        }
      }
    });
    server->Start();
    ASSERT_TRUE(server->Reaches(ThreadState::kBlocked));
    Client client{slow.port};
    auto client_task = std::make_unique<TaskOf<std::function<void()>>>(
        On(LastCpu(), 9), std::function<void()>([&client] { client(); }));
    (*client_task)->Start();
    ASSERT_TRUE(Eventually([&] { return slow.in.load(); }));
    struct {
      std::atomic<uint64_t> count{0};
      std::atomic<bool> stop{false};
    } urgent, equal;
    const auto spin = [](auto& counter) {
      while (!counter.stop) ++counter.count;
    };
    TaskOf urgent_task(On(LastCpu(), 12), [&urgent, spin] { spin(urgent); });
    TaskOf equal_task(On(LastCpu(), 2), [&equal, spin] { spin(equal); });
    urgent_task->Start();
    equal_task->Start();
    ASSERT_TRUE(Eventually([&] { return urgent.count != 0; }));
    if (end_port) {
      ASSERT_EQ(sys::CapDelete(slow.port), Status::kOk);
    } else {
      client_task.reset();
    }
    urgent.stop = true;
    ASSERT_TRUE(urgent_task->Ends());
    // At its own priority again, so it shares the CPU with its equals.
    for (int i = 0; i < 3; ++i) {
      const uint64_t before = equal.count;
      ASSERT_TRUE(Eventually([&] { return equal.count != before; }));
    }
    slow.go = true;
    ASSERT_TRUE(Eventually([&] { return server->State() != ThreadState::kReady; }));
    equal.stop = true;
    ASSERT_TRUE(equal_task->Ends());
  }
}

}  // namespace
}  // namespace pyrene::kernel_test
