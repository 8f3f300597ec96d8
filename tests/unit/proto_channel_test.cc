// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "proto/channel.h"
#include "proto/connect.h"
#include "proto/xenstore.capnp.h"
#include "runtime/event_loop.h"
#include "runtime/host/objects.h"

namespace pyrene::proto {
namespace {

using runtime::kPageBytes;
using runtime::Notification;
using State = Channel::State;

constexpr uint64_t kSchema = SchemaId<XenstoreRequest>();
constexpr size_t kBytes = 4 * kPageBytes;
constexpr uint32_t kRingBytes = 4096;

class ChannelTest : public testing::Test {
 protected:
  ChannelTest() {
    EXPECT_TRUE(FormatChannel(init_.data(), init_.size(), kSchema, kRingBytes).ok());
    client_ = Open(Side::kClient);
    server_ = Open(Side::kServer);
  }

  const Notification& Bell(Side side) const {
    return side == Side::kClient ? client_bell_ : server_bell_;
  }
  std::unique_ptr<Channel> Open(Side side, uint64_t schema = kSchema) {
    return std::make_unique<Channel>(
        "test", *runtime::Memory::Map(handle_.get(), runtime::Access::kReadWrite),
        Notification::Adopt(Bell(Other(side)).SignalHandle(1)->Release()), side, schema);
  }
  ChannelPage* page() { return reinterpret_cast<ChannelPage*>(init_.data()); }

  void Connect() {
    client_->Update();
    server_->Update();
    client_->Update();
    ASSERT_EQ(client_->state(), State::kUp);
    ASSERT_EQ(server_->state(), State::kUp);
    client_bell_.Poll();
    server_bell_.Poll();
  }

  absl::Status Send(Channel& channel, uint32_t id, size_t value_bytes = 0) {
    auto request = builder_.Start<XenstoreRequest>();
    request.setId(id);
    if (value_bytes > 0) request.initWrite().initValue(value_bytes);
    return channel.Send(builder_);
  }
  std::vector<uint32_t> ReceiveIds(Channel& channel, unsigned max = 100) {
    std::vector<uint32_t> ids;
    channel.Receive<XenstoreRequest>(max, [&](XenstoreRequest::Reader request) {
      ids.push_back(request.getId());
      return absl::OkStatus();
    });
    return ids;
  }

