// SPDX-License-Identifier: Apache-2.0
//
// Console's death, at every instruction of a round and at random ones of many lives, while guests
// write. A life is a process; the journal, the guests' rings and what has left the UART are shared
// with the test.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "runtime/clock.h"
#include "services/console/multiplexer.h"
#include "tests/unit/console_test_util.h"

namespace pyrene::console {
namespace {

constexpr size_t kJournalBytes =
    (Journal::kFixedBytes + 2 * kGuestBytes + runtime::kPageBytes - 1) & ~(runtime::kPageBytes - 1);

runtime::Memory NewMemory(size_t bytes) {
  const runtime::OwnedHandle handle(
      *runtime::host::CreateObject(runtime::host::Kind::kMemory, bytes));
  return *runtime::Memory::Map(handle.get(), runtime::Access::kReadWrite);
}

// What has left the machine. A byte is out when it is counted.
struct Wire {
  uint64_t count;
  char byte[(64 << 20) - 8];
};

class WirePort final : public SerialPort {
 public:
  explicit WirePort(Wire& wire) : wire_(wire) {}
  int Get() override { return -1; }
  bool Put(char c) override {
    if (wire_.count == sizeof(wire_.byte)) return false;
    wire_.byte[wire_.count] = c;
    Commit(wire_.count, wire_.count + 1);
    return true;
  }
  bool Idle() override { return true; }
  void WantTransmitInterrupt(bool) override {}

 private:
  Wire& wire_;
};

// A guest that says text of which no two neighbours are equal: a repeated byte is seen as one.
struct Speaker {
  void Speak(size_t bytes) {
    while (pending.size() < bytes) pending += "line " + std::to_string(next++ % 10) + ".\n";
    const size_t size = guest.Write(pending.substr(0, bytes));
    said += pending.substr(0, size);
    pending.erase(0, size);
  }

  FakeGuest guest;
  std::string said, pending;
  unsigned next = 0;
};

constexpr char kAttachedNotice[] = "[domain 1: Ctrl-] leaves it]\r\n";
constexpr char kUnseenNotice[] = "[domain 2: Ctrl-] leaves it]\r\n";

// One life: the first guest is attached, nobody sees the second's output.
class Life {
 public:
  Life(runtime::Memory& journal, SerialPort& port, const FakeGuest& attached,
       const FakeGuest& unseen)
      : journal_(journal.data(), journal.size()),
        multiplexer_(journal_, port),
        attached_(multiplexer_.AddGuest(1)),
        unseen_(multiplexer_.AddGuest(2)) {
    attached_.Connect(attached.Map(), attached.Peer());
    unseen_.Connect(unseen.Map(), unseen.Peer());
  }

  void Attach(uint16_t domid) { EXPECT_TRUE(multiplexer_.Attach(domid).ok()); }
  bool Round() {
    attached_.Take(attached_.Written(), true);
    unseen_.Take(unseen_.Written(), false);
    return multiplexer_.Transmit();
  }
  // Shows everything, in the end what nobody has seen.
  void Finish() {
    while (Round()) {
    }
    Attach(2);
    while (Round()) {
    }
  }

 private:
  Journal journal_;
  Multiplexer multiplexer_;
  GuestConsole& attached_;
  GuestConsole& unseen_;
};

// Whether `shown` is `expected`, but for one byte that comes twice at some of the `deaths` (counts
// of bytes shown before them).
testing::AssertionResult IsShown(absl::string_view shown, const std::string& expected,
                                 const std::vector<uint64_t>& deaths) {
  uint64_t at = 0;
  size_t death = 0;
  for (uint64_t i = 0; i < shown.size(); ++i) {
    while (death < deaths.size() && deaths[death] < i) ++death;
    const bool may_repeat = death < deaths.size() && deaths[death] == i && at > 0;
    if (may_repeat && shown[i] == expected[at - 1]) continue;
    if (at == expected.size() || shown[i] != expected[at]) {
      return testing::AssertionFailure() << "byte " << i << " of the line is not byte " << at;
    }
    ++at;
  }
  if (at == expected.size()) return testing::AssertionSuccess();
  return testing::AssertionFailure() << expected.size() - at << " bytes are missing";
}

// A copy of what a life leaves behind.
struct Left {
  // Makes it the present state, and says whether it was not.
  bool Changed(const runtime::Memory& new_journal, const FakeGuest& new_attached,
               const FakeGuest& new_unseen, uint64_t new_count) {
    const bool changed = Differs(journal.data(), new_journal.data(), kJournalBytes) ||
                         Differs(attached.page(), new_attached.page(), sizeof(FakeGuest::Page)) ||
                         Differs(unseen.page(), new_unseen.page(), sizeof(FakeGuest::Page)) ||
                         count != new_count;
    if (!changed) return false;
    std::memcpy(journal.data(), new_journal.data(), kJournalBytes);
    *attached.page() = *new_attached.page();
    *unseen.page() = *new_unseen.page();
    count = new_count;
    return true;
  }
  static bool Differs(const void* a, const void* b, size_t n) { return std::memcmp(a, b, n) != 0; }

