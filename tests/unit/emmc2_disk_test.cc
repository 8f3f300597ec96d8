// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <vector>

#include "platform/bcm2711/emmc2/sd_disk.h"
#include "tests/unit/emmc2_fake_card.h"

namespace pyrene::emmc2 {
namespace {

using block::Operation;
using proto::BlockStatus;
using Kind = FakeCard::Kind;

constexpr uint64_t kDataAt = 0x100000;
constexpr uint64_t kTableAt = 0x200000;
constexpr uint64_t kBus = 0xc0000000;

class DiskTest : public testing::Test {
 protected:
  void Make(Kind kind, uint64_t sectors, bool adma = false) {
    card_ = std::make_unique<FakeCard>(kind, sectors);
    card_->adma = adma;
    card_->memory = {{kDataAt + kBus, data_.data()},
                     {kTableAt + kBus, reinterpret_cast<uint8_t*>(table_.data())}};
    host_ = std::make_unique<SdhciHost>(
        *card_,
        adma ? DescriptorTable{table_.data(), kTableAt, table_.size(), kBus} : DescriptorTable{});
    disk_ = std::make_unique<SdDisk>(*host_, *card_);
    disk_->SetCompletion([this](uint32_t, BlockStatus status) { status_ = status; });
    memory_ = {data_.data(), static_cast<uint32_t>(data_.size()), adma ? kDataAt : 0};
  }
  BlockStatus Do(Operation operation, uint64_t sector = 0, uint32_t count = 0) {
    status_ = BlockStatus::INVALID;
    disk_->Start({operation, sector, count, &memory_, 0, 1});
    return status_;
  }
  void Fill(uint8_t value) { std::fill(data_.begin(), data_.end(), value); }

