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

constexpr unsigned kTries = 10;         // of a request that a restart cuts off
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

absl::Status FsClient::CallOnce(const Link::Fill& fill, const Take& take) {
  awaited_ = next_id_++;
  take_ = &take;
  result_.reset();
  const absl::Status status = link_.Exchange(
      [&](proto::FsRequest::Builder request) {
        request.setId(awaited_);
        fill(request);
      },
      [this] { return result_.has_value(); });
  awaited_ = 0;
  take_ = nullptr;
  return status.ok() ? *result_ : status;
}

absl::Status FsClient::Call(const Link::Fill& fill, const Take& take) {
  for (unsigned i = 1;; ++i) {
    absl::Status status = CallOnce(fill, take);
    if (!absl::IsUnavailable(status) || i == kTries) return status;
  }
}

absl::StatusOr<FileEntry> FsClient::Stat(const std::string& path) {
  FileEntry entry;
  absl::Status status =
      Call([&path](auto request) { request.setStat(path.c_str()); },
           [&](proto::FsReply::Reader reply) {
             if (!reply.isEntry()) return Unexpected();
             entry = {path, reply.getEntry().getBytes(), reply.getEntry().getIsDirectory()};
             return absl::OkStatus();
           });
  if (!status.ok()) return status;
  return entry;
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

absl::StatusOr<FsClient::DiskUsage> FsClient::Usage() {
  DiskUsage usage;
  absl::Status status = Call([](auto request) { request.setUsage(); },
                             [&usage](proto::FsReply::Reader reply) {
                               if (!reply.isUsage()) return Unexpected();
                               const proto::FsUsage::Reader from = reply.getUsage();
                               usage = {Printable(from.getDevice().cStr()), from.getTotalKib(),
                                        from.getFreeKib(), from.getAvailableKib()};
                               return absl::OkStatus();
                             });
  if (!status.ok()) return status;
  return usage;
}

}  // namespace pyrene::xl
