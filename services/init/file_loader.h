// SPDX-License-Identifier: Apache-2.0
//
// Reads whole files of the disk into memory, for guests' kernels and RAM disks, and asks where
// files and partitions are that are guests' disks: init's end of the channel `files` with fs
// (proto/fs.capnp). One job after the other; nothing waits. fs may be
// restarted at any time: what was under way is asked again. fs is not trusted: what it says is
// bounded, and its end's death harms nobody but who waits for the file.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "platform/block/disk_map.h"
#include "proto/channel.h"
#include "proto/fs.capnp.h"
#include "runtime/event_loop.h"

namespace pyrene::init {

class FileLoader {
 public:
  // Without an answer for so long a job fails. Longer than fs waits for the disk.
  static constexpr uint64_t kAnswersWithin = 30 * runtime::kSecond;

  struct Range {
    uint64_t offset = 0;  // in the job's memory, a multiple of 4096
    uint64_t bytes = 0;
  };
  struct DiskName {
    bool is_file = false;
    std::string name;  // a path as fs knows it, or a partition as Linux calls it
  };
  struct Loaded {
    std::vector<Range> files;
    std::vector<block::DiskMap> disks;
  };
  struct Job {
    std::vector<std::string> paths;  // as fs knows them
    std::vector<DiskName> disks;
    uint64_t most = 0;  // bytes of all files together
    // The memory, as soon as its size is known; valid until `done`.
    std::function<absl::StatusOr<absl::Span<uint8_t>>(uint64_t bytes)> allocate;
    // Where each file and disk is, or why not. Called from OnWake or a timer.
    std::function<void(absl::StatusOr<Loaded>)> done;
  };

  FileLoader(runtime::EventLoop& loop, proto::Channel channel, unsigned bit);

  // When `bit` of the loop's notification was signalled, and once at the start.
  void OnWake();

  // Not 0; names the job.
  uint64_t Add(Job job);
  // `done` is not called any more.
  void Cancel(uint64_t id);

 private:
  struct Work {
    uint64_t id;
    Job job;
    Loaded loaded;
    absl::Span<uint8_t> memory;
    bool sized = false;    // all files
    size_t file = 0;       // that is asked for
    uint64_t done = 0;     // bytes of it
    uint64_t version = 0;  // of it, from its first piece on
    size_t disk = 0;       // that is asked for, when all files are read

    bool reads() const { return file < job.paths.size(); }
    bool ended() const { return sized && !reads() && disk == job.disks.size(); }
  };

  void Ask();
  absl::Status Handle(proto::FsReply::Reader reply);
  // Of the first job. NotFound...: the job fails.
  absl::Status TakeSize(Work& work, proto::FsReply::Reader reply);
  absl::Status TakeData(Work& work, proto::FsReply::Reader reply);
  absl::Status TakeMap(Work& work, proto::FsReply::Reader reply);
  absl::Status Allocate(Work& work);
  void End(absl::Status status);
  void ArmTimer();

  runtime::EventLoop& loop_;
  proto::Channel channel_;
  const unsigned bit_;
  proto::MessageBuilder builder_;
  std::deque<Work> work_;
  uint64_t next_job_ = 1;
  uint32_t epoch_ = 0;
  uint32_t next_id_ = 1;
  uint32_t asked_ = 0;      // the request that is not answered; 0: none
  uint64_t asked_for_ = 0;  // its job
  runtime::EventLoop::TimerId timer_ = 0;
};

}  // namespace pyrene::init
