// SPDX-License-Identifier: Apache-2.0
//
// A guest's front-end to its virtual disk: keys, rings, requests and indirect segments, whose bytes
// change between two loads of the back-end's wherever the input says so.
//
// What is relied on: blkback is asked for nothing outside of the pool, never twice under one number
// nor for the same bytes; only pages of the guest's are touched, and each is let go of; a guest
// that leaves its rings alone has each request answered once; nothing is left over at the end. Of a
// RAM disk blkback is asked for nothing at all.
//
// An input is a number of changes (with bit 7: of a RAM disk's guest), so many changes, and steps;
// see Change and Play.
#include <algorithm>
#include <array>
#include <cstring>
#include <deque>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "runtime/guarded.h"
#include "runtime/load_hook.h"
#include "services/vmm/blkif/disk.h"
#include "services/vmm/blkif/frontend_keys.h"
#include "tests/fuzz/bytes.h"
#include "tests/fuzz/require.h"

namespace pyrene::vmm::blkif {
namespace {

using fuzz::Bytes;
using fuzz::Require;

constexpr uint32_t kGrants = 80;
constexpr uint32_t kPoolPages = 64;
constexpr uint64_t kDiskSectors = 65536;
constexpr uint32_t kMaxQueues = 4;
constexpr uint8_t kOfRamDisk = 0x80;

// To the guest's pages, before a load of the back-end's.
struct Change {
  uint32_t after = 0;  // so many loads since the change before
  uint32_t place = 0;  // bytes from the one that is loaded; with kAnywhere: from the first page's
  uint32_t value = 0;  // 1 byte, or 4 bytes
  uint8_t how = 0;     // bits
  static constexpr uint8_t kAnywhere = 1, kWord = 2, kAdd = 4;
};

class Guest final : public World, private runtime::LoadHook {
 public:
  explicit Guest(Bytes input)
      : input_(input), pages_(kGrants * kPageBytes), pool_(kPoolPages * kPageBytes) {
    const uint8_t first = input_.Byte();
    if ((first & kOfRamDisk) != 0) {
      // What is no part of a piece is out of bounds.
      ram_memory_ = {std::vector<uint8_t>(kPageBytes), std::vector<uint8_t>(3 * kPageBytes)};
      ram_.emplace(std::vector<absl::Span<uint8_t>>{absl::MakeSpan(ram_memory_[0]),
                                                    absl::MakeSpan(ram_memory_[1])},
                   false);
      disk_.emplace("xvda", *this, *ram_);
    } else {
      disk_.emplace("xvda", *this, block::DataMemory{pool_.data(), kPoolPages * kPageBytes, 0});
    }
    for (unsigned count = first % 32; count != 0; --count) {
      Change change;
      change.after = input_.Byte();
      change.how = input_.Byte();
      change.place = input_.Number((change.how & Change::kAnywhere) != 0 ? 3 : 1);
      change.value = input_.Number((change.how & Change::kWord) != 0 ? 4 : 1);
      changes_.push_back(change);
    }
  }
  ~Guest() override { runtime::load_hook = nullptr; }

  void Play();

  uint8_t* Pin(uint32_t ref, bool write) override {
    if (ref >= kGrants || refused_.contains(ref)) return nullptr;
    // What is read from the disk goes into a ring.
    if (write && ring_pages_.contains(ref)) honest_ = false;
    ++pins_[ref];
    return page(ref);
  }
  void Unpin(uint32_t ref, bool) override { Require(ref < kGrants && pins_[ref]-- > 0); }
  bool Copy(uint32_t ref, uint32_t offset, uint8_t* data, uint32_t bytes, bool to_guest) override {
    Require(offset <= kPageBytes && bytes <= kPageBytes - offset);
    uint8_t* const place = Pin(ref, to_guest);
    if (place == nullptr) return false;
    const bool copied = to_guest ? runtime::GuardedCopy(place + offset, data, bytes)
                                 : runtime::GuardedCopy(data, place + offset, bytes);
    Unpin(ref, to_guest);
    return copied;
  }
  void Notify(uint32_t port) override { Require(ports_.contains(port)); }
  bool Submit(uint32_t id, const block::DiskRequest& request) override {
    Require(id < Disk::kRequests && !ram_.has_value());
    const bool moves = request.operation == block::Operation::kRead ||
                       request.operation == block::Operation::kWrite;
    if (moves) {
      Require(request.count != 0 && request.count <= Disk::kIndirectSegments * kSectorsPerPage);
      Require(uint64_t{request.offset} + request.count * kSectorBytes <= pool_.size());
    }
    for (const Held& held : held_) {
      Require(held.id != id);
      Require(!moves || !held.moves ||
              request.offset + request.count * kSectorBytes <= held.first ||
              held.end <= request.offset);
    }
    if (refuses_) return false;
    held_.push_back(
        {id, moves, request.offset, request.offset + request.count * kSectorBytes,
         request.sector > kDiskSectors || request.count > kDiskSectors - request.sector});
    return true;
  }

