// SPDX-License-Identifier: Apache-2.0
//
// The files of the disk, which fs serves (proto/fs.capnp), as calls that wait for their answer.
// Paths are those of PathOnCard (services/fs/client/card_path.h).
//
// fs, and the disk's driver below it, may be restarted at any time: what was under way is asked
// again. Errors as in toolstack.h; their sentences begin with "/sd/..." where they concern a file.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proto/fs.capnp.h"
#include "services/xl/shell/peer_link.h"
#include "services/xl/shell/toolstack.h"

namespace pyrene::xl {

class FsClient {
 public:
  FsClient(Waiter& waiter, proto::Channel channel, unsigned bit);

  absl::Status Start() { return link_.Start(); }

  absl::StatusOr<FileEntry> Stat(const std::string& path);
  // FailedPrecondition: no directory.
  absl::StatusOr<std::vector<FileEntry>> List(const std::string& path);
  absl::StatusOr<Toolstack::FilePart> ReadPart(const std::string& path, uint64_t offset);
  struct DiskUsage {
    std::string device;
    uint64_t total_kib = 0;
    uint64_t free_kib = 0;
    uint64_t available_kib = 0;
  };
  absl::StatusOr<DiskUsage> Usage();

 private:
  using Link = PeerLink<proto::FsRequest, proto::FsReply>;
  using Take = std::function<absl::Status(proto::FsReply::Reader)>;

  void OnReply(proto::FsReply::Reader reply);
  absl::Status Call(const Link::Fill& fill, const Take& take);
  absl::Status CallOnce(const Link::Fill& fill, const Take& take);

  Link link_;
  uint32_t next_id_ = 1;
  uint32_t awaited_ = 0;
  const Take* take_ = nullptr;  // of the call that waits
  std::optional<absl::Status> result_;
};

}  // namespace pyrene::xl
