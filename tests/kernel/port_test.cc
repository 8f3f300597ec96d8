// SPDX-License-Identifier: Apache-2.0
//
// Ports: call and reply, badges, the order of callers, capability transfer.
#include <atomic>
#include <memory>
#include <vector>

#include "tests/kernel/child.h"
#include "tests/kernel/port_scene.h"

namespace pyrene::kernel_test {
namespace {

using sys::PackCaps;
using sys::PortAnswer;
using sys::PortCall;
using sys::PortMessage;
using sys::PortReplyWait;

TEST_F(PortTest, Errors) {
  const CapIndex port = NewPort();
  PortMessage message = {{1, 2, 3, 4, 5, 6, 7, 8}};
  EXPECT_EQ(PortCall(Slot(), message).status, Status::kBadCap);
  EXPECT_EQ(PortReplyWait(Slot(), message).status, Status::kBadCap);
  EXPECT_EQ(PortCall(kSelfDomainCap, message).status, Status::kBadType);
  EXPECT_EQ(PortReplyWait(kSelfDomainCap, message).status, Status::kBadType);
  EXPECT_EQ(PortReplyWait(CopyOf(port, rights::kCall), message).status, Status::kNoRight);
  EXPECT_EQ(PortCall(CopyOf(port, rights::kReceive), message).status, Status::kNoRight);
  for (uint64_t i = 0; i < 8; ++i)
    EXPECT_EQ(message.word[i], i + 1) << "a refused call leaves the message alone";
  EXPECT_EQ(sys::PortCreate(port), Status::kOccupied);
  EXPECT_EQ(sys::PortCreate(kNullCap), Status::kBadArgument);
}

TEST_F(PortTest, WordsGoBothWaysAndTheBadgeOne) {
  for (uint32_t cpu = 0; cpu < Boot().cpus; ++cpu) {
    Server server{NewPort()};
    TaskOf task(On(cpu), [&server] { server(); });
    task->Start();
    const CapIndex badged = CopyOf(server.port, rights::kCall, 0xbad9e);
    for (uint64_t i = 0; i < 100; ++i) {
      PortMessage message;
      for (uint64_t k = 0; k < 8; ++k) message.word[k] = i * 100 + k;
      ASSERT_EQ(PortCall(i % 2 == 0 ? badged : server.port, message).status, Status::kOk);
      for (uint64_t k = 0; k < 8; ++k) ASSERT_EQ(message.word[k], i * 100 + k + 1);
      ASSERT_EQ(server.badge, i % 2 == 0 ? 0xbad9eu : 0u);
    }
    EXPECT_EQ(server.calls, 100u);
  }
}

// In the child: 9 is the port.
void ServeInChild(void* shared) {
  auto* calls = static_cast<std::atomic<uint64_t>*>(shared);
  PortMessage message = {};
  while (PortReplyWait(9, message).status == Status::kOk) {
    ++*calls;
    message.word[7] = message.word[0] * 3;
  }
}

TEST_F(PortTest, AcrossDomains) {
  for (const uint32_t cpu : {0u, LastCpu()}) {
    const CapIndex port = NewPort();
    Child child(*this);
    child.Give(9, port, rights::kReceive);
    child.Run(ServeInChild, On(cpu));
    for (uint64_t i = 0; i < 50; ++i) {
      PortMessage message = {{i}};
      ASSERT_EQ(PortCall(port, message).status, Status::kOk);
      ASSERT_EQ(message.word[7], i * 3);
    }
    EXPECT_EQ(*child.shared<std::atomic<uint64_t>>(), 50u);
  }
}

TEST_F(PortTest, CallersQueueInTheirOrder) {
  for (const uint32_t server_cpu : {0u, LastCpu()}) {
    const CapIndex port = NewPort();
    std::vector<std::unique_ptr<Client>> clients;
    std::vector<std::unique_ptr<Task>> tasks;
    for (uint64_t i = 0; i < 6; ++i) {
      auto client = std::make_unique<Client>();
      client->port = port;
      client->message.word[0] = i;
      tasks.push_back(std::make_unique<Task>([](void* c) { (*static_cast<Client*>(c))(); },
                                             client.get(),
                                             On(static_cast<uint32_t>(i % Boot().cpus))));
      clients.push_back(std::move(client));
      tasks.back()->Start();
      ASSERT_TRUE(tasks.back()->Reaches(ThreadState::kBlocked));
    }
    struct Order {
      CapIndex port;
      uint64_t seen[6] = {};
      std::atomic<unsigned> count{0};
    } order{port};
    TaskOf server(On(server_cpu), [&order] {
      PortMessage message = {};
      while (PortReplyWait(order.port, message).status == Status::kOk) {
        order.seen[order.count] = message.word[0];
        order.count = order.count + 1;
        message.word[1] = 1000 + message.word[0];
      }
    });
    server->Start();
    for (uint64_t i = 0; i < 6; ++i) {
      ASSERT_TRUE(tasks[i]->Ends());
      EXPECT_EQ(order.seen[i], i);
      EXPECT_EQ(clients[i]->Result(), Status::kOk);
      EXPECT_EQ(clients[i]->message.word[1], 1000 + i);
    }
  }
}

TEST_F(PortTest, OneThreadServesAtATime) {
  Server server{NewPort()};
  TaskOf task(On(LastCpu()), [&server] { server(); });
  task->Start();
  ASSERT_TRUE(task->Reaches(ThreadState::kBlocked));
  PortMessage message = {};
  EXPECT_EQ(PortReplyWait(server.port, message).status, Status::kBusy) << "another waits for calls";
}

TEST_F(PortTest, ServerCannotCallItsOwnPortOrServeTwo) {
  struct Own {
    CapIndex port, other;
    std::atomic<int64_t> call{1}, wait{1};
  } own;
  own.port = NewPort();
  own.other = NewPort();
  TaskOf server(On(LastCpu()), [&own] {
    PortMessage message = {};
    if (PortReplyWait(own.port, message).status != Status::kOk) return;
    own.call = static_cast<int64_t>(PortCall(own.port, message).status);
    own.wait = static_cast<int64_t>(PortReplyWait(own.other, message).status);
    PortReplyWait(own.port, message);
  });
  server->Start();
  PortMessage message = {{5}};
  ASSERT_EQ(PortCall(own.port, message).status, Status::kOk);
  EXPECT_EQ(static_cast<Status>(own.call.load()), Status::kBusy);
  EXPECT_EQ(static_cast<Status>(own.wait.load()), Status::kBusy);
}

// What a server does with capabilities: keeps those that came at 40.., and answers with its own.
struct Taker {
  CapIndex port;
  uint64_t receive;
  uint64_t send = 0;
  std::atomic<uint64_t> received{99};
  void operator()() {
    PortMessage message = {};
    PortAnswer answer = PortReplyWait(port, message, 0, receive);
    if (answer.status != Status::kOk) return;
    received = answer.caps;
    PortReplyWait(port, message, send, 0);
  }
};

TEST_F(PortTest, CapabilitiesTravelBothWays) {
  for (const uint32_t cpu : {0u, LastCpu()}) {
    const CapIndex a = NewNotification();
    const CapIndex b = CopyOf(NewNotification(), rights::kSignal | rights::kCopy, 0x77);
    const CapIndex memory = Ram(1);
    const CapIndex to[4] = {Slot(), Slot(), Slot(), Slot()};
    const CapIndex back[2] = {Slot(), Slot()};
    Taker taker{NewPort(), PackCaps(to[0], to[1], to[2], to[3]), PackCaps(memory)};
    TaskOf task(On(cpu), [&taker] { taker(); });
    task->Start();
    PortMessage message = {};
    const PortAnswer answer =
        PortCall(taker.port, message, PackCaps(a, b, memory), PackCaps(back[0], back[1]));
    ASSERT_EQ(answer.status, Status::kOk);
    EXPECT_EQ(taker.received, 3u);
    EXPECT_EQ(answer.caps, 1u);
    EXPECT_EQ(sys::CapInspect(kNullCap, to[0]).object_id, sys::CapInspect(kNullCap, a).object_id);
    EXPECT_EQ(sys::CapInspect(kNullCap, to[1]).rights, rights::kSignal | rights::kCopy);
    EXPECT_EQ(sys::CapInspect(kNullCap, to[1]).badge, 0x77u);
    EXPECT_EQ(sys::CapInspect(kNullCap, to[2]).type, ObjectType::kMemory);
    EXPECT_EQ(sys::CapInspect(kNullCap, to[3]).status, Status::kBadCap);
    EXPECT_EQ(sys::CapInspect(kNullCap, back[0]).type, ObjectType::kMemory);
    // What was sent descends from what it was copied from.
    ASSERT_EQ(sys::CapRevoke(a), Status::kOk);
    EXPECT_EQ(sys::CapInspect(kNullCap, to[0]).status, Status::kBadCap);
  }
}

TEST_F(PortTest, TransferStopsAtWhatCannotBeCopied) {
  const CapIndex good = NewNotification();
  const CapIndex fixed = CopyOf(NewNotification(), rights::kSignal);  // no copy right
  const CapIndex to[4] = {Slot(), Slot(), Slot(), Slot()};
  const struct {
    uint64_t send, receive, expected;
  } cases[] = {
      {PackCaps(fixed, good), PackCaps(to[0], to[1]), 0},
      {PackCaps(good, fixed, good), PackCaps(to[0], to[1], to[2]), 1},
      {PackCaps(good, Slot()), PackCaps(to[0], to[1]), 1},
      {PackCaps(good, good), PackCaps(to[0]), 1},
      {PackCaps(good, good), PackCaps(good, to[1]), 0},  // occupied
      {PackCaps(good, good), 0, 0},
      {PackCaps(good, 0xffff), PackCaps(to[0], to[1]), 1},
      {PackCaps(good), PackCaps(0xffff), 0},
      {PackCaps(good, good, good, good), PackCaps(to[0], to[1], to[2], to[3]), 4},
  };
  for (const auto& c : cases) {
    Taker taker{NewPort(), c.receive};
    TaskOf task(On(LastCpu()), [&taker] { taker(); });
    task->Start();
    PortMessage message = {{1, 2, 3}};
    ASSERT_EQ(PortCall(taker.port, message, c.send, 0).status, Status::kOk);
    EXPECT_EQ(taker.received, c.expected) << std::hex << c.send << " " << c.receive;
    for (const CapIndex index : to) static_cast<void>(sys::CapDelete(index));
  }
}

}  // namespace
}  // namespace pyrene::kernel_test
