// SPDX-License-Identifier: Apache-2.0
//
// A log whose writer dies at each of its stores, and whose every byte is damaged.
#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "services/journal/log.h"

namespace pyrene::journal {
namespace {

using Words = std::vector<uint64_t>;
using Records = std::vector<Words>;

constexpr size_t kBytes = 4096;

Log Opened(Words& memory) {
  absl::StatusOr<Log> log = Log::Open(memory.data(), memory.size() * 8);
  EXPECT_TRUE(log.ok()) << log.status();
  return *std::move(log);
}

absl::StatusOr<Records> ReadAll(Words memory) {
  absl::StatusOr<Log> log = Log::Open(memory.data(), memory.size() * 8);
  if (!log.ok()) return log.status();
  Records records;
  absl::Status status = log->Replay([&](Log::Record record) {
    records.emplace_back(record.begin(), record.end());
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return records;
}

class LogTest : public testing::Test {
 protected:
  Words RandomRecord() {
    Words record(1 + random_() % 12);
    for (uint64_t& word : record) word = random_();
    return record;
  }
  // Appends and commits random batches, with compactions to the last few records when full.
  void Write(Log& log, int batches, const std::function<void(const Records&)>& committed) {
    for (; batches > 0; --batches) {
      Records next = records_;
      bool fits = true;
      for (uint64_t n = 1 + random_() % 3; n > 0; --n) {
        next.push_back(RandomRecord());
        fits = fits && log.Append(next.back());
      }
      if (!fits) {
        next.erase(next.begin(), next.end() - 4);
        log.BeginCompaction();
        for (const Words& record : next) ASSERT_TRUE(log.Append(record));
        ++compactions_;
      }
      if (committed) committed(next);
      log.Commit();
      records_ = next;
    }
  }

  std::mt19937_64 random_{1};
  Records records_;
  int compactions_ = 0;
};

TEST_F(LogTest, StartsEmptyAndKeepsWhatWasCommitted) {
  Words memory(kBytes / 8);
  Log log = Opened(memory);
  EXPECT_TRUE(log.empty());
  Write(log, 200, nullptr);
  EXPECT_GT(compactions_, 5);
  EXPECT_EQ(*ReadAll(memory), records_);
  static_cast<void>(log.Append(RandomRecord()));
  EXPECT_EQ(*ReadAll(memory), records_) << "not committed";
}

TEST_F(LogTest, ADeathAtAnyStoreLeavesAllOfABatchOrNothing) {
  Words memory(kBytes / 8);
  Log log = Opened(memory);
  Records after;
  uint64_t stores = 0;
  uint64_t newer = 0;
  bool all = false;
  log.SetStoreHook([&](size_t) {
    ++stores;
    const absl::StatusOr<Records> found = ReadAll(memory);
    ASSERT_TRUE(found.ok()) << found.status();
    const bool is_new = !after.empty() && *found == after;
    newer += is_new ? 1 : 0;
    ASSERT_TRUE(is_new || *found == records_) << "store " << stores;
    ASSERT_FALSE(all && !is_new && !after.empty()) << "what was valid is valid no more";
  });
  Write(log, 120, [&](const Records& next) { after = next; });
  EXPECT_GT(stores, 1000u);
  EXPECT_GT(newer, 100u);
}

TEST_F(LogTest, EveryByteThatIsDamagedIsNoticedOrDoesNotCount) {
  Words memory(kBytes / 8);
  Log log = Opened(memory);
  Write(log, 60, nullptr);
  size_t noticed = 0;
  for (size_t byte = 0; byte < kBytes; ++byte) {
    for (const uint8_t flip : {0x01, 0x80, 0xff}) {
      Words damaged = memory;
      reinterpret_cast<uint8_t*>(damaged.data())[byte] ^= flip;
      const absl::StatusOr<Records> found = ReadAll(damaged);
      if (found.ok()) {
        ASSERT_EQ(*found, records_) << "byte " << byte;
      } else {
        ASSERT_EQ(found.status().code(), absl::StatusCode::kDataLoss);
        ++noticed;
      }
    }
  }
  EXPECT_GT(noticed, log.used());
}

TEST_F(LogTest, TheDamagedRecordIsNamed) {
  Words memory(kBytes / 8);
  Log log = Opened(memory);
  for (uint64_t i = 1; i <= 5; ++i) ASSERT_TRUE(log.Append(Words{i, i, i}));
  log.Commit();
  memory[8 + 2 * 4 + 2] ^= 4;
  EXPECT_EQ(ReadAll(memory).status().message(), "record 3, at byte 64 of 160, is damaged");
}

TEST_F(LogTest, SalvageLeavesOutWhatIsDamaged) {
  Words memory(kBytes / 8);
  Log log = Opened(memory);
  for (uint64_t i = 1; i <= 5; ++i) ASSERT_TRUE(log.Append(Words{i, i, i}));
  log.Commit();
  // A payload, a length, and the header's state; with both copies of that gone, nothing is left.
  for (const size_t word : {8 + 2 * 4 + 2, 8 + 3 * 4, 2}) {
    memory[word] ^= 4;
    Words copy = memory;
    absl::StatusOr<Log> damaged = Log::OpenDamaged(copy.data(), kBytes);
    ASSERT_TRUE(damaged.ok());
    Words found;
    const size_t lost = damaged->Salvage([&](Log::Record record) {
      found.push_back(record[0]);
      return record[0] == 5 ? absl::UnknownError("") : absl::OkStatus();
    });
    if (word == 8 + 2 * 4 + 2) {
      EXPECT_EQ(found, (Words{1, 2, 4, 5}));
      EXPECT_EQ(lost, 2u);
    } else {
      EXPECT_EQ(found, (Words{1, 2, 5}));
      EXPECT_EQ(lost, 2u);
    }
    damaged->BeginCompaction();
    for (const uint64_t i : found) ASSERT_TRUE(damaged->Append(Words{i}));
    damaged->Commit();
    EXPECT_EQ(ReadAll(copy)->size(), found.size());
  }
  memory[3] ^= 4;
  absl::StatusOr<Log> lost = Log::OpenDamaged(memory.data(), kBytes);
  ASSERT_TRUE(lost.ok());
  EXPECT_TRUE(lost->empty());
}

TEST_F(LogTest, ADamagedHeaderIsRightAgainAfterTheRepair) {
  for (size_t word = 0; word < 8; ++word) {
    Words memory(kBytes / 8);
    Log log = Opened(memory);
    ASSERT_TRUE(log.Append(Words{1}));
    log.Commit();
    memory[word] ^= 4;
    absl::StatusOr<Log> damaged = Log::OpenDamaged(memory.data(), kBytes);
    ASSERT_TRUE(damaged.ok());
    damaged->BeginCompaction();
    ASSERT_TRUE(damaged->Append(Words{7}));
    damaged->Commit();
    const absl::StatusOr<Records> read = ReadAll(memory);
    ASSERT_TRUE(read.ok()) << "word " << word << ": " << read.status();
    EXPECT_EQ(*read, (Records{{7}}));
  }
}

TEST_F(LogTest, NumbersOfUsesComeRound) {
  Words memory(kBytes / 8);
  Log log = Opened(memory);
  for (uint64_t i = 0; i < 600; ++i) {
    log.BeginCompaction();
    ASSERT_TRUE(log.Append(Words{i}));
    log.Commit();
    ASSERT_EQ(*ReadAll(memory), (Records{{i}}));
  }
}

TEST_F(LogTest, WhatDoesNotFitIsRefused) {
  Words memory(kBytes / 8);
  Log log = Opened(memory);
  EXPECT_FALSE(log.Append(Words(log.capacity() / 8)));
  EXPECT_TRUE(log.Append(Words(log.capacity() / 8 - 1)));
  EXPECT_FALSE(log.Append(Words(1)));
  EXPECT_FALSE(log.Append({}));
  log.Commit();
  EXPECT_EQ(ReadAll(memory)->size(), 1u);
  Words small(8);
  EXPECT_FALSE(Log::Open(small.data(), 64).ok());
}

}  // namespace
}  // namespace pyrene::journal
