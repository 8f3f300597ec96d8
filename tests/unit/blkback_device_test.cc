// SPDX-License-Identifier: Apache-2.0
//
// Guests' disks that are parts of a device, with a driver that dies again and again: each request
// is answered once, its sectors are those of the map, and no other sector is touched.
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "platform/block/block_server.h"
#include "services/blkback/device.h"
#include "tests/unit/channel_memory.h"
#include "tests/unit/memory_disk.h"

namespace pyrene::blkback {
namespace {

constexpr uint32_t kPage = 4096;
constexpr uint32_t kSector = block::kSectorBytes;
constexpr uint32_t kDiskPages = 64;
constexpr uint32_t kDataBytes = 256 * kPage;
constexpr uint64_t kDeviceSectors = uint64_t{kDiskPages} * kPage / kSector;
constexpr uint32_t kSlots = 16;
constexpr uint32_t kMostSectors = 48;

class DeviceTest : public testing::Test {
 protected:
  DeviceTest()
      : disk_memory_(kDiskPages * kPage, 0xee),
        guest_(kSlots * kMostSectors * kSector),
        data_(*runtime::host::CreateObject(runtime::host::Kind::kMemory, kDataBytes)) {
    channel_.StartEpoch(epoch_);
    device_ =
        std::make_unique<Device>(std::move(*channel_.Open(proto::Side::kClient, bell_)), 0, Map());
    StartDriver();
  }
  runtime::Memory Map() { return *runtime::Memory::Map(data_.get(), runtime::Access::kReadWrite); }
  void StartDriver() {
    disk_ = std::make_unique<tests::MemoryDisk>(
        std::vector<absl::Span<uint8_t>>{absl::MakeSpan(disk_memory_)});
    server_ = std::make_unique<block::BlockServer>(*disk_);
    server_->AddClient(channel_.Open(proto::Side::kServer, bell_),
                       {driver_view_.data(), kDataBytes, 0});
  }
  void KillDriver() {
    server_.reset();
    channel_.StartEpoch(++epoch_);
    StartDriver();
  }
  void Turn() {
    device_->OnWake();
    device_->Flush();
    server_->Round();
    device_->OnWake();
  }
  block::DiskMap Scattered() {
    block::DiskMap map{"/dev/vda", kDeviceSectors, {}};
    for (uint64_t at = 3; at + 9 < kDeviceSectors; at += 10 + random_() % 5)
      map.extents.push_back({at, 1 + random_() % 9});
    std::shuffle(map.extents.begin(), map.extents.end(), random_);
    return map;
  }

