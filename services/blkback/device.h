// SPDX-License-Identifier: Apache-2.0
//
// A block device of the machine, which a driver in a domain of its own serves
// (platform/block/block_client.h), and the disks that guests have of it. Data passes through the
// DMA memory of blkback's channel with the driver: it is copied from there and to there, so that a
// guest's VMM never shares memory with a device.
//
// The driver may die: its next life gets again what was not answered. When blkback dies, the
// driver ends what it works on before it serves the next life, and VMMs send theirs again.
#pragma once

#include <array>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "platform/block/block_client.h"
#include "platform/block/disk.h"
#include "platform/block/disk_map.h"
#include "platform/block/page_pool.h"
#include "runtime/memory.h"

namespace pyrene::blkback {

class DeviceDisk;

class Device {
 public:
  // The channel NAME and its data, capability NAME.data.
  static absl::StatusOr<std::unique_ptr<Device>> Open(const std::string& name);

  Device(proto::Channel channel, unsigned bit, runtime::Memory data);

  // Of the service's `events`.
  unsigned bit() const { return bit_; }
  // Before the disks' turn. True: there is more.
  bool OnWake() { return client_.OnWake(); }
  // After the disks' turn: what they started goes out.
  void Flush() { client_.Flush(); }

  // The driver has said what the device is.
  bool ready() const { return client_.has_facts(); }
  const block::DiskFacts& facts() const { return client_.facts(); }

  // A disk that uses the device, until Remove; what is under way for it then ends, and is told
  // nobody.
  void Add(DeviceDisk& disk) { users_.push_back(&disk); }
  void Remove(const DeviceDisk& disk);
  // Whether a request of that disk's may go to the device now: it has as many under way as the
  // device takes, but one only while others use the device, too. So a guest with one request at a
  // time waits for one of each other guest's, however many those have.
  bool CanStart(const DeviceDisk& disk) const;
  // Only when it can. `disk.Done` comes with the request's tag, in this call or in a later one.
  void Start(DeviceDisk& disk, const block::DiskRequest& request);

 private:
  struct Slot {
    bool used = false;
    DeviceDisk* disk = nullptr;
    block::DiskRequest request;
    uint32_t first_page = block::PagePool::kNone;
    uint32_t pages = 0;
  };

  // A disk that started none of the last so many requests does not use the device: one that waits
  // for each answer before it asks again still does between them.
  static constexpr uint64_t kRecentStarts = 64;

  void Done(uint32_t id, proto::BlockStatus status);

  const unsigned bit_;
  runtime::Memory data_;
  block::PagePool pages_;
  block::BlockClient client_;
  std::array<Slot, block::BlockClient::kMaxDepth> slots_;
  std::vector<DeviceDisk*> users_;
  size_t turn_ = 0;      // of the users: who is first when there is room
  uint64_t starts_ = 0;  // requests, ever
};

// A guest's disk: the device, or extents of it, one behind the other (a partition, or a file).
class DeviceDisk final : public block::Disk {
 public:
  // Of a transfer: a quarter of the DMA memory has room for two.
  static constexpr uint32_t kMaxSectors = 256;

  DeviceDisk(Device& device, bool read_only);
  // The extents are those of the first medium that is seen with `map.device_sectors`; on another
  // one this disk has no sectors.
  DeviceDisk(Device& device, bool read_only, const block::DiskMap& map);
  DeviceDisk(const DeviceDisk&) = delete;
  DeviceDisk& operator=(const DeviceDisk&) = delete;
  ~DeviceDisk() override { device_.Remove(*this); }

  const block::DiskFacts& facts() const override;
  bool CanStart() const override { return waiting_.empty() && device_.CanStart(*this); }
  void Start(const block::DiskRequest& request) override;
  void OnInterrupt() override {}
  // The device's answer.
  void Done(uint32_t tag, proto::BlockStatus status);
  // Starts what waits, as far as the device lets it.
  void StartWaiting();

 private:
  friend class Device;
  // Where an extent begins on the guest's disk, and on the device.
  struct Piece {
    uint64_t begin;
    block::Extent extent;
  };
  // A request whose parts are under way.
  struct Split {
    unsigned parts = 0;  // 0: free
    uint32_t tag = 0;
    proto::BlockStatus status = proto::BlockStatus::OK;
  };

  Device& device_;
  const bool read_only_;
  const uint64_t device_sectors_ = 0;  // 0: any
  mutable uint32_t medium_ = 0;        // that has the extents; 0: not seen yet
  uint64_t sectors_ = 0;
  std::vector<Piece> pieces_;  // empty: the whole device
  std::vector<Split> splits_;  // as many as there were at once: the block server bounds them
  std::deque<block::DiskRequest> waiting_;  // parts of one request
  // The device's account.
  unsigned under_way_ = 0;
  uint64_t last_start_ = 0;  // 0: none
  mutable block::DiskFacts facts_;
};

}  // namespace pyrene::blkback
