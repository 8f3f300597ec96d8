// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <vector>

#include "platform/block/block_client.h"
#include "platform/block/block_server.h"
#include "platform/block/wire_form.h"
#include "proto/connect.h"
#include "tests/unit/channel_memory.h"

namespace pyrene::block {
namespace {

using proto::BlockStatus;

// Ends what it was given when the test says so.
class FakeDisk final : public Disk {
 public:
  DiskFacts shown{.sectors = 1000, .max_sectors = 64, .max_discard = 0};
  std::vector<DiskRequest> running;
  std::vector<Operation> started;

  const DiskFacts& facts() const override { return shown; }
  bool CanStart() const override { return running.size() < 8; }
  void Start(const DiskRequest& request) override {
    running.push_back(request);
    started.push_back(request.operation);
  }
  void OnInterrupt() override {}
  void EndOne(BlockStatus status = BlockStatus::OK) {
    const DiskRequest request = running.front();
    running.erase(running.begin());
    Complete(request.tag, status);
  }
};

class BlockTest : public testing::Test {
 protected:
  BlockTest() {
    memory_.StartEpoch(1);
    StartDriver();
    StartClient();
    Turn();
  }
  void StartDriver() {
    server_.reset();
    disk_.running.clear();
    server_ = std::make_unique<BlockServer>(disk_);
    server_->AddClient(memory_.Open(proto::Side::kServer, bell_), {data_, sizeof(data_), 0});
  }
  void StartClient() {
    answers_.clear();
    client_ = std::make_unique<BlockClient>(
        std::move(*memory_.Open(proto::Side::kClient, bell_)),
        [this](uint32_t id, BlockStatus status) { answers_[id] = status; });
  }
  void Turn() {
    for (int i = 0; i < 6; ++i) {
      client_->OnWake();
      server_->Round();
    }
    client_->OnWake();
  }
  absl::Status Submit(uint32_t id, Operation operation, uint64_t sector = 0, uint32_t count = 1,
                      uint32_t offset = 0) {
    return client_->Submit(id, {operation, sector, count, nullptr, offset, 0});
  }

