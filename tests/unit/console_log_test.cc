// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <string>

#include "runtime/clock.h"
#include "runtime/log_ring.h"
#include "services/console/kernel_log_reader.h"
#include "services/console/log_collector.h"
#include "services/console/log_store.h"
#include "tests/unit/console_test_util.h"

namespace pyrene::console {
namespace {

using runtime::kSecond;

class LogStoreTest : public testing::Test {
 protected:
  std::vector<uint64_t> memory_ = JournalMemory(0);
  Journal journal_ = Open(memory_);
  LogStore store_{journal_};
};

TEST_F(LogStoreTest, ReadsInPieces) {
  store_.Append("one\n");
  store_.Append("two\n");
  LogStore::Part part = store_.Read(0, 6);
  EXPECT_EQ(part.position, 0u);
  EXPECT_EQ(part.text, "one\ntw");
  part = store_.Read(6, 100);
  EXPECT_EQ(part.text, "o\n");
  part = store_.Read(8, 100);
  EXPECT_EQ(part.position, 8u);
  EXPECT_EQ(part.text, "");
  EXPECT_EQ(store_.Read(4711, 100).position, 8u);
}

TEST_F(LogStoreTest, BeginsWithAWholeLineWhenTheOldestAreGone) {
  std::string all;
  for (int i = 0; i < 10000; ++i) {
    const std::string line = "line " + std::to_string(i) + "\n";
    store_.Append(line);
    all += line;
  }
  std::string kept;
  const uint64_t begin = store_.Read(0, 1).position;
  for (uint64_t at = begin; at < store_.end();) {
    const LogStore::Part part = store_.Read(at, 4096);
    ASSERT_EQ(part.position, at);
    kept += part.text;
    at += part.text.size();
  }
  EXPECT_EQ(kept, all.substr(begin));
  EXPECT_EQ(kept.substr(0, 5), "line ");
  EXPECT_GT(kept.size(), kLogBytes - 1000u);
}

TEST_F(LogStoreTest, ClearHidesAndNextLifeRemembers) {
  store_.Append("one\n");
  store_.Clear();
  EXPECT_EQ(store_.Read(0, 100).text, "");
  store_.Append("two\n");
  Journal journal = Open(memory_);
  const LogStore::Part part = LogStore(journal).Read(0, 100);
  EXPECT_EQ(part.position, 4u);
  EXPECT_EQ(part.text, "two\n");
}

TEST_F(LogStoreTest, LongLinesAreCut) {
  store_.Append(std::string(10000, 'x'));
  EXPECT_EQ(store_.end(), uint64_t{LogStore::kMaxLine});
}

TEST(KernelLogReaderTest, ReadsAndCountsWhatWasOverwritten) {
  const auto log = std::make_unique<KernelLog>();
  const auto append = [&](const std::string& text) {
    for (const char c : text) log->text[log->written++ % KernelLog::kBytes] = c;
  };
  KernelLogReader reader(log.get(), 0);
  EXPECT_EQ(reader.Read(100)->bytes, "");
  append("boot\n");
  EXPECT_EQ(reader.Read(3)->bytes, "boo");
  EXPECT_EQ(reader.Read(100)->bytes, "t\n");
  EXPECT_EQ(reader.position(), 5u);
  std::string all;
  for (int i = 0; i < 30000; ++i) all += static_cast<char>('a' + i % 26);
  append(all);
  const runtime::LogReader::Text text = *reader.Read(100000);
  EXPECT_EQ(text.lost + text.bytes.size(), all.size());
  EXPECT_EQ(text.bytes, all.substr(text.lost));
  EXPECT_GT(text.bytes.size(), 15000u);
  EXPECT_EQ(KernelLogReader(log.get(), 30003).Read(100)->bytes, all.substr(29998));
}

class LogCollectorTest : public testing::Test {
 protected:
  struct Service {
    Service() { writer.Attach(memory.data(), memory.size()); }
    void Write(const std::string& text) { writer.Write(text.data(), text.size()); }
    runtime::Memory Map() const {
      return *runtime::Memory::Map(handle.get(), runtime::Access::kRead);
    }
    runtime::OwnedHandle handle{
        *runtime::host::CreateObject(runtime::host::Kind::kMemory, 4 * runtime::kPageBytes)};
    runtime::Memory memory = *runtime::Memory::Map(handle.get(), runtime::Access::kReadWrite);
    runtime::LogWriter writer;
  };

  LogCollectorTest() { Restart(); }
  void Restart() {
    journal_.emplace(memory_.data(), memory_.size() * sizeof(uint64_t));
    store_.emplace(*journal_);
    collector_.emplace(*journal_, *store_);
    collector_->AddService("init", init_.Map());
    collector_->AddService("vmm.1", vmm_.Map());
    collector_->AddKernel(*runtime::Memory::Map(kernel_.get(), runtime::Access::kRead));
  }
  void KernelSays(const std::string& text) {
    runtime::Memory memory = *runtime::Memory::Map(kernel_.get(), runtime::Access::kReadWrite);
    auto* const log = reinterpret_cast<KernelLog*>(memory.data());
    for (const char c : text) log->text[log->written++ % KernelLog::kBytes] = c;
  }
  void Collect(uint64_t now) {
    while (collector_->Collect(now)) {
    }
  }
  std::string Log() {
    const LogStore::Part part = store_->Read(position_, 1 << 20);
    position_ = part.position + part.text.size();
    return part.text;
  }

