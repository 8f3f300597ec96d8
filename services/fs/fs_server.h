// SPDX-License-Identifier: Apache-2.0
//
// fs's end of the file protocol (proto/fs.capnp), for one client.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proto/channel.h"
#include "proto/fs.capnp.h"
#include "services/fs/volume.h"

namespace pyrene::fs {

class FsServer {
 public:
  // What is served. Errors of the functions are the answers.
  struct Source {
    std::string disk;  // as Linux calls it
    std::function<uint64_t()> disk_sectors;
    // Mounts if need be.
    std::function<absl::StatusOr<Volume*>(Volume::Replay)> volume;
    // As FindOnDisk.
    std::function<absl::StatusOr<Extent>(const std::string& name)> find;
    bool may_change = false;
  };

  FsServer(proto::Channel channel, Source source)
      : channel_(std::move(channel)), source_(std::move(source)) {}

  // On every wake-up: takes one request and answers it. True: to be called again, after others had
  // their turn. Waits for the disk.
  bool Serve();

 private:
  absl::Status Handle(proto::FsRequest::Reader request);
  absl::Status Answer(proto::FsRequest::Reader request, proto::FsReply::Builder reply);
  // Of what changes something.
  absl::Status Change(proto::FsRequest::Reader request, proto::FsReply::Builder reply);
  absl::Status Append(Volume& volume, proto::FsAppend::Reader request,
                      proto::FsReply::Builder reply);
  absl::StatusOr<Volume*> Mounted() { return source_.volume(Volume::Replay::kOwn); }
  absl::Status Stat(const std::string& path, proto::FsReply::Builder reply);
  absl::Status List(proto::FsList::Reader request, proto::FsReply::Builder reply);
  absl::Status Read(proto::FsRead::Reader request, proto::FsReply::Builder reply);
  absl::Status Map(proto::FsMapRequest::Reader request, proto::FsReply::Builder reply);
  absl::Status FindPartition(capnp::Text::Reader name, proto::FsReply::Builder reply);
  absl::Status DescribeUsage(proto::FsReply::Builder reply);

  proto::Channel channel_;
  Source source_;
  proto::MessageBuilder builder_;
  bool unsent_ = false;  // builder_ has an answer for which there was no room
  uint32_t epoch_ = 0;
  std::vector<uint8_t> buffer_;
};

}  // namespace pyrene::fs
