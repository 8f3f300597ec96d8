// SPDX-License-Identifier: Apache-2.0
//
// A domain to which nobody gave a capability makes every system call with random registers, and now
// and then another SVC. Its calls fail, or it dies, or it works with what it makes from its own
// quota; nobody else notices.
//
// Options: hostile_calls=N, hostile_seed=S.
#include <atomic>

#include "tests/kernel/child.h"
#include "tests/kernel/fixture.h"
#include "tests/kernel/task.h"

extern "C" {
uint64_t kt_hostile_call(const uint64_t* x, const void* svc);
extern const char kt_svc_immediates[];
}

namespace pyrene::kernel_test {
namespace {

constexpr uint64_t kQuotaPages = 96;
constexpr uint64_t kUsualCalls = 30000;
constexpr uint64_t kDeathBit = 1;
// A thread that makes no call for so long waits for something that will not come.
constexpr uint64_t kStuckMicroseconds = 1000;

// What the hostile domain and the test share. It survives the domain's threads.
struct Attack {
  uint64_t random;  // state of the generator
  std::atomic<uint64_t> begun;
  std::atomic<uint64_t> ended;
  uint64_t succeeded;
  uint64_t x[31];
};

// From here to Assault: in the hostile domain, without globals. SplitMix64.
uint64_t Next(Attack* a) {
  a->random += 0x9e3779b97f4a7c15;
  uint64_t z = a->random;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  return z ^ z >> 31;
}

// Capability indices and small numbers most often: those lead furthest.
uint64_t Number(Attack* a) {
  const uint64_t r = Next(a);
  switch (r >> 8 & 7) {
    case 0:
      return (uint64_t{1} << (r & 63)) + (r >> 16 & 3) - 1;
    case 1:
      return ~(uint64_t{1} << (r & 63));
    case 2:
      return Child::kSharedAddress + (r & 0xffff);
    case 3:
      return Next(a);
    case 4:
      return (r & 0xff) << 12;
    default:
      return r & 31;
  }
}

uint64_t CallNumber(Attack* a) {
  const uint64_t r = Next(a);
  if ((r & 15) == 0) return Number(a);
  // The numbers lie in tens: 0..3, 10..16, 20..29, ... 80..81.
  const uint64_t call = (r >> 8) % 90;
  const bool exits = call == static_cast<uint64_t>(Syscall::kThreadExit);
  return exits && (r >> 32 & 31) != 0 ? static_cast<uint64_t>(Syscall::kCapInspect) : call;
}

void Assault(void* shared) {
  auto* a = static_cast<Attack*>(shared);
  constexpr uint64_t kEntryBytes = 8;
  for (;;) {
    for (uint64_t& x : a->x) x = Number(a);
    a->x[8] = CallNumber(a);
    const uint64_t r = Next(a);
    const uint64_t immediate = (r & 511) == 0 ? r >> 16 & 63 : kSvcNative;
    a->begun.fetch_add(1, std::memory_order_relaxed);
    if (kt_hostile_call(a->x, kt_svc_immediates + immediate * kEntryBytes) == 0) ++a->succeeded;
    a->ended.fetch_add(1, std::memory_order_release);
  }
}

class HostileTest : public KernelTest {
 protected:
  // The child's only thread, anew. Its stack is the one of the child's first thread.
  void Begin(const Child& child, CapIndex thread, ThreadParameters parameters) {
    ASSERT_EQ(
        sys::ThreadCreate(thread, child.domain(), reinterpret_cast<uint64_t>(&Assault),
                          Child::kSharedAddress + 3 * kPage, Child::kSharedAddress, parameters),
        Status::kOk);
    ASSERT_EQ(sys::ThreadStart(thread), Status::kOk);
  }
};

// Counts in a domain of its own.
struct Victim {
  static void Count(void* shared) {
    auto* counter = static_cast<std::atomic<uint64_t>*>(shared);
    for (;;) counter->fetch_add(1, std::memory_order_relaxed);
  }
};

TEST_F(HostileTest, EverySystemCallWithAnyRegisters) {
  const uint64_t wanted = Option("hostile_calls", kUsualCalls);
  const uint64_t seed = Option("hostile_seed", 0);
  const uint32_t cpu = Boot().cpus - 1;
  const auto before = sys::DomainAccount(kSelfDomainCap);
  uint64_t faults = 0, exits = 0, stuck = 0, calls = 0, succeeded = 0;
  {
    Child near(*this), far(*this), child(*this, kQuotaPages);
    // A short slice: whenever the attacker yields or waits, it is this one's turn.
    constexpr uint16_t kShortSlice = 8;
    near.Run(&Victim::Count, On(cpu, kTaskPriority, kShortSlice));
    far.Run(&Victim::Count, On(0));
    auto& near_count = *near.shared<std::atomic<uint64_t>>();
    auto& far_count = *far.shared<std::atomic<uint64_t>>();
    auto& attack = *child.shared<Attack>();
    attack.random = seed;
    const CapIndex notification = NewNotification();
    ASSERT_EQ(sys::DomainSupervise(child.domain(), notification, kDeathBit), Status::kOk);
    const CapIndex thread = Slot();
    const uint64_t mine = UsedPages();
    const ThreadParameters parameters = On(cpu);
    Begin(child, thread, parameters);

    uint64_t next_look = 0, near_before = 0, far_before = 0, seen = 0;
    while (attack.begun < wanted) {
      const auto death =
          sys::NotificationWait(notification, kDeathBit, InMicroseconds(kStuckMicroseconds));
      if (death.status == Status::kOk && death.bits != 0) {
        const sys::Fault fault = sys::DomainFault(child.domain());
        if (fault.kind == FaultKind::kFault) ++faults;
        if (fault.kind == FaultKind::kExit) ++exits;
      }
      const ThreadState state = sys::ThreadInfo(thread).state;
      const bool dead = state == ThreadState::kFaulted || state == ThreadState::kExited;
      if (!dead && state == ThreadState::kBlocked && attack.begun == seen) {
        ++stuck;
      } else if (!dead) {
        seen = attack.begun;
        ASSERT_NE(state, ThreadState::kStopped) << "nobody can stop it but us";
        if (seen < next_look) continue;
        ASSERT_TRUE(Eventually([&] {
          return near_count != near_before && far_count != far_before;
        })) << "after call "
            << seen;
        near_before = near_count;
        far_before = far_count;
        next_look = seen + wanted / 16;
        continue;
      }
      seen = attack.begun;
      ASSERT_EQ(sys::CapDelete(thread), Status::kOk);
      Begin(child, thread, parameters);
    }
    ASSERT_EQ(sys::ThreadStop(thread), Status::kOk);
    calls = attack.begun;
    succeeded = attack.succeeded;
    EXPECT_EQ(UsedPages(), mine) << "what it makes is not paid by us";
    const auto account = sys::DomainAccount(child.domain());
    EXPECT_LE(account.used_pages, account.quota_pages);
    EXPECT_LE(account.quota_pages, kQuotaPages);
    near_before = near_count;
    far_before = far_count;
    EXPECT_TRUE(Eventually([&] { return near_count != near_before && far_count != far_before; }));
  }
  TearDown();
  const auto after = sys::DomainAccount(kSelfDomainCap);
  EXPECT_EQ(after.used_pages, before.used_pages);
  EXPECT_EQ(after.quota_pages, before.quota_pages);
  EXPECT_GT(succeeded, 0u);
  EXPECT_GT(faults, 0u);
  printf(
      "hostile domain: seed %lu, %lu calls, %lu answered kOk, %lu faults, %lu exits, %lu stuck\n",
      seed, calls, succeeded, faults, exits, stuck);
}

}  // namespace
}  // namespace pyrene::kernel_test
