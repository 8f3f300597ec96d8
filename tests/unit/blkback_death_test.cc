// SPDX-License-Identifier: Apache-2.0
//
// A guest's disk through all of its parts (ring, block client, channel, block server, disk),
// whose back-end dies at any moment, in the middle of a write too. The guest sees each request
// answered once, without an error, and every byte as a model has it.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "platform/block/block_client.h"
#include "platform/block/block_server.h"
#include "services/vmm/blkif/disk.h"
#include "tests/unit/blkif_front.h"
#include "tests/unit/channel_memory.h"
#include "tests/unit/memory_disk.h"

namespace pyrene::vmm::blkif {
namespace {

constexpr uint32_t kDiskPages = 64;

// Dies in a request now and then, after a part of it; from then on it does and answers nothing.
class MortalDisk final : public block::Disk {
 public:
  MortalDisk(std::vector<absl::Span<uint8_t>> pieces, std::mt19937& random)
      : disk_(std::move(pieces)), random_(random) {
    disk_.SetCompletion([this](uint32_t tag, proto::BlockStatus status) { Complete(tag, status); });
  }
  const block::DiskFacts& facts() const override { return disk_.facts(); }
  bool CanStart() const override { return !dead_; }
  void Start(const block::DiskRequest& request) override {
    if (dead_) return;
    dead_ = random_() % 40 == 0;
    if (!dead_) return disk_.Start(request);
    // What is answered to nobody.
    disk_.SetCompletion([](uint32_t, proto::BlockStatus) {});
    block::DiskRequest part = request;
    part.count = request.count == 0 ? 0 : static_cast<uint32_t>(random_() % request.count);
    if (part.count != 0) disk_.Start(part);
  }
  void OnInterrupt() override {}
  bool dead() const { return dead_; }

 private:
  tests::MemoryDisk disk_;
  std::mt19937& random_;
  bool dead_ = false;
};

class BlkbackDeath : public testing::Test, public GuestPages {
 protected:
  BlkbackDeath() : disk_memory_(kDiskPages * kPageBytes), pool_(1 << 20) {
    memory_.StartEpoch(epoch_);
    client_ = std::make_unique<block::BlockClient>(
        std::move(*memory_.Open(proto::Side::kClient, bell_)),
        [this](uint32_t id, proto::BlockStatus status) { disk_.Done(id, status); });
    Begin();
  }

  bool Submit(uint32_t id, const block::DiskRequest& request) override {
    return client_->Submit(id, request).ok();
  }

  void Begin() {
    server_.reset();
    // Two pieces, so that requests lie across their border.
    constexpr size_t kFirst = 20 * kPageBytes;
    mortal_ = std::make_unique<MortalDisk>(
        std::vector<absl::Span<uint8_t>>{
            {disk_memory_.data(), kFirst},
            {disk_memory_.data() + kFirst, disk_memory_.size() - kFirst}},
        random_);
    server_ = std::make_unique<block::BlockServer>(*mortal_);
    server_->AddClient(memory_.Open(proto::Side::kServer, bell_),
                       {pool_.data(), static_cast<uint32_t>(pool_.size()), 0});
    ++lives_;
  }
  void Kill() {
    server_.reset();
    memory_.StartEpoch(++epoch_);
    Begin();
  }
  void Turn() {
    client_->OnWake();
    disk_.Serve();
    client_->Flush();
    if (random_() % 50 == 0 || mortal_->dead()) Kill();
    server_->Round();
    if (random_() % 50 == 0) Kill();
  }

  std::mt19937 random_{7};
  std::vector<uint8_t> disk_memory_;
  std::vector<uint8_t> pool_;
  runtime::Notification bell_ = *runtime::Notification::Create();
  proto::ChannelMemory memory_{proto::SchemaId<proto::BlockRequest>()};
  uint32_t epoch_ = 1;
  unsigned lives_ = 0;
  std::unique_ptr<MortalDisk> mortal_;
  std::unique_ptr<block::BlockServer> server_;
  std::unique_ptr<block::BlockClient> client_;
  Disk disk_{"xvda", *this, {pool_.data(), static_cast<uint32_t>(pool_.size()), 0}};
};

TEST_F(BlkbackDeath, NothingIsLostAndNothingAnsweredTwice) {
  Front front(*this, 2);
  while (!client_->has_facts()) Turn();
  ASSERT_TRUE(disk_.Connect({front.place()}).ok());
  struct Expected {
    bool write;
    uint32_t ref;
    uint32_t place;  // page of the disk
    uint8_t fill;
  };
  std::map<uint64_t, Expected> open;
  std::set<uint32_t> busy_refs, busy_places;
  std::vector<uint8_t> model(kDiskPages * kPageBytes);
  uint64_t next = 1, answered = 0;
  const char* const text = std::getenv("PYRENE_ROUNDS");
  const uint64_t rounds = text == nullptr ? 20000 : strtoull(text, nullptr, 10);
  for (uint64_t step = 0; answered < rounds || !open.empty(); ++step) {
    const auto ref = static_cast<uint32_t>(kFirstPage + random_() % (kGrants - kFirstPage));
    const auto place = static_cast<uint32_t>(random_() % kDiskPages);
    if (answered < rounds && front.free() != 0 && !busy_refs.contains(ref) &&
        !busy_places.contains(place)) {
      const bool write = random_() % 2 == 0;
      const auto fill = static_cast<uint8_t>(random_());
      if (write) memset(page(ref), fill, kPageBytes);
      // With a barrier or a flush among them.
      const uint8_t operation = !write ? kRead : random_() % 8 == 0 ? kWriteBarrier : kWrite;
      front.Push(Direct(operation, next, uint64_t{place} * 8, {{ref, 0, 7, 0}}));
      open[next++] = {write, ref, place, fill};
      busy_refs.insert(ref);
      busy_places.insert(place);
      if (front.free() != 0 && random_() % 16 == 0) {
        front.Push(Direct(kFlush, next, 0, {}));
        open[next++] = {true, 0, kDiskPages, 0};
      }
    }
    if (random_() % 3 == 0) Turn();
    for (Response response; front.Pop(&response);) {
      const auto found = open.find(response.id);
      ASSERT_NE(found, open.end());
      ASSERT_EQ(response.status, kOk);
      const Expected expected = found->second;
      open.erase(found);
      ++answered;
      if (expected.place == kDiskPages) continue;
      uint8_t* const at = model.data() + expected.place * kPageBytes;
      if (expected.write) memset(at, expected.fill, kPageBytes);
      ASSERT_EQ(memcmp(page(expected.ref), at, kPageBytes), 0);
      busy_refs.erase(expected.ref);
      busy_places.erase(expected.place);
    }
  }
  EXPECT_EQ(disk_memory_, model);
  EXPECT_TRUE(disk_.idle());
  EXPECT_GT(lives_, rounds / 200);
}

}  // namespace
}  // namespace pyrene::vmm::blkif
