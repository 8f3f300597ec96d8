// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <thread>

#include "runtime/host/objects.h"
#include "runtime/log.h"
#include "runtime/log_reader.h"
#include "runtime/memory.h"

namespace pyrene::runtime {
namespace {

class LogRingTest : public testing::Test {
 protected:
  LogRingTest() { writer_.Attach(memory_.data(), memory_.size()); }

  void Write(const std::string& text) { writer_.Write(text.data(), text.size()); }
  LogRing* ring() { return reinterpret_cast<LogRing*>(memory_.data()); }

  OwnedHandle handle_{*host::CreateObject(host::Kind::kMemory, kPageBytes)};
  Memory memory_ = *Memory::Map(handle_.get(), Access::kReadWrite);
  Memory view_ = *Memory::Map(handle_.get(), Access::kRead);
  LogWriter writer_;
  LogReader reader_{view_.data(), view_.size()};
};

TEST_F(LogRingTest, TextComesThroughInOrder) {
  EXPECT_EQ(reader_.Read(100)->bytes, "");
  Write("one ");
  Write("two ");
  EXPECT_EQ(reader_.Read(5)->bytes, "one t");
  Write("three");
  const absl::StatusOr<LogReader::Text> text = reader_.Read(100);
  EXPECT_EQ(text->bytes, "wo three");
  EXPECT_EQ(text->lost, 0u);
}

TEST_F(LogRingTest, WrapsAround) {
  std::string expected, got;
  for (int i = 0; i < 3000; ++i) {
    const std::string line = "line " + std::to_string(i) + "\n";
    Write(line);
    expected += line;
    if (i % 7 == 0) got += reader_.Read(10000)->bytes;
  }
  got += reader_.Read(10000)->bytes;
  EXPECT_EQ(got, expected);
}

TEST_F(LogRingTest, OverwrittenTextIsCounted) {
  std::string all;
  for (int i = 0; i < 10000; ++i) all += static_cast<char>('a' + i % 26);
  Write(all);
  const absl::StatusOr<LogReader::Text> text = reader_.Read(100000);
  EXPECT_EQ(text->lost + text->bytes.size(), all.size());
  EXPECT_EQ(text->bytes, all.substr(text->lost));
  EXPECT_EQ(text->bytes.size(), LogCapacity(kPageBytes) - LogRing::kMaxChunk);
}

TEST_F(LogRingTest, NextLifeContinuesAndOldTextStays) {
  Write("last words\n");
  LogWriter next;
  next.Attach(memory_.data(), memory_.size());
  next.Write("born again\n", 11);
  EXPECT_EQ(reader_.Read(100)->bytes, "last words\nborn again\n");
  LogReader late(view_.data(), view_.size(), 11);
  EXPECT_EQ(late.Read(100)->bytes, "born again\n");
}

TEST_F(LogRingTest, LyingWriterHarmsItsTextOnly) {
  Write("text");
  for (const uint64_t lie : {~uint64_t{0}, uint64_t{1} << 63, uint64_t{0}, uint64_t{3}}) {
    ring()->written = lie;
    for (int i = 0; i < 3; ++i) {
      const absl::StatusOr<LogReader::Text> text = reader_.Read(50);
      ASSERT_TRUE(text.ok());
      EXPECT_LE(text->bytes.size(), 50u);
    }
  }
}

TEST_F(LogRingTest, VanishedRingIsAnError) {
  host::RevokeMemory(handle_.get());
  EXPECT_TRUE(absl::IsUnavailable(reader_.Read(10).status()));
}

// The writer laps the reader all the time: what is read is always a piece of the true text at the
// place that `lost` says.
TEST_F(LogRingTest, ReaderBesideAFastWriter) {
  constexpr uint64_t kBytes = 4'000'000;
  const auto byte_at = [](uint64_t i) { return static_cast<char>('!' + i % 89); };
  std::thread writing([&] {
    std::string chunk;
    for (uint64_t i = 0; i < kBytes; ++i) {
      chunk += byte_at(i);
      if (chunk.size() == 1 + i % 900 || i + 1 == kBytes) {
        Write(chunk);
        chunk.clear();
      }
    }
  });
  uint64_t at = 0;
  while (at < kBytes) {
    const absl::StatusOr<LogReader::Text> text = reader_.Read(100'000);
    ASSERT_TRUE(text.ok());
    at += text->lost;
    for (const char c : text->bytes) ASSERT_EQ(c, byte_at(at++));
  }
  writing.join();
}

TEST(Log, OneCleanLine) {
  testing::internal::CaptureStderr();
  host::SetServiceName("console");
  LogWarning("guest ", 5, " said \x1b[2J\n", std::string(1000, 'x'));
  const std::string line = testing::internal::GetCapturedStderr();
  EXPECT_EQ(line.substr(0, 40), "W console: guest 5 said ?[2J?xxxxxxxxxxx");
  EXPECT_LT(line.size(), 500u);
  EXPECT_EQ(line.find('\n'), line.size() - 1);
}

}  // namespace
}  // namespace pyrene::runtime
