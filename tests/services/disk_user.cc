// SPDX-License-Identifier: Apache-2.0
//
// A client of a block driver: writes, reads, verifies and flushes for ever, and says each round in
// the log. Each request takes one slot of the data Memory, and two sectors of the disk at least;
// the sectors of a slot are its own. A block's content follows from its sector and its version, so
// that a lost, misplaced or old write shows. The host's copy of the image begins with
// tools/suites/disk.py's pattern, which is verified first and left as it is.
//
// What is in the first sector behind the area, at a round's end: the round, after everything of
// that round was flushed.
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "platform/block/block_client.h"
#include "proto/connect.h"
#include "runtime/clock.h"
#include "runtime/event_loop.h"
#include "runtime/log.h"
#include "runtime/service.h"
#include "services/init/client/supervision_client.h"

namespace pyrene {
namespace {

using block::Operation;

constexpr uint32_t kSectorBytes = block::kSectorBytes;
constexpr unsigned kSlots = 16;
constexpr uint32_t kSlotSectors = 8;
constexpr uint32_t kSlotBytes = kSlotSectors * kSectorBytes;
constexpr uint64_t kHostSectors = 2048;  // the host's pattern, 1 MiB
constexpr uint64_t kArea = kHostSectors;
constexpr unsigned kChunks = 64;  // of kSlotSectors: 256 KiB
constexpr uint64_t kMark = kArea + kChunks * kSlotSectors;

// The word at `index` of a sector; also in tools/suites/disk.py.
uint64_t Word(uint64_t sector, uint64_t version, uint64_t index) {
  uint64_t x = (sector << 32) ^ (version << 8) ^ index;
  x *= 0x9e3779b97f4a7c15;
  return x ^ x >> 29;
}

void Fill(uint8_t* at, uint64_t sector, uint32_t count, uint64_t version) {
  for (uint32_t i = 0; i < count; ++i) {
    for (uint64_t w = 0; w < kSectorBytes / 8; ++w) {
      const uint64_t word = Word(sector + i, version, w);
      std::memcpy(at + size_t{i} * kSectorBytes + 8 * w, &word, sizeof(word));
    }
  }
}

bool Matches(const uint8_t* at, uint64_t sector, uint32_t count, uint64_t version) {
  std::array<uint8_t, kSectorBytes> expected;
  for (uint32_t i = 0; i < count; ++i) {
    Fill(expected.data(), sector + i, 1, version);
    if (std::memcmp(at + size_t{i} * kSectorBytes, expected.data(), kSectorBytes) != 0)
      return false;
  }
  return true;
}

class User {
 public:
  absl::Status Run();

 private:
  absl::Status Open();
  // One operation on all chunks of [first, first + chunks), kSlots at a time.
  absl::Status All(Operation operation, uint64_t first, unsigned chunks, uint64_t version);
  absl::Status One(Operation operation, uint64_t sector, uint32_t count);
  absl::Status Step();
  void Done(uint32_t id, proto::BlockStatus status);

