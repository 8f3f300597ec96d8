// SPDX-License-Identifier: Apache-2.0
//
// Ports: call and reply, badges, capability transfer, the ends of either side, priority and time of
// the caller.
#include <atomic>
#include <memory>
#include <vector>

#include "runtime/kernel/port_call.h"
#include "tests/kernel/child.h"
#include "tests/kernel/fixture.h"
#include "tests/kernel/task.h"

namespace pyrene::kernel_test {
namespace {

using sys::PackCaps;
using sys::PortAnswer;
using sys::PortCall;
using sys::PortMessage;
using sys::PortReplyWait;

constexpr uint64_t kQuit = 0x91'0000'0001;

// A server that answers each call with its words plus one and remembers what it saw.
struct Server {
  CapIndex port;
  std::atomic<uint64_t> calls{0};
  std::atomic<uint64_t> badge{0};
  std::atomic<int64_t> last{1};  // status of the ReplyWait that ended it

  void operator()() {
    PortMessage message = {};
    for (;;) {
      const PortAnswer call = PortReplyWait(port, message);
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
  PortMessage message = {{10, 11, 12, 13, 14, 15, 16, 17}};
  std::atomic<int64_t> status{1};
  void operator()() { status = static_cast<int64_t>(PortCall(port, message).status); }
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

TEST_F(PortTest, EndOfThePortIsToldToEverybody) {
  for (const uint32_t cpu : {0u, LastCpu()}) {
    // Nobody serves: two callers queue.
    const CapIndex port = NewPort();
    Client one{port}, two{port};
    TaskOf one_task(On(cpu), [&one] { one(); });
    TaskOf two_task(On(0), [&two] { two(); });
    one_task->Start();
    two_task->Start();
    ASSERT_TRUE(one_task->Reaches(ThreadState::kBlocked));
    ASSERT_TRUE(two_task->Reaches(ThreadState::kBlocked));
    ASSERT_EQ(sys::CapDelete(port), Status::kOk);
    ASSERT_TRUE(one_task->Ends());
    ASSERT_TRUE(two_task->Ends());
    EXPECT_EQ(one.Result(), Status::kGone);
    EXPECT_EQ(two.Result(), Status::kGone);
    // A server that waits.
    Server server{NewPort()};
    TaskOf server_task(On(cpu), [&server] { server(); });
    server_task->Start();
    ASSERT_TRUE(server_task->Reaches(ThreadState::kBlocked));
    ASSERT_EQ(sys::CapDelete(server.port), Status::kOk);
    ASSERT_TRUE(server_task->Ends());
    EXPECT_EQ(server.Last(), Status::kGone);
  }
}

// A server that takes a call and then waits for a notification before it answers.
struct SlowServer {
  CapIndex port, notification;
  std::atomic<bool> serving{false};
  std::atomic<int64_t> after{1};
  void operator()() {
    PortMessage message = {};
    if (PortReplyWait(port, message).status != Status::kOk) return;
    serving = true;
    static_cast<void>(sys::NotificationWait(notification, 1, kNoDeadline));
    message.word[0] = 4242;
    serving = false;
    after = static_cast<int64_t>(PortReplyWait(port, message).status);
  }
};

class SlowServerTest : public PortTest {
 protected:
  // Brings a client into the middle of a call.
  struct Scene {
    SlowServer server;
    Client client;
    TaskOf<std::function<void()>> server_task;
    TaskOf<std::function<void()>> client_task;
    Scene(CapIndex port, CapIndex notification, uint32_t server_cpu, uint32_t client_cpu)
        : server{port, notification},
          client{port},
          server_task(On(server_cpu), std::function<void()>([this] { server(); })),
          client_task(On(client_cpu), std::function<void()>([this] { client(); })) {
      server_task->Start();
      EXPECT_TRUE(server_task->Reaches(ThreadState::kBlocked));
      client_task->Start();
      EXPECT_TRUE(Eventually(
          [this] { return server.serving && server_task->State() == ThreadState::kBlocked; }));
    }
  };
  static std::vector<std::pair<uint32_t, uint32_t>> Places() {
    return {{0, 0}, {0, LastCpu()}, {LastCpu(), 0}};
  }
};

TEST_F(SlowServerTest, EndOfThePortWhileACallIsServed) {
  for (const auto& [server_cpu, client_cpu] : Places()) {
    Scene scene(NewPort(), NewNotification(), server_cpu, client_cpu);
    ASSERT_EQ(sys::CapDelete(scene.server.port), Status::kOk);
    ASSERT_TRUE(scene.client_task->Ends());
    EXPECT_EQ(scene.client.Result(), Status::kGone);
    ASSERT_EQ(sys::NotificationSignal(scene.server.notification, 1), Status::kOk);
    ASSERT_TRUE(scene.server_task->Ends());
    EXPECT_EQ(static_cast<Status>(scene.server.after.load()), Status::kBadCap);
  }
}

TEST_F(SlowServerTest, EndOfTheServerWhileItServes) {
  for (const auto& [server_cpu, client_cpu] : Places()) {
    Scene scene(NewPort(), NewNotification(), server_cpu, client_cpu);
    ASSERT_EQ(sys::CapDelete(scene.server_task->cap()), Status::kOk);
    ASSERT_TRUE(scene.client_task->Ends());
    EXPECT_EQ(scene.client.Result(), Status::kGone);
    // The port serves on with another thread.
    Server next{scene.server.port};
    TaskOf next_task(On(server_cpu), [&next] { next(); });
    next_task->Start();
    PortMessage message = {{7}};
    ASSERT_EQ(PortCall(scene.server.port, message).status, Status::kOk);
    EXPECT_EQ(message.word[0], 8u);
  }
}

TEST_F(SlowServerTest, EndOfTheClientWhileItIsServed) {
  for (const auto& [server_cpu, client_cpu] : Places()) {
    Scene scene(NewPort(), NewNotification(), server_cpu, client_cpu);
    ASSERT_EQ(sys::CapDelete(scene.client_task->cap()), Status::kOk);
    ASSERT_EQ(sys::NotificationSignal(scene.server.notification, 1), Status::kOk);
    // The reply goes nowhere, and the server waits for the next.
    ASSERT_TRUE(Eventually([&] {
      return !scene.server.serving && scene.server_task->State() == ThreadState::kBlocked;
    }));
    Client next{scene.server.port};
    TaskOf next_task(On(client_cpu), [&next] { next(); });
    next_task->Start();
    ASSERT_TRUE(scene.server_task->Ends()) << "it got the next call";
    EXPECT_EQ(static_cast<Status>(scene.server.after.load()), Status::kOk);
  }
}

TEST_F(SlowServerTest, EndOfAClientThatQueues) {
  Scene scene(NewPort(), NewNotification(), LastCpu(), 0);
  {
    Client queued{scene.server.port};
    TaskOf queued_task(On(0), [&queued] { queued(); });
    queued_task->Start();
    ASSERT_TRUE(queued_task->Reaches(ThreadState::kBlocked));
  }
  ASSERT_EQ(sys::NotificationSignal(scene.server.notification, 1), Status::kOk);
  ASSERT_TRUE(scene.client_task->Ends());
  EXPECT_EQ(scene.client.Result(), Status::kOk);
  EXPECT_EQ(scene.client.message.word[0], 4242u);
}

// Stopping and starting somebody in the middle of a call: either he goes on waiting, or he is told
// that the call has ended; in no case does he go on with an answer that never came, or is written
// to later.
TEST_F(SlowServerTest, ClientStoppedAndStarted) {
  for (const auto& [server_cpu, client_cpu] : Places()) {
    Scene scene(NewPort(), NewNotification(), server_cpu, client_cpu);
    ASSERT_EQ(sys::ThreadStop(scene.client_task->cap()), Status::kOk);
    EXPECT_EQ(scene.client_task->State(), ThreadState::kStopped);
    ASSERT_EQ(sys::ThreadStart(scene.client_task->cap()), Status::kOk);
    Sleep(2000);
    if (scene.client.Returned()) {
      EXPECT_EQ(scene.client.Result(), Status::kGone);
    }
    ASSERT_EQ(sys::NotificationSignal(scene.server.notification, 1), Status::kOk);
    ASSERT_TRUE(scene.client_task->Ends());
    if (scene.client.Result() == Status::kOk) {
      EXPECT_EQ(scene.client.message.word[0], 4242u);
    } else {
      EXPECT_EQ(scene.client.Result(), Status::kGone);
    }
  }
}

TEST_F(SlowServerTest, AnswerToAStoppedClientWaitsForIt) {
  for (const auto& [server_cpu, client_cpu] : Places()) {
    Scene scene(NewPort(), NewNotification(), server_cpu, client_cpu);
    ASSERT_EQ(sys::ThreadStop(scene.client_task->cap()), Status::kOk);
    ASSERT_EQ(sys::NotificationSignal(scene.server.notification, 1), Status::kOk);
    ASSERT_TRUE(Eventually([&] {
      return !scene.server.serving && scene.server_task->State() == ThreadState::kBlocked;
    }));
    Sleep(2000);
    EXPECT_EQ(scene.client_task->State(), ThreadState::kStopped);
    EXPECT_FALSE(scene.client.Returned());
    ASSERT_EQ(sys::ThreadStart(scene.client_task->cap()), Status::kOk);
    ASSERT_TRUE(scene.client_task->Ends());
    if (scene.client.Result() != Status::kGone) {
      EXPECT_EQ(scene.client.Result(), Status::kOk);
      EXPECT_EQ(scene.client.message.word[0], 4242u);
    }
  }
}

TEST_F(PortTest, StoppedReceiverDoesNotRun) {
  for (const auto& [server_cpu, client_cpu] : {std::pair{0u, 0u}, std::pair{LastCpu(), 0u}}) {
    Server server{NewPort()};
    TaskOf server_task(On(server_cpu), [&server] { server(); });
    server_task->Start();
    ASSERT_TRUE(server_task->Reaches(ThreadState::kBlocked));
    ASSERT_EQ(sys::ThreadStop(server_task->cap()), Status::kOk);
    Client client{server.port};
    TaskOf client_task(On(client_cpu), [&client] { client(); });
    client_task->Start();
    ASSERT_TRUE(client_task->Reaches(ThreadState::kBlocked));
    Sleep(2000);
    EXPECT_EQ(server_task->State(), ThreadState::kStopped);
    EXPECT_EQ(server.calls, 0u);
    EXPECT_FALSE(client.Returned());
    ASSERT_EQ(sys::ThreadStart(server_task->cap()), Status::kOk);
    if (Eventually([&] { return server.Last() == Status::kGone || client.Returned(); }) &&
        server.Last() == Status::kGone) {
      // The stop ended its wait: another serves.
      Server next{server.port};
      TaskOf next_task(On(server_cpu), [&next] { next(); });
      next_task->Start();
      ASSERT_TRUE(client_task->Ends());
    }
    ASSERT_TRUE(client_task->Ends());
    EXPECT_EQ(client.Result(), Status::kOk);
    EXPECT_EQ(client.message.word[7], 18u);
  }
}

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

TEST_F(PortTest, DomainThatServesEndsInTheMiddle) {
  for (const uint32_t cpu : {0u, LastCpu()}) {
    const CapIndex port = NewPort();
    Child child(*this);
    child.Give(9, port, rights::kReceive);
    child.Run(
        [](void* shared) {
          PortMessage message = {};
          if (PortReplyWait(9, message).status != Status::kOk) return;
          *static_cast<std::atomic<bool>*>(shared) = true;
          for (;;) sys::ThreadYield();
        },
        On(cpu));
    Client client{port};
    TaskOf client_task(On(cpu), [&client] { client(); });
    client_task->Start();
    ASSERT_TRUE(Eventually([&] { return child.shared<std::atomic<bool>>()->load(); }));
    ASSERT_EQ(sys::CapDelete(child.domain()), Status::kOk);
    ASSERT_TRUE(client_task->Ends());
    EXPECT_EQ(client.Result(), Status::kGone);
  }
}

}  // namespace
}  // namespace pyrene::kernel_test
