// SPDX-License-Identifier: Apache-2.0
//
// A small disk from few bytes: records of a place (2 bytes, in units of 4), a count (1 byte) and so
// many bytes; all else is zeros. A record of no bytes takes the disk away after so many reads as
// its place says.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "absl/status/status.h"
#include "services/fs/block_source.h"
#include "tests/fuzz/require.h"

namespace pyrene::fuzz {

class SparseImage final : public fs::BlockSource {
 public:
  static constexpr uint64_t kFirst = 8;          // the partition, in sectors: the disk is longer,
  static constexpr uint64_t kSectors = 4 * 128;  // but nothing else of it is to be read
  static constexpr uint64_t kMaxReads = 200'000;

  SparseImage(const uint8_t* data, size_t bytes) : bytes_(kSectors * fs::kSectorBytes) {
    while (bytes >= 3) {
      const size_t place = (data[0] | size_t{data[1]} << 8) * 4;
      const size_t count = std::min<size_t>(data[2], bytes - 3);
      if (count == 0) ends_after_ = place;
      const size_t part = place < bytes_.size() ? std::min(count, bytes_.size() - place) : 0;
      std::memcpy(bytes_.data() + place, data + 3, part);
      data += 3 + count;
      bytes -= 3 + count;
    }
  }

  absl::Status Read(uint64_t sector, absl::Span<uint8_t> to) override {
    Require(!to.empty() && to.size() % fs::kSectorBytes == 0);
    Require(sector >= kFirst && sector - kFirst < kSectors &&
            to.size() <= (kSectors - (sector - kFirst)) * fs::kSectorBytes);
    Require(++reads_ <= kMaxReads);
    if (reads_ > ends_after_) return absl::UnavailableError("the disk was taken out");
    std::memcpy(to.data(), bytes_.data() + (sector - kFirst) * fs::kSectorBytes, to.size());
    return absl::OkStatus();
  }

  absl::Status Write(uint64_t sector, absl::Span<const uint8_t> from) override {
    Require(!from.empty() && from.size() % fs::kSectorBytes == 0);
    Require(sector >= kFirst && sector - kFirst < kSectors &&
            from.size() <= (kSectors - (sector - kFirst)) * fs::kSectorBytes);
    Require(++reads_ <= kMaxReads);
    if (reads_ > ends_after_) return absl::UnavailableError("the disk was taken out");
    std::memcpy(bytes_.data() + (sector - kFirst) * fs::kSectorBytes, from.data(), from.size());
    return absl::OkStatus();
  }
  absl::Status Flush() override { return absl::OkStatus(); }
  bool read_only() const override { return false; }

  uint64_t reads() const { return reads_; }

 private:
  std::vector<uint8_t> bytes_;
  uint64_t reads_ = 0;
  uint64_t ends_after_ = ~uint64_t{0};
};

}  // namespace pyrene::fuzz
