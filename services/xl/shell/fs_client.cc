// SPDX-License-Identifier: Apache-2.0
#include "services/xl/shell/fs_client.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "proto/failure.h"
#include "services/fs/client/card_path.h"
#include "services/xl/plain_text.h"

namespace pyrene::xl {
namespace {

constexpr unsigned kTries = 30;         // of a request that a restart cuts off
constexpr size_t kMaxEntries = 65536;   // of a directory
constexpr uint32_t kPartBytes = 16384;  // as much as the pool has room for, at most

absl::Status Unexpected() { return absl::InternalError("fs gave an answer of another kind"); }

// Paths in sentences are those of the disk.
absl::Status Explain(const absl::Status& status) {
  const std::string text = Printable(status.message());
  return absl::Status(
      status.code(), absl::StartsWith(text, "/") ? absl::StrCat("/", fs::kCardFolder, text) : text);
}

}  // namespace

FsClient::FsClient(Waiter& waiter, proto::Channel channel, unsigned bit)
    : link_(waiter, std::move(channel), bit, "fs",
            {[this](proto::FsReply::Reader reply) { OnReply(reply); }, nullptr, nullptr}) {}

void FsClient::OnReply(proto::FsReply::Reader reply) {
  const uint32_t id = reply.getId();
  if (id == 0 || id != awaited_ || result_.has_value()) return;  // of a call that was given up
  result_ = reply.isFailed() ? Explain(proto::ToStatus(reply.getFailed())) : (*take_)(reply);
}

absl::Status FsClient::CallOnce(const Link::Fill& fill, const Take& take, Waiter::CtrlC ctrl_c) {
  awaited_ = next_id_++;
  take_ = &take;
  result_.reset();
  const absl::Status status = link_.Exchange(
      [&](proto::FsRequest::Builder request) {
        request.setId(awaited_);
        fill(request);
      },
      [this] { return result_.has_value(); }, kAnswerTime, ctrl_c);
  awaited_ = 0;
  take_ = nullptr;
  return status.ok() ? *result_ : status;
}

absl::Status FsClient::CallAsItIs(const Link::Fill& fill, const Take& take, Waiter::CtrlC ctrl_c) {
  for (unsigned i = 1;; ++i) {
    absl::Status status = CallOnce(fill, take, ctrl_c);
    if (!absl::IsUnavailable(status) || i == kTries) return status;
  }
}

absl::Status FsClient::Call(const Link::Fill& fill, const Take& take, Waiter::CtrlC ctrl_c) {
  absl::Status status = CallAsItIs(fill, take, ctrl_c);
  if (!absl::IsAborted(status)) return status;
  if (const absl::Status may = may_replay_ ? may_replay_() : status; !may.ok())
    return absl::FailedPreconditionError(
        absl::StrCat(status.message(), absl::IsAborted(may) ? "" : "; not here: ", may.message()));
  status = CallAsItIs(
      [](auto request) { request.setReplay(); },
      [](proto::FsReply::Reader reply) { return reply.isDone() ? absl::OkStatus() : Unexpected(); },
      ctrl_c);
  return status.ok() ? CallAsItIs(fill, take, ctrl_c) : status;
}

absl::Status FsClient::CallForDone(const Link::Fill& fill, Waiter::CtrlC ctrl_c) {
  return Call(
      fill,
      [](proto::FsReply::Reader reply) { return reply.isDone() ? absl::OkStatus() : Unexpected(); },
      ctrl_c);
}

absl::StatusOr<uint64_t> FsClient::CallForGrown(const Link::Fill& fill) {
  uint64_t grown = 0;
  absl::Status status = Call(fill, [&grown](proto::FsReply::Reader reply) {
    if (!reply.isGrown()) return Unexpected();
    grown = reply.getGrown();
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return grown;
}

absl::StatusOr<FileEntry> FsClient::CallForEntry(const std::string& path, const Link::Fill& fill) {
  FileEntry entry;
  absl::Status status = Call(fill, [&](proto::FsReply::Reader reply) {
    if (!reply.isEntry()) return Unexpected();
    const proto::FileEntry::Reader from = reply.getEntry();
    entry = {path, from.getBytes(), from.getIsDirectory(), from.getNumber()};
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return entry;
}

absl::StatusOr<FileEntry> FsClient::Stat(const std::string& path) {
  return CallForEntry(path, [&path](auto request) { request.setStat(path.c_str()); });
}

absl::StatusOr<FileEntry> FsClient::Look(const std::string& path) {
  return CallForEntry(path, [&path](auto request) { request.setLook(path.c_str()); });
}

absl::StatusOr<uint32_t> FsClient::StartFile(uint64_t bytes) {
  const auto entry = CallForEntry("", [bytes](auto request) { request.setStart(bytes); });
  if (!entry.ok()) return entry.status();
  return entry->number;
}

absl::StatusOr<uint64_t> FsClient::Append(uint32_t number, uint64_t offset,
                                          const std::string& data) {
  const auto bytes = static_cast<uint32_t>(data.size());
  absl::Status status = link_.pool().Write({0, bytes}, data.data(), bytes);
  if (!status.ok()) return status;
  return CallForGrown([&](auto request) {
    proto::FsAppend::Builder append = request.initAppend();
    append.setNumber(number);
    append.setOffset(offset);
    append.setBytes(bytes);
  });
}

absl::StatusOr<uint64_t> FsClient::AppendZeros(uint32_t number, uint64_t offset, uint32_t bytes) {
  return CallForGrown([&](auto request) {
    proto::FsAppend::Builder append = request.initAppend();
    append.setNumber(number);
    append.setOffset(offset);
    append.setBytes(bytes);
    append.setZeros(true);
  });
}

absl::StatusOr<uint64_t> FsClient::FinishFile(const std::string& to, uint32_t number,
                                              uint64_t bytes) {
  uint64_t grown = bytes;
  absl::Status status = Call(
      [&](auto request) {
        proto::FsRename::Builder rename = request.initRename();
        rename.setTo(to.c_str());
        rename.setNumber(number);
        rename.setBytes(bytes);
      },
      [&grown](proto::FsReply::Reader reply) {
        if (!reply.isDone() && !reply.isGrown()) return Unexpected();
        if (reply.isGrown()) grown = reply.getGrown();
        return absl::OkStatus();
      });
  if (!status.ok()) return status;
  return grown;
}

absl::Status FsClient::Rename(const std::string& from, const std::string& to, uint32_t number) {
  return CallForDone([&](auto request) {
    proto::FsRename::Builder rename = request.initRename();
    rename.setFrom(from.c_str());
    rename.setTo(to.c_str());
    rename.setNumber(number);
  });
}

absl::Status FsClient::Remove(const std::string& path, uint32_t number) {
  return CallForDone([&](auto request) {
    proto::FsRemove::Builder remove = request.initRemove();
    remove.setPath(path.c_str());
    remove.setNumber(number);
  });
}

void FsClient::DropPart(uint32_t number) {
  // Without success the next file that is written takes its place.
  CallForDone([number](auto request) { request.initRemove().setNumber(number); },
              Waiter::CtrlC::kIsHeld)
      .IgnoreError();
}

absl::Status FsClient::MakeDirectory(const std::string& path) {
  return CallForDone([&path](auto request) { request.setMakeDirectory(path.c_str()); });
}

absl::StatusOr<uint64_t> FsClient::FillHoles(const std::string& path, uint64_t offset) {
  constexpr uint64_t kUnit = 512;
  return CallForGrown([&](auto request) {
    proto::FsMapRequest::Builder fill = request.initFill();
    fill.setPath(path.c_str());
    fill.setFirst(static_cast<uint32_t>(offset / kUnit));
  });
}

absl::StatusOr<std::vector<FileEntry>> FsClient::List(const std::string& path) {
  std::vector<FileEntry> files;
  uint32_t first = 0;
  do {
    uint32_t next = 0;
    absl::Status status = Call(
        [&](auto request) {
          proto::FsList::Builder list = request.initList();
          list.setPath(path.c_str());
          list.setFirst(first);
        },
        [&](proto::FsReply::Reader reply) {
          if (!reply.isEntries()) return Unexpected();
          for (const proto::FileEntry::Reader file : reply.getEntries().getList())
            files.push_back({file.getName().cStr(), file.getBytes(), file.getIsDirectory()});
          next = reply.getEntries().getNext();
          return absl::OkStatus();
        });
    if (!status.ok()) return status;
    if ((next != 0 && next <= first) || files.size() > kMaxEntries)
      return absl::OutOfRangeError("a directory without an end");
    first = next;
  } while (first != 0);
  std::sort(files.begin(), files.end(),
            [](const FileEntry& a, const FileEntry& b) { return a.name < b.name; });
  return files;
}

absl::StatusOr<Toolstack::FilePart> FsClient::ReadPart(const std::string& path, uint64_t offset) {
  Toolstack::FilePart part;
  absl::Status status = Call(
      [&](auto request) {
        proto::FsRead::Builder read = request.initRead();
        read.setPath(path.c_str());
        read.setOffset(offset);
        read.setBytes(std::min(kPartBytes, link_.pool().bytes()));
      },
      [&](proto::FsReply::Reader reply) {
        if (!reply.isData() || reply.getData().getBytes() > kPartBytes) return Unexpected();
        const uint32_t bytes = reply.getData().getBytes();
        part = {std::string(bytes, '\0'), reply.getData().getFileBytes()};
        return link_.pool().Read({0, bytes}, part.data.data(), bytes);
      });
  if (!status.ok()) return status;
  return part;
}

FsClient::Take FsClient::TakeUsage(DiskUsage& usage) {
  return [&usage](proto::FsReply::Reader reply) {
    if (!reply.isUsage()) return Unexpected();
    const proto::FsUsage::Reader from = reply.getUsage();
    usage = {Printable(from.getDevice().cStr()), from.getTotalKib(), from.getFreeKib(),
             from.getAvailableKib()};
    return absl::OkStatus();
  };
}

absl::StatusOr<FsClient::DiskUsage> FsClient::Usage() {
  DiskUsage usage;
  absl::Status status = Call([](auto request) { request.setUsage(); }, TakeUsage(usage));
  if (!status.ok()) return status;
  return usage;
}

absl::StatusOr<FsClient::DiskUsage> FsClient::UsageAsItIs() {
  DiskUsage usage;
  absl::Status status = CallAsItIs([](auto request) { request.setUsage(); }, TakeUsage(usage));
  if (!status.ok()) return status;
  return usage;
}

}  // namespace pyrene::xl
