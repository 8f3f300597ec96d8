// SPDX-License-Identifier: Apache-2.0
#include "services/fs/fs_server.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "proto/failure.h"
#include "runtime/kill_point.h"

namespace pyrene::fs {
namespace {

constexpr size_t kEntriesPerMessage = 16;
constexpr size_t kExtentsPerMessage = 64;
constexpr size_t kMaxPath = 1023;
constexpr size_t kMaxDeviceName = 31;
constexpr uint32_t kMaxReadBytes = 1 << 20;
constexpr size_t kBufferBytes = 64 << 10;

absl::StatusOr<std::string> PathOf(capnp::Text::Reader path) {
  if (path.size() == 0 || path.size() > kMaxPath)
    return absl::InvalidArgumentError(absl::StrCat("a path has 1 to ", kMaxPath, " bytes"));
  std::string text(path.begin(), path.size());
  if (text.find('\0') != std::string::npos)
    return absl::InvalidArgumentError("a path with a zero byte");
  return text;
}

void Describe(const FileInfo& file, proto::FileEntry::Builder entry) {
  entry.setName(file.name.c_str());
  entry.setBytes(file.bytes);
  entry.setIsDirectory(file.is_directory);
}

}  // namespace

bool FsServer::Serve() {
  if (channel_.Update() != proto::Channel::State::kUp) return false;
  if (channel_.epoch() != epoch_) {
    epoch_ = channel_.epoch();
    unsent_ = false;
  }
  bool more = true;
  if (!unsent_) {
    more = channel_.Receive<proto::FsRequest>(
        1, [this](proto::FsRequest::Reader request) { return Handle(request); });
  }
  // Without room nothing more is taken: the client signals when there is.
  if (unsent_) {
    runtime::KillPoint("request.done");
    unsent_ = absl::IsResourceExhausted(channel_.Send(builder_));
    more = more && !unsent_;
    runtime::KillPoint("request.answered");
  }
  channel_.Flush();
  return more;
}

absl::Status FsServer::Handle(proto::FsRequest::Reader request) {
  const uint32_t id = request.getId();
  if (id == 0) return absl::InvalidArgumentError("a request with id 0");
  auto reply = builder_.Start<proto::FsReply>();
  absl::Status status;
  switch (request.which()) {
    case proto::FsRequest::STAT: {
      const absl::StatusOr<std::string> path = PathOf(request.getStat());
      status = path.ok() ? Stat(*path, reply) : path.status();
      break;
    }
    case proto::FsRequest::LIST:
      status = List(request.getList(), reply);
      break;
    case proto::FsRequest::READ:
      status = Read(request.getRead(), reply);
      break;
    case proto::FsRequest::MAP:
      status = Map(request.getMap(), reply);
      break;
    case proto::FsRequest::PARTITION:
      status = FindPartition(request.getPartition(), reply);
      break;
    case proto::FsRequest::USAGE:
      status = DescribeUsage(reply);
      break;
    default:
      return absl::InvalidArgumentError("unknown request");
  }
  if (!status.ok()) {
    reply = builder_.Start<proto::FsReply>();
    proto::WriteFailure(status, reply.initFailed());
  }
  reply.setId(id);
  unsent_ = true;
  return absl::OkStatus();
}

absl::Status FsServer::Stat(const std::string& path, proto::FsReply::Builder reply) {
  const absl::StatusOr<Volume*> volume = source_.volume();
  if (!volume.ok()) return volume.status();
  const absl::StatusOr<FileInfo> file = (*volume)->Stat(path);
  if (!file.ok()) return file.status();
  Describe(*file, reply.initEntry());
  return absl::OkStatus();
}

absl::Status FsServer::List(proto::FsList::Reader request, proto::FsReply::Builder reply) {
  const absl::StatusOr<std::string> path = PathOf(request.getPath());
  if (!path.ok()) return path.status();
  const absl::StatusOr<Volume*> volume = source_.volume();
  if (!volume.ok()) return volume.status();
  const absl::StatusOr<Listing> listing =
      (*volume)->List(*path, request.getFirst(), kEntriesPerMessage);
  if (!listing.ok()) return listing.status();
  auto entries = reply.initEntries();
  auto list = entries.initList(static_cast<unsigned>(listing->entries.size()));
  for (unsigned i = 0; i < list.size(); ++i) Describe(listing->entries[i], list[i]);
  entries.setNext(listing->next);
  return absl::OkStatus();
}

absl::Status FsServer::Read(proto::FsRead::Reader request, proto::FsReply::Builder reply) {
  const absl::StatusOr<std::string> path = PathOf(request.getPath());
  if (!path.ok()) return path.status();
  const uint32_t wanted = request.getBytes();
  if (wanted == 0 || wanted > kMaxReadBytes ||
      !channel_.pool().Contains({request.getPlace(), wanted}))
    return absl::OutOfRangeError(absl::StrCat(*path, ": no such place for it"));
  const absl::StatusOr<Volume*> volume = source_.volume();
  if (!volume.ok()) return volume.status();
  buffer_.resize(kBufferBytes);
  uint32_t done = 0;
  Volume::Part part;
  while (done < wanted) {
    const size_t room = std::min<size_t>(wanted - done, buffer_.size());
    const auto read =
        (*volume)->Read(*path, request.getOffset() + done, absl::MakeSpan(buffer_).first(room));
    if (!read.ok()) return read.status();
    part = *read;
    const auto bytes = static_cast<uint32_t>(part.bytes);
    if (bytes == 0) break;
    absl::Status status =
        channel_.pool().Write({request.getPlace() + done, bytes}, buffer_.data(), bytes);
    if (!status.ok()) return status;
    done += bytes;
    if (bytes < room) break;
  }
  auto data = reply.initData();
  data.setBytes(done);
  data.setFileBytes(part.file_bytes);
  data.setVersion(part.version);
  return absl::OkStatus();
}

absl::Status FsServer::Map(proto::FsMapRequest::Reader request, proto::FsReply::Builder reply) {
  const absl::StatusOr<std::string> path = PathOf(request.getPath());
  if (!path.ok()) return path.status();
  const absl::StatusOr<Volume*> volume = source_.volume();
  if (!volume.ok()) return volume.status();
  const absl::StatusOr<FileMap> map = (*volume)->Map(*path);
  if (!map.ok()) return map.status();
  const size_t first = std::min<size_t>(request.getFirst(), map->extents.size());
  const size_t count = std::min(map->extents.size() - first, kExtentsPerMessage);
  auto to = reply.initMap();
  to.setDisk(source_.disk.c_str());
  to.setDiskSectors(source_.disk_sectors());
  to.setFileBytes(map->bytes);
  auto list = to.initExtents(static_cast<unsigned>(count));
  for (unsigned i = 0; i < count; ++i) {
    list[i].setSector(map->extents[first + i].sector);
    list[i].setSectors(map->extents[first + i].sectors);
  }
  const size_t next = first + count;
  to.setNext(next < map->extents.size() ? static_cast<uint32_t>(next) : 0);
  return absl::OkStatus();
}

absl::Status FsServer::FindPartition(capnp::Text::Reader name, proto::FsReply::Builder reply) {
  if (name.size() == 0 || name.size() > kMaxDeviceName)
    return absl::InvalidArgumentError(
        absl::StrCat("a device's name has 1 to ", kMaxDeviceName, " bytes"));
  const absl::StatusOr<Extent> found = source_.find(std::string(name.begin(), name.size()));
  if (!found.ok()) return found.status();
  auto to = reply.initMap();
  to.setDisk(source_.disk.c_str());
  to.setDiskSectors(source_.disk_sectors());
  to.setFileBytes(found->sectors * kSectorBytes);
  auto extent = to.initExtents(1)[0];
  extent.setSector(found->sector);
  extent.setSectors(found->sectors);
  return absl::OkStatus();
}

absl::Status FsServer::DescribeUsage(proto::FsReply::Builder reply) {
  const absl::StatusOr<Volume*> volume = source_.volume();
  if (!volume.ok()) return volume.status();
  const Usage usage = (*volume)->GetUsage();
  auto to = reply.initUsage();
  to.setDevice((*volume)->device().c_str());
  to.setTotalKib(usage.total_kib);
  to.setFreeKib(usage.free_kib);
  to.setAvailableKib(usage.available_kib);
  return absl::OkStatus();
}

}  // namespace pyrene::fs