  runtime::OwnedHandle handle_{*runtime::host::CreateObject(runtime::host::Kind::kMemory, kBytes)};
  runtime::Memory init_ = *runtime::Memory::Map(handle_.get(), runtime::Access::kReadWrite);
  Notification client_bell_ = *Notification::Create();
  Notification server_bell_ = *Notification::Create();
  std::unique_ptr<Channel> client_, server_;
  MessageBuilder builder_;
};

TEST_F(ChannelTest, BothEndsMustComeUp) {
  EXPECT_EQ(client_->Update(), State::kConnecting);
  EXPECT_TRUE(absl::IsFailedPrecondition(Send(*client_, 1)));
  EXPECT_TRUE(ReceiveIds(*client_).empty());
  EXPECT_EQ(server_bell_.Poll(), 1u) << "the peer is told";
  EXPECT_EQ(server_->Update(), State::kUp);
  EXPECT_EQ(client_bell_.Poll(), 1u);
  EXPECT_EQ(client_->Update(), State::kUp);
  EXPECT_EQ(client_->epoch(), 1u);
}

TEST_F(ChannelTest, MessagesBothWays) {
  Connect();
  EXPECT_TRUE(Send(*client_, 1).ok());
  EXPECT_TRUE(Send(*client_, 2).ok());
  EXPECT_TRUE(Send(*server_, 3).ok());
  EXPECT_EQ(ReceiveIds(*server_, 1), (std::vector<uint32_t>{1}));
  EXPECT_EQ(ReceiveIds(*server_), (std::vector<uint32_t>{2}));
  EXPECT_EQ(ReceiveIds(*client_), (std::vector<uint32_t>{3}));
}

TEST_F(ChannelTest, OneSignalForABatchAndNoneForABusyPeer) {
  Connect();
  EXPECT_TRUE(Send(*client_, 1).ok());
  EXPECT_TRUE(Send(*client_, 2).ok());
  EXPECT_EQ(server_bell_.Poll(), 0u);
  client_->Flush();
  EXPECT_EQ(server_bell_.Poll(), 1u);
  EXPECT_EQ(ReceiveIds(*server_, 1).size(), 1u);
  EXPECT_TRUE(Send(*client_, 3).ok());
  client_->Flush();
  EXPECT_EQ(server_bell_.Poll(), 0u) << "the server knows that there may be more";
  client_->Flush();
  EXPECT_EQ(ReceiveIds(*server_).size(), 2u);
}

TEST_F(ChannelTest, FullRingIsReportedAndRoomIsSignalled) {
  Connect();
  uint32_t sent = 0;
  while (Send(*client_, sent, 500).ok()) ++sent;
  EXPECT_TRUE(absl::IsResourceExhausted(Send(*client_, sent, 500)));
  EXPECT_EQ(client_->state(), State::kUp);
  client_->Flush();
  EXPECT_EQ(ReceiveIds(*server_).size(), sent);
  server_->Flush();
  EXPECT_EQ(client_bell_.Poll(), 1u);
  EXPECT_TRUE(Send(*client_, sent, 500).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(Send(*client_, sent, 5000))) << "larger than the ring";
}

TEST_F(ChannelTest, RestartedPeerStartsANewEpoch) {
  Connect();
  for (uint32_t i = 0; i < 10; ++i) {
    EXPECT_TRUE(Send(*client_, i).ok());
    EXPECT_EQ(ReceiveIds(*server_).size(), 1u);
    EXPECT_TRUE(Send(*server_, i).ok());
  }
  server_.reset();
  StartEpoch(init_.data(), 2);
  server_ = Open(Side::kServer);
  EXPECT_EQ(server_->Update(), State::kConnecting) << "the client has not reset its indices yet";
  EXPECT_TRUE(ReceiveIds(*client_).empty()) << "of the old epoch, lost";
  EXPECT_EQ(client_->Update(), State::kUp);
  EXPECT_EQ(client_->epoch(), 2u);
  EXPECT_EQ(server_->Update(), State::kUp);
  EXPECT_TRUE(Send(*client_, 77).ok());
  EXPECT_EQ(ReceiveIds(*server_), (std::vector<uint32_t>{77}));
}

TEST_F(ChannelTest, SurvivorThatSendsIntoTheNewEpochNoticesIt) {
  Connect();
  for (uint32_t i = 0; i < 20; ++i) {
    ASSERT_TRUE(Send(*client_, i, 500).ok());
    ASSERT_EQ(ReceiveIds(*server_).size(), 1u);
  }
  StartEpoch(init_.data(), 2);
  server_ = Open(Side::kServer);
  server_->Update();
  EXPECT_FALSE(Send(*client_, 1).ok());
  EXPECT_EQ(client_->state(), State::kConnecting) << "not broken: the peer did nothing wrong";
  EXPECT_EQ(client_->Update(), State::kUp);
}

TEST_F(ChannelTest, BadMessageBreaksTheConnectionOnly) {
  Connect();
  EXPECT_TRUE(Send(*client_, 1).ok());
  init_.data()[ChannelPage::kBytes + 16] ^= 0xff;  // the root pointer
  testing::internal::CaptureStderr();
  EXPECT_TRUE(ReceiveIds(*server_).empty());
  EXPECT_NE(
      testing::internal::GetCapturedStderr().find("channel test: connection ended: bad message"),
      std::string::npos);
  EXPECT_EQ(server_->state(), State::kBroken);
  EXPECT_EQ(server_->Update(), State::kBroken);
  EXPECT_FALSE(Send(*server_, 1).ok());
  EXPECT_EQ(client_bell_.Poll(), 1u);
  EXPECT_EQ(client_->Update(), State::kConnecting);
  StartEpoch(init_.data(), 2);
  Connect();
}

TEST_F(ChannelTest, HandlersRefusalBreaksTheConnection) {
  Connect();
  EXPECT_TRUE(Send(*client_, 1).ok());
  EXPECT_TRUE(Send(*client_, 2).ok());
  int calls = 0;
  server_->Receive<XenstoreRequest>(10, [&](XenstoreRequest::Reader) {
    ++calls;
    return absl::PermissionDeniedError("not for you");
  });
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(server_->state(), State::kBroken);
}

TEST_F(ChannelTest, BadGeometryBreaksTheConnection) {
  const auto broken = [&](auto change) {
    EXPECT_TRUE(FormatChannel(init_.data(), init_.size(), kSchema, kRingBytes).ok());
    change();
    return Open(Side::kClient)->Update() == State::kBroken;
  };
  EXPECT_TRUE(broken([&] { page()->magic = 1; }));
  EXPECT_TRUE(broken([&] { page()->schema_id ^= 1; }));
  for (const uint32_t bytes : {0u, 1u, 512u, 3000u, 8192u, 1u << 20, 1u << 31}) {
    EXPECT_TRUE(broken([&] { page()->ring_bytes = bytes; })) << bytes;
  }
  EXPECT_FALSE(broken([] {}));
  EXPECT_FALSE(FormatChannel(init_.data(), kPageBytes, kSchema, kRingBytes).ok());
  EXPECT_FALSE(FormatChannel(init_.data(), kBytes, kSchema, 1000).ok());
}

TEST_F(ChannelTest, VanishedMemoryBreaksTheConnection) {
  Connect();
  EXPECT_TRUE(Send(*client_, 1).ok());
  runtime::host::RevokeMemory(handle_.get());
  EXPECT_TRUE(ReceiveIds(*server_).empty());
  EXPECT_EQ(server_->state(), State::kBroken);
  client_->Flush();
  EXPECT_EQ(client_->state(), State::kBroken);
  EXPECT_EQ(client_->Update(), State::kBroken);
}

TEST_F(ChannelTest, PoolReferencesAreChecked) {
  Connect();
  const Pool& pool = client_->pool();
  EXPECT_EQ(pool.bytes(), kBytes - kPageBytes - 2 * kRingBytes);
  char buffer[16] = "payload";
  EXPECT_TRUE(pool.Write({pool.bytes() - 8, 8}, buffer, 8).ok());
  char back[16] = {};
  EXPECT_TRUE(server_->pool().Read({pool.bytes() - 8, 8}, back, sizeof(back)).ok());
  EXPECT_STREQ(back, "payload");
  EXPECT_TRUE(absl::IsOutOfRange(pool.Read({pool.bytes() - 8, 9}, back, sizeof(back))));
  EXPECT_TRUE(absl::IsOutOfRange(pool.Read({0, 17}, back, sizeof(back))));
  EXPECT_TRUE(absl::IsOutOfRange(pool.Read({~0u, 8}, back, sizeof(back))));
  EXPECT_TRUE(absl::IsOutOfRange(pool.Read({8, ~0u}, back, sizeof(back))));
  EXPECT_TRUE(absl::IsOutOfRange(pool.Write({0, 7}, back, 8)));
}

TEST_F(ChannelTest, OpenedByName) {
  runtime::host::SetCapability("xs", *runtime::host::CopyHandle(handle_.get(), ~uint64_t{0}), 5);
  runtime::host::SetCapability("xs.peer", client_bell_.SignalHandle(1)->Release());
  absl::StatusOr<NamedChannel> named = OpenChannel("xs", Side::kServer, kSchema);
  ASSERT_TRUE(named.ok()) << named.status();
  EXPECT_EQ(named->bit, 5u);
  EXPECT_EQ(named->channel.Update(), State::kConnecting);
  EXPECT_EQ(client_->Update(), State::kUp);
  EXPECT_TRUE(absl::IsNotFound(OpenChannel("other", Side::kServer, kSchema).status()));
}

// Client and server as two processes with event loops, one that restarts in the middle.
TEST_F(ChannelTest, AcrossProcesses) {
  const auto serve = [&](uint32_t lives_for) {
    const pid_t child = fork();
    if (child != 0) return child;
    std::unique_ptr<Channel> server = Open(Side::kServer);
    runtime::EventLoop loop(Notification::Adopt(server_bell_.handle()));
    MessageBuilder answer;
    const auto work = [&] {
      if (server->Update() != State::kUp) return;
      const bool more = server->Receive<XenstoreRequest>(4, [&](XenstoreRequest::Reader request) {
        if (lives_for-- == 0) _exit(0);
        answer.Start<XenstoreReply>().initDone().setId(request.getId());
        return server->Send(answer);
      });
      server->Flush();
      if (more) loop.notification().Signal(1);
    };
    if (!loop.AddSourceAt(0, work).ok()) _exit(1);
    work();
    _exit(loop.Run().ok() ? 0 : 1);
  };
  pid_t child = serve(500);
  uint32_t answered = 0;
  uint32_t epoch = 1;
  const uint64_t deadline = runtime::MonotonicNow() + 30 * runtime::kSecond;
  bool sent = false;
  while (answered < 1000) {
    if (client_->Update() == State::kUp) {
      if (!sent) sent = Send(*client_, answered).ok();
      client_->Receive<XenstoreReply>(10, [&](XenstoreReply::Reader reply) {
        EXPECT_EQ(reply.getDone().getId(), answered++);
        sent = false;
        return absl::OkStatus();
      });
      client_->Flush();
      if (!sent) continue;
    }
    // What init does: sees the end of a service, starts an epoch and the next life.
    if (waitpid(child, nullptr, WNOHANG) == child) {
      StartEpoch(init_.data(), ++epoch);
      child = serve(~0u);
      sent = false;  // unanswered: sent again
      continue;
    }
    static_cast<void>(client_bell_.Wait(1, runtime::MonotonicNow() + runtime::kMillisecond));
    ASSERT_LT(runtime::MonotonicNow(), deadline);
  }
  EXPECT_EQ(client_->epoch(), 2u);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
}

}  // namespace
}  // namespace pyrene::proto
