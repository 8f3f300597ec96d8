// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <random>

#include "services/xenstore/path.h"
#include "services/xenstore/xs_ring.h"
#include "tests/unit/xenstore_fake_page.h"
#include "tests/unit/xenstore_test_util.h"

namespace pyrene::xenstore {
namespace {

using Health = RingServer::Health;

class RecordRing : public MutationObserver {
 public:
  void OnRing(ConnectionId, const RingState& state) override { last = state; }
  RingState last;
};

struct Recorded {
  RecordRing record_;  // in a base, so that it lives longer than the server
};

class RingTest : private Recorded, public StoreTest {
 protected:
  using Recorded::record_;

  RingTest()
      : StoreTest({}, &record_),
        guest_(AddGuest(5)),
        ring_(&server_, guest_.connection(), &page_) {}

  // Lets guest and server take turns until all of `bytes` is sent and `replies` replies have come.
  std::vector<Received> Converse(std::string bytes, size_t replies) {
    std::string input;
    std::vector<Received> all;
    for (int round = 0; round < 10'000; ++round) {
      page_.Send(&bytes);
      EXPECT_EQ(ring_.Process(8).health, Health::kOk);
      page_.Receive(&input);
      for (Received& message : TakeMessages(&input)) all.push_back(message);
      if (bytes.empty() && all.size() >= replies) break;
    }
    EXPECT_EQ(input, "");
    return all;
  }

