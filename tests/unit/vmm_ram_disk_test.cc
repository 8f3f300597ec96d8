// SPDX-License-Identifier: Apache-2.0
//
// A guest's RAM disk on the host: a front-end that the test plays, and memory in two pieces.
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "services/vmm/blkif/disk.h"
#include "services/vmm/blkif/ram_disk.h"
#include "tests/unit/blkif_front.h"

namespace pyrene::vmm::blkif {
namespace {

// More than two steps of a discard, in pieces whose border is no multiple of a step.
constexpr uint64_t kSectors = 2 * kDiscardSectors + 1024;
constexpr size_t kFirstPiece = 5 * kPageBytes;

class World final : public GuestPages {
 public:
  bool Submit(uint32_t, const block::DiskRequest&) override {
    ADD_FAILURE() << "a RAM disk needs no blkback";
    return false;
  }
};

class VmmRamDisk : public testing::Test {
 protected:
  VmmRamDisk() : memory_(kSectors * kSectorBytes, 0xff) { Make(false); }

  void Make(bool read_only) {
    disk_.reset();
    front_.reset();
    ram_ = std::make_unique<RamDisk>(
        std::vector<absl::Span<uint8_t>>{
            {memory_.data(), kFirstPiece},
            {memory_.data() + kFirstPiece, memory_.size() - kFirstPiece}},
        read_only);
    disk_ = std::make_unique<Disk>("xvda", world_, *ram_);
    memset(world_.page(kFirstRing), 0, kPageBytes);
    front_ = std::make_unique<Front>(world_, 1);
    ASSERT_TRUE(disk_->Connect({front_->place()}).ok());
  }
  // The status of a request that is served to its end; `turns` are the calls that took.
  int16_t Do(const Request& request, unsigned turns = 1) {
    front_->Push(request);
    for (; turns > 1; --turns) {
      EXPECT_TRUE(disk_->Serve());
      EXPECT_EQ(front_->header()->rsp_prod, answered_);
    }
    EXPECT_FALSE(disk_->Serve());
    Response response = {};
    EXPECT_TRUE(front_->Pop(&response));
    EXPECT_EQ(response.id, request.direct.id);
    ++answered_;
    EXPECT_TRUE(disk_->idle());
    for (const auto& [ref, count] : world_.pins) {
      if (ref >= kFirstPage) EXPECT_EQ(count, 0) << ref;
    }
    return response.status;
  }
  static Request Discard(uint64_t sector, uint64_t sectors) {
    Request request = {};
    request.discard.operation = kDiscard;
    request.discard.id = 9;
    request.discard.sector = sector;
    request.discard.sectors = sectors;
    return request;
  }