  uint8_t data_[65536] = {};
  runtime::Notification bell_ = *runtime::Notification::Create();
  proto::ChannelMemory memory_{proto::SchemaId<proto::BlockRequest>()};
  FakeDisk disk_;
  std::unique_ptr<BlockServer> server_;
  std::unique_ptr<BlockClient> client_;
  std::map<uint32_t, BlockStatus> answers_;
};

TEST_F(BlockTest, FactsThenRequestsThenAnswers) {
  ASSERT_TRUE(client_->has_facts());
  EXPECT_EQ(client_->facts().sectors, 1000u);
  ASSERT_TRUE(Submit(7, Operation::kWrite, 10, 4, 512).ok());
  Turn();
  ASSERT_EQ(disk_.running.size(), 1u);
  EXPECT_EQ(disk_.running[0].sector, 10u);
  EXPECT_EQ(disk_.running[0].offset, 512u);
  EXPECT_TRUE(answers_.empty());
  disk_.EndOne(BlockStatus::IO_ERROR);
  Turn();
  EXPECT_EQ(answers_[7], BlockStatus::IO_ERROR);
  EXPECT_EQ(client_->unanswered(), 0u);
}

TEST_F(BlockTest, WhatIsOutOfRangeDoesNotReachTheDisk) {
  const auto answer = [this](Operation operation, uint64_t sector, uint32_t count,
                             uint32_t offset = 0) {
    EXPECT_TRUE(Submit(1, operation, sector, count, offset).ok());
    Turn();
    EXPECT_TRUE(disk_.running.empty());
    return answers_[1];
  };
  EXPECT_EQ(answer(Operation::kRead, 1000, 1), BlockStatus::INVALID);
  EXPECT_EQ(answer(Operation::kRead, 999, 2), BlockStatus::INVALID);
  EXPECT_EQ(answer(Operation::kRead, ~uint64_t{0}, 2), BlockStatus::INVALID);
  EXPECT_EQ(answer(Operation::kRead, 0, 0), BlockStatus::INVALID);
  EXPECT_EQ(answer(Operation::kRead, 0, 65), BlockStatus::INVALID);
  EXPECT_EQ(answer(Operation::kRead, 0, 1, 65536), BlockStatus::INVALID);
  EXPECT_EQ(answer(Operation::kRead, 0, 2, 65024), BlockStatus::INVALID);
  EXPECT_EQ(answer(Operation::kRead, 0, 1, 100), BlockStatus::INVALID);
  EXPECT_EQ(answer(Operation::kRead, 0, 1, 0xfffffe00), BlockStatus::INVALID);
  EXPECT_EQ(answer(Operation::kDiscard, 0, 1), BlockStatus::NOT_SUPPORTED);
  disk_.shown.read_only = true;
  EXPECT_EQ(answer(Operation::kWrite, 0, 1), BlockStatus::READ_ONLY);
  disk_.shown = {.medium = 2};
  EXPECT_EQ(answer(Operation::kFlush, 0, 0), BlockStatus::NO_MEDIUM);
  EXPECT_EQ(client_->facts().sectors, 0u);
}

TEST_F(BlockTest, AFlushIsABarrier) {
  ASSERT_TRUE(Submit(1, Operation::kWrite, 1).ok());
  ASSERT_TRUE(Submit(2, Operation::kWrite, 2).ok());
  ASSERT_TRUE(Submit(3, Operation::kFlush).ok());
  ASSERT_TRUE(Submit(4, Operation::kWrite, 4).ok());
  Turn();
  EXPECT_EQ(disk_.started, (std::vector{Operation::kWrite, Operation::kWrite}));
  disk_.EndOne();
  Turn();
  EXPECT_EQ(disk_.started.size(), 2u);
  disk_.EndOne();
  Turn();
  EXPECT_EQ(disk_.started.size(), 3u);
  EXPECT_EQ(disk_.started.back(), Operation::kFlush);
  disk_.EndOne();
  Turn();
  EXPECT_EQ(disk_.started.size(), 4u);
}

TEST_F(BlockTest, TheDriversNextLifeGetsAllThatIsUnansweredInOrder) {
  ASSERT_TRUE(Submit(1, Operation::kWrite, 1).ok());
  ASSERT_TRUE(Submit(2, Operation::kRead, 2).ok());
  ASSERT_TRUE(Submit(3, Operation::kFlush).ok());
  Turn();
  disk_.EndOne();
  Turn();
  EXPECT_EQ(answers_.size(), 1u);
  memory_.StartEpoch(2);
  StartDriver();
  disk_.started.clear();
  // Between the lives.
  ASSERT_TRUE(Submit(4, Operation::kWrite, 4).ok());
  Turn();
  EXPECT_EQ(disk_.started, std::vector{Operation::kRead});
  while (!disk_.running.empty()) {
    disk_.EndOne();
    Turn();
  }
  EXPECT_EQ(disk_.started, (std::vector{Operation::kRead, Operation::kFlush, Operation::kWrite}));
  EXPECT_EQ(answers_.size(), 4u);
  EXPECT_EQ(client_->connections(), 2u);
}

TEST_F(BlockTest, TheClientsNextLifeWaitsForWhatTheDeviceStillDoes) {
  ASSERT_TRUE(Submit(1, Operation::kRead, 1).ok());
  Turn();
  ASSERT_EQ(disk_.running.size(), 1u);
  memory_.StartEpoch(2);
  StartClient();
  Turn();
  EXPECT_FALSE(client_->has_facts());
  disk_.EndOne();
  Turn();
  EXPECT_TRUE(client_->has_facts());
  EXPECT_TRUE(answers_.empty());
  ASSERT_TRUE(Submit(1, Operation::kRead, 1).ok());
  Turn();
  disk_.EndOne();
  Turn();
  EXPECT_EQ(answers_[1], BlockStatus::OK);
}

TEST_F(BlockTest, TheDepthIsKept) {
  for (uint32_t id = 0; id < BlockServer::kDepth; ++id)
    ASSERT_TRUE(Submit(id, Operation::kRead, id).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(Submit(99, Operation::kRead)));
  Turn();
  EXPECT_EQ(disk_.running.size(), 8u);
  while (!disk_.running.empty()) {
    disk_.EndOne();
    Turn();
  }
  EXPECT_EQ(answers_.size(), BlockServer::kDepth);
}

template <size_t kWords>
bool Same(const WireForm<kWords>& words, kj::ArrayPtr<const capnp::word> message) {
  return message.size() == kWords && memcmp(words.data(), message.begin(), kWords * 8) == 0;
}

// What is written and read at fixed places is what Cap'n Proto writes and reads.
TEST(WireForm, IsWhatTheBuilderMakes) {
  std::mt19937_64 random(1);
  proto::MessageBuilder builder;
  for (int i = 0; i < 1000; ++i) {
    const auto id = static_cast<uint32_t>(random());
    const DiskRequest request{random() % 2 == 0 ? Operation::kRead : Operation::kWrite, random(),
                              static_cast<uint32_t>(random()), nullptr,
                              static_cast<uint32_t>(random())};
    auto root = builder.Start<proto::BlockRequest>();
    root.setId(id);
    auto transfer = request.operation == Operation::kRead ? root.initRead() : root.initWrite();
    transfer.setSector(request.sector);
    transfer.setCount(request.count);
    transfer.setOffset(request.offset);
    const auto message = *builder.Finish();
    ASSERT_TRUE(Same(EncodeTransfer(id, request), message));
    const auto read = DecodeTransfer(message);
    ASSERT_TRUE(read.has_value());
    EXPECT_EQ(read->id, id);
    EXPECT_EQ(read->request.operation, request.operation);
    EXPECT_EQ(read->request.sector, request.sector);
    EXPECT_EQ(read->request.count, request.count);
    EXPECT_EQ(read->request.offset, request.offset);

    const auto status = static_cast<BlockStatus>(random() % 6);
    auto done = builder.Start<proto::BlockEvent>().initDone();
    done.setId(id);
    done.setStatus(status);
    const auto event = *builder.Finish();
    ASSERT_TRUE(Same(EncodeDone(id, status), event));
    EXPECT_EQ(DecodeDone(event)->id, id);
    EXPECT_EQ(DecodeDone(event)->status, status);
  }
}

// Whatever bit of such a message is another one: it is not taken for one, or means what Cap'n
// Proto's reader takes it for.
TEST(WireForm, IsNoOtherMessage) {
  int taken = 0;
  const auto each_bit = [&taken](auto words, auto decode, auto check) {
    for (size_t bit = 0; bit < words.size() * 64; ++bit) {
      auto other = words;
      other[bit / 64] ^= uint64_t{1} << bit % 64;
      const auto found = decode(Message(other));
      if (!found.has_value()) continue;
      ++taken;
      EXPECT_TRUE(check(*found, Message(other)).ok()) << bit;
    }
  };
  each_bit(EncodeTransfer(7, {Operation::kRead, 99, 8, nullptr, 4096}), DecodeTransfer,
           [](const TransferRequest& found, kj::ArrayPtr<const capnp::word> message) {
             return proto::ReadMessage<proto::BlockRequest>(
                 message, [&found](proto::BlockRequest::Reader root) {
                   const bool read = found.request.operation == Operation::kRead;
                   EXPECT_EQ(root.isRead(), read);
                   EXPECT_EQ(root.isWrite(), !read);
                   const auto transfer = read ? root.getRead() : root.getWrite();
                   EXPECT_EQ(root.getId(), found.id);
                   EXPECT_EQ(transfer.getSector(), found.request.sector);
                   EXPECT_EQ(transfer.getCount(), found.request.count);
                   EXPECT_EQ(transfer.getOffset(), found.request.offset);
                   return absl::OkStatus();
                 });
           });
  // Each bit of the fields, read for write, and those that the schema has not given away.
  EXPECT_EQ(taken, 32 + 1 + 16 + 64 + 64);
  taken = 0;
  each_bit(EncodeDone(7, BlockStatus::OK), DecodeDone,
           [](const TransferDone& found, kj::ArrayPtr<const capnp::word> message) {
             return proto::ReadMessage<proto::BlockEvent>(
                 message, [&found](proto::BlockEvent::Reader root) {
                   EXPECT_TRUE(root.isDone());
                   EXPECT_EQ(root.getDone().getId(), found.id);
                   EXPECT_EQ(root.getDone().getStatus(), found.status);
                   return absl::OkStatus();
                 });
           });
  EXPECT_EQ(taken, 48 + 32 + 16 + 16);
  WireForm<6> longer = {};
  const auto done = EncodeDone(7, BlockStatus::OK);
  std::copy(done.begin(), done.end(), longer.begin());
  EXPECT_FALSE(DecodeDone(Message(longer)).has_value());
}

}  // namespace
}  // namespace pyrene::block