  std::vector<uint64_t> memory_ = JournalMemory(0);
  std::optional<Journal> journal_;
  std::optional<LogStore> store_;
  std::optional<LogCollector> collector_;
  Service init_, vmm_;
  runtime::OwnedHandle kernel_{
      *runtime::host::CreateObject(runtime::host::Kind::kMemory, 4 * runtime::kPageBytes)};
  uint64_t position_ = 0;
};

TEST_F(LogCollectorTest, MergesLinesInTheOrderOfTheirComing) {
  KernelSays("(PYR) [    0.000001] Pyrene\n(PYR) [    0.100000] 4 CPUs\n");
  init_.Write("I init: starting\n");
  Collect(1'500'000'000);
  KernelSays("(PYR) [    1.600000] fault\n");
  Collect(1'700'000'000);
  init_.Write("W init: vmm.1 died\n");
  Collect(12'345'678'901);
  EXPECT_EQ(Log(),
            "(PYR) [    0.000001] Pyrene\n(PYR) [    0.100000] 4 CPUs\n"
            "(PYR) [    1.500000] I init: starting\n"
            "(PYR) [    1.600000] fault\n"
            "(PYR) [   12.345678] W init: vmm.1 died\n");
}

TEST_F(LogCollectorTest, NobodySpeaksForAnother) {
  vmm_.Write("E init: the system is on fire\n(PYR) [    0.000000] kernel\nE vmm.1: mine\nW\n");
  Collect(kSecond);
  EXPECT_EQ(Log(),
            "(PYR) [    1.000000] I vmm.1: E init: the system is on fire\n"
            "(PYR) [    1.000000] I vmm.1: (PYR) [    0.000000] kernel\n"
            "(PYR) [    1.000000] E vmm.1: mine\n"
            "(PYR) [    1.000000] I vmm.1: W\n");
}

TEST_F(LogCollectorTest, ControlCharactersAndEndlessLines) {
  vmm_.Write("I vmm.1: \x1b[2J\r\n\n" + std::string(1000, 'x') + "\n");
  Collect(kSecond);
  EXPECT_EQ(Log(), "(PYR) [    1.000000] I vmm.1: ?[2J?\n(PYR) [    1.000000] I vmm.1: " +
                       std::string(512, 'x') +
                       "\n(PYR) [    1.000000] I vmm.1: " + std::string(488, 'x') + "\n");
}

TEST_F(LogCollectorTest, HalfALineWaits) {
  init_.Write("I init: ha");
  Collect(kSecond);
  EXPECT_EQ(Log(), "");
  Restart();
  init_.Write("lf\n");
  Collect(2 * kSecond);
  EXPECT_EQ(Log(), "(PYR) [    2.000000] I init: half\n");
}

TEST_F(LogCollectorTest, NextLifeGoesOnAndRepeatsNothing) {
  init_.Write("I init: one\n");
  KernelSays("(PYR) [    0.500000] k\n");
  Collect(kSecond);
  Restart();
  init_.Write("I init: two\n");
  Collect(2 * kSecond);
  EXPECT_EQ(Log(),
            "(PYR) [    0.500000] k\n(PYR) [    1.000000] I init: one\n"
            "(PYR) [    2.000000] I init: two\n");
}

TEST_F(LogCollectorTest, FloodCostsItsWriterOnly) {
  init_.Write("I init: important\n");
  for (int i = 0; i < 20000; ++i) {
    vmm_.Write("I vmm.1: flood " + std::to_string(i) + "\n");
    if (i % 100 == 0) Collect(kSecond);
  }
  Collect(kSecond);
  EXPECT_LT(store_->end(), 40000u);
  Collect(3 * kSecond);
  const std::string log = Log();
  EXPECT_NE(log.find("I init: important\n"), std::string::npos);
  EXPECT_NE(log.find("I vmm.1: ["), std::string::npos);
  EXPECT_NE(log.find(" bytes lost]\n"), std::string::npos);
  EXPECT_LT(log.size(), 60000u);
}

TEST_F(LogCollectorTest, LastWordsOfAServiceThatIsRemoved) {
  vmm_.Write("E vmm.1: assertion\nabor");
  collector_->RemoveService("vmm.1", kSecond);
  EXPECT_EQ(Log(), "(PYR) [    1.000000] E vmm.1: assertion\n(PYR) [    1.000000] I vmm.1: abor\n");
  collector_->RemoveService("vmm.1", kSecond);
  // Another one of that name begins at the begin of its ring.
  Service next;
  next.Write("I vmm.1: next\n");
  collector_->AddService("vmm.1", next.Map());
  Collect(kSecond);
  EXPECT_EQ(Log(), "(PYR) [    1.000000] I vmm.1: next\n");
}

TEST_F(LogCollectorTest, VanishedRing) {
  vmm_.Write("I vmm.1: text\n");
  runtime::host::RevokeMemory(vmm_.handle.get());
  Collect(kSecond);
  EXPECT_EQ(Log(), "");
}

}  // namespace
}  // namespace pyrene::console