  std::mt19937 random_{5};
  std::vector<uint8_t> disk_memory_;
  std::vector<uint8_t> guest_;
  block::DataMemory guest_memory_{guest_.data(), static_cast<uint32_t>(guest_.size()), 0};
  runtime::OwnedHandle data_;
  runtime::Memory driver_view_ = Map();
  runtime::Notification bell_ = *runtime::Notification::Create();
  proto::ChannelMemory channel_{proto::SchemaId<proto::BlockRequest>()};
  uint32_t epoch_ = 1;
  std::unique_ptr<tests::MemoryDisk> disk_;
  std::unique_ptr<block::BlockServer> server_;
  std::unique_ptr<Device> device_;
};

TEST_F(DeviceTest, APartsSectorsAreThoseOfItsMap) {
  const block::DiskMap map = Scattered();
  DeviceDisk disk(*device_, false, map);
  EXPECT_EQ(disk.facts().medium, 0u) << "before the driver has said anything";
  while (!device_->ready()) Turn();
  ASSERT_EQ(disk.facts().sectors, block::SectorsOf(map.extents));
  std::vector<uint64_t> places;
  for (const block::Extent& extent : map.extents) {
    for (uint64_t i = 0; i < extent.sectors; ++i) places.push_back(extent.sector + i);
  }
  struct Request {
    bool write;
    uint64_t sector;
    uint32_t count;
    uint8_t fill;
  };
  std::map<uint32_t, Request> open;
  std::vector<uint8_t> model(places.size(), 0xee);
  uint64_t answered = 0, most_open = 0;
  disk.SetCompletion([&](uint32_t tag, proto::BlockStatus status) {
    EXPECT_EQ(status, proto::BlockStatus::OK);
    const auto found = open.find(tag);
    ASSERT_NE(found, open.end()) << "answered twice";
    const Request& request = found->second;
    for (uint32_t i = 0; i < request.count; ++i) {
      if (request.write) model[request.sector + i] = request.fill;
      const uint8_t* const bytes = &guest_[(tag * kMostSectors + i) * kSector];
      EXPECT_EQ(bytes[0], model[request.sector + i]);
      EXPECT_EQ(bytes[kSector - 1], model[request.sector + i]);
    }
    open.erase(found);
    ++answered;
  });
  const char* const text = std::getenv("PYRENE_ROUNDS");
  const uint64_t rounds = text == nullptr ? 5000 : strtoull(text, nullptr, 10);
  uint64_t started = 0;
  while (answered < rounds) {
    const auto tag = static_cast<uint32_t>(random_() % kSlots);
    const auto count = static_cast<uint32_t>(1 + random_() % kMostSectors);
    const Request request{random_() % 2 == 0, random_() % (places.size() - count), count,
                          static_cast<uint8_t>(random_())};
    bool free = started < rounds && open.count(tag) == 0;
    for (const auto& [other, with] : open)
      free = free && (with.sector + with.count <= request.sector ||
                      request.sector + request.count <= with.sector);
    if (free && disk.CanStart()) {
      open[tag] = request;
      ++started;
      most_open = std::max<uint64_t>(most_open, open.size());
      std::fill_n(&guest_[tag * kMostSectors * kSector], count * kSector, request.fill);
      disk.Start({request.write ? block::Operation::kWrite : block::Operation::kRead,
                  request.sector, count, &guest_memory_, tag * kMostSectors * kSector, tag});
    }
    if (random_() % 3 == 0) Turn();
    if (random_() % 40 == 0) KillDriver();
  }
  EXPECT_GT(most_open, 2u);
  std::vector<uint8_t> expected(kDeviceSectors, 0xee);
  for (size_t i = 0; i < places.size(); ++i) expected[places[i]] = model[i];
  for (uint64_t sector = 0; sector < kDeviceSectors; ++sector) {
    ASSERT_EQ(disk_memory_[sector * kSector], expected[sector]) << sector;
    ASSERT_EQ(disk_memory_[sector * kSector + kSector - 1], expected[sector]) << sector;
  }
}

TEST_F(DeviceTest, AMapIsOfOneDeviceOnly) {
  block::DiskMap map = Scattered();
  map.device_sectors = kDeviceSectors + 1;
  const DeviceDisk disk(*device_, false, map);
  while (!device_->ready()) Turn();
  EXPECT_EQ(disk.facts().sectors, 0u);
  EXPECT_NE(disk.facts().medium, 0u);
}

// A card's driver without data.
class Slot final : public block::Disk {
 public:
  const block::DiskFacts& facts() const override { return facts_; }
  bool CanStart() const override { return true; }
  void Start(const block::DiskRequest& request) override {
    Complete(request.tag, proto::BlockStatus::IO_ERROR);
  }
  void OnInterrupt() override {}
  void Insert(uint64_t sectors) {
    facts_.sectors = sectors;
    facts_.max_sectors = 64;
    ++facts_.medium;
  }