  Client guest_;
  FakePage page_;
  RingServer ring_;
};

TEST_F(RingTest, ARequestAndItsReply) {
  ASSERT_EQ(ring_.Attach(kServerFeatures), Health::kOk);
  EXPECT_EQ(page_.Get(kFeaturesField), 7u);
  EXPECT_EQ(page_.Get(kConnectionField), 0u);
  RingServer::Result idle = ring_.Process(8);
  EXPECT_FALSE(idle.notify);
  EXPECT_FALSE(idle.more);

  std::string bytes = Message(MessageType::kRead, Payload({"name"}), 77);
  page_.Send(&bytes);
  RingServer::Result result = ring_.Process(8);
  EXPECT_TRUE(result.notify);
  EXPECT_FALSE(result.more);
  EXPECT_EQ(page_.Get(kRequestConsumer), page_.Get(kRequestProducer));
  std::string input;
  page_.Receive(&input);
  auto replies = TakeMessages(&input);
  ASSERT_EQ(replies.size(), 1u);
  EXPECT_EQ(replies[0].header.type, 2u);
  EXPECT_EQ(replies[0].header.request_id, 77u);
  EXPECT_EQ(replies[0].header.transaction_id, 0u);
  EXPECT_EQ(replies[0].payload, "guest");
}

TEST_F(RingTest, AnErrorIsAReplyOfTypeError) {
  ASSERT_EQ(ring_.Attach(kServerFeatures), Health::kOk);
  auto replies = Converse(Message(MessageType::kRead, Payload({"none"}), 5, 0) +
                              Message(MessageType::kRead, Payload({"name"}), 6, 99) +
                              Message(static_cast<MessageType>(1000), "", 7),
                          3);
  ASSERT_EQ(replies.size(), 3u);
  for (const Received& reply : replies) EXPECT_EQ(reply.header.type, 16u);
  EXPECT_EQ(replies[0].payload, Payload({"ENOENT"}));
  EXPECT_EQ(replies[0].header.request_id, 5u);
  EXPECT_EQ(replies[1].payload, Payload({"ENOENT"}));
  EXPECT_EQ(replies[1].header.transaction_id, 99u);
  EXPECT_EQ(replies[2].payload, Payload({"ENOSYS"}));
}

TEST_F(RingTest, ATransactionThroughTheRing) {
  ASSERT_EQ(ring_.Attach(kServerFeatures), Health::kOk);
  auto started = Converse(Message(MessageType::kTransactionStart, Payload({""}), 1), 1);
  uint32_t tx = static_cast<uint32_t>(std::atoi(started.at(0).payload.c_str()));
  auto replies = Converse(Message(MessageType::kWrite, Payload({"data/x"}) + "v", 2, tx) +
                              Message(MessageType::kTransactionEnd, Payload({"T"}), 3, tx),
                          2);
  EXPECT_EQ(replies.at(0).payload, Payload({"OK"}));
  EXPECT_EQ(replies.at(0).header.transaction_id, tx);
  EXPECT_EQ(replies.at(1).payload, Payload({"OK"}));
  EXPECT_EQ(tool_.Read("/local/domain/5/data/x"), "v");
}

TEST_F(RingTest, MessagesInPiecesOfEverySizeAtEveryIndex) {
  std::string value(1900, 'v');
  std::string conversation = Message(MessageType::kWrite, Payload({"data/x"}) + value, 1) +
                             Message(MessageType::kRead, Payload({"data/x"}), 2) +
                             Message(MessageType::kRm, Payload({"data/x"}), 3);
  for (uint32_t index : {0u, 1u, 1008u, 1015u, 1023u, 0xfffffff0u, 0xffffffffu, 0xfffffc00u}) {
    for (size_t piece : {1u, 3u, 15u, 16u, 17u, 500u, 1024u}) {
      page_.SetAll(index);
      ASSERT_EQ(ring_.Attach(kServerFeatures), Health::kOk);
      std::string bytes = conversation;
      std::string input;
      for (int round = 0; round < 10'000 && (!bytes.empty() || input.size() < 16 + 1900 + 19 + 19);
           ++round) {
        page_.Send(&bytes, piece);
        ASSERT_EQ(ring_.Process(8).health, Health::kOk);
        page_.Receive(&input, piece);
      }
      auto replies = TakeMessages(&input);
      ASSERT_EQ(replies.size(), 3u) << index << " " << piece;
      EXPECT_EQ(replies[1].payload, value);
      EXPECT_EQ(replies[2].header.request_id, 3u);
    }
  }
}

TEST_F(RingTest, ImpossibleIndicesEndTheService) {
  for (uint32_t field : {kRequestProducer, kReplyConsumer}) {
    SCOPED_TRACE(field);
    page_.SetAll(0);
    ASSERT_EQ(ring_.Attach(kServerFeatures), Health::kOk);
    EXPECT_EQ(guest_.Watch("data", "t"), "OK") << "leaves an event to be sent";
    EXPECT_NE(guest_.Start(), 0u);
    page_.Set(field, field == kRequestProducer ? 1025 : 1);
    RingServer::Result result = ring_.Process(8);
    EXPECT_EQ(result.health, Health::kBroken);
    EXPECT_TRUE(result.notify);
    EXPECT_EQ(page_.Get(kErrorField), 2u);
    EXPECT_EQ(AccountOf(5).watches, 0u);
    EXPECT_EQ(AccountOf(5).transactions, 0u);
    page_.SetAll(0);
    std::string bytes = Message(MessageType::kRead, Payload({"name"}));
    page_.Send(&bytes);
    EXPECT_EQ(ring_.Process(8).health, Health::kBroken) << "for good";
    EXPECT_EQ(page_.Get(kRequestConsumer), 0u);
  }
}

TEST_F(RingTest, ImpossibleIndicesAreRefusedAtTheStart) {
  page_.Set(kRequestProducer, 2000);
  EXPECT_EQ(ring_.Attach(kServerFeatures), Health::kBroken);
  EXPECT_EQ(page_.Get(kErrorField), 2u);
  page_.SetAll(0);
  page_.Set(kReplyConsumer, 7);
  EXPECT_EQ(ring_.Attach(kServerFeatures), Health::kBroken);
}

TEST_F(RingTest, ATooLongMessageEndsTheService) {
  ASSERT_EQ(ring_.Attach(kServerFeatures), Health::kOk);
  Header header{2, 1, 0, kMaxPayload + 1};
  std::string bytes = EncodeMessage(header, "");
  page_.Send(&bytes);
  EXPECT_EQ(ring_.Process(8).health, Health::kBroken);
  EXPECT_EQ(page_.Get(kErrorField), 3u);
}

TEST_F(RingTest, TheLongestMessageIsAccepted) {
  ASSERT_EQ(ring_.Attach(kServerFeatures), Health::kOk);
  auto replies = Converse(Message(MessageType::kRead, std::string(kMaxPayload, 'x'), 9), 1);
  EXPECT_EQ(replies.at(0).payload, Payload({"EINVAL"}));
}

TEST_F(RingTest, OurOwnIndicesInThePageMeanNothingToUs) {
  ASSERT_EQ(ring_.Attach(kServerFeatures), Health::kOk);
  page_.Set(kReplyProducer, 12345);
  std::string bytes = Message(MessageType::kRead, Payload({"name"}));
  page_.Send(&bytes);
  page_.Set(kRequestConsumer, 54321);
  EXPECT_EQ(ring_.Process(8).health, Health::kOk);
  EXPECT_EQ(page_.Get(kRequestConsumer), 21u);
  EXPECT_EQ(page_.Get(kReplyProducer), 21u);
}

TEST_F(RingTest, AReplyComesBeforeTheEventsItCauses) {
  ASSERT_EQ(ring_.Attach(kServerFeatures), Health::kOk);
  auto messages = Converse(Message(MessageType::kWatch, Payload({"data", "t"}), 1) +
                               Message(MessageType::kWrite, Payload({"data/x"}), 2),
                           4);
  ASSERT_EQ(messages.size(), 4u);
  EXPECT_EQ(messages[0].header.type, 4u);
  EXPECT_EQ(messages[1].header.type, 15u);
  EXPECT_EQ(messages[1].header.request_id, 0u);
  EXPECT_EQ(messages[1].header.transaction_id, 0u);
  EXPECT_EQ(messages[1].payload, Payload({"data", "t"}));
  EXPECT_EQ(messages[2].header.type, 11u);
  EXPECT_EQ(messages[3].payload, Payload({"data/x", "t"}));
}

TEST_F(RingTest, OneTurnIsBounded) {
  ASSERT_EQ(ring_.Attach(kServerFeatures), Health::kOk);
  std::string bytes;
  for (int i = 0; i < 10; ++i) bytes += Message(MessageType::kRead, Payload({"name"}));
  page_.Send(&bytes);
  int turns = 0;
  bool more = true;
  for (; more && turns < 20; ++turns) more = ring_.Process(3).more;
  EXPECT_EQ(turns, 4);
  EXPECT_EQ(page_.Get(kReplyProducer), 210u);
}

TEST_F(RingTest, RequestsWaitWhileTheGuestDoesNotReadAndNoneIsLost) {
  ASSERT_EQ(ring_.Attach(kServerFeatures), Health::kOk);
  tool_.Write("/local/domain/5/name", std::string(500, 'n'));
  std::string bytes;
  for (uint32_t i = 0; i < 1000; ++i) bytes += Message(MessageType::kRead, Payload({"name"}), i);
  for (int i = 0; i < 1000; ++i) {
    page_.Send(&bytes);
    ASSERT_EQ(ring_.Process(8).health, Health::kOk);
  }
  EXPECT_FALSE(bytes.empty()) << "backpressure reaches the guest";
  EXPECT_EQ(server_.Output(guest_.connection())->replies(), 20u);
  auto replies = Converse(bytes, 1000);
  ASSERT_EQ(replies.size(), 1000u);
  for (uint32_t i = 0; i < 1000; ++i) ASSERT_EQ(replies[i].header.request_id, i);
}

TEST_F(RingTest, AboveTheSoftMemoryLimitRequestsGoOneAtATime) {
  ASSERT_EQ(ring_.Attach(kServerFeatures), Health::kOk);
  // The toolstack may make a guest heavier than its quota.
  for (int i = 0; i < 600; ++i) {
    tool_.Write("/local/domain/5/data/x" + std::to_string(i), std::string(4000, 'x'));
  }
  ASSERT_GT(AccountOf(5).memory, server_.QuotaOf(5).memory_soft);
  page_.Set(kReplyConsumer, page_.Get(kReplyProducer) - kRingSize);  // a full ring
  std::string bytes;
  for (int i = 0; i < 10; ++i) bytes += Message(MessageType::kRead, Payload({"name"}));
  page_.Send(&bytes);
  ASSERT_EQ(ring_.Process(100).health, Health::kOk);
  EXPECT_EQ(server_.Output(guest_.connection())->replies(), 1u);
}

TEST_F(RingTest, ARingEmptiedJustBeforeItIsSeenFullIsFilledAgain) {
  // The guest sends no event for room that it made before it saw the ring full; so the room must
  // not be overlooked.
  ASSERT_EQ(ring_.Attach(kServerFeatures), Health::kOk);
  tool_.Write("/local/domain/5/name", std::string(2000, 'n'));
  std::string input;
  bool emptied = false;
  page_.before_access = [&](int) {
    if (!emptied && page_.Get(kReplyProducer) == kRingSize) {
      emptied = true;
      page_.Receive(&input);
    }
  };
  std::string bytes = Message(MessageType::kRead, Payload({"name"}));
  page_.Send(&bytes);
  ASSERT_EQ(ring_.Process(8).health, Health::kOk);
  EXPECT_TRUE(emptied);
  page_.Receive(&input);
  EXPECT_EQ(input.size(), kHeaderSize + 2000);
}

TEST_F(RingTest, Reconnect) {
  ASSERT_EQ(ring_.Attach(kServerFeatures), Health::kOk);
  Converse(Message(MessageType::kWatch, Payload({"data", "t"})), 2);
  std::string half = Message(MessageType::kRead, Payload({"name"})).substr(0, 10);
  page_.Send(&half);
  ASSERT_EQ(ring_.Process(8).health, Health::kOk);
  page_.Set(kConnectionField, 1);
  RingServer::Result result = ring_.Process(8);
  EXPECT_TRUE(result.notify);
  EXPECT_EQ(page_.Get(kConnectionField), 0u);
  EXPECT_EQ(page_.Get(kRequestConsumer), 0u);
  EXPECT_EQ(page_.Get(kReplyProducer), 0u);
  EXPECT_EQ(AccountOf(5).watches, 0u);
  auto replies = Converse(Message(MessageType::kRead, Payload({"name"}), 8), 1);
  EXPECT_EQ(replies.at(0).payload, "guest");
}

TEST_F(RingTest, APageThatVanishesAtAnyAccessEndsOnlyThisRing) {
  std::string conversation =
      Message(MessageType::kWatch, Payload({"data", "t"}), 1) +
      Message(MessageType::kWrite, Payload({"data/x"}) + std::string(1500, 'x'), 2) +
      Message(MessageType::kRead, Payload({"data/x"}), 3) +
      Message(MessageType::kResetWatches, "", 4);
  int vanished = 0;
  for (int access = 0; access < 200; ++access) {
    FakePage page;
    page.fail_at = access;
    RingServer ring(&server_, guest_.connection(), &page);
    std::string bytes = conversation;
    std::string input;
    Health health = ring.Attach(kServerFeatures);
    for (int round = 0; round < 20 && health == Health::kOk; ++round) {
      page.Send(&bytes);
      health = ring.Process(8).health;
      page.Receive(&input);
    }
    if (health == Health::kGone) {
      ++vanished;
      EXPECT_EQ(ring.Process(8).health, Health::kGone);
    }
    server_.Reset(guest_.connection());
    ASSERT_EQ(server_.CheckAccounts(), absl::OkStatus());
  }
  EXPECT_GT(vanished, 30);
}

TEST_F(RingTest, AfterEveryAccessTheRingCanBeResumedFromItsLastRecordedState) {
  // Each round the server is stopped at a later access to the page, and goes on from what the
  // observer heard last.
  std::string conversation =
      Message(MessageType::kWatch, Payload({"data", "t"}), 1) +
      Message(MessageType::kWrite, Payload({"data/x"}) + std::string(1500, 'x'), 2) +
      Message(MessageType::kRead, Payload({"data/x"}), 3) +
      Message(MessageType::kRm, Payload({"data/x"}), 4) +
      Message(MessageType::kUnwatch, Payload({"data", "t"}), 5);
  std::string expected;
  for (int access = -1; access < 150; ++access) {
    SCOPED_TRACE(access);
    FakePage page;
    page.SetAll(1000);
    auto ring = std::make_unique<RingServer>(&server_, guest_.connection(), &page);
    ASSERT_EQ(ring->Attach(kServerFeatures), Health::kOk);
    page.accesses = 0;
    page.fail_at = access;
    std::string bytes = conversation;
    std::string input;
    for (int round = 0; round < 30; ++round) {
      page.Send(&bytes);
      if (ring->Process(8).health == Health::kGone) {
        page.fail_at = -1;
        ring = std::make_unique<RingServer>(&server_, guest_.connection(), &page);
        ASSERT_EQ(ring->Resume(kServerFeatures, record_.last), Health::kOk);
      }
      page.Receive(&input);
    }
    if (access < 0) expected = input;
    ASSERT_EQ(input, expected);
  }
  EXPECT_EQ(TakeMessages(&expected).size(), 8u);
}

TEST_F(RingTest, AHeldGuestIsNotRead) {
  ASSERT_EQ(ring_.Attach(kServerFeatures), Health::kOk);
  tool_.Write("/shared", "");
  tool_.SetPerms("/shared", {"n0", "b5"});
  uint32_t tx = tool_.Start();
  tool_.Read("/shared", tx);
  Converse(Message(MessageType::kWrite, Payload({"/shared"}) + "1"), 1);
  EXPECT_EQ(tool_.End(tx), "!EAGAIN");
  tx = tool_.Start();
  tool_.Read("/shared", tx);
  std::string bytes = Message(MessageType::kWrite, Payload({"/shared"}) + "2");
  page_.Send(&bytes);
  EXPECT_FALSE(ring_.Process(8).notify);
  EXPECT_EQ(tool_.Read("/shared"), "1");
  host_.woken.clear();
  EXPECT_EQ(tool_.End(tx), "OK");
  EXPECT_TRUE(host_.woken.contains(guest_.connection()));
  EXPECT_TRUE(ring_.Process(8).notify);
  EXPECT_EQ(tool_.Read("/shared"), "2");
}

TEST_F(RingTest, Xsa155_BytesAreFetchedOnce) {
  // The guest overwrites the whole ring after each fetch; what is executed is what was there first.
  ASSERT_EQ(ring_.Attach(kServerFeatures), Health::kOk);
  std::string bytes = Message(MessageType::kWrite, Payload({"data/x"}) + "first", 1);
  size_t length = bytes.size();
  page_.Send(&bytes);
  page_.after_copy_in = [&] {
    uint32_t producer = page_.Get(kRequestProducer);
    std::string other = Message(MessageType::kWrite, Payload({"data/y"}) + "other", 2);
    other.replace(12, 4, "\xff\xff\xff\xff");
    page_.Set(kRequestProducer, producer - static_cast<uint32_t>(length));
    page_.Send(&other);
    page_.Set(kRequestProducer, producer);
  };
  // As far as it was fetched in one piece: the header's length was checked and used from the same
  // copy.
  EXPECT_EQ(ring_.Process(8).health, Health::kOk);
  page_.after_copy_in = nullptr;
  std::string input;
  page_.Receive(&input);
  auto replies = TakeMessages(&input);
  ASSERT_EQ(replies.size(), 1u);
  EXPECT_EQ(replies[0].header.type, 11u);
  EXPECT_EQ(replies[0].header.request_id, 1u);
  EXPECT_EQ(page_.Get(kErrorField), 0u);
}

TEST_F(RingTest, Xsa326_414To421_UnreadRepliesAreBounded) {
  ASSERT_EQ(ring_.Attach(kServerFeatures), Health::kOk);
  tool_.Write("/local/domain/5/name", std::string(2000, 'n'));
  const Account before = AccountOf(5);
  std::string bytes;
  for (uint32_t i = 0; i < 1000; ++i) bytes += Message(MessageType::kRead, Payload({"name"}), i);
  for (int i = 0; i < 1000; ++i) {
    page_.Send(&bytes);
    ASSERT_EQ(ring_.Process(8).health, Health::kOk);
    ASSERT_LE(server_.Output(guest_.connection())->replies(), 20u);
    ASSERT_LE(AccountOf(5).memory, before.memory + 20 * (2000 + 1000));
  }
  EXPECT_FALSE(bytes.empty());
}

TEST_F(RingTest, Xsa326_414To421_OnlyTheReplyIsKeptUntilItIsRead) {
  ASSERT_EQ(ring_.Attach(kServerFeatures), Health::kOk);
  // Each needs far more to be carried out than its reply has bytes.
  for (int i = 0; i < 200; ++i) {
    ASSERT_EQ(guest_.Write("data/many/n" + std::to_string(i), std::string(1000, 'v')), "OK");
  }
  const Account before = AccountOf(5);
  std::string bytes;
  for (uint32_t i = 0; i < 8; ++i) {
    bytes += Message(MessageType::kRead, Payload({"data/many/n0"}), 2 * i);
    bytes += Message(MessageType::kDirectory, Payload({"data/many"}), 2 * i + 1);
  }
  for (int i = 0; i < 20; ++i) {
    page_.Send(&bytes);
    ASSERT_EQ(ring_.Process(8).health, Health::kOk);
  }
  const uint64_t waiting = server_.Output(guest_.connection())->bytes();
  EXPECT_GT(waiting, 0u);
  EXPECT_EQ(AccountOf(5).memory, before.memory + waiting);
  EXPECT_EQ(Converse(bytes, 16).size(), 16u);
  EXPECT_EQ(AccountOf(5), before);
}

TEST_F(RingTest, RandomBytesHurtNobodyElse) {
  std::mt19937 random(7);
  Client other = AddGuest(6);
  for (int round = 0; round < Rounds(2000); ++round) {
    page_.SetAll(static_cast<uint32_t>(random()));
    page_.Set(kConnectionField, 0);
    ASSERT_EQ(server_.Introduce(5, 1, 1), Error::kOk);
    ASSERT_EQ(ring_.Attach(kServerFeatures), Health::kOk);
    std::string bytes;
    for (uint32_t messages = 1 + random() % 8; messages > 0; --messages) {
      std::string payload;
      const char* words[] = {
          "data", "/local/domain/5/data", "name", "@releaseDomain", "n5", "r6", "T", "F", "0", "5"};
      for (uint32_t parts = random() % 4; parts > 0; --parts) {
        payload += words[random() % 10];
        if (random() % 8 != 0) payload.push_back('\0');
      }
      Header header{static_cast<uint32_t>(random() % 28), static_cast<uint32_t>(random()),
                    static_cast<uint32_t>(random() % 3), static_cast<uint32_t>(payload.size())};
      if (random() % 64 == 0) header.length = static_cast<uint32_t>(random());
      bytes += EncodeMessage(header, payload);
    }
    for (uint32_t damage = random() % 3; damage > 0; --damage) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    std::string input;
    for (int turn = 0; turn < 8; ++turn) {
      page_.Send(&bytes);
      if (random() % 100 == 0) page_.Set(4 * (512 + random() % 8), static_cast<uint32_t>(random()));
      RingServer::Result result = ring_.Process(4);
      ASSERT_NE(result.health, Health::kGone);
      if (result.health == Health::kBroken) break;
      if (page_.Get(kReplyProducer) - page_.Get(kReplyConsumer) <= kRingSize) page_.Receive(&input);
    }
    ASSERT_EQ(server_.CheckAccounts(), absl::OkStatus());
    ASSERT_EQ(other.Read("name"), "guest");
  }
}

}  // namespace
}  // namespace pyrene::xenstore
