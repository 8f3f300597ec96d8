// SPDX-License-Identifier: Apache-2.0
//
// A guest's virtual disk: takes requests out of its rings, moves their data between granted pages
// and the disk's data pool, has blkback carry them out, and answers. A RAM disk's data is moved
// between granted pages and the disk itself, and nobody else is asked.
//
// Who remembers what. A request is copied out of its slot once, into a record here, and stays there
// until it is answered; the data of a write is copied into the pool before anything is started. So
// blkback keeps nothing: the block client sends again to its next life what was not answered, and
// the guest sees nothing but time. A grant is pinned only while its page is copied.
//
//   request:  checked -> data of a write into the pool -> [flush] -> transfer -> [flush] -> data of
//             a read out of the pool -> response
//   a RAM disk's:  checked -> moved -> response; a discard in steps, one in a call of Serve
//
// A request with values out of range is answered with an error. An index that is out of range stops
// this disk, with a line in the log, until the guest connects it again.
//
// Single-threaded.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "platform/block/disk.h"
#include "platform/block/page_pool.h"
#include "services/vmm/blkif/interface.h"
#include "services/vmm/blkif/ram_disk.h"
#include "services/vmm/blkif/ring.h"

namespace pyrene::vmm::blkif {

// A disk's way to the guest's pages and events, and to blkback.
class World {
 public:
  virtual ~World() = default;
  // The page behind a grant, to be read or written until Unpin; null: there is no such grant.
  virtual uint8_t* Pin(uint32_t ref, bool write) = 0;
  virtual void Unpin(uint32_t ref, bool write) = 0;
  // Copies within the page behind a grant, to it from `data` or from it; `data` is the pool's or
  // the RAM disk's. False: there is no such grant, or `data` is gone.
  virtual bool Copy(uint32_t ref, uint32_t offset, uint8_t* data, uint32_t bytes,
                    bool to_guest) = 0;
  // `id` below Disk::kRequests, not under way. False: no room. Not called for a RAM disk.
  virtual bool Submit(uint32_t id, const block::DiskRequest& request) = 0;
  virtual void Notify(uint32_t port) = 0;
};

class Disk {
 public:
  static constexpr uint32_t kRequests = 32;          // under way
  static constexpr uint32_t kIndirectSegments = 32;  // 128 KiB
  static constexpr uint32_t kMaxQueues = 8;

  struct RingPlace {
    std::vector<uint32_t> refs;  // of its pages, a power of two up to 1 << kMaxRingOrder
    uint32_t port = 0;
  };

  // One that blkback serves; `pool` lives as long as the disk.
  Disk(std::string name, World& world, block::DataMemory pool);
  // A RAM disk, which lives as long.
  Disk(std::string name, World& world, RamDisk& ram);
  ~Disk() { Disconnect(); }

  // Pins the rings and begins to serve them. Nothing is under way.
  absl::Status Connect(const std::vector<RingPlace>& rings);
  // Lets go of the rings. What is under way ends unanswered.
  void Disconnect();
  bool connected() const { return !queues_.empty(); }
  bool idle() const { return used_ == 0; }
  // Taken so far; it goes round.
  uint32_t requests() const { return requests_; }

  // Takes what the rings have, as long as there is room, and answers what needs no disk. Bounded:
  // true if it is to be called again, after others.
  bool Serve();
  // blkback has answered. Serve is to be called after a batch of these.
  void Done(uint32_t id, proto::BlockStatus status);

 private:
  struct Queue {
    RingPlace place;
    std::unique_ptr<Ring> ring;  // none: stopped
  };
  enum class Step : uint8_t { kFlushBefore, kTransfer, kFlushAfter };
  struct Record {
    int queue = -1;  // none: nobody waits for it any more
    uint64_t id = 0;
    uint8_t operation = 0;  // as the answer is to have it
    Step step = Step::kTransfer;
    bool flush_after = false;
    block::DiskRequest request;
    uint64_t sectors_left = 0;  // of a discard, behind `request`
    uint32_t first_page = block::PagePool::kNone;
    uint32_t pages = 0;
    uint32_t segments = 0;
    std::array<Segment, kIndirectSegments> segment = {};
  };
  enum class Taken : uint8_t { kYes, kNoRoom, kAnswered };

  // Of a RAM disk: moves the record's data, or checks a discard. False: it is refused.
  bool CarryOut(RamDisk& ram, const Record& record);
  bool MoveSegment(RamDisk& ram, const Segment& segment, uint64_t offset, bool to_guest);
  // One step of one discard of a RAM disk's, if there is one.
  void DiscardStep();
  // At most `most` requests. False: the ring has none, or they wait for room.
  bool ServeQueue(int index, uint32_t most);
  Taken Take(int queue, const Request& request);
  bool TakeSegments(const Request& request, Record& record);
  // Pool and data of a write. kAnswered: with an error.
  Taken Prepare(Record& record);
  bool CopyAll(const Record& record, bool to_guest);
  void Start(uint32_t index);
  void Finish(uint32_t index, int16_t status);
  void Respond(int queue, uint64_t id, uint8_t operation, int16_t status);
  void Stop(Queue& queue, const char* why);

  const std::string name_;
  World& world_;
  const block::DataMemory pool_;
  RamDisk* const ram_ = nullptr;
  block::PagePool pages_;
  std::vector<Queue> queues_;
  std::array<Record, kRequests> records_;
  static_assert(kRequests == 32);
  uint32_t used_ = 0;      // a bit for each record
  uint32_t discards_ = 0;  // those of them that are a RAM disk's discards
  uint32_t requests_ = 0;
};

}  // namespace pyrene::vmm::blkif