 private:
  block::DiskFacts facts_;
};

TEST_F(DeviceTest, AnotherMediumOfTheSameSizeHasNoSectorsOfIt) {
  Slot slot;
  server_ = std::make_unique<block::BlockServer>(slot);
  server_->AddClient(channel_.Open(proto::Side::kServer, bell_),
                     {driver_view_.data(), kDataBytes, 0});
  const block::DiskMap map = Scattered();
  const DeviceDisk disk(*device_, false, map);
  const auto sectors = [&](uint64_t of_card) {
    slot.Insert(of_card);
    for (int i = 0; i < 10; ++i) Turn();
    return disk.facts().sectors;
  };
  EXPECT_EQ(sectors(0), 0u) << "no card yet";
  EXPECT_EQ(sectors(kDeviceSectors), block::SectorsOf(map.extents));
  EXPECT_EQ(sectors(0), 0u) << "taken out";
  EXPECT_EQ(sectors(kDeviceSectors), 0u) << "whose is that?";
}

// A device that does one request at a time, each in one tick, as a card does.
class Serial final : public block::Disk {
 public:
  Serial() {
    facts_.sectors = kDeviceSectors;
    facts_.max_sectors = 64;
  }
  const block::DiskFacts& facts() const override { return facts_; }
  bool CanStart() const override { return !busy_; }
  void Start(const block::DiskRequest& request) override {
    busy_ = true;
    tag_ = request.tag;
  }
  void OnInterrupt() override {
    if (std::exchange(busy_, false)) Complete(tag_, proto::BlockStatus::OK);
  }

 private:
  block::DiskFacts facts_;
  bool busy_ = false;
  uint32_t tag_ = 0;
};

// A guest that has up to `depth` reads under way, all the time.
class Reader {
 public:
  Reader(Device& device, const block::DataMemory& memory, unsigned depth)
      : disk_(device, true), memory_(memory), depth_(depth) {
    disk_.SetCompletion([this](uint32_t, proto::BlockStatus) {
      --under_way_;
      ++done_;
    });
  }
  void Turn() {
    for (; under_way_ < depth_ && disk_.CanStart(); ++under_way_)
      disk_.Start({block::Operation::kRead, 0, 8, &memory_, 0, 0});
  }
  unsigned under_way() const { return under_way_; }
  uint64_t done() const { return done_; }

 private:
  DeviceDisk disk_;
  const block::DataMemory& memory_;
  const unsigned depth_;
  unsigned under_way_ = 0;
  uint64_t done_ = 0;
};

// At least 40 % of its rate alone are asked for.
TEST_F(DeviceTest, ADeepQueueLeavesAnotherGuestItsShare) {
  constexpr int kTicks = 2000;
  Serial serial;
  server_ = std::make_unique<block::BlockServer>(serial);
  server_->AddClient(channel_.Open(proto::Side::kServer, bell_),
                     {driver_view_.data(), kDataBytes, 0});
  const auto run = [&](const std::vector<Reader*>& readers) {
    for (int tick = 0; tick < kTicks; ++tick) {
      device_->OnWake();
      for (Reader* const reader : readers) reader->Turn();
      device_->Flush();
      server_->Round();
      serial.OnInterrupt();
      server_->Round();
    }
  };
  Reader shallow(*device_, guest_memory_, 1);
  run({&shallow});
  const uint64_t alone = shallow.done();
  EXPECT_GT(alone, kTicks * 9 / 10);
  Reader deep(*device_, guest_memory_, 32);
  run({&deep, &shallow});
  EXPECT_GE(shallow.done() - alone, alone * 4 / 10);
  EXPECT_GE(deep.done(), alone * 4 / 10);
  // Alone again, it uses the device's depth.
  run({&deep});
  EXPECT_GT(deep.under_way(), 16u);
}

TEST_F(DeviceTest, ADiskThatIsGoneIsToldNothing) {
  auto disk = std::make_unique<DeviceDisk>(*device_, false, Scattered());
  while (!device_->ready()) Turn();
  disk->SetCompletion([](uint32_t, proto::BlockStatus) { FAIL(); });
  ASSERT_TRUE(disk->CanStart());
  // In many parts, some of which wait for the device.
  const auto all = static_cast<uint32_t>(disk->facts().sectors);
  disk->Start({block::Operation::kRead, 0, all, &guest_memory_, 0, 0});
  EXPECT_FALSE(disk->CanStart());
  disk.reset();
  const DeviceDisk next(*device_, false);
  for (int i = 0; i < 50; ++i) Turn();
  EXPECT_TRUE(next.CanStart());
}

}  // namespace
}  // namespace pyrene::blkback