  runtime::EventLoop loop_{runtime::Notification::Adopt(runtime::FindCapability("events"))};
  std::unique_ptr<init::SupervisionClient> supervision_;
  std::unique_ptr<block::BlockClient> client_;
  runtime::Memory data_;
  unsigned bit_ = 0;
  uint64_t done_ = 0;  // bits of slots
  absl::Status failed_;
};

absl::Status User::Open() {
  auto supervision = init::SupervisionClient::Open({});
  if (!supervision.ok()) return supervision.status();
  supervision_ = *std::move(supervision);
  absl::Status status = loop_.AddSourceAt(supervision_->bit(), [this] { supervision_->OnWake(); });
  if (!status.ok()) return status;
  absl::StatusOr<runtime::Memory> data =
      runtime::Memory::Map(runtime::FindCapability("disk.data"), runtime::Access::kReadWrite);
  if (!data.ok()) return data.status();
  data_ = *std::move(data);
  absl::StatusOr<proto::NamedChannel> channel =
      proto::OpenChannel("disk", proto::Side::kClient, proto::SchemaId<proto::BlockRequest>());
  if (!channel.ok()) return channel.status();
  client_ = std::make_unique<block::BlockClient>(
      std::move(channel->channel), [this](uint32_t id, proto::BlockStatus s) { Done(id, s); });
  bit_ = channel->bit;
  status = loop_.AddSourceAt(bit_, [this] {
    if (client_->OnWake()) loop_.notification().Signal(uint64_t{1} << bit_);
  });
  supervision_->Ready();
  supervision_->OnWake();
  client_->OnWake();
  return status;
}

void User::Done(uint32_t id, proto::BlockStatus status) {
  done_ |= uint64_t{1} << id;
  if (status != proto::BlockStatus::OK)
    failed_ = absl::InternalError(absl::StrCat("request failed: ", static_cast<int>(status)));
}

absl::Status User::Step() {
  if (absl::Status status = loop_.RunOnce(); !status.ok()) return status;
  return failed_;
}

absl::Status User::All(Operation operation, uint64_t first, unsigned chunks, uint64_t version) {
  std::array<uint64_t, kSlots> sector{};
  uint64_t busy = 0;
  unsigned next = 0;
  while (next < chunks || busy != 0) {
    for (unsigned slot = 0; slot < kSlots && next < chunks; ++slot) {
      if ((busy >> slot & 1) != 0) continue;
      sector[slot] = first + uint64_t{next++} * kSlotSectors;
      uint8_t* const at = data_.data() + size_t{slot} * kSlotBytes;
      if (operation == Operation::kWrite) Fill(at, sector[slot], kSlotSectors, version);
      if (operation == Operation::kRead) std::memset(at, 0, kSlotBytes);
      absl::Status status = client_->Submit(
          slot, {operation, sector[slot], kSlotSectors, nullptr, slot * kSlotBytes});
      if (!status.ok()) return status;
      busy |= uint64_t{1} << slot;
    }
    client_->Flush();
    while ((done_ & busy) == 0) {
      if (absl::Status status = Step(); !status.ok()) return status;
    }
    for (unsigned slot = 0; slot < kSlots; ++slot) {
      if ((done_ & busy & uint64_t{1} << slot) == 0) continue;
      if (operation == Operation::kRead &&
          !Matches(data_.data() + size_t{slot} * kSlotBytes, sector[slot], kSlotSectors, version))
        return absl::DataLossError(
            absl::StrCat("WRONG DATA at sector ", sector[slot], ", version ", version));
    }
    busy &= ~done_;
    done_ = 0;
  }
  return absl::OkStatus();
}

absl::Status User::One(Operation operation, uint64_t sector, uint32_t count) {
  absl::Status status = client_->Submit(0, {operation, sector, count, nullptr, 0});
  client_->Flush();
  while (status.ok() && done_ == 0) status = Step();
  done_ = 0;
  return status;
}

absl::Status User::Run() {
  absl::Status status = Open();
  while (status.ok() && !client_->has_facts()) status = Step();
  if (status.ok()) {
    runtime::LogInfo("disk of ", client_->facts().sectors, " sectors");
    status = All(Operation::kRead, 0, kHostSectors / kSlotSectors, 0);
  }
  if (status.ok()) runtime::LogInfo("the host's pattern is there");
  unsigned told = 0;
  for (uint64_t round = 1; status.ok(); ++round) {
    status = All(Operation::kWrite, kArea, kChunks, round);
    if (status.ok()) status = One(Operation::kFlush, 0, 0);
    if (status.ok()) status = All(Operation::kRead, kArea, kChunks, round);
    if (!status.ok()) break;
    Fill(data_.data(), kMark, 1, round);
    status = One(Operation::kWrite, kMark, 1);
    if (status.ok()) status = One(Operation::kFlush, 0, 0);
    if (status.ok() && (round < 4 || client_->connections() != told || round % 64 == 0))
      runtime::LogInfo("round ", round, " verified, driver's life ", told = client_->connections());
  }
  return status;
}

}  // namespace
}  // namespace pyrene

int main() {
  pyrene::User user;
  const absl::Status status = user.Run();
  pyrene::runtime::LogError("DISK TEST FAILED: ", status.message());
  return EXIT_SUCCESS;
}
