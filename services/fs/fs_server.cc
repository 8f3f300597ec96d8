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
  entry.setNumber(file.number);
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
  if (request.which() > proto::FsRequest::REPLAY)
    return absl::InvalidArgumentError("unknown request");
  absl::Status status = Answer(request, reply);
  if (!status.ok()) {
    reply = builder_.Start<proto::FsReply>();
    proto::WriteFailure(status, reply.initFailed());
  }
  reply.setId(id);
  unsent_ = true;
  return absl::OkStatus();
}

absl::Status FsServer::Answer(proto::FsRequest::Reader request, proto::FsReply::Builder reply) {
  switch (request.which()) {
    case proto::FsRequest::STAT: {
      const absl::StatusOr<std::string> path = PathOf(request.getStat());
      return path.ok() ? Stat(*path, reply) : path.status();
    }
    case proto::FsRequest::LIST:
      return List(request.getList(), reply);
    case proto::FsRequest::READ:
      return Read(request.getRead(), reply);
    case proto::FsRequest::MAP:
      return Map(request.getMap(), reply);
    case proto::FsRequest::PARTITION:
      return FindPartition(request.getPartition(), reply);
    case proto::FsRequest::USAGE:
      return DescribeUsage(reply);
    default:
      if (source_.may_change) return Change(request, reply);
      return absl::FailedPreconditionError("this client may not change files");
  }
}

absl::Status FsServer::Change(proto::FsRequest::Reader request, proto::FsReply::Builder reply) {
  const absl::StatusOr<Volume*> mounted =
      source_.volume(request.isReplay() ? Volume::Replay::kAny : Volume::Replay::kOwn);
  if (!mounted.ok()) return mounted.status();
  Volume& volume = **mounted;
  const auto path_of = [](capnp::Text::Reader path) {
    return path.size() == 0 ? absl::StatusOr<std::string>(Volume::kPartFile) : PathOf(path);
  };
  absl::StatusOr<std::string> path = std::string();
  absl::Status status;
  switch (request.which()) {
    case proto::FsRequest::APPEND:
      return Append(volume, request.getAppend(), reply);
    case proto::FsRequest::LOOK:
    case proto::FsRequest::START: {
      absl::StatusOr<FileInfo> file = absl::InvalidArgumentError("");
      if (request.isLook()) path = PathOf(request.getLook());
      if (!path.ok()) return path.status();
      file = request.isLook() ? volume.Look(*path) : volume.StartFile(request.getStart());
      if (!file.ok()) return file.status();
      Describe(*file, reply.initEntry());
      return absl::OkStatus();
    }
    case proto::FsRequest::FILL: {
      path = PathOf(request.getFill().getPath());
      if (!path.ok()) return path.status();
      const absl::StatusOr<uint64_t> next =
          volume.FillHoles(*path, uint64_t{request.getFill().getFirst()} * kSectorBytes);
      if (!next.ok()) return next.status();
      reply.setGrown(*next);
      return absl::OkStatus();
    }
    case proto::FsRequest::RENAME: {
      const absl::StatusOr<std::string> from = path_of(request.getRename().getFrom());
      path = PathOf(request.getRename().getTo());
      status = from.status();
      if (from.ok() && path.ok() && *from == Volume::kPartFile) {
        // What a former life kept back is gone.
        const absl::StatusOr<FileInfo> part = volume.Look(*from);
        if (!part.ok() && !absl::IsNotFound(part.status())) return part.status();
        if (part.ok() && part->number == request.getRename().getNumber() &&
            part->bytes != request.getRename().getBytes()) {
          reply.setGrown(part->bytes);
          return absl::OkStatus();
        }
      }
      if (from.ok() && path.ok())
        status = volume.Rename(*from, *path, request.getRename().getNumber());
      break;
    }
    case proto::FsRequest::REMOVE:
      path = path_of(request.getRemove().getPath());
      if (path.ok()) status = volume.Remove(*path, request.getRemove().getNumber());
      break;
    case proto::FsRequest::MAKE_DIRECTORY:
      path = PathOf(request.getMakeDirectory());
      if (path.ok()) status = volume.MakeDirectory(*path);
      break;
    default:
      break;
  }
  if (!path.ok()) return path.status();
  if (status.ok()) reply.setDone();
  return status;
}

absl::Status FsServer::Append(Volume& volume, proto::FsAppend::Reader request,
                              proto::FsReply::Builder reply) {
  const uint32_t bytes = request.getBytes();
  if (bytes == 0 || bytes > kMaxReadBytes ||
      (!request.getZeros() && !channel_.pool().Contains({request.getPlace(), bytes})))
    return absl::OutOfRangeError("no such place for it");
  buffer_.resize(kBufferBytes);
  uint64_t size = request.getOffset();
  for (uint32_t done = 0; done < bytes;) {
    const auto part = static_cast<uint32_t>(std::min<size_t>(bytes - done, buffer_.size()));
    if (!request.getZeros()) {
      absl::Status status =
          channel_.pool().Read({request.getPlace() + done, part}, buffer_.data(), part);
      if (!status.ok()) return status;
    }
    const uint64_t expected = request.getOffset() + done;
    const absl::StatusOr<uint64_t> grown = volume.Append(
        request.getNumber(), expected, part, request.getZeros() ? nullptr : buffer_.data());
    if (!grown.ok()) return grown.status();
    size = *grown;
    done += part;
    if (size != expected + part) break;
  }
  reply.setGrown(size);
  return absl::OkStatus();
}

absl::Status FsServer::Stat(const std::string& path, proto::FsReply::Builder reply) {
  const absl::StatusOr<Volume*> volume = Mounted();
  if (!volume.ok()) return volume.status();
  const absl::StatusOr<FileInfo> file = (*volume)->Stat(path);
  if (!file.ok()) return file.status();
  Describe(*file, reply.initEntry());
  return absl::OkStatus();
}

absl::Status FsServer::List(proto::FsList::Reader request, proto::FsReply::Builder reply) {
  const absl::StatusOr<std::string> path = PathOf(request.getPath());
  if (!path.ok()) return path.status();
  const absl::StatusOr<Volume*> volume = Mounted();
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
  const absl::StatusOr<Volume*> volume = Mounted();
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
  const absl::StatusOr<Volume*> volume = Mounted();
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
  const absl::StatusOr<Volume*> volume = Mounted();
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
