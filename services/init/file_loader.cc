// SPDX-License-Identifier: Apache-2.0
#include "services/init/file_loader.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "proto/failure.h"
#include "runtime/clock.h"
#include "services/fs/client/card_path.h"

namespace pyrene::init {
namespace {

constexpr unsigned kBatch = 4;
constexpr uint64_t kPage = 4096;
constexpr size_t kMaxReason = 250;
constexpr absl::string_view kDevices = "/dev/";

std::string OnCard(const std::string& path) { return absl::StrCat("/", fs::kCardFolder, path); }

// As it is to be shown to users: fs names files by its own paths.
absl::Status Explain(proto::Failure::Reader failure) {
  const absl::Status status = proto::ToStatus(failure);
  const std::string reason(status.message().substr(0, kMaxReason));
  return absl::Status(status.code(), absl::StartsWith(reason, "/") ? OnCard(reason) : reason);
}

}  // namespace

FileLoader::FileLoader(runtime::EventLoop& loop, proto::Channel channel, unsigned bit)
    : loop_(loop), channel_(std::move(channel)), bit_(bit) {}

uint64_t FileLoader::Add(Job job) {
  Work work{next_job_++, std::move(job), {}, {}};
  work.loaded.files.resize(work.job.paths.size());
  work.loaded.disks.resize(work.job.disks.size());
  work.sized = work.job.paths.empty();
  work_.push_back(std::move(work));
  if (work_.size() == 1) ArmTimer();
  // The caller goes on first.
  loop_.notification().Signal(uint64_t{1} << bit_);
  return work_.back().id;
}

void FileLoader::Cancel(uint64_t id) {
  std::erase_if(work_, [id](const Work& work) { return work.id == id; });
}

void FileLoader::ArmTimer() {
  loop_.CancelTimer(timer_);
  timer_ = 0;
  if (work_.empty()) return;
  timer_ = loop_.AddTimer(runtime::MonotonicNow() + kAnswersWithin, [this] {
    timer_ = 0;
    if (!work_.empty()) End(absl::DeadlineExceededError("fs does not answer"));
  });
}

void FileLoader::OnWake() {
  if (channel_.Update() != proto::Channel::State::kUp) return;
  if (channel_.epoch() != epoch_) {
    epoch_ = channel_.epoch();
    asked_ = 0;
  }
  const bool more = channel_.Receive<proto::FsReply>(
      kBatch, [this](proto::FsReply::Reader reply) { return Handle(reply); });
  Ask();
  channel_.Flush();
  if (more) loop_.notification().Signal(uint64_t{1} << bit_);
}

// An answer that is awaited by nobody any more is waited for all the same: the pool is in use.
void FileLoader::Ask() {
  if (asked_ != 0 || work_.empty() || channel_.state() != proto::Channel::State::kUp) return;
  const Work& work = work_.front();
  auto request = builder_.Start<proto::FsRequest>();
  request.setId(next_id_);
  if (!work.sized) {
    request.setStat(work.job.paths[work.file].c_str());
  } else if (work.reads()) {
    auto read = request.initRead();
    read.setPath(work.job.paths[work.file].c_str());
    read.setOffset(work.done);
    read.setBytes(static_cast<uint32_t>(std::min<uint64_t>(
        channel_.pool().bytes(), work.loaded.files[work.file].bytes - work.done)));
  } else if (const DiskName& disk = work.job.disks[work.disk]; disk.is_file) {
    auto map = request.initMap();
    map.setPath(disk.name.c_str());
    map.setFirst(static_cast<uint32_t>(work.loaded.disks[work.disk].extents.size()));
  } else {
    request.setPartition(disk.name.c_str());
  }
  if (!channel_.Send(builder_).ok()) return;  // asked again when there is room
  asked_ = next_id_;
  asked_for_ = work.id;
  if (++next_id_ == 0) next_id_ = 1;
}

absl::Status FileLoader::Handle(proto::FsReply::Reader reply) {
  if (reply.getId() == 0 || reply.getId() != asked_)
    return absl::InvalidArgumentError("an answer to no request");
  asked_ = 0;
  if (work_.empty() || work_.front().id != asked_for_) return absl::OkStatus();
  ArmTimer();
  Work& work = work_.front();
  absl::Status status = reply.isFailed() ? Explain(reply.getFailed())
                        : !work.sized    ? TakeSize(work, reply)
                        : work.reads()   ? TakeData(work, reply)
                                         : TakeMap(work, reply);
  if (!status.ok() || work.ended()) End(std::move(status));
  return absl::OkStatus();
}

absl::Status FileLoader::TakeSize(Work& work, proto::FsReply::Reader reply) {
  if (!reply.isEntry()) return absl::InternalError("fs gave an answer of another kind");
  const std::string path = OnCard(work.job.paths[work.file]);
  if (reply.getEntry().getIsDirectory())
    return absl::InvalidArgumentError(absl::StrCat(path, " is a directory"));
  const uint64_t bytes = reply.getEntry().getBytes();
  if (bytes == 0) return absl::InvalidArgumentError(absl::StrCat(path, " is empty"));
  if (bytes > work.job.most)
    return absl::InvalidArgumentError(absl::StrCat(path, " is larger than the guest's memory"));
  work.loaded.files[work.file].bytes = bytes;
  if (++work.file < work.loaded.files.size()) return absl::OkStatus();
  work.file = 0;
  return Allocate(work);
}

absl::Status FileLoader::Allocate(Work& work) {
  uint64_t end = 0;
  for (Range& range : work.loaded.files) {
    range.offset = end;
    end += (range.bytes + kPage - 1) / kPage * kPage;
    if (end > work.job.most + kPage * work.loaded.files.size())
      return absl::InvalidArgumentError("the files are larger than the guest's memory");
  }
  absl::StatusOr<absl::Span<uint8_t>> memory = work.job.allocate(end);
  if (!memory.ok()) return memory.status();
  work.memory = *memory;
  work.sized = true;
  return absl::OkStatus();
}

absl::Status FileLoader::TakeData(Work& work, proto::FsReply::Reader reply) {
  if (!reply.isData()) return absl::InternalError("fs gave an answer of another kind");
  const proto::FsData::Reader data = reply.getData();
  const Range& range = work.loaded.files[work.file];
  const uint32_t bytes = data.getBytes();
  if (work.done == 0) work.version = data.getVersion();
  if (bytes == 0 || bytes > range.bytes - work.done || data.getFileBytes() != range.bytes ||
      data.getVersion() != work.version) {
    return absl::AbortedError(
        absl::StrCat(OnCard(work.job.paths[work.file]), " was changed while it was read"));
  }
  absl::Status status =
      channel_.pool().Read({0, bytes}, work.memory.data() + range.offset + work.done, bytes);
  if (!status.ok()) return status;
  work.done += bytes;
  if (work.done < range.bytes) return status;
  work.done = 0;
  ++work.file;
  return status;
}

absl::Status FileLoader::TakeMap(Work& work, proto::FsReply::Reader reply) {
  if (!reply.isMap()) return absl::InternalError("fs gave an answer of another kind");
  const proto::FsMap::Reader from = reply.getMap();
  const std::string device = absl::StrCat(kDevices, from.getDisk().cStr());
  block::DiskMap& map = work.loaded.disks[work.disk];
  if (map.extents.empty()) {
    map.device = device;
    map.device_sectors = from.getDiskSectors();
  }
  absl::Status bad = absl::InternalError("fs gave a map that can not be");
  if (device != map.device || device.size() > block::kMaxDeviceName ||
      from.getDiskSectors() != map.device_sectors || from.getExtents().size() == 0) {
    return bad;
  }
  for (const proto::Extent::Reader extent : from.getExtents()) {
    const block::Extent next{extent.getSector(), extent.getSectors()};
    if (!block::LiesOn(next, map.device_sectors) || map.extents.size() == block::kMaxExtents)
      return bad;
    map.extents.push_back(next);
  }
  if (from.getNext() == map.extents.size()) return absl::OkStatus();
  if (from.getNext() != 0) return bad;
  ++work.disk;
  return absl::OkStatus();
}

void FileLoader::End(absl::Status status) {
  Work ended = std::move(work_.front());
  work_.pop_front();
  ArmTimer();
  if (status.ok()) {
    ended.job.done(std::move(ended.loaded));
  } else {
    ended.job.done(std::move(status));
  }
  loop_.notification().Signal(uint64_t{1} << bit_);
}

}  // namespace pyrene::init
