// SPDX-License-Identifier: Apache-2.0
//
// A guest's disk on the host: a front-end that the test plays, with memory and grants of its own,
// and a back-end that ends requests when the test says so.
#include <gtest/gtest.h>

#include <cstring>
#include <deque>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "services/vmm/blkif/disk.h"
#include "services/vmm/blkif/frontend_keys.h"
#include "services/vmm/blkif/gathering.h"
#include "tests/unit/blkif_front.h"

namespace pyrene::vmm::blkif {
namespace {

constexpr uint64_t kDiskSectors = 2048;

// A disk of which each request is held until the test ends it.
class Fake final : public GuestPages {
 public:
  Fake() : disk_(kDiskSectors * kSectorBytes), pool_(1 << 20) {}

  bool Submit(uint32_t id, const block::DiskRequest& request) override {
    for (const auto& [other, held] : held_) EXPECT_NE(other, id);
    held_.emplace_back(id, request);
    return true;
  }

  // Carries out the request at `at` of those held, as blkback would, and takes it away.
  std::pair<uint32_t, proto::BlockStatus> End(size_t at = 0) {
    const auto [id, request] = held_[at];
    held_.erase(held_.begin() + static_cast<ptrdiff_t>(at));
    return {id, CarryOut(request)};
  }
  proto::BlockStatus CarryOut(const block::DiskRequest& request) {
    log.push_back(request.operation);
    if (request.operation == block::Operation::kFlush) return proto::BlockStatus::OK;
    if (request.sector > kDiskSectors || request.count > kDiskSectors - request.sector)
      return proto::BlockStatus::INVALID;
    uint8_t* const at = disk_.data() + request.sector * kSectorBytes;
    const size_t bytes = request.count * kSectorBytes;
    if (request.operation == block::Operation::kRead)
      memcpy(pool_.data() + request.offset, at, bytes);
    if (request.operation == block::Operation::kWrite)
      memcpy(at, pool_.data() + request.offset, bytes);
    if (request.operation == block::Operation::kDiscard) memset(at, 0, bytes);
    return proto::BlockStatus::OK;
  }

  std::vector<uint8_t>& disk() { return disk_; }
  block::DataMemory pool() { return {pool_.data(), static_cast<uint32_t>(pool_.size()), 0}; }
  size_t held() const { return held_.size(); }

  std::vector<block::Operation> log;

 private:
  std::vector<uint8_t> disk_;
  std::vector<uint8_t> pool_;
  std::deque<std::pair<uint32_t, block::DiskRequest>> held_;
};

class BlkifDisk : public testing::Test {
 protected:
  void Connect(uint32_t pages = 1) {
    front_ = std::make_unique<Front>(world_, pages);
    ASSERT_TRUE(disk_.Connect({front_->place()}).ok());
  }
  void EndAll() {
    while (world_.held() != 0) {
      const auto [id, status] = world_.End();
      disk_.Done(id, status);
    }
    disk_.Serve();
  }
  // Of a request that is served to its end.
  Response Do(const Request& request) {
    front_->Push(request);
    disk_.Serve();
    EndAll();
    Response response = {};
    EXPECT_TRUE(front_->Pop(&response));
    EXPECT_EQ(response.id, request.direct.id);
    EXPECT_EQ(response.pad0, 0);
    EXPECT_EQ(response.pad1, 0u);
    EXPECT_TRUE(disk_.idle());
    ExpectNoPins();
    return response;
  }
  // But for the rings'.
  void ExpectNoPins() {
    for (const auto& [ref, count] : world_.pins) {
      if (ref >= 20) EXPECT_EQ(count, 0) << ref;
    }
  }

