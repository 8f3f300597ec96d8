// SPDX-License-Identifier: Apache-2.0
#include "platform/virt/block/virtio_disk.h"

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <memory>
#include <vector>

namespace pyrene::virtio {
namespace {

using block::Operation;
using proto::BlockStatus;

constexpr uint64_t kQueueAt = 0x40000000;
constexpr uint64_t kDataAt = 0x50000000;

// A device, as VIRTIO 1.1 describes what a driver sees of one.
class FakeDevice final : public MmioIo {
 public:
  uint32_t version = 2;
  uint32_t id = 2;
  uint64_t features = uint64_t{1} << 32 | 1 << 9 | 1 << 13;
  uint64_t sectors = 1000;
  std::map<uint32_t, uint32_t> registers;
  uint32_t status = 0;
  uint32_t interrupts = 0;
  uint64_t accepted = 0;
  unsigned notified = 0;
  uint8_t* queue = nullptr;  // at kQueueAt
  uint8_t* data = nullptr;   // at kDataAt

  uint32_t Read(uint32_t offset) override {
    switch (offset) {
      case 0x000:
        return 0x74726976;
      case 0x004:
        return version;
      case 0x008:
        return id;
      case 0x010:
        return static_cast<uint32_t>(features >> (registers[0x14] * 32));
      case 0x034:
        return 128;
      case 0x060:
        return interrupts;
      case 0x070:
        return status;
      case 0x100:
        return static_cast<uint32_t>(sectors);
      case 0x104:
        return static_cast<uint32_t>(sectors >> 32);
      case 0x124:
        return 100;
      default:
        return registers[offset];
    }
  }
  void Write(uint32_t offset, uint32_t value) override {
    registers[offset] = value;
    if (offset == 0x20) {
      const unsigned shift = registers[0x24] * 32;
      accepted = (accepted & ~(uint64_t{0xffffffff} << shift)) | uint64_t{value} << shift;
    }
    if (offset == 0x50) ++notified;
    if (offset == 0x64) interrupts &= ~value;
    if (offset == 0x70) status = value;
    if (offset == 0x70 && value == 0) seen_ = used_ = 0;
  }

  // Does one offered request; its type, or -1 if there is none.
  int DoOne(uint8_t result = 0) {
    const auto* const ring = reinterpret_cast<const uint16_t*>(queue + Virtqueue::kAvailableOffset);
    if (ring[1] == seen_) return -1;
    const auto* const table = reinterpret_cast<const Descriptor*>(queue);
    const uint16_t first = ring[2 + seen_++ % Virtqueue::kSize];
    const Descriptor* at = &table[first];
    uint32_t type;
    std::memcpy(&type, Reach(at->address), 4);
    EXPECT_EQ(at->length, 16u);
    while ((at->flags & 1) != 0) {
      at = &table[at->next];
      if (at->length == 1) break;
      if (type == 0) {
        EXPECT_EQ(at->flags & 2, 2);
        std::memset(Reach(at->address), 0x77, at->length);
      }
    }
    EXPECT_EQ(at->flags, 2);
    *Reach(at->address) = result;
    Answer(first);
    return static_cast<int>(type);
  }
  void Answer(uint32_t first) {
    uint8_t* const used = queue + Virtqueue::kUsedOffset;
    std::memcpy(used + 4 + size_t{8} * (used_ % Virtqueue::kSize), &first, 4);
    ++used_;
    std::memcpy(used + 2, &used_, 2);
    interrupts |= 1;
  }

 private:
  uint8_t* Reach(uint64_t physical) {
    return physical >= kDataAt ? data + (physical - kDataAt) : queue + (physical - kQueueAt);
  }
  uint16_t seen_ = 0;
  uint16_t used_ = 0;
};

class VirtioTest : public testing::Test {
 protected:
  VirtioTest() {
    device_.queue = reinterpret_cast<uint8_t*>(queue_.data());
    device_.data = data_.data();
    memory_ = {data_.data(), static_cast<uint32_t>(data_.size()), kDataAt};
  }
  absl::Status Open() {
    disk_ = std::make_unique<VirtioDisk>(device_, device_.queue, kQueueAt);
    disk_->SetCompletion([this](uint32_t tag, BlockStatus status) { done_[tag] = status; });
    return disk_->Open();
  }
  void Start(uint32_t tag, Operation operation, uint64_t sector = 0, uint32_t count = 1) {
    disk_->Start({operation, sector, count, &memory_, 0, tag});
  }