 private:
  struct Held {
    uint32_t id;
    bool moves;
    uint32_t first, end;
    bool beyond;  // the disk's end
  };
  struct Queue {
    Disk::RingPlace place;
    uint32_t produced = 0, consumed = 0;
    std::multiset<uint64_t> asked;  // ids
  };

  void BeforeLoad(const void* from, size_t bytes) override;

  uint8_t* page(uint32_t ref) { return pages_.data() + size_t{ref} * kPageBytes; }
  uint8_t* Entry(const Queue& queue, uint32_t index, uint32_t byte) {
    const uint32_t entries = EntriesOf(static_cast<uint32_t>(queue.place.refs.size()));
    const uint32_t offset = kHeaderBytes + index % entries * kEntryBytes + byte;
    return page(queue.place.refs[offset / kPageBytes]) + offset % kPageBytes;
  }
  RingHeader* header(const Queue& queue) {
    return reinterpret_cast<RingHeader*>(page(queue.place.refs[0]));
  }
  void Touch(size_t place, size_t bytes) {
    for (const uint32_t ref : ring_pages_)
      honest_ = honest_ && (place >= (ref + 1) * size_t{kPageBytes} ||
                            place + bytes <= ref * size_t{kPageBytes});
  }
  void SetKey();
  void Connect();
  void Disconnect();
  void Ask();
  void WritePage();
  void End(proto::BlockStatus status);
  void TakeAnswers();

