// SPDX-License-Identifier: Apache-2.0
//
// Ports when somebody goes away: the port, the server, the client, a domain; or is stopped in the
// middle of a call.
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