  std::vector<uint64_t> queue_ = std::vector<uint64_t>(VirtioDisk::kDmaBytes / 8);
  std::vector<uint8_t> data_ = std::vector<uint8_t>(8192);
  block::DataMemory memory_;
  FakeDevice device_;
  std::unique_ptr<VirtioDisk> disk_;
  std::map<uint32_t, BlockStatus> done_;
};

TEST_F(VirtioTest, ModernAndLegacyDevicesAreSetUp) {
  ASSERT_TRUE(Open().ok());
  EXPECT_EQ(device_.status, 1u | 2 | 4 | 8);
  EXPECT_EQ(device_.accepted, uint64_t{1} << 32 | 1 << 9 | 1 << 13);
  EXPECT_EQ(device_.registers[0x80], kQueueAt);
  EXPECT_EQ(device_.registers[0xa0], kQueueAt + Virtqueue::kUsedOffset);
  EXPECT_EQ(device_.registers[0x44], 1u);
  EXPECT_EQ(disk_->facts().sectors, 1000u);
  EXPECT_EQ(disk_->facts().max_discard, 100u);
  device_ = FakeDevice();
  device_.queue = reinterpret_cast<uint8_t*>(queue_.data());
  device_.version = 1;
  ASSERT_TRUE(Open().ok());
  EXPECT_EQ(device_.status, 1u | 2 | 4);
  EXPECT_EQ(device_.accepted, uint64_t{1} << 9 | 1 << 13);
  EXPECT_EQ(device_.registers[0x28], 4096u);
  EXPECT_EQ(device_.registers[0x40], kQueueAt / 4096);
}

TEST_F(VirtioTest, NoDiskIsToldAsSuch) {
  device_.id = 0;
  EXPECT_TRUE(absl::IsNotFound(Open()));
  device_.id = 1;
  EXPECT_TRUE(absl::IsNotFound(Open()));
  device_.id = 2;
  device_.features = 0;
  EXPECT_TRUE(absl::IsFailedPrecondition(Open()));
}

TEST_F(VirtioTest, RequestsAreDoneAndTheirErrorsTold) {
  ASSERT_TRUE(Open().ok());
  Start(1, Operation::kRead, 3, 2);
  Start(2, Operation::kWrite, 3, 2);
  Start(3, Operation::kFlush);
  Start(4, Operation::kDiscard, 5, 6);
  EXPECT_EQ(device_.notified, 4u);
  EXPECT_EQ(device_.DoOne(), 0);
  EXPECT_EQ(device_.DoOne(1), 1);
  EXPECT_EQ(device_.DoOne(), 4);
  EXPECT_EQ(device_.DoOne(2), 11);
  disk_->OnInterrupt();
  EXPECT_EQ(device_.interrupts, 0u);
  EXPECT_EQ(data_[1023], 0x77);
  EXPECT_EQ(data_[1024], 0);
  EXPECT_EQ(done_, (std::map<uint32_t, BlockStatus>{{1, BlockStatus::OK},
                                                    {2, BlockStatus::IO_ERROR},
                                                    {3, BlockStatus::OK},
                                                    {4, BlockStatus::NOT_SUPPORTED}}));
  EXPECT_EQ(disk_->deadline(), runtime::kNever);
}

TEST_F(VirtioTest, TheQueueGoesRoundManyTimesAtItsFullDepth) {
  ASSERT_TRUE(Open().ok());
  uint32_t tag = 0;
  for (int round = 0; round < 10000; ++round) {
    while (disk_->CanStart()) Start(tag++, Operation::kWrite, 1, 1);
    for (int i = 0; i <= round % static_cast<int>(Virtqueue::kRequests); ++i)
      ASSERT_EQ(device_.DoOne(), 1);
    disk_->OnInterrupt();
  }
  while (device_.DoOne() >= 0) disk_->OnInterrupt();
  EXPECT_EQ(done_.size(), tag);
  EXPECT_FALSE(disk_->broken());
}

TEST_F(VirtioTest, AnAnswerToNoRequestBreaksTheDevice) {
  for (const uint32_t first : {0u, 1u, 3u, 63u, 1000000u}) {
    ASSERT_TRUE(Open().ok());
    EXPECT_FALSE(disk_->broken());
    device_.Answer(first);
    disk_->OnInterrupt();
    EXPECT_TRUE(disk_->broken()) << first;
    EXPECT_FALSE(disk_->CanStart());
  }
}

TEST_F(VirtioTest, AnotherSizeIsAnotherMedium) {
  ASSERT_TRUE(Open().ok());
  const uint32_t medium = disk_->facts().medium;
  device_.sectors = 2000;
  device_.interrupts = 2;
  disk_->OnInterrupt();
  EXPECT_EQ(disk_->facts().sectors, 2000u);
  EXPECT_NE(disk_->facts().medium, medium);
  EXPECT_FALSE(disk_->broken());
}

TEST_F(VirtioTest, WithoutAFlushFeatureThereIsNothingToFlush) {
  device_.features = uint64_t{1} << 32;
  ASSERT_TRUE(Open().ok());
  Start(1, Operation::kFlush);
  EXPECT_EQ(done_[1], BlockStatus::OK);
  EXPECT_EQ(device_.notified, 0u);
}

}  // namespace
}  // namespace pyrene::virtio