  std::vector<uint8_t> data_ = std::vector<uint8_t>(size_t{256} * 512);
  std::vector<uint64_t> table_ = std::vector<uint64_t>(512);
  block::DataMemory memory_;
  std::unique_ptr<FakeCard> card_;
  std::unique_ptr<SdhciHost> host_;
  std::unique_ptr<SdDisk> disk_;
  BlockStatus status_ = BlockStatus::OK;
};

TEST_F(DiskTest, EachKindOfCardIsIdentified) {
  Make(Kind::kSdsc1, 4096);
  ASSERT_TRUE(disk_->Open().ok());
  EXPECT_EQ(disk_->facts().sectors, 4096u);
  EXPECT_EQ(disk_->card().Description(), "SDSC, 4 bits, no DMA");
  EXPECT_EQ(card_->commands[0], 2u);  // once more after the unknown CMD8
  Make(Kind::kSdsc, 8192);
  ASSERT_TRUE(disk_->Open().ok());
  EXPECT_EQ(disk_->facts().sectors, 8192u);
  EXPECT_EQ(disk_->card().Description(), "SDSC, 4 bits, high speed, no DMA");
  Make(Kind::kSdhc, 1 << 14, true);
  ASSERT_TRUE(disk_->Open().ok());
  EXPECT_EQ(disk_->facts().sectors, uint64_t{1} << 14);
  EXPECT_EQ(disk_->card().Description(), "SDHC, 4 bits, high speed, ADMA2");
  EXPECT_TRUE(card_->four_bits);
  EXPECT_TRUE(card_->high_speed);
}

TEST_F(DiskTest, NoCardIsToldAsSuch) {
  Make(Kind::kSdhc, 4096);
  card_->present = false;
  EXPECT_TRUE(absl::IsNotFound(disk_->Open()));
}

TEST_F(DiskTest, WritesAndReadsEachWay) {
  for (const bool adma : {false, true}) {
    for (const bool count_command : {false, true}) {
      for (const Kind kind : {Kind::kSdsc, Kind::kSdhc}) {
        Make(kind, 4096, adma);
        card_->set_block_count = count_command;
        ASSERT_TRUE(disk_->Open().ok());
        for (const uint32_t count : {1u, 2u, 256u}) {
          Fill(static_cast<uint8_t>(count + 3));
          ASSERT_EQ(Do(Operation::kWrite, 100, count), BlockStatus::OK);
          EXPECT_EQ(card_->content[size_t{100} * 512], static_cast<uint8_t>(count + 3));
          EXPECT_EQ(card_->content[size_t{99 + count} * 512 + 511],
                    static_cast<uint8_t>(count + 3));
          EXPECT_EQ(card_->content[size_t{100 + count} * 512], 0);
          Fill(0);
          ASSERT_EQ(Do(Operation::kRead, 100, count), BlockStatus::OK);
          EXPECT_EQ(data_[size_t{count} * 512 - 1], static_cast<uint8_t>(count + 3));
          std::fill(card_->content.begin(), card_->content.end(), 0);
        }
        EXPECT_EQ(card_->commands[23] != 0, count_command);
      }
    }
  }
}

TEST_F(DiskTest, FlushAndWriteAreAnsweredWhenTheCardHasEndedBusy) {
  Make(Kind::kSdhc, 4096);
  ASSERT_TRUE(disk_->Open().ok());
  card_->programming = 300 * runtime::kMillisecond;
  const uint64_t before = card_->now;
  ASSERT_EQ(Do(Operation::kWrite, 7, 8), BlockStatus::OK);
  EXPECT_GE(card_->now - before, card_->programming);
  EXPECT_EQ(Do(Operation::kFlush), BlockStatus::OK);
}

TEST_F(DiskTest, ErrorsAreTriedAgainThenReported) {
  Make(Kind::kSdhc, 4096);
  ASSERT_TRUE(disk_->Open().ok());
  Fill(0x5a);
  card_->data_crc_errors = 2;
  EXPECT_EQ(Do(Operation::kWrite, 5, 4), BlockStatus::OK);
  EXPECT_EQ(card_->content[5 * 512], 0x5a);
  card_->card_errors = 1;
  EXPECT_EQ(Do(Operation::kRead, 5, 4), BlockStatus::OK);
  card_->lost_interrupts = 1;
  EXPECT_EQ(Do(Operation::kRead, 5, 4), BlockStatus::OK);
  // Three tries, then again after the card was identified anew.
  const unsigned identified = card_->commands[2];
  card_->data_crc_errors = 3;
  EXPECT_EQ(Do(Operation::kRead, 5, 4), BlockStatus::OK);
  EXPECT_EQ(card_->commands[2], identified + 1);
  card_->card_errors = 100;
  EXPECT_EQ(Do(Operation::kRead, 5, 4), BlockStatus::IO_ERROR);
  EXPECT_NE(disk_->facts().sectors, 0u);
  card_->card_errors = 0;
  EXPECT_EQ(Do(Operation::kRead, 5, 4), BlockStatus::OK);
}

TEST_F(DiskTest, ACardThatIsTakenOutAndAnotherOneAreSeen) {
  Make(Kind::kSdhc, 4096);
  ASSERT_TRUE(disk_->Open().ok());
  const uint32_t medium = disk_->facts().medium;
  card_->present = false;
  EXPECT_EQ(Do(Operation::kRead, 5, 4), BlockStatus::NO_MEDIUM);
  EXPECT_EQ(disk_->facts().sectors, 0u);
  EXPECT_NE(disk_->facts().medium, medium);
  ASSERT_NE(disk_->deadline(), runtime::kNever);
  card_->now = disk_->deadline();
  disk_->OnInterrupt();
  EXPECT_EQ(disk_->facts().sectors, 0u);
  card_->present = true;
  card_->identity = 0x9999;
  card_->now = disk_->deadline();
  disk_->OnInterrupt();
  EXPECT_EQ(disk_->facts().sectors, 4096u);
  EXPECT_EQ(disk_->deadline(), runtime::kNever);
  EXPECT_EQ(Do(Operation::kRead, 5, 4), BlockStatus::OK);
}

TEST_F(DiskTest, DiscardErasesAndProtectionIsToldToo) {
  Make(Kind::kSdsc, 4096);
  card_->write_protected = true;
  ASSERT_TRUE(disk_->Open().ok());
  EXPECT_TRUE(disk_->facts().read_only);
  Make(Kind::kSdsc, 4096);
  ASSERT_TRUE(disk_->Open().ok());
  Fill(1);
  ASSERT_EQ(Do(Operation::kWrite, 0, 8), BlockStatus::OK);
  ASSERT_EQ(Do(Operation::kDiscard, 2, 3), BlockStatus::OK);
  EXPECT_EQ(card_->content[2 * 512 - 1], 1);
  EXPECT_EQ(card_->content[2 * 512], 0);
  EXPECT_EQ(card_->content[5 * 512 - 1], 0);
  EXPECT_EQ(card_->content[5 * 512], 1);
}

}  // namespace
}  // namespace pyrene::emmc2
