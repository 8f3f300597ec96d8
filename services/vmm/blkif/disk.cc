// SPDX-License-Identifier: Apache-2.0
#include "services/vmm/blkif/disk.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/log.h"
#include "services/vmm/guest_word.h"

namespace pyrene::vmm::blkif {
namespace {

// Requests of one ring that are taken before others have their turn: a guest on another CPU may
// make them, and have them refused, without end.
constexpr uint32_t kBatch = 64;
int16_t StatusOf(proto::BlockStatus status) {
  switch (status) {
    case proto::BlockStatus::OK:
      return kOk;
    case proto::BlockStatus::NOT_SUPPORTED:
      return kNotSupported;
    default:
      return kError;
  }
}

// Of a checked one.
uint32_t BytesOf(const Segment& segment) {
  return (segment.last_sector - segment.first_sector + 1u) * kSectorBytes;
}

}  // namespace

Disk::Disk(std::string name, World& world, block::DataMemory pool)
    : name_(std::move(name)), world_(world), pool_(pool), pages_(pool.bytes / kPageBytes) {}

Disk::Disk(std::string name, World& world, RamDisk& ram)
    : name_(std::move(name)), world_(world), ram_(&ram), pages_(0) {}

absl::Status Disk::Connect(const std::vector<RingPlace>& rings) {
  if (connected() || !idle()) return absl::FailedPreconditionError("the disk is in use");
  if (rings.empty() || rings.size() > kMaxQueues)
    return absl::InvalidArgumentError(absl::StrCat(rings.size(), " queues"));
  for (const RingPlace& place : rings) {
    std::vector<uint8_t*> pages;
    for (const uint32_t ref : place.refs) {
      uint8_t* const page = world_.Pin(ref, true);
      if (page == nullptr) break;
      pages.push_back(page);
    }
    if (pages.size() != place.refs.size()) {
      for (size_t i = 0; i < pages.size(); ++i) world_.Unpin(place.refs[i], true);
      Disconnect();
      return absl::InvalidArgumentError("a page of a ring is not granted");
    }
    queues_.push_back({place, std::make_unique<Ring>(std::move(pages))});
  }
  return absl::OkStatus();
}

void Disk::Disconnect() {
  for (Record& record : records_) record.queue = -1;
  used_ &= ~std::exchange(discards_, 0);
  for (const Queue& queue : queues_) {
    for (const uint32_t ref : queue.place.refs) world_.Unpin(ref, true);
  }
  queues_.clear();
}

bool Disk::Serve() {
  bool more = false;
  for (int i = 0; i < static_cast<int>(queues_.size()); ++i) more |= ServeQueue(i, kBatch);
  DiscardStep();
  for (Queue& queue : queues_) {
    if (queue.ring != nullptr && queue.ring->Publish()) world_.Notify(queue.place.port);
  }
  return more || discards_ != 0;
}

bool Disk::ServeQueue(int index, uint32_t most) {
  Queue& queue = queues_[static_cast<size_t>(index)];
  if (queue.ring == nullptr) return false;
  Ring& ring = *queue.ring;
  for (;;) {
    if (!ring.Look()) {
      Stop(queue, "an impossible index");
      return false;
    }
    for (; ring.HasRequest(); --most) {
      // No record free: what ends makes room, and calls this again.
      if (used_ == ~uint32_t{0}) return false;
      if (most == 0) return true;
      Request request;
      ring.Peek(&request);
      if (Take(index, request) == Taken::kNoRoom) return false;
    }
    if (ring.Sleep()) return false;
  }
}

void Disk::Stop(Queue& queue, const char* why) {
  runtime::LogWarning(name_, " is stopped: the guest's ring has ", why);
  queue.ring = nullptr;
}

Disk::Taken Disk::Take(int queue, const Request& request) {
  Ring& ring = *queues_[static_cast<size_t>(queue)].ring;
  const auto free = static_cast<uint32_t>(std::countr_one(used_));
  Record& record = records_[free];
  record.id = request.direct.id;
  record.operation = request.direct.operation;
  record.queue = queue;
  record.step = Step::kTransfer;
  record.flush_after = false;
  record.request = {};
  record.request.sector = request.direct.sector;
  record.sectors_left = 0;
  record.segments = 0;
  record.first_page = block::PagePool::kNone;
  uint8_t operation = record.operation;
  if (operation == kIndirect) {
    operation = record.operation = request.indirect.indirect_operation;
    // Only the plain ones have an indirect form.
    if (operation != kRead && operation != kWrite) operation = kIndirect;
  }
  int16_t status = kOk;
  switch (operation) {
    case kRead:
    case kWrite:
      record.request.operation =
          operation == kRead ? block::Operation::kRead : block::Operation::kWrite;
      if (!TakeSegments(request, record) || record.segments == 0) status = kError;
      break;
    case kWriteBarrier:
    case kFlush:
      if (!TakeSegments(request, record)) status = kError;
      record.step = Step::kFlushBefore;
      record.flush_after = operation == kWriteBarrier && record.segments != 0;
      if (record.segments != 0) record.request.operation = block::Operation::kWrite;
      break;
    case kDiscard:
      record.request.operation = block::Operation::kDiscard;
      record.sectors_left = request.discard.sectors;
      // The disk's own check sees only a part at a time.
      if (record.sectors_left == 0 || record.request.sector > ~uint64_t{0} - record.sectors_left) {
        status = kError;
      }
      break;
    default:
      status = kNotSupported;
      break;
  }
  Taken taken = Taken::kAnswered;
  if (status == kOk && ram_ == nullptr) {
    taken = Prepare(record);
    if (taken == Taken::kAnswered) status = kError;
  } else if (status == kOk) {
    if (!CarryOut(*ram_, record)) {
      status = kError;
    } else if (operation == kDiscard) {
      taken = Taken::kYes;
    }
  }
  if (taken == Taken::kNoRoom) return taken;
  ring.Taken();
  ++requests_;
  if (taken == Taken::kAnswered) {
    Respond(queue, record.id, record.operation, status);
    return taken;
  }
  used_ |= uint32_t{1} << free;
  if (ram_ == nullptr) {
    Start(free);
  } else {
    discards_ |= uint32_t{1} << free;
  }
  return taken;
}

bool Disk::CarryOut(RamDisk& ram, const Record& record) {
  const block::DiskRequest& request = record.request;
  if (request.operation == block::Operation::kDiscard)
    return ram.Allows(request.sector, record.sectors_left, true);
  // A flush: what was written is there.
  if (record.segments == 0) return true;
  const bool read = request.operation == block::Operation::kRead;
  if (!ram.Allows(request.sector, request.count, !read)) return false;
  uint64_t offset = request.sector * kSectorBytes;
  for (uint32_t i = 0; i < record.segments; ++i) {
    if (!MoveSegment(ram, record.segment[i], offset, read)) return false;
    offset += BytesOf(record.segment[i]);
  }
  return true;
}

bool Disk::MoveSegment(RamDisk& ram, const Segment& segment, uint64_t offset, bool to_guest) {
  uint32_t place = segment.first_sector * kSectorBytes;
  return ram.ForEachPart(offset, BytesOf(segment), [&](uint8_t* data, uint64_t bytes) {
    const uint32_t at = place;
    place += static_cast<uint32_t>(bytes);
    return world_.Copy(segment.gref, at, data, static_cast<uint32_t>(bytes), to_guest);
  });
}

void Disk::DiscardStep() {
  if (discards_ == 0 || ram_ == nullptr) return;
  const auto index = static_cast<uint32_t>(std::countr_zero(discards_));
  Record& record = records_[index];
  const uint64_t step = std::min<uint64_t>(record.sectors_left, kDiscardSectors);
  ram_->Discard(record.request.sector, step);
  record.request.sector += step;
  record.sectors_left -= step;
  if (record.sectors_left != 0) return;
  discards_ &= discards_ - 1;
  Finish(index, kOk);
}

// Of the private copy, or of one page's.
bool Disk::TakeSegments(const Request& request, Record& record) {
  if (request.direct.operation != kIndirect) {
    if (request.direct.segments > kDirectSegments) return false;
    record.segments = request.direct.segments;
    std::copy_n(request.direct.segment, record.segments, record.segment.begin());
  } else {
    if (request.indirect.segments > kIndirectSegments) return false;
    record.segments = request.indirect.segments;
    const uint8_t* const page = world_.Pin(request.indirect.page[0], false);
    if (page == nullptr) return false;
    GuestCopy(record.segment.data(), page, record.segments * sizeof(Segment));
    world_.Unpin(request.indirect.page[0], false);
  }
  uint32_t sectors = 0;
  for (uint32_t i = 0; i < record.segments; ++i) {
    const Segment& segment = record.segment[i];
    if (segment.first_sector > segment.last_sector || segment.last_sector >= kSectorsPerPage)
      return false;
    sectors += segment.last_sector - segment.first_sector + 1u;
  }
  record.request.count = sectors;
  return true;
}

Disk::Taken Disk::Prepare(Record& record) {
  if (record.segments == 0) return Taken::kYes;
  record.pages = (record.request.count + kSectorsPerPage - 1) / kSectorsPerPage;
  record.first_page = pages_.Allocate(record.pages);
  if (record.first_page == block::PagePool::kNone) return Taken::kNoRoom;
  record.request.offset = record.first_page * kPageBytes;
  if (record.request.operation == block::Operation::kRead || CopyAll(record, false))
    return Taken::kYes;
  pages_.Free(record.first_page, record.pages);
  return Taken::kAnswered;
}

bool Disk::CopyAll(const Record& record, bool to_guest) {
  uint8_t* data = pool_.data + record.request.offset;
  for (uint32_t i = 0; i < record.segments; ++i) {
    const Segment& segment = record.segment[i];
    const uint32_t bytes = BytesOf(segment);
    if (!world_.Copy(segment.gref, segment.first_sector * kSectorBytes, data, bytes, to_guest))
      return false;
    data += bytes;
  }
  return true;
}

// The record's next step.
void Disk::Start(uint32_t index) {
  Record& record = records_[index];
  block::DiskRequest request;  // a flush
  if (record.step == Step::kTransfer) {
    if (record.request.operation == block::Operation::kDiscard) {
      record.request.count =
          static_cast<uint32_t>(std::min<uint64_t>(record.sectors_left, kDiscardSectors));
    }
    request = record.request;
  }
  if (!world_.Submit(index, request)) Finish(index, kError);
}

void Disk::Done(uint32_t id, proto::BlockStatus status) {
  if (id >= kRequests || (used_ >> id & 1) == 0) return;
  Record& record = records_[id];
  if (status != proto::BlockStatus::OK || record.queue < 0) return Finish(id, StatusOf(status));
  if (record.step == Step::kFlushBefore && record.segments != 0) {
    record.step = Step::kTransfer;
    return Start(id);
  }
  if (record.step == Step::kTransfer && record.flush_after) {
    record.step = Step::kFlushAfter;
    return Start(id);
  }
  if (record.request.operation == block::Operation::kDiscard &&
      record.sectors_left > record.request.count) {
    record.sectors_left -= record.request.count;
    record.request.sector += record.request.count;
    return Start(id);
  }
  const bool read = record.request.operation == block::Operation::kRead;
  Finish(id, read && !CopyAll(record, true) ? kError : kOk);
}

void Disk::Finish(uint32_t index, int16_t status) {
  Record& record = records_[index];
  if (record.queue >= 0) Respond(record.queue, record.id, record.operation, status);
  if (record.first_page != block::PagePool::kNone) pages_.Free(record.first_page, record.pages);
  used_ &= ~(uint32_t{1} << index);
}

void Disk::Respond(int queue, uint64_t id, uint8_t operation, int16_t status) {
  Ring* const ring = queues_[static_cast<size_t>(queue)].ring.get();
  if (ring != nullptr) ring->Put({id, operation, 0, status, 0});
}

}  // namespace pyrene::vmm::blkif
