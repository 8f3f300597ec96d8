// SPDX-License-Identifier: Apache-2.0
//
// Upcalls: Linux calls and faults that a thread handles itself.
#include <atomic>

#include "tests/kernel/child.h"
#include "tests/kernel/code.h"
#include "tests/kernel/fixture.h"
#include "tests/kernel/task.h"

namespace pyrene::kernel_test {
namespace {

constexpr size_t kUpcallStackBytes = 4096;

struct alignas(16) UpcallStack {
  uint8_t bytes[kUpcallStackBytes];
  UpcallHook hook;
};

// What the handlers below see.
struct Seen {
  UpcallStack stack;
  std::atomic<uint64_t> calls{0};
  UpcallInfo info = {};
  uint64_t x0 = 0, x8 = 0;
  uint64_t move_to = 0;
  Status moved = Status::kBadCall;

  Status Install(void (*handler)(void*, uint64_t*)) {
    stack.hook = {handler, this};
    return sys::UpcallSet(reinterpret_cast<uint64_t>(&kt_upcall),
                          reinterpret_cast<uint64_t>(&stack.hook));
  }
};

void Answer(void* context, uint64_t* x) {
  auto* seen = static_cast<Seen*>(context);
  seen->calls = seen->calls + 1;
  seen->info = sys::GetUpcallInfo();
  seen->x0 = x[0];
  seen->x8 = x[8];
  x[0] = 0x5e7;
  if (seen->move_to != 0) seen->moved = sys::UpcallMove(seen->move_to);
}

class UpcallTest : public KernelTest {
 protected:
  static uint64_t Address(const void* symbol) { return reinterpret_cast<uint64_t>(symbol); }
  static uint32_t LastCpu() { return Boot().cpus - 1; }
};

TEST_F(UpcallTest, LinuxCallGoesToTheUpcall) {
  Seen seen;
  struct {
    uint64_t answer = 0, damaged = 0, sp = 0;
    Status set = Status::kBadCall;
  } result;
  TaskOf task(On(LastCpu()), [&seen, &result] {
    result.set = seen.Install(Answer);
    asm volatile("mov %0, sp" : "=r"(result.sp));
    result.answer = kt_linux_call(64, 0xabc, &result.damaged);
  });
  task->Start();
  ASSERT_TRUE(task->Ends());
  EXPECT_EQ(result.set, Status::kOk);
  EXPECT_EQ(seen.calls, 1u);
  EXPECT_EQ(seen.x8, 64u);
  EXPECT_EQ(seen.x0, 0xabcu);
  EXPECT_EQ(result.answer, 0x5e7u);
  EXPECT_EQ(result.damaged, 0u) << "registers, flags and SP are those of before";
  EXPECT_EQ(seen.info.esr >> kEsrClassShift, kEsrClassSvc64);
  EXPECT_EQ(seen.info.pstate & 0xf0000000, 0x90000000u);
  EXPECT_EQ(seen.info.pstate & 0x1f, 0u);
  EXPECT_GT(seen.info.pc, Address(reinterpret_cast<const void*>(&kt_linux_call)));
  EXPECT_LT(seen.info.pc, Address(reinterpret_cast<const void*>(&kt_linux_call)) + 256);
  EXPECT_NEAR(static_cast<double>(seen.info.sp), static_cast<double>(result.sp), 1024);
}

TEST_F(UpcallTest, ManyCallsInARow) {
  Seen seen;
  std::atomic<uint64_t> damaged{0};
  TaskOf task(On(LastCpu()), [&seen, &damaged] {
    if (seen.Install(Answer) != Status::kOk) return;
    uint64_t wrong = 0;
    for (uint64_t i = 0; i < 5000; ++i) {
      if (kt_linux_call(i, i, &wrong) != 0x5e7) ++wrong;
    }
    damaged = wrong;
  });
  task->Start();
  ASSERT_TRUE(task->Ends());
  EXPECT_EQ(seen.calls, 5000u);
  EXPECT_EQ(damaged, 0u);
}

TEST_F(UpcallTest, FaultGoesToTheUpcallAndMovesOn) {
  Seen seen;
  seen.move_to = Address(kt_load_instruction) + 4;
  std::atomic<uint64_t> loaded{0};
  TaskOf task(On(LastCpu()), [&seen, &loaded] {
    if (seen.Install(Answer) != Status::kOk) return;
    loaded = kt_load(reinterpret_cast<const uint64_t*>(Child::kUnmapped + 8));
  });
  task->Start();
  ASSERT_TRUE(task->Ends());
  EXPECT_EQ(seen.calls, 1u);
  EXPECT_EQ(seen.info.far, Child::kUnmapped + 8);
  EXPECT_EQ(seen.info.pc, Address(kt_load_instruction));
  EXPECT_EQ(seen.info.esr >> kEsrClassShift, 0x24u);
  EXPECT_EQ(seen.moved, Status::kOk);
  EXPECT_EQ(loaded, 0x5e7u);
}

TEST_F(UpcallTest, UndefinedInstructionGoesToTheUpcall) {
  Seen seen;
  seen.move_to = Address(kt_undefined_instruction) + 4;
  TaskOf task(On(LastCpu()), [&seen] {
    if (seen.Install(Answer) == Status::kOk) kt_undefined();
  });
  task->Start();
  ASSERT_TRUE(task->Ends());
  EXPECT_EQ(seen.calls, 1u);
  EXPECT_EQ(seen.info.pc, Address(kt_undefined_instruction));
}

TEST_F(UpcallTest, UpcallTakenAwayInsideStopsTheThreadWithTheTrueFacts) {
  static_cast<void>(sys::DomainFault(kSelfDomainCap));  // of tasks that ended before
  Seen seen;
  TaskOf task(On(LastCpu()), [&seen] {
    if (seen.Install([](void*, uint64_t*) { static_cast<void>(sys::UpcallSet(0, 0)); }) !=
        Status::kOk)
      return;
    kt_load(reinterpret_cast<const uint64_t*>(Child::kUnmapped + 16));
  });
  task->Start();
  ASSERT_TRUE(task->Reaches(ThreadState::kFaulted));
  const sys::Fault fault = sys::DomainFault(kSelfDomainCap);
  EXPECT_EQ(fault.kind, FaultKind::kFault);
  EXPECT_EQ(fault.pc, Address(kt_load_instruction));
  EXPECT_EQ(fault.far, Child::kUnmapped + 16);
}

TEST_F(UpcallTest, FaultInsideAnUpcallStopsTheThread) {
  static_cast<void>(sys::DomainFault(kSelfDomainCap));
  Seen seen;
  TaskOf task(On(LastCpu()), [&seen] {
    if (seen.Install([](void*, uint64_t*) { kt_undefined(); }) != Status::kOk) return;
    uint64_t damaged;
    kt_linux_call(1, 1, &damaged);
  });
  task->Start();
  ASSERT_TRUE(task->Reaches(ThreadState::kFaulted));
  const sys::Fault fault = sys::DomainFault(kSelfDomainCap);
  EXPECT_EQ(fault.pc, Address(kt_undefined_instruction));
}

TEST_F(UpcallTest, LinuxCallInsideAnUpcallStopsTheThread) {
  static_cast<void>(sys::DomainFault(kSelfDomainCap));
  Seen seen;
  TaskOf task(On(LastCpu()), [&seen] {
    if (seen.Install([](void*, uint64_t*) {
          uint64_t damaged;
          kt_linux_call(2, 2, &damaged);
        }) != Status::kOk)
      return;
    kt_undefined();
  });
  task->Start();
  ASSERT_TRUE(task->Reaches(ThreadState::kFaulted));
  EXPECT_EQ(sys::DomainFault(kSelfDomainCap).esr >> kEsrClassShift, kEsrClassSvc64);
}

TEST_F(UpcallTest, MoveOutsideOfAnUpcallIsAnError) {
  std::atomic<int64_t> status{0};
  TaskOf task(On(0), [&status] { status = static_cast<int64_t>(sys::UpcallMove(0x400000)); });
  task->Start();
  ASSERT_TRUE(task->Ends());
  EXPECT_EQ(static_cast<Status>(status.load()), Status::kBadCall);
}

// A thread that waits inside its upcall, as the personality's do, can be stopped, moved and woken
// there.
TEST_F(UpcallTest, BlockingInsideAnUpcall) {
  struct Waiting {
    Seen seen;
    CapIndex notification;
    std::atomic<uint64_t> bits{0};
  } waiting;
  waiting.notification = NewNotification();
  std::atomic<uint64_t> answer{0};
  uint64_t damaged = 0;
  TaskOf task(On(LastCpu()), [&waiting, &answer, &damaged] {
    waiting.seen.stack.hook = {
        [](void* context, uint64_t* x) {
          auto* w = static_cast<Waiting*>(context);
          w->bits = sys::NotificationWait(w->notification, ~uint64_t{0}, kNoDeadline).bits;
          x[0] = 42;
        },
        &waiting};
    static_cast<void>(sys::UpcallSet(reinterpret_cast<uint64_t>(&kt_upcall),
                                     reinterpret_cast<uint64_t>(&waiting.seen.stack.hook)));
    answer = kt_linux_call(98, 0, &damaged);
  });
  task->Start();
  ASSERT_TRUE(task->Reaches(ThreadState::kBlocked));
  ASSERT_EQ(sys::NotificationSignal(waiting.notification, 8), Status::kOk);
  ASSERT_TRUE(task->Ends());
  EXPECT_EQ(waiting.bits, 8u);
  EXPECT_EQ(answer, 42u);
  EXPECT_EQ(damaged, 0u);
}

}  // namespace
}  // namespace pyrene::kernel_test
