// SPDX-License-Identifier: Apache-2.0
//
// A log of records in Memory that outlives its writer (init's, a manifest memory). One life after
// the other uses it, alone; a life may end between any two instructions.
//
// Layout: a header of 64 bytes, then two halves of the same size. The half in use holds records,
// oldest first, each a word with its length and checksum, then its payload. One aligned store of
// the header's state word says which half is in use and how much of it is valid:
//
//   L1  records are written behind what is valid; nobody sees them
//   L2  state[0] = { half, valid bytes, checksum }   all records of L1 at once, or none
//   L3  state[1] = the same                          for Repair only
//
// Compaction is the same with L1 in the other half: the old one stays whole until L2 switches.
// A death before L2 leaves what was valid before; behind L2, all of it is valid.
//
// Every byte that counts is under a checksum, which also takes in the record's place and the number
// of the half's use: Open and Replay answer DataLoss for whatever is not as it was written. What
// lies behind the valid bytes, and the half not in use, may be anything.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace pyrene::journal {

class Log {
 public:
  using Record = absl::Span<const uint64_t>;  // the payload, in words

  // Takes over what a former life left in `memory`, which is 8-byte aligned, of `bytes` bytes,
  // and was zero before the first one. DataLoss: the header is damaged.
  static absl::StatusOr<Log> Open(void* memory, size_t bytes);

  // No record is valid: there was no former life, or it died before its first Commit.
  bool empty() const { return valid_ == 0; }

  // All valid records, oldest first. DataLoss names the first damaged one; an error of `visit` ends
  // it.
  absl::Status Replay(const std::function<absl::Status(Record)>& visit) const;

  // Writes one behind the others (L1). False, and nothing is written: it has no room.
  bool Append(Record record);
  // Whether something was appended that is not valid yet.
  bool pending() const { return end_ != valid_ || compacting_; }
  // Makes what was appended valid (L2, L3).
  void Commit();

  // From here until Commit, records are for the other half; those that were not valid yet are gone.
  void BeginCompaction();

  // Of one half.
  size_t capacity() const { return half_bytes_; }
  size_t used() const { return valid_; }

  // What is salvaged from a damaged one: all records whose checksum is right, in order, are given
  // to `visit`, whose errors leave out that record. Answers how many pieces were left out. The
  // caller writes what it made of them by BeginCompaction, Append and Commit.
  static absl::StatusOr<Log> OpenDamaged(void* memory, size_t bytes);
  size_t Salvage(const std::function<absl::Status(Record)>& visit) const;

  // Of tests: called after each store of a word into the memory, with its index.
  void SetStoreHook(std::function<void(size_t)> hook) { hook_ = std::move(hook); }

 private:
  struct Header {
    static constexpr uint64_t kMagic = 0x31676f4c'4e525950;  // "PYRNLog1"
    uint64_t magic;
    uint64_t bytes;
    uint64_t state[2];
    uint64_t reserved[4];
  };
  static_assert(sizeof(Header) == 64);

  Log(void* memory, size_t bytes);
  static absl::StatusOr<Log> OpenBy(void* memory, size_t bytes, bool damaged);

  uint64_t* half(uint32_t use) const {
    return words_ + (sizeof(Header) + (use & 1) * half_bytes_) / sizeof(uint64_t);
  }
  void StoreHeader();
  uint64_t Encode(uint32_t use, uint64_t valid) const;
  bool Decode(uint64_t state);
  // The record at `offset` of the half in use, if it is one.
  bool Look(size_t offset, Record& record) const;
  uint32_t ChecksumOf(uint32_t use, size_t offset, Record record) const;
  void Store(size_t index, uint64_t value);

  uint64_t* words_;
  size_t bytes_;
  size_t half_bytes_;
  uint32_t use_ = 0;  // number of the half's use; its lowest bit says which half
  size_t valid_ = 0;  // bytes of the half in use
  size_t end_ = 0;    // behind what was appended
  bool compacting_ = false;
  std::function<void(size_t)> hook_;
};

}  // namespace pyrene::journal
