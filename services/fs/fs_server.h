// SPDX-License-Identifier: Apache-2.0
//
// fs's end of the file protocol (proto/fs.capnp), for one client.
#pragma once

#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proto/channel.h"
#include "proto/fs.capnp.h"
#include "services/fs/volume.h"

namespace pyrene::fs {

class FsServer {
 public:
  // Mounts if need be. Its error is the answer.
  using GetVolume = std::function<absl::StatusOr<Volume*>()>;

  FsServer(proto::Channel channel, GetVolume volume)
      : channel_(std::move(channel)), volume_(std::move(volume)) {}

  // On every wake-up: takes one request and answers it. True: to be called again, after others had
  // their turn. Waits for the disk.
  bool Serve();

 private:
  absl::Status Handle(proto::FsRequest::Reader request);
  absl::Status Stat(const std::string& path, proto::FsReply::Builder reply);
  absl::Status List(proto::FsList::Reader request, proto::FsReply::Builder reply);
  absl::Status Read(proto::FsRead::Reader request, proto::FsReply::Builder reply);
  absl::Status Map(proto::FsMapRequest::Reader request, proto::FsReply::Builder reply);
  absl::Status DescribeUsage(proto::FsReply::Builder reply);

  proto::Channel channel_;
  GetVolume volume_;
  proto::MessageBuilder builder_;
  bool unsent_ = false;  // builder_ has an answer for which there was no room
  uint32_t epoch_ = 0;
  std::vector<uint8_t> buffer_;
};

}  // namespace pyrene::fs
