// SPDX-License-Identifier: Apache-2.0
//
// What init does for xl (proto/toolstack.capnp), as calls that wait for their answer.
//
// Errors carry a sentence for the user: NotFound, AlreadyExists, ResourceExhausted (memory),
// InvalidArgument, Unimplemented, Internal as init says; DeadlineExceeded, Unavailable as
// peer_link.h says; Cancelled, without a sentence, after Ctrl-C.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proto/toolstack.capnp.h"
#include "services/xl/shell/guest_message.h"
#include "services/xl/shell/peer_link.h"

namespace pyrene::xl {

struct Machine {
  std::string model;
  uint32_t cpus = 0;
  uint64_t counter_hz = 0;
  uint64_t total_kib = 0;
  uint64_t free_kib = 0;  // what a new guest can have, whole MiB
  uint32_t free_cpus = 0;
  uint64_t midr = 0;
  uint64_t unused_kib = 0;  // exact
};

struct FileEntry {
  std::string name;
  uint64_t bytes = 0;
  bool is_directory = false;
  uint32_t number = 0;  // of fs's only: another number, another file
};

struct GuestEvent {
  enum class Kind { kBooted, kStopped, kDestroyed };
  uint32_t domid = 0;
  Kind kind = Kind::kBooted;
  uint32_t reason = 0;  // of kStopped, as the guest gave it
};

class Toolstack {
 public:
  Toolstack(Waiter& waiter, proto::Channel channel, unsigned bit);

  absl::Status Start() { return link_.Start(); }

  // The new guest's domid. A creation that is given up (Ctrl-C, time) is undone when init answers.
  absl::StatusOr<uint16_t> Create(const GuestConfig& config, const std::string& source,
                                  bool paused);
  absl::Status Destroy(uint16_t domid);
  absl::Status Pause(uint16_t domid);
  absl::Status Unpause(uint16_t domid);
  // Until the guest's end, or DetachDisk. `disk` as PrepareDisks leaves it.
  absl::Status AttachDisk(uint16_t domid, const DiskSpec& disk);
  absl::Status DetachDisk(uint16_t domid, uint32_t vdev_number, bool force);
  absl::Status Rename(uint16_t domid, const std::string& name);
  // How many shall be on line; the guest does it.
  absl::Status SetVcpus(uint16_t domid, uint8_t vcpus);
  absl::Status SetAffinity(uint16_t domid, uint8_t vcpu, CpuMask hard, CpuMask soft);
  absl::Status SetSchedule(uint16_t domid, uint16_t weight, uint32_t cap_percent);
  absl::StatusOr<std::vector<Guest>> Guests();  // by domid
  absl::StatusOr<GuestConfig> Config(uint16_t domid);

  absl::StatusOr<std::vector<ServiceInfo>> Services(bool capabilities);
  absl::Status Kill(const std::string& service);
  absl::Status Repair(const std::string& service);

  absl::StatusOr<Machine> Host();
  // The machine ends; so these return errors only.
  absl::Status PowerOff();
  absl::Status Reboot();
  absl::Status SetClock(int64_t nanoseconds);  // since 1970

  absl::StatusOr<std::vector<FileEntry>> Files(const std::string& directory);
  struct FilePart {
    std::string data;  // empty: the end
    uint64_t file_bytes = 0;
  };
  absl::StatusOr<FilePart> ReadPart(const std::string& path, uint64_t offset);

  // Called for each event while it is set; it only takes notes (waiter.h).
  void SetListener(std::function<void(const GuestEvent&)> listener) {
    listener_ = std::move(listener);
  }

 private:
  using Link = PeerLink<proto::ToolstackRequest, proto::ToolstackReply>;
  // Takes one of the answers to a call. An error: not the kind of answer that was asked for.
  using Take = std::function<absl::Status(proto::ToolstackReply::Reader)>;

  void OnReply(proto::ToolstackReply::Reader reply);
  absl::Status Call(const Link::Fill& fill, const Take& take, uint64_t time = kAnswerTime);
  absl::Status Control(uint16_t domid,
                       const std::function<void(proto::GuestControl::Builder)>& fill,
                       uint64_t time = kAnswerTime);

  Link link_;
  uint32_t next_id_ = 1;
  uint32_t awaited_ = 0;
  const Take* take_ = nullptr;  // of the call that waits
  std::optional<absl::Status> result_;
  std::vector<uint32_t> given_up_;  // ids of creations
  std::vector<uint16_t> to_undo_;
  std::function<void(const GuestEvent&)> listener_;
};

}  // namespace pyrene::xl