  Fake world_;
  Disk disk_{"xvda", world_, world_.pool()};
  std::unique_ptr<Front> front_;
};

TEST_F(BlkifDisk, ReadsAndWritesSectorsOfPages) {
  Connect();
  for (uint32_t i = 0; i < kPageBytes; ++i) world_.page(20)[i] = static_cast<uint8_t>(i / 16);
  EXPECT_EQ(Do(Direct(kWrite, 1, 8, {{20, 0, 7, 0}})).status, kOk);
  EXPECT_EQ(memcmp(world_.disk().data() + 4096, world_.page(20), kPageBytes), 0);
  // Two segments of three sectors, into the middle of two pages.
  EXPECT_EQ(Do(Direct(kRead, 2, 9, {{21, 2, 3, 0}, {22, 7, 7, 0}})).status, kOk);
  EXPECT_EQ(memcmp(world_.page(21) + 1024, world_.disk().data() + 9 * 512, 1024), 0);
  EXPECT_EQ(memcmp(world_.page(22) + 3584, world_.disk().data() + 11 * 512, 512), 0);
  EXPECT_EQ(world_.page(21)[1023], 0);
  EXPECT_EQ(world_.page(21)[2048], 0);
  EXPECT_EQ(world_.notified, 2);
}

TEST_F(BlkifDisk, IndirectRequestsAnswerTheirOwnOperation) {
  Connect();
  auto* const segments = reinterpret_cast<Segment*>(world_.page(30));
  for (uint32_t i = 0; i < 32; ++i) {
    segments[i] = {40 + i, 0, 7, 0};
    memset(world_.page(40 + i), static_cast<int>(i + 1), kPageBytes);
  }
  Request request = {};
  request.indirect.operation = kIndirect;
  request.indirect.indirect_operation = kWrite;
  request.indirect.segments = 32;
  request.indirect.id = 5;
  request.indirect.sector = 16;
  request.indirect.page[0] = 30;
  const Response response = Do(request);
  EXPECT_EQ(response.status, kOk);
  EXPECT_EQ(response.operation, kWrite);
  for (uint32_t i = 0; i < 32; ++i) EXPECT_EQ(world_.disk()[(16 + 8 * i) * 512 + 4095], i + 1);
  request.indirect.segments = 33;
  EXPECT_EQ(Do(request).status, kError);
  request.indirect.segments = 0;
  EXPECT_EQ(Do(request).status, kError);
  request.indirect.segments = 1;
  request.indirect.indirect_operation = kFlush;
  EXPECT_EQ(Do(request).status, kNotSupported);
  request.indirect.indirect_operation = kIndirect;
  EXPECT_EQ(Do(request).status, kNotSupported);
  world_.refused.insert(30);
  request.indirect.indirect_operation = kRead;
  EXPECT_EQ(Do(request).status, kError);
}

TEST_F(BlkifDisk, FlushesAndBarriersKeepTheirOrder) {
  Connect();
  using block::Operation;
  EXPECT_EQ(Do(Direct(kFlush, 1, 0, {})).status, kOk);
  EXPECT_EQ(world_.log, std::vector{Operation::kFlush});
  world_.log.clear();
  EXPECT_EQ(Do(Direct(kWriteBarrier, 2, 0, {{20, 0, 7, 0}})).status, kOk);
  EXPECT_EQ(world_.log, (std::vector{Operation::kFlush, Operation::kWrite, Operation::kFlush}));
  world_.log.clear();
  EXPECT_EQ(Do(Direct(kFlush, 3, 0, {{20, 0, 0, 0}})).status, kOk);
  EXPECT_EQ(world_.log, (std::vector{Operation::kFlush, Operation::kWrite}));
  world_.log.clear();
  EXPECT_EQ(Do(Direct(kWriteBarrier, 4, 0, {})).status, kOk);
  EXPECT_EQ(world_.log, std::vector{Operation::kFlush});
}

TEST_F(BlkifDisk, DiscardsInParts) {
  Connect();
  memset(world_.disk().data(), 0xff, world_.disk().size());
  Request request = {};
  request.discard.operation = kDiscard;
  request.discard.id = 9;
  request.discard.sector = 8;
  request.discard.sectors = 1024;
  EXPECT_EQ(Do(request).status, kOk);
  EXPECT_EQ(world_.disk()[8 * 512 - 1], 0xff);
  EXPECT_EQ(world_.disk()[8 * 512], 0);
  EXPECT_EQ(world_.disk()[1032 * 512 - 1], 0);
  EXPECT_EQ(world_.disk()[1032 * 512], 0xff);
  request.discard.sectors = 0;
  EXPECT_EQ(Do(request).status, kError);
  request.discard.sectors = ~uint64_t{0};
  EXPECT_EQ(Do(request).status, kError);
}

TEST_F(BlkifDisk, BadRequestsAreAnsweredWithAnError) {
  Connect();
  EXPECT_EQ(Do(Direct(kRead, 1, 0, {})).status, kError);
  EXPECT_EQ(Do(Direct(kRead, 1, 0, {{20, 3, 2, 0}})).status, kError);
  EXPECT_EQ(Do(Direct(kRead, 1, 0, {{20, 0, 8, 0}})).status, kError);
  EXPECT_EQ(Do(Direct(kRead, 1, ~uint64_t{0}, {{20, 0, 7, 0}})).status, kError);
  EXPECT_EQ(Do(Direct(kRead, 1, kDiskSectors, {{20, 0, 7, 0}})).status, kError);
  EXPECT_EQ(Do(Direct(kWrite, 1, 0, {{20, 0, 7, 0}, {kGrants, 0, 7, 0}})).status, kError);
  EXPECT_EQ(Do(Direct(4, 1, 0, {})).status, kNotSupported);
  EXPECT_EQ(Do(Direct(255, 1, 0, {})).status, kNotSupported);
  Request request = Direct(kRead, 1, 0, {{20, 0, 7, 0}});
  request.direct.segments = 12;
  EXPECT_EQ(Do(request).status, kError);
  // A read into a page that is granted read-only.
  world_.read_only.insert(21);
  EXPECT_EQ(Do(Direct(kRead, 1, 0, {{21, 0, 7, 0}})).status, kError);
  EXPECT_EQ(Do(Direct(kWrite, 1, 0, {{21, 0, 7, 0}})).status, kOk);
}

TEST_F(BlkifDisk, AnImpossibleIndexStopsThisDiskAlone) {
  Connect();
  front_->header()->req_prod = front_->entries() + 1;
  disk_.Serve();
  front_->header()->req_prod = 1;
  disk_.Serve();
  EXPECT_EQ(world_.held(), 0u);
  Response response;
  EXPECT_FALSE(front_->Pop(&response));
  disk_.Disconnect();
  for (const auto& [ref, count] : world_.pins) EXPECT_EQ(count, 0) << ref;
}

TEST_F(BlkifDisk, AnIndexThatGoesBackStopsIt) {
  Connect();
  EXPECT_EQ(Do(Direct(kFlush, 1, 0, {})).status, kOk);
  front_->header()->req_prod = 0;
  disk_.Serve();
  front_->header()->req_prod = 2;
  disk_.Serve();
  EXPECT_EQ(world_.held(), 0u);
}

// A guest that makes requests as fast as they are refused.
TEST_F(BlkifDisk, ARingThatNeverEndsLetsOthersHaveTheirTurn) {
  Connect(16);
  for (uint32_t i = 0; i < front_->entries(); ++i) front_->Push(Direct(255, i, 0, {}));
  unsigned turns = 1;
  while (disk_.Serve()) ++turns;
  EXPECT_EQ(turns, front_->entries() / 64);
  for (uint32_t i = 0; i < front_->entries(); ++i) {
    Response response;
    ASSERT_TRUE(front_->Pop(&response));
    EXPECT_EQ(response.status, kNotSupported);
  }
}

TEST_F(BlkifDisk, WhatIsUnderWayAtADisconnectionEndsUnanswered) {
  Connect();
  front_->Push(Direct(kRead, 1, 0, {{20, 0, 7, 0}}));
  front_->Push(Direct(kWriteBarrier, 2, 0, {{21, 0, 7, 0}}));
  disk_.Serve();
  EXPECT_EQ(world_.held(), 2u);
  disk_.Disconnect();
  for (const auto& [ref, count] : world_.pins) EXPECT_EQ(count, 0) << ref;
  EXPECT_FALSE(disk_.Connect({front_->place()}).ok());
  memset(world_.page(20), 0x77, kPageBytes);
  EndAll();
  EXPECT_TRUE(disk_.idle());
  EXPECT_EQ(world_.page(20)[0], 0x77);
  EXPECT_EQ(front_->header()->rsp_prod, 0u);
  EXPECT_TRUE(disk_.Connect({front_->place()}).ok());
}

TEST_F(BlkifDisk, APageOfARingThatIsNotGrantedConnectsNothing) {
  front_ = std::make_unique<Front>(world_, 4);
  world_.refused.insert(kFirstRing + 2);
  EXPECT_FALSE(disk_.Connect({front_->place()}).ok());
  EXPECT_FALSE(disk_.connected());
  for (const auto& [ref, count] : world_.pins) EXPECT_EQ(count, 0) << ref;
}

// Random requests over rings of each size, ended in any order, against a model: each is answered
// once, with the disk's content as it was; slots overwritten as soon as they are taken.
TEST_F(BlkifDisk, RandomRequestsAgreeWithAModel) {
  std::mt19937 random(1);
  const auto below = [&random](uint32_t n) { return static_cast<uint32_t>(random() % n); };
  for (const uint32_t pages : {1u, 2u, 16u}) {
    Connect(pages);
    struct Expected {
      bool write;
      uint32_t ref;
      uint64_t sector;
      uint8_t fill;
    };
    std::map<uint64_t, Expected> open;
    std::set<uint32_t> busy_pages;
    std::set<uint64_t> busy_places;
    std::vector<uint8_t> model = world_.disk();
    uint64_t next = 1;
    for (int step = 0; step < 20000; ++step) {
      const uint32_t ref = 20 + below(150);
      const uint64_t sector = 8 * below(kDiskSectors / 8);
      if (below(2) == 0 && front_->free() != 0 && !busy_pages.contains(ref) &&
          !busy_places.contains(sector)) {
        const bool write = below(2) == 0;
        const auto fill = static_cast<uint8_t>(random());
        if (write) memset(world_.page(ref), fill, kPageBytes);
        front_->Push(Direct(write ? kWrite : kRead, next, sector, {{ref, 0, 7, 0}}));
        open[next++] = {write, ref, sector, fill};
        busy_pages.insert(ref);
        busy_places.insert(sector);
      }
      if (below(3) == 0) disk_.Serve();
      if (world_.held() != 0 && below(2) == 0) {
        const auto [id, status] = world_.End(below(static_cast<uint32_t>(world_.held())));
        disk_.Done(id, status);
        disk_.Serve();
      }
      for (Response response; front_->Pop(&response);) {
        ASSERT_TRUE(open.contains(response.id));
        const Expected& expected = open[response.id];
        ASSERT_EQ(response.status, kOk);
        if (expected.write)
          memset(model.data() + expected.sector * kSectorBytes, expected.fill, kPageBytes);
        ASSERT_EQ(memcmp(world_.page(expected.ref), model.data() + expected.sector * kSectorBytes,
                         kPageBytes),
                  0);
        busy_pages.erase(expected.ref);
        busy_places.erase(expected.sector);
        open.erase(response.id);
      }
    }
    EndAll();
    EndAll();
    EXPECT_TRUE(disk_.idle());
    for (Response response; front_->Pop(&response);) open.erase(response.id);
    EXPECT_TRUE(open.empty());
    ExpectNoPins();
    disk_.Disconnect();
    for (uint32_t ref = kFirstRing; ref < kFirstRing + pages; ++ref)
      memset(world_.page(ref), 0, kPageBytes);
  }
}

TEST(FrontendKeys, OneRingOfOnePage) {
  const FrontendKeys keys = {
      {"ring-ref", "8"}, {"event-channel", "5"}, {"protocol", "arm-abi"}, {"other", "x"}};
  EXPECT_EQ(*RingKeys(keys, 4), (std::vector<std::string>{"ring-ref", "event-channel"}));
  const auto rings = Rings(keys, 4);
  ASSERT_TRUE(rings.ok());
  ASSERT_EQ(rings->size(), 1u);
  EXPECT_EQ((*rings)[0].refs, std::vector<uint32_t>{8});
  EXPECT_EQ((*rings)[0].port, 5u);
}

TEST(FrontendKeys, SeveralQueuesOfSeveralPages) {
  FrontendKeys keys = {{"multi-queue-num-queues", "2"}, {"ring-page-order", "1"}};
  const std::vector<std::string> wanted = {"queue-0/ring-ref0",     "queue-0/ring-ref1",
                                           "queue-0/event-channel", "queue-1/ring-ref0",
                                           "queue-1/ring-ref1",     "queue-1/event-channel"};
  EXPECT_EQ(*RingKeys(keys, 2), wanted);
  EXPECT_FALSE(RingKeys(keys, 1).ok());
  EXPECT_FALSE(Rings(keys, 2).ok());
  for (size_t i = 0; i < wanted.size(); ++i) keys[wanted[i]] = std::to_string(10 + i);
  const auto rings = Rings(keys, 2);
  ASSERT_TRUE(rings.ok());
  EXPECT_EQ((*rings)[1].refs, (std::vector<uint32_t>{13, 14}));
  EXPECT_EQ((*rings)[1].port, 15u);
}

TEST(FrontendKeys, NonsenseIsRefused) {
  for (const auto& [key, value] :
       std::vector<std::pair<std::string, std::string>>{{"multi-queue-num-queues", "0"},
                                                        {"multi-queue-num-queues", "-1"},
                                                        {"multi-queue-num-queues", "99999999999"},
                                                        {"ring-page-order", "5"},
                                                        {"ring-page-order", "x"},
                                                        {"protocol", "x86_64-abi"},
                                                        {"ring-ref", "x"},
                                                        {"ring-ref", "4294967296"},
                                                        {"event-channel", ""}}) {
    FrontendKeys keys = {{"ring-ref", "8"}, {"event-channel", "5"}};
    keys[key] = value;
    EXPECT_FALSE(Rings(keys, 4).ok()) << key << "=" << value;
  }
}

// One request at a time: tries that become rare. Several: gathered until they are few again.
TEST(VmmGathering, FollowsTheGuest) {
  Gathering gathering;
  const auto events_until_put_off = [&gathering] {
    for (uint32_t n = 1; n < 5000; ++n) {
      if (gathering.PutOff()) return n;
      gathering.Served(1);
    }
    return 0u;
  };
  uint32_t interval = Gathering::kShortest;
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(events_until_put_off(), interval);
    gathering.Served(1);
    if (i > 0) interval = std::min(2 * interval, Gathering::kLongest);
  }
  EXPECT_EQ(events_until_put_off(), Gathering::kLongest);
  for (int i = 0; i < 100; ++i) {
    gathering.Served(Gathering::kWorth);
    EXPECT_TRUE(gathering.PutOff());
    EXPECT_TRUE(gathering.PutOff());  // nothing was served meanwhile
  }
  gathering.Served(Gathering::kWorth - 1);
  EXPECT_EQ(events_until_put_off(), Gathering::kShortest);
}

}  // namespace
}  // namespace pyrene::vmm::blkif
