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
  // Of the last part itself, where it is a symbolic link.
  absl::StatusOr<FileEntry> Look(const std::string& path);
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
  // The same if it is mounted, or can be without a journal that is not fs's own.
  absl::StatusOr<DiskUsage> UsageAsItIs();

  // Changes, as proto/fs.capnp describes them.

  // The number of the part file, which is to get `bytes` bytes.
  absl::StatusOr<uint32_t> StartFile(uint64_t bytes);
  // How many bytes it has then, perhaps fewer than `offset`: go on there.
  absl::StatusOr<uint64_t> Append(uint32_t number, uint64_t offset, const std::string& data);
  absl::StatusOr<uint64_t> AppendZeros(uint32_t number, uint64_t offset, uint32_t bytes);
  // Gives the part file its name, if it has `bytes` bytes. How many it has: fewer, go on there.
  absl::StatusOr<uint64_t> FinishFile(const std::string& to, uint32_t number, uint64_t bytes);
  absl::Status Rename(const std::string& from, const std::string& to, uint32_t number);
  absl::Status Remove(const std::string& path, uint32_t number);
  // Even after Ctrl-C.
  void DropPart(uint32_t number);
  absl::Status MakeDirectory(const std::string& path);
  // From where on to go on; at the end the file's size.
  absl::StatusOr<uint64_t> FillHoles(const std::string& path, uint64_t offset);

  // Says whether a journal that is not fs's own may be replayed. Without it none is.
  void SetReplayCheck(std::function<absl::Status()> check) { may_replay_ = std::move(check); }

 private:
  using Link = PeerLink<proto::FsRequest, proto::FsReply>;
  using Take = std::function<absl::Status(proto::FsReply::Reader)>;

  void OnReply(proto::FsReply::Reader reply);
  absl::Status Call(const Link::Fill& fill, const Take& take,
                    Waiter::CtrlC ctrl_c = Waiter::CtrlC::kEnds);
  // Aborted: there is a journal that is not fs's own.
  absl::Status CallAsItIs(const Link::Fill& fill, const Take& take,
                          Waiter::CtrlC ctrl_c = Waiter::CtrlC::kEnds);
  absl::Status CallOnce(const Link::Fill& fill, const Take& take, Waiter::CtrlC ctrl_c);
  absl::Status CallForDone(const Link::Fill& fill, Waiter::CtrlC ctrl_c = Waiter::CtrlC::kEnds);
  absl::StatusOr<uint64_t> CallForGrown(const Link::Fill& fill);
  static Take TakeUsage(DiskUsage& usage);
  absl::StatusOr<FileEntry> CallForEntry(const std::string& path, const Link::Fill& fill);

  Link link_;
  uint32_t next_id_ = 1;
  uint32_t awaited_ = 0;
  const Take* take_ = nullptr;  // of the call that waits
  std::optional<absl::Status> result_;
  std::function<absl::Status()> may_replay_;
};

}  // namespace pyrene::xl
