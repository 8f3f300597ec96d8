// SPDX-License-Identifier: Apache-2.0
#include "services/journal/log.h"

#include <cstring>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "runtime/kill_point.h"
#include "services/journal/checksum.h"

namespace pyrene::journal {
namespace {

constexpr size_t kWord = sizeof(uint64_t);
// Of the state word: 32 bits of checksum, 8 of the number of the use, 24 of valid words.
constexpr unsigned kUseShift = 32;
constexpr unsigned kValidShift = 40;
constexpr uint32_t kUses = 256;
constexpr size_t kMaxHalfWords = size_t{1} << 24;

}  // namespace

Log::Log(void* memory, size_t bytes)
    : words_(static_cast<uint64_t*>(memory)),
      bytes_(bytes),
      half_bytes_((bytes - sizeof(Header)) / 2 / kWord * kWord) {}

absl::StatusOr<Log> Log::Open(void* memory, size_t bytes) {
  return OpenBy(memory, bytes, /*damaged=*/false);
}

absl::StatusOr<Log> Log::OpenDamaged(void* memory, size_t bytes) {
  return OpenBy(memory, bytes, /*damaged=*/true);
}

absl::StatusOr<Log> Log::OpenBy(void* memory, size_t bytes, bool damaged) {
  if (bytes < sizeof(Header) + 4 * kWord || bytes / 2 / kWord >= kMaxHalfWords)
    return absl::InvalidArgumentError(absl::StrCat("a journal of ", bytes, " bytes"));
  Log log(memory, bytes);
  Header header;
  std::memcpy(&header, memory, sizeof(header));
  bool right = header.magic == Header::kMagic && header.bytes == bytes;
  if (header.state[0] == 0 && header.state[1] == 0 && (header.magic == 0 || right)) {
    // Before the first Commit.
    log.StoreHeader();
    return log;
  }
  if (damaged) {
    // Either copy of the state: the second may be one commit older. With neither nothing is left.
    if (!log.Decode(header.state[0])) static_cast<void>(log.Decode(header.state[1]));
    log.StoreHeader();
    return log;
  }
  for (const uint64_t reserved : header.reserved) right = right && reserved == 0;
  if (!right || !log.Decode(header.state[0])) return absl::DataLossError("its header is damaged");
  // A death between L2 and L3.
  if (header.state[1] != header.state[0]) log.Store(3, header.state[0]);
  return log;
}

// All but the state.
void Log::StoreHeader() {
  constexpr size_t kReserved = offsetof(Header, reserved) / kWord;
  for (size_t i = 0; i < std::size(Header().reserved); ++i) Store(kReserved + i, 0);
  Store(1, bytes_);
  Store(0, Header::kMagic);
}

uint64_t Log::Encode(uint32_t use, uint64_t valid) const {
  const uint64_t value = uint64_t{use} << kUseShift | valid / kWord << kValidShift;
  return value | Checksum(static_cast<uint32_t>(bytes_), &value, sizeof(value));
}

bool Log::Decode(uint64_t state) {
  const uint32_t use = state >> kUseShift & (kUses - 1);
  const size_t valid = (state >> kValidShift) * kWord;
  if (state == 0 || valid > half_bytes_ || Encode(use, valid) != state) return false;
  use_ = use;
  valid_ = end_ = valid;
  return true;
}

uint32_t Log::ChecksumOf(uint32_t use, size_t offset, Record record) const {
  const uint64_t place = uint64_t{use} << 56 ^ uint64_t { offset } << 24 ^ record.size();
  return Checksum(Checksum(0, &place, sizeof(place)), record.data(), record.size() * kWord);
}

bool Log::Look(size_t offset, Record& record) const {
  const uint64_t* const at = half(use_) + offset / kWord;
  const uint64_t words = *at & ~uint32_t{0};
  if (words == 0 || words > (valid_ - offset) / kWord - 1) return false;
  record = Record(at + 1, words);
  return ChecksumOf(use_, offset, record) == *at >> 32;
}

absl::Status Log::Replay(const std::function<absl::Status(Record)>& visit) const {
  size_t number = 1;
  for (size_t offset = 0; offset < valid_; ++number) {
    Record record;
    if (!Look(offset, record)) {
      return absl::DataLossError(
          absl::StrCat("record ", number, ", at byte ", offset, " of ", valid_, ", is damaged"));
    }
    if (absl::Status status = visit(record); !status.ok()) {
      return absl::DataLossError(
          absl::StrCat("record ", number, ", at byte ", offset, ": ", status.message()));
    }
    offset += (record.size() + 1) * kWord;
  }
  return absl::OkStatus();
}

size_t Log::Salvage(const std::function<absl::Status(Record)>& visit) const {
  size_t lost = 0;
  bool in_damage = false;
  for (size_t offset = 0; offset < valid_;) {
    Record record;
    if (!Look(offset, record)) {
      // Its length may be what is damaged: the next one begins at some word behind it.
      if (!std::exchange(in_damage, true)) ++lost;
      offset += kWord;
      continue;
    }
    in_damage = false;
    if (!visit(record).ok()) ++lost;
    offset += (record.size() + 1) * kWord;
  }
  return lost;
}

bool Log::Append(Record record) {
  if (record.empty() || record.size() >= (half_bytes_ - end_) / kWord) return false;
  const uint32_t use = compacting_ ? (use_ + 1) % kUses : use_;
  uint64_t* const at = half(use) + end_ / kWord;
  const uint64_t first = uint64_t{ChecksumOf(use, end_, record)} << 32 | record.size();
  if (hook_) {
    const size_t index = static_cast<size_t>(at - words_);
    Store(index, first);
    for (size_t i = 0; i < record.size(); ++i) Store(index + 1 + i, record[i]);
  } else {
    *at = first;
    std::memcpy(at + 1, record.data(), record.size() * kWord);
  }
  end_ += (record.size() + 1) * kWord;
  return true;
}

void Log::Commit() {
  if (!pending()) return;
  if (std::exchange(compacting_, false)) use_ = (use_ + 1) % kUses;
  valid_ = end_;
  const uint64_t state = Encode(use_, valid_);
  runtime::KillPoint("journal.appended");
  Store(2, state);  // L2
  runtime::KillPoint("journal.state-stored");
  Store(3, state);  // L3
  runtime::KillPoint("journal.committed");
}

void Log::BeginCompaction() {
  compacting_ = true;
  end_ = 0;
}

void Log::Store(size_t index, uint64_t value) {
  __atomic_store_n(words_ + index, value, __ATOMIC_RELEASE);
  if (hook_) hook_(index);
}

}  // namespace pyrene::journal
