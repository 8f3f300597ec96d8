// SPDX-License-Identifier: Apache-2.0
#include "services/blkback/device.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/connect.h"
#include "runtime/guarded.h"
#include "runtime/kill_point.h"
#include "runtime/service.h"

namespace pyrene::blkback {
namespace {

constexpr uint32_t kPageBytes = 4096;

}  // namespace

absl::StatusOr<std::unique_ptr<Device>> Device::Open(const std::string& name) {
  absl::StatusOr<proto::NamedChannel> channel =
      proto::OpenChannel(name, proto::Side::kClient, proto::SchemaId<proto::BlockRequest>());
  if (!channel.ok()) return channel.status();
  const runtime::Handle data = runtime::FindCapability(absl::StrCat(name, ".data"));
  if (data == runtime::kNoHandle)
    return absl::NotFoundError(absl::StrCat("no capability ", name, ".data"));
  absl::StatusOr<runtime::Memory> memory = runtime::Memory::Map(data, runtime::Access::kReadWrite);
  if (!memory.ok()) return memory.status();
  return std::make_unique<Device>(std::move(channel->channel), channel->bit, *std::move(memory));
}

Device::Device(proto::Channel channel, unsigned bit, runtime::Memory data)
    : bit_(bit),
      data_(std::move(data)),
      pages_(static_cast<uint32_t>(data_.size() / kPageBytes)),
      client_(std::move(channel),
              [this](uint32_t id, proto::BlockStatus status) { Done(id, status); }) {}

bool Device::CanStart(const DeviceDisk& disk) const {
  // Room for the largest transfer, wherever the free pages lie: a run of that many pages is found
  // unless three others cut the memory up, and then they end.
  if (client_.unanswered() >= std::min(client_.depth(), block::BlockClient::kMaxDepth) ||
      !pages_.HasRun(DeviceDisk::kMaxSectors * block::kSectorBytes / kPageBytes))
    return false;
  return disk.under_way_ == 0 ||
         std::none_of(users_.begin(), users_.end(), [&](const DeviceDisk* other) {
           return other != &disk &&
                  (other->under_way_ != 0 ||
                   (other->last_start_ != 0 && starts_ - other->last_start_ < kRecentStarts));
         });
}

void Device::Start(DeviceDisk& disk, const block::DiskRequest& request) {
  ++disk.under_way_;
  disk.last_start_ = ++starts_;
  const auto slot =
      std::find_if(slots_.begin(), slots_.end(), [](const Slot& s) { return !s.used; });
  const bool data =
      request.operation == block::Operation::kRead || request.operation == block::Operation::kWrite;
  *slot = {true, &disk, request};
  block::DiskRequest own = request;
  own.memory = nullptr;
  if (data) {
    const uint64_t bytes = uint64_t{request.count} * block::kSectorBytes;
    slot->pages = static_cast<uint32_t>((bytes + kPageBytes - 1) / kPageBytes);
    slot->first_page = pages_.Allocate(slot->pages);
    own.offset = slot->first_page * kPageBytes;
    if (request.operation == block::Operation::kWrite &&
        !runtime::GuardedCopy(data_.data() + own.offset, request.memory->data + request.offset,
                              bytes)) {
      return Done(static_cast<uint32_t>(slot - slots_.begin()), proto::BlockStatus::IO_ERROR);
    }
  }
  const auto id = static_cast<uint32_t>(slot - slots_.begin());
  if (!client_.Submit(id, own).ok()) return Done(id, proto::BlockStatus::IO_ERROR);
  runtime::KillPoint("device.asked");
}

void Device::Done(uint32_t id, proto::BlockStatus status) {
  runtime::KillPoint("device.answered");
  Slot& slot = slots_[id];
  if (slot.disk != nullptr && slot.request.operation == block::Operation::kRead &&
      status == proto::BlockStatus::OK &&
      !runtime::GuardedCopy(slot.request.memory->data + slot.request.offset,
                            data_.data() + slot.first_page * kPageBytes,
                            uint64_t{slot.request.count} * block::kSectorBytes)) {
    status = proto::BlockStatus::IO_ERROR;
  }
  if (slot.first_page != block::PagePool::kNone) pages_.Free(slot.first_page, slot.pages);
  slot.used = false;
  if (slot.disk != nullptr) {
    --slot.disk->under_way_;
    slot.disk->Done(slot.request.tag, status);
  }
  // Its own parts are not always first.
  for (size_t i = 0; i < users_.size(); ++i) users_[(turn_ + i) % users_.size()]->StartWaiting();
  ++turn_;
}

void Device::Remove(const DeviceDisk& disk) {
  for (Slot& slot : slots_) {
    if (slot.disk == &disk) slot.disk = nullptr;
  }
  std::erase(users_, &disk);
}

DeviceDisk::DeviceDisk(Device& device, bool read_only) : device_(device), read_only_(read_only) {
  device_.Add(*this);
}

DeviceDisk::DeviceDisk(Device& device, bool read_only, const block::DiskMap& map)
    : device_(device), read_only_(read_only), device_sectors_(map.device_sectors) {
  for (const block::Extent& extent : map.extents) {
    pieces_.push_back({sectors_, extent});
    sectors_ += extent.sectors;
  }
  device_.Add(*this);
}

const block::DiskFacts& DeviceDisk::facts() const {
  facts_ = device_.facts();
  // Nobody is told anything yet.
  if (!device_.ready()) facts_.medium = 0;
  if (device_sectors_ != 0) {
    const bool fits = device_.ready() && facts_.sectors == device_sectors_;
    if (fits && medium_ == 0) medium_ = facts_.medium;
    facts_.sectors = fits && facts_.medium == medium_ ? sectors_ : 0;
  }
  facts_.read_only |= read_only_;
  facts_.max_sectors = std::min(facts_.max_sectors, kMaxSectors);
  return facts_;
}

void DeviceDisk::Start(const block::DiskRequest& request) {
  auto split =
      std::find_if(splits_.begin(), splits_.end(), [](const Split& s) { return s.parts == 0; });
  if (split == splits_.end()) split = splits_.insert(split, Split{});
  const auto tag = static_cast<uint32_t>(split - splits_.begin());
  *split = {0, request.tag, proto::BlockStatus::OK};
  block::DiskRequest part = request;
  part.tag = tag;
  if (pieces_.empty() || request.operation == block::Operation::kFlush) {
    waiting_.push_back(part);
  } else {
    auto piece = std::upper_bound(pieces_.begin(), pieces_.end(), request.sector,
                                  [](uint64_t sector, const Piece& p) { return sector < p.begin; });
    --piece;
    for (uint32_t done = 0; done < request.count; ++piece) {
      const uint64_t within = request.sector + done - piece->begin;
      part.sector = piece->extent.sector + within;
      part.count = static_cast<uint32_t>(
          std::min<uint64_t>(request.count - done, piece->extent.sectors - within));
      part.offset = request.offset + done * block::kSectorBytes;
      done += part.count;
      waiting_.push_back(part);
    }
  }
  split->parts = static_cast<unsigned>(waiting_.size());
  StartWaiting();
}

void DeviceDisk::StartWaiting() {
  while (!waiting_.empty() && device_.CanStart(*this)) {
    const block::DiskRequest part = waiting_.front();
    waiting_.pop_front();
    device_.Start(*this, part);
  }
}

void DeviceDisk::Done(uint32_t tag, proto::BlockStatus status) {
  Split& split = splits_[tag];
  if (status != proto::BlockStatus::OK) split.status = status;
  if (--split.parts == 0) Complete(split.tag, split.status);
}

}  // namespace pyrene::blkback
