// SPDX-License-Identifier: Apache-2.0
#include "services/blkback/exports.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "platform/block/pool_channel.h"
#include "proto/connect.h"
#include "proto/disk_map.capnp.h"
#include "runtime/kill_point.h"

namespace pyrene::blkback {
namespace {

constexpr absl::string_view kChannel = "disk.";
constexpr absl::string_view kMap = "map.";

}  // namespace

absl::Status Exports::AddDevice(absl::string_view argument, runtime::EventLoop& loop) {
  const std::pair<absl::string_view, absl::string_view> parts = absl::StrSplit(argument, '=');
  absl::StatusOr<std::unique_ptr<Device>> device = Device::Open(std::string(parts.second));
  if (!device.ok()) return device.status();
  if (absl::Status status = loop.AddSourceAt((*device)->bit(), [] {}); !status.ok()) return status;
  devices_[std::string(parts.first)] = *std::move(device);
  return absl::OkStatus();
}

absl::Status Exports::Offer(const init::Offer& offer) {
  runtime::OwnedHandle handle(offer.memory);
  runtime::Notification peer = runtime::Notification::Adopt(offer.wake_peer);
  const bool is_map = offer.schema_id == proto::SchemaId<proto::DiskMap>();
  absl::StatusOr<runtime::Memory> memory = runtime::Memory::Map(
      handle.get(), is_map ? runtime::Access::kRead : runtime::Access::kReadWrite);
  if (!memory.ok()) return memory.status();
  if (is_map) {
    maps_[offer.name] = {std::move(handle), *std::move(memory)};
    return absl::OkStatus();
  }
  if (offer.schema_id != proto::SchemaId<proto::BlockRequest>())
    return absl::InvalidArgumentError("neither a disk nor a channel");
  absl::StatusOr<std::unique_ptr<block::Disk>> disk = OpenDisk(offer);
  if (!disk.ok()) return disk.status();
  const block::DataMemory pool = block::PoolOf(*memory);
  if (pool.data == nullptr) return absl::InvalidArgumentError("a channel without a pool");
  Export made{std::move(handle), *std::move(disk), nullptr};
  made.server = std::make_unique<block::BlockServer>(*made.disk);
  made.server->AddClient(
      std::make_unique<proto::Channel>(offer.name, *std::move(memory), std::move(peer),
                                       proto::Side::kServer, offer.schema_id),
      pool);
  exports_[offer.name] = std::move(made);
  runtime::KillPoint("disk.opened");
  return absl::OkStatus();
}

absl::StatusOr<Device*> Exports::FindDevice(absl::string_view name) {
  const auto device = devices_.find(name);
  if (device == devices_.end()) return absl::NotFoundError(absl::StrCat("no device ", name));
  return device->second.get();
}

absl::StatusOr<std::unique_ptr<block::Disk>> Exports::OpenDisk(const init::Offer& offer) {
  const bool read_only = offer.disk.getReadOnly();
  const auto found = maps_.find(absl::StrCat(kMap, absl::StripPrefix(offer.name, kChannel)));
  if (found == maps_.end()) {
    // A whole one.
    const absl::StatusOr<Device*> device = FindDevice(offer.disk.getTarget().cStr());
    if (!device.ok()) return device.status();
    return std::make_unique<DeviceDisk>(**device, read_only);
  }
  const runtime::Memory& memory = found->second.memory;
  const absl::StatusOr<block::DiskMap> map = block::ReadDiskMap({memory.data(), memory.size()});
  if (!map.ok()) return map.status();
  const absl::StatusOr<Device*> device = FindDevice(map->device);
  if (!device.ok()) return device.status();
  return std::make_unique<DeviceDisk>(**device, read_only, *map);
}

void Exports::Revoke(const std::string& name) {
  exports_.erase(name);
  const auto map = maps_.find(name);
  if (map == maps_.end()) return;
  // The disk made of it goes first.
  exports_.erase(absl::StrCat(kChannel, absl::StripPrefix(name, kMap)));
  maps_.erase(map);
}

bool Exports::Round() {
  bool more = false;
  for (const auto& [name, device] : devices_) more |= device->OnWake();
  if (exports_.empty()) return more;
  first_ = (first_ + 1) % exports_.size();
  auto at = std::next(exports_.begin(), static_cast<ptrdiff_t>(first_));
  for (size_t i = 0; i < exports_.size(); ++i) {
    more |= at->second.server->Round();
    if (++at == exports_.end()) at = exports_.begin();
  }
  for (const auto& [name, device] : devices_) device->Flush();
  return more;
}

}  // namespace pyrene::blkback