  World world_;
  std::vector<uint8_t> memory_;
  std::unique_ptr<RamDisk> ram_;
  std::unique_ptr<Disk> disk_;
  std::unique_ptr<Front> front_;
  uint32_t answered_ = 0;
};

TEST_F(VmmRamDisk, MovesSectorsAcrossTheBorderOfItsPieces) {
  EXPECT_EQ(ram_->facts().sectors, kSectors);
  for (uint32_t i = 0; i < kPageBytes; ++i) world_.page(20)[i] = static_cast<uint8_t>(i / 16);
  const uint64_t sector = kFirstPiece / kSectorBytes - 3;
  EXPECT_EQ(Do(Direct(kWrite, 1, sector, {{20, 0, 7, 0}})), kOk);
  EXPECT_EQ(memcmp(memory_.data() + sector * kSectorBytes, world_.page(20), kPageBytes), 0);
  EXPECT_EQ(Do(Direct(kRead, 2, sector + 1, {{21, 2, 3, 0}, {22, 7, 7, 0}})), kOk);
  EXPECT_EQ(memcmp(world_.page(21) + 1024, world_.page(20) + 512, 1024), 0);
  EXPECT_EQ(memcmp(world_.page(22) + 3584, world_.page(20) + 1536, 512), 0);
  EXPECT_EQ(world_.page(21)[1023], 0);
  EXPECT_EQ(world_.page(21)[2048], 0);
  EXPECT_EQ(world_.notified, 2);
}

TEST_F(VmmRamDisk, FlushesAndBarriersAreDoneWhenTheyAreAnswered) {
  EXPECT_EQ(Do(Direct(kFlush, 1, 0, {})), kOk);
  memset(world_.page(20), 0x11, kPageBytes);
  EXPECT_EQ(Do(Direct(kWriteBarrier, 2, 8, {{20, 0, 7, 0}})), kOk);
  EXPECT_EQ(memory_[8 * kSectorBytes], 0x11);
  EXPECT_EQ(Do(Direct(kFlush, 3, 16, {{20, 0, 0, 0}})), kOk);
  EXPECT_EQ(memory_[16 * kSectorBytes], 0x11);
  EXPECT_EQ(memory_[17 * kSectorBytes], 0xff);
}

TEST_F(VmmRamDisk, RefusesWhatIsNotTheDisks) {
  EXPECT_EQ(Do(Direct(kRead, 1, kSectors - 7, {{20, 0, 7, 0}})), kError);
  EXPECT_EQ(Do(Direct(kRead, 1, kSectors, {{20, 0, 0, 0}})), kError);
  EXPECT_EQ(Do(Direct(kWrite, 1, ~uint64_t{0}, {{20, 0, 7, 0}})), kError);
  EXPECT_EQ(Do(Direct(kWrite, 1, ~uint64_t{0} / kSectorBytes, {{20, 0, 7, 0}})), kError);
  EXPECT_EQ(Do(Direct(kWrite, 1, 0, {{kGrants, 0, 7, 0}})), kError);
  EXPECT_EQ(Do(Direct(kRead, 1, 0, {})), kError);
  EXPECT_EQ(Do(Discard(0, 0)), kError);
  EXPECT_EQ(Do(Discard(1, kSectors)), kError);
  EXPECT_EQ(Do(Discard(8, ~uint64_t{0})), kError);
  for (const uint8_t byte : memory_) ASSERT_EQ(byte, 0xff);
  EXPECT_EQ(Do(Direct(kRead, 1, kSectors - 8, {{20, 0, 7, 0}})), kOk);
  EXPECT_EQ(world_.page(20)[kPageBytes - 1], 0xff);
}

TEST_F(VmmRamDisk, AReadOnlyOneIsRead) {
  Make(true);
  EXPECT_EQ(ram_->facts().max_discard, 0u);
  EXPECT_EQ(Do(Direct(kRead, 1, 8, {{20, 0, 7, 0}})), kOk);
  EXPECT_EQ(world_.page(20)[0], 0xff);
  EXPECT_EQ(Do(Direct(kWrite, 1, 8, {{21, 0, 7, 0}})), kError);
  EXPECT_EQ(Do(Direct(kWriteBarrier, 1, 8, {{21, 0, 7, 0}})), kError);
  EXPECT_EQ(Do(Discard(0, 8)), kError);
  EXPECT_EQ(Do(Direct(kFlush, 1, 0, {})), kOk);
  EXPECT_EQ(memory_[8 * kSectorBytes], 0xff);
}

// Others have their turn between the steps of a large one.
TEST_F(VmmRamDisk, DiscardsInSteps) {
  EXPECT_EQ(Do(Discard(8, kSectors - 16), 3), kOk);
  EXPECT_EQ(memory_[8 * kSectorBytes - 1], 0xff);
  EXPECT_EQ(memory_[8 * kSectorBytes], 0);
  EXPECT_EQ(memory_[(kSectors - 8) * kSectorBytes - 1], 0);
  EXPECT_EQ(memory_[(kSectors - 8) * kSectorBytes], 0xff);
  front_->Push(Discard(0, kSectors));
  front_->Push(Direct(kRead, 3, kSectors - 8, {{20, 0, 7, 0}}));
  EXPECT_TRUE(disk_->Serve());
  Response response = {};
  ASSERT_TRUE(front_->Pop(&response));
  EXPECT_EQ(response.id, 3u);
  EXPECT_EQ(world_.page(20)[0], 0xff);
}

TEST_F(VmmRamDisk, AsManyDiscardsAsTheRingTakes) {
  for (uint64_t i = 0; i < 32; ++i) front_->Push(Discard(16 * i, 8));
  unsigned turns = 1;
  while (disk_->Serve()) ++turns;
  EXPECT_EQ(turns, 32u);
  unsigned answers = 0;
  for (Response response; front_->Pop(&response); ++answers) EXPECT_EQ(response.status, kOk);
  EXPECT_EQ(answers, 32u);
}

TEST_F(VmmRamDisk, ADisconnectionEndsADiscard) {
  front_->Push(Discard(0, kSectors));
  EXPECT_TRUE(disk_->Serve());
  EXPECT_FALSE(disk_->idle());
  disk_->Disconnect();
  EXPECT_TRUE(disk_->idle());
  for (const auto& [ref, count] : world_.pins) EXPECT_EQ(count, 0) << ref;
  EXPECT_TRUE(disk_->Connect({front_->place()}).ok());
}

TEST_F(VmmRamDisk, RandomRequestsAgreeWithAModel) {
  std::mt19937 random(2);
  const auto below = [&random](uint64_t n) { return static_cast<uint32_t>(random() % n); };
  std::vector<uint8_t> model = memory_;
  constexpr uint32_t kPlaces = 100;  // sectors, around the pieces' border
  for (int i = 0; i < 50000; ++i) {
    const uint32_t first = below(8), last = first + below(8 - first);
    const uint32_t bytes = (last - first + 1) * kSectorBytes;
    const uint64_t sector = below(kPlaces);
    uint8_t* const page = world_.page(20) + first * kSectorBytes;
    uint8_t* const place = model.data() + sector * kSectorBytes;
    const auto segment = Segment{20, static_cast<uint8_t>(first), static_cast<uint8_t>(last), 0};
    switch (below(4)) {
      case 0:
        ASSERT_EQ(Do(Discard(sector, last + 1)), kOk);
        memset(place, 0, (last + 1) * kSectorBytes);
        break;
      case 1:
        memset(page, static_cast<int>(random()), bytes);
        ASSERT_EQ(Do(Direct(kWrite, 1, sector, {segment})), kOk);
        memcpy(place, page, bytes);
        break;
      default:
        ASSERT_EQ(Do(Direct(kRead, 1, sector, {segment})), kOk);
        ASSERT_EQ(memcmp(page, place, bytes), 0);
    }
  }
  EXPECT_EQ(memory_, model);
}

}  // namespace
}  // namespace pyrene::vmm::blkif