  runtime::Memory journal = NewMemory(kJournalBytes);
  FakeGuest attached, unseen;
  uint64_t count = 0;
};

class DeathTest : public testing::Test {
 protected:
  // The next life begins with copies of what this one left, and shows the rest.
  testing::AssertionResult NextLifeFinishes() {
    FakePort port;
    Left copy;
    static_cast<void>(copy.Changed(journal_, attached_.guest, unseen_.guest, 0));
    Life(copy.journal, port, copy.attached, copy.unseen).Finish();
    // The unseen is full: what is dropped for new text is the oldest.
    return IsShown(std::string(wire().byte, wire().count) + port.shown,
                   kAttachedNotice + attached_.said + kUnseenNotice +
                       unseen_.said.substr(unseen_.said.size() - kGuestBytes),
                   {wire().count});
  }

  Wire& wire() { return *reinterpret_cast<Wire*>(wire_memory_.data()); }

  runtime::Memory journal_ = NewMemory(kJournalBytes);
  runtime::Memory wire_memory_ = NewMemory(sizeof(Wire));
  WirePort port_{wire()};
  Speaker attached_, unseen_;
  Left left_;
};

TEST_F(DeathTest, AtRandomInstructions) {
  const char* const wanted = std::getenv("PYRENE_ROUNDS");
  const int rounds = wanted == nullptr ? 100 : std::atoi(wanted);
  std::mt19937 random(1);
  std::vector<uint64_t> deaths;
  Life(journal_, port_, attached_.guest, unseen_.guest).Attach(1);
  for (int round = 0; round < rounds; ++round) {
    const pid_t child = fork();
    ASSERT_NE(child, -1);
    if (child == 0) {
      Life life(journal_, port_, attached_.guest, unseen_.guest);
      while (true) life.Round();
    }
    const uint64_t end = runtime::MonotonicNow() + 100'000 + random() % runtime::kMillisecond;
    while (runtime::MonotonicNow() < end) attached_.Speak(500);
    if (unseen_.said.size() < kGuestBytes - 100) unseen_.Speak(random() % 100);
    kill(child, SIGKILL);
    int status;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << "it died by itself";
    deaths.push_back(wire().count);
  }
  Life(journal_, port_, attached_.guest, unseen_.guest).Finish();
  ASSERT_LT(wire().count, sizeof(wire().byte)) << "the test's wire is too short";
  EXPECT_TRUE(IsShown({wire().byte, wire().count},
                      kAttachedNotice + attached_.said + kUnseenNotice + unseen_.said, deaths));
}

// A child is stepped through rounds, instruction by instruction.
TEST_F(DeathTest, AtEveryInstruction) {
  // So much that the oldest is dropped during the round; and a copy of two pieces on each path.
  {
    Life life(journal_, port_, attached_.guest, unseen_.guest);
    life.Attach(1);
    for (int i = 0; i < 9; ++i) {
      attached_.Speak(2040 / 9);
      unseen_.Speak(kGuestBytes / 9 + 1);
      while (life.Round()) {
      }
    }
  }
  ASSERT_GT(unseen_.said.size(), kGuestBytes);
  attached_.Speak(25);
  unseen_.Speak(25);

  const pid_t child = fork();
  ASSERT_NE(child, -1);
  if (child == 0) {
    Life life(journal_, port_, attached_.guest, unseen_.guest);
    ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    raise(SIGSTOP);
    while (life.Round()) {
    }
    _exit(0);
  }
  int status;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSTOPPED(status));

  unsigned steps = 0;
  unsigned states = 0;
  for (; WIFSTOPPED(status) && !HasFailure(); ++steps) {
    // Most instructions change nothing that the next life would find.
    if (left_.Changed(journal_, attached_.guest, unseen_.guest, wire().count)) {
      ++states;
      EXPECT_TRUE(NextLifeFinishes()) << "after " << steps << " instructions";
    }
    ASSERT_EQ(ptrace(PTRACE_SINGLESTEP, child, nullptr, nullptr), 0);
    ASSERT_EQ(waitpid(child, &status, 0), child);
  }
  if (HasFailure()) kill(child, SIGKILL);
  EXPECT_GT(states, 50u);
  RecordProperty("instructions", static_cast<int>(steps));
  RecordProperty("states", static_cast<int>(states));
}

}  // namespace
}  // namespace pyrene::console