  Bytes input_;
  std::vector<uint8_t> pages_, pool_;
  std::deque<Change> changes_;
  uint32_t loads_ = 0;  // since the last change
  std::array<int, kGrants> pins_ = {};
  std::set<uint32_t> refused_, ports_, ring_pages_;
  std::deque<Held> held_;
  bool refuses_ = false;  // blkback's client has no room
  // The guest has written to its rings as the protocol says.
  bool honest_ = true;
  FrontendKeys keys_;
  std::vector<Queue> queues_;
  std::array<std::vector<uint8_t>, 2> ram_memory_;
  std::optional<RamDisk> ram_;
  std::optional<Disk> disk_;
};

void Guest::BeforeLoad(const void* from, size_t) {
  const auto at = reinterpret_cast<uintptr_t>(from) - reinterpret_cast<uintptr_t>(pages_.data());
  if (at >= pages_.size()) return;  // the back-end's own
  for (; !changes_.empty() && loads_ >= changes_.front().after; changes_.pop_front(), loads_ = 0) {
    const Change& change = changes_.front();
    const size_t bytes = (change.how & Change::kWord) != 0 ? 4 : 1;
    size_t place = change.place + ((change.how & Change::kAnywhere) != 0 ? 0 : at);
    place %= pages_.size() - bytes;
    uint32_t value = 0;
    std::memcpy(&value, &pages_[place], bytes);
    value = (change.how & Change::kAdd) != 0 ? value + change.value : change.value;
    std::memcpy(&pages_[place], &value, bytes);
    Touch(place, bytes);
  }
  ++loads_;
}

void Guest::SetKey() {
  std::string text(input_.Byte() % 48, '\0');
  input_.Copy(text.data(), text.size());
  const size_t end = text.find('=');
  if (end == std::string::npos) {
    keys_.erase(text);
  } else {
    keys_[text.substr(0, end)] = text.substr(end + 1);
  }
}

// As a VMM does: what the keys are, then they, then the rings.
void Guest::Connect() {
  FrontendKeys shape, keys;
  const auto read = [this](const std::vector<std::string>& names, FrontendKeys& to) {
    for (const std::string& name : names) {
      if (const auto found = keys_.find(name); found != keys_.end()) to.insert(*found);
    }
  };
  read(ShapeKeys(), shape);
  const auto names = RingKeys(shape, kMaxQueues);
  if (!names.ok()) return;
  Require(names->size() <= kMaxQueues * ((1u << kMaxRingOrder) + 1));
  keys = shape;
  read(*names, keys);
  const auto rings = Rings(keys, kMaxQueues);
  const size_t changes = changes_.size();
  if (!rings.ok() || !disk_->Connect(*rings).ok()) return;
  Require(queues_.empty() && !rings->empty() && rings->size() <= kMaxQueues);
  for (const Disk::RingPlace& place : *rings) {
    ports_.insert(place.port);
    // A page of two rings is nothing that a front-end makes.
    for (const uint32_t ref : place.refs) honest_ = ring_pages_.insert(ref).second && honest_;
    Queue& queue = queues_.emplace_back();
    queue.place = place;
    queue.produced = queue.consumed = header(queue)->rsp_prod;
    honest_ = honest_ && header(queue)->req_prod == queue.produced;
  }
  honest_ = honest_ && changes_.size() == changes;
}

void Guest::Disconnect() {
  disk_->Disconnect();
  queues_.clear();
  ports_.clear();
  ring_pages_.clear();
  honest_ = true;
  Require(std::all_of(pins_.begin(), pins_.end(), [](int count) { return count == 0; }));
}

void Guest::Ask() {
  const unsigned which = input_.Byte();
  Request request = {};
  input_.Copy(&request, std::min<size_t>(input_.Byte(), sizeof(request)));
  if (queues_.empty()) return;
  Queue& queue = queues_[which % queues_.size()];
  const auto* from = reinterpret_cast<const uint8_t*>(&request);
  for (uint32_t i = 0; i < sizeof(request); ++i) *Entry(queue, queue.produced, i) = from[i];
  if (honest_ &&
      queue.produced - queue.consumed == EntriesOf(static_cast<uint32_t>(queue.place.refs.size())))
    honest_ = false;
  queue.asked.insert(request.direct.id);
  header(queue)->req_prod = ++queue.produced;
}

void Guest::WritePage() {
  const uint32_t ref = input_.Byte() % kGrants;
  const uint32_t place = input_.Number(2) % kPageBytes;
  const uint32_t bytes = std::min<uint32_t>(input_.Byte(), kPageBytes - place);
  Touch(ref * kPageBytes + place, bytes);
  input_.Copy(page(ref) + place, bytes);
}

void Guest::End(proto::BlockStatus status) {
  const unsigned which = input_.Byte();
  if (held_.empty()) return;
  const auto held = held_.begin() + static_cast<ptrdiff_t>(which % held_.size());
  const uint32_t id = held->id;
  if (held->beyond) status = proto::BlockStatus::INVALID;
  held_.erase(held);
  disk_->Done(id, status);
}

void Guest::TakeAnswers() {
  for (Queue& queue : queues_) {
    while (honest_ && queue.consumed != header(queue)->rsp_prod) {
      Response response;
      auto* to = reinterpret_cast<uint8_t*>(&response);
      for (uint32_t i = 0; i < sizeof(response); ++i) to[i] = *Entry(queue, queue.consumed, i);
      const auto asked = queue.asked.find(response.id);
      Require(asked != queue.asked.end() && response.pad0 == 0 && response.pad1 == 0);
      queue.asked.erase(asked);
      ++queue.consumed;
      header(queue)->rsp_event = queue.consumed + 1;
    }
  }
}

void Guest::Play() {
  runtime::load_hook = this;
  while (!input_.empty()) {
    switch (input_.Byte()) {
      case 'K':
        SetKey();
        break;
      case 'C':
        Connect();
        break;
      case 'D':
        Disconnect();
        break;
      case 'R':
        Ask();
        break;
      case 'P':
        WritePage();
        break;
      case 'S':
        disk_->Serve();
        break;
      case 'E':
        End(proto::BlockStatus::OK);
        break;
      case 'F':
        End(static_cast<proto::BlockStatus>(input_.Byte() % 6));
        break;
      case 'X':
        if (const uint8_t ref = input_.Byte(); refused_.erase(ref) == 0) refused_.insert(ref);
        break;
      case 'N':
        refuses_ = !refuses_;
        break;
      case 'A':
        TakeAnswers();
        break;
      default:
        break;
    }
  }
  // What is under way ends, and all that was asked is taken.
  for (unsigned turn = 0; turn < 2000 && (disk_->Serve() || !held_.empty()); ++turn) {
    while (!held_.empty()) End(proto::BlockStatus::OK);
    TakeAnswers();
  }
  TakeAnswers();
  Require(disk_->idle());
  if (honest_)
    Require(std::all_of(queues_.begin(), queues_.end(),
                        [](const Queue& q) { return q.asked.empty(); }));
  Disconnect();
}

}  // namespace
}  // namespace pyrene::vmm::blkif

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  using namespace pyrene::vmm::blkif;
  Guest guest({data, bytes});
  guest.Play();
  return 0;
}
