// SPDX-License-Identifier: Apache-2.0
//
// Faults: what stops a thread, what its supervisor is told, and how it goes on.
#include <atomic>

#include "tests/kernel/child.h"
#include "tests/kernel/code.h"
#include "tests/kernel/fixture.h"

namespace pyrene::kernel_test {
namespace {

// ESR_EL2.EC (DDI 0487, ESR_ELx).
enum class Class : uint64_t {
  kUnknown = 0x00,
  kIllegalState = 0x0e,
  kSvc = 0x15,
  kSystemRegister = 0x18,
  kInstructionAbort = 0x20,
  kPcAlignment = 0x22,
  kDataAbort = 0x24,
  kBreakpoint = 0x3c,
};
void PrintTo(Class c, std::ostream* out) { *out << "EC " << static_cast<uint64_t>(c); }

constexpr uint64_t kIssWrite = 1 << 6;
constexpr uint64_t kIssFaultMask = 0x3f;
constexpr uint64_t kIssTranslation = 0x04;  // with the level in bits 1:0
constexpr uint64_t kIssPermission = 0x0c;

class FaultTest : public KernelTest {
 protected:
  // Runs `function` in a child and takes the report of the fault that it must end in.
  sys::Fault FaultOf(Child::Function function) {
    Child child(*this);
    const CapIndex notification = NewNotification();
    EXPECT_EQ(sys::DomainSupervise(child.domain(), notification, 0x10), Status::kOk);
    EXPECT_EQ(sys::DomainFault(child.domain()).kind, FaultKind::kNone);
    const CapIndex thread = child.Run(function, On(Boot().cpus - 1));
    EXPECT_EQ(sys::NotificationWait(notification, ~uint64_t{0}, Soon()).bits, 0x10u);
    EXPECT_EQ(sys::ThreadInfo(thread).state, ThreadState::kFaulted);
    const sys::Fault fault = sys::DomainFault(child.domain());
    EXPECT_EQ(fault.status, Status::kOk);
    EXPECT_EQ(fault.kind, FaultKind::kFault);
    EXPECT_EQ(fault.thread, sys::CapInspect(kNullCap, thread).object_id);
    EXPECT_EQ(sys::DomainFault(child.domain()).kind, FaultKind::kNone) << "told once";
    return fault;
  }
  static Class ClassOf(const sys::Fault& fault) {
    return static_cast<Class>(fault.esr >> kEsrClassShift);
  }
  static uint64_t Address(const char* symbol) { return reinterpret_cast<uint64_t>(symbol); }
};

TEST_F(FaultTest, ReadOfNothing) {
  const auto fault =
      FaultOf([](void*) { kt_load(reinterpret_cast<const uint64_t*>(Child::kUnmapped + 24)); });
  EXPECT_EQ(ClassOf(fault), Class::kDataAbort);
  EXPECT_EQ(fault.esr & kIssWrite, 0u);
  EXPECT_EQ(fault.esr & kIssFaultMask & ~uint64_t{3}, kIssTranslation);
  EXPECT_EQ(fault.far, Child::kUnmapped + 24);
  EXPECT_EQ(fault.pc, Address(kt_load_instruction));
}

TEST_F(FaultTest, WriteToTheProgram) {
  const auto fault = FaultOf([](void*) { kt_store(reinterpret_cast<uint64_t*>(&kt_load), 0); });
  EXPECT_EQ(ClassOf(fault), Class::kDataAbort);
  EXPECT_EQ(fault.esr & kIssWrite, kIssWrite);
  EXPECT_EQ(fault.esr & kIssFaultMask & ~uint64_t{3}, kIssPermission);
  EXPECT_EQ(fault.far, reinterpret_cast<uint64_t>(&kt_load));
  EXPECT_EQ(fault.pc, Address(kt_store_instruction));
}

TEST_F(FaultTest, AddressBeyondStageTwo) {
  for (const uint64_t address : {uint64_t{1} << 39, uint64_t{1} << 47, ~uint64_t{7}}) {
    Child child(*this);
    *child.shared<uint64_t>() = address;
    const CapIndex thread =
        child.Run([](void* shared) { kt_load(*static_cast<const uint64_t* const*>(shared)); });
    EXPECT_TRUE(child.Reaches(thread, ThreadState::kFaulted)) << std::hex << address;
  }
}

TEST_F(FaultTest, ExecutionOfData) {
  const auto fault = FaultOf([](void* shared) {
    *static_cast<uint32_t*>(shared) = 0xd65f03c0;  // ret
    reinterpret_cast<void (*)()>(shared)();
  });
  EXPECT_EQ(ClassOf(fault), Class::kInstructionAbort);
  EXPECT_EQ(fault.far, Child::kSharedAddress);
  EXPECT_EQ(fault.pc, Child::kSharedAddress);
}

TEST_F(FaultTest, JumpToNothing) {
  const auto fault = FaultOf([](void*) { reinterpret_cast<void (*)()>(Child::kUnmapped)(); });
  EXPECT_EQ(ClassOf(fault), Class::kInstructionAbort);
  EXPECT_EQ(fault.far, Child::kUnmapped);
}

TEST_F(FaultTest, MisalignedPc) {
  const auto fault = FaultOf([](void*) {
    reinterpret_cast<void (*)()>(reinterpret_cast<uint64_t>(kt_load_instruction) + 2)();
  });
  EXPECT_EQ(ClassOf(fault), Class::kPcAlignment);
}

TEST_F(FaultTest, UndefinedInstruction) {
  const auto fault = FaultOf([](void*) { kt_undefined(); });
  EXPECT_EQ(ClassOf(fault), Class::kUnknown);
  EXPECT_EQ(fault.pc, Address(kt_undefined_instruction));
}

TEST_F(FaultTest, Breakpoint) {
  const auto fault = FaultOf([](void*) { kt_breakpoint(); });
  EXPECT_EQ(ClassOf(fault), Class::kBreakpoint);
  EXPECT_EQ(fault.esr & 0xffff, 7u);
  EXPECT_EQ(fault.pc, Address(kt_breakpoint_instruction));
}

TEST_F(FaultTest, PrivilegedRegister) {
  const auto fault = FaultOf([](void*) { kt_read_sctlr(); });
  EXPECT_EQ(fault.pc, Address(kt_read_sctlr_instruction));
}

TEST_F(FaultTest, HypervisorAndMonitorCalls) {
  EXPECT_EQ(FaultOf([](void*) { kt_hvc(); }).pc, Address(kt_hvc_instruction));
  EXPECT_EQ(FaultOf([](void*) { kt_smc(); }).pc, Address(kt_smc_instruction));
}

TEST_F(FaultTest, LinuxCallWithoutUpcall) {
  const auto fault =
      FaultOf([](void* shared) { kt_linux_call(64, 1, static_cast<uint64_t*>(shared)); });
  EXPECT_EQ(ClassOf(fault), Class::kSvc);
  EXPECT_EQ(fault.esr & 0xffff, 0u);
}

TEST_F(FaultTest, OtherSvcNumbers) {
  const auto unknown = FaultOf([](void*) { kt_svc3(); });
  EXPECT_EQ(ClassOf(unknown), Class::kSvc);
  EXPECT_EQ(unknown.esr & 0xffff, 3u);
  const auto outside = FaultOf([](void*) { kt_svc2(); });
  EXPECT_EQ(ClassOf(outside), Class::kSvc);
  EXPECT_EQ(outside.esr & 0xffff, 2u) << "a return from an upcall outside of one";
}

TEST_F(FaultTest, UnknownSystemCallsAreErrorsAndNoFaults) {
  Child child(*this);
  const CapIndex thread = child.Run([](void* shared) {
    auto* bad = static_cast<uint64_t*>(shared);
    for (const uint64_t number :
         {uint64_t{4}, uint64_t{9}, uint64_t{83}, uint64_t{1000}, ~uint64_t{0}}) {
      const auto answer = sys::internal::Invoke(static_cast<Syscall>(number), 1, 2, 3);
      if (answer.status == Status::kBadCall) ++*bad;
    }
  });
  EXPECT_TRUE(child.Reaches(thread, ThreadState::kExited));
  EXPECT_EQ(*child.shared<uint64_t>(), 5u);
}

TEST_F(FaultTest, ExitIsReportedWithItsStatus) {
  Child child(*this);
  const CapIndex notification = NewNotification();
  ASSERT_EQ(sys::DomainSupervise(child.domain(), notification, 1), Status::kOk);
  const CapIndex thread = child.Run([](void*) { sys::ThreadExit(0x1234567887654321); });
  EXPECT_EQ(sys::NotificationWait(notification, 1, Soon()).status, Status::kOk);
  const sys::Fault fault = sys::DomainFault(child.domain());
  EXPECT_EQ(fault.kind, FaultKind::kExit);
  EXPECT_EQ(fault.esr, 0x1234567887654321u);
  EXPECT_EQ(fault.thread, sys::CapInspect(kNullCap, thread).object_id);
}

TEST_F(FaultTest, RepairedFaultIsTriedAgain) {
  Child child(*this);
  const CapIndex notification = NewNotification();
  ASSERT_EQ(sys::DomainSupervise(child.domain(), notification, 1), Status::kOk);
  const CapIndex thread = child.Run(
      [](void* shared) {
        *static_cast<uint64_t*>(shared) =
            kt_load(reinterpret_cast<const uint64_t*>(Child::kUnmapped));
      },
      On(Boot().cpus - 1));
  ASSERT_EQ(sys::NotificationWait(notification, 1, Soon()).status, Status::kOk);
  const CapIndex memory = Ram(1);
  *MapAs<uint64_t>(memory) = 4711;
  // Not repaired: it faults again, and that is told again.
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(sys::DomainFault(child.domain()).far, Child::kUnmapped);
    ASSERT_EQ(sys::ThreadStart(thread), Status::kOk);
    ASSERT_EQ(sys::NotificationWait(notification, 1, Soon()).status, Status::kOk);
  }
  ASSERT_EQ(sys::DomainMap(child.domain(), memory, 0, Child::kUnmapped, 1, rights::kRead),
            Status::kOk);
  ASSERT_EQ(sys::ThreadStart(thread), Status::kOk);
  ASSERT_TRUE(child.Reaches(thread, ThreadState::kExited));
  EXPECT_EQ(*child.shared<uint64_t>(), 4711u);
}

TEST_F(FaultTest, FirstReportIsKept) {
  Child child(*this);
  const CapIndex first = child.Run([](void*) { kt_undefined(); });
  ASSERT_TRUE(child.Reaches(first, ThreadState::kFaulted));
  const CapIndex second = child.Run([](void*) { kt_breakpoint(); });
  ASSERT_TRUE(child.Reaches(second, ThreadState::kFaulted));
  const auto fault = sys::DomainFault(child.domain());
  EXPECT_EQ(fault.thread, sys::CapInspect(kNullCap, first).object_id);
  EXPECT_EQ(sys::DomainFault(child.domain()).kind, FaultKind::kNone);
}

TEST_F(FaultTest, FaultedThreadDoesNotHarmItsNeighbours) {
  Child child(*this);
  struct Shared {
    std::atomic<uint64_t> count;
    std::atomic<bool> stop;
  };
  const CapIndex good = child.Run(
      [](void* p) {
        auto* shared = static_cast<Shared*>(p);
        while (!shared->stop) ++shared->count;
      },
      On(Boot().cpus - 1));
  const CapIndex bad = child.Run([](void*) { kt_undefined(); }, On(Boot().cpus - 1));
  ASSERT_TRUE(child.Reaches(bad, ThreadState::kFaulted));
  auto* shared = child.shared<Shared>();
  const uint64_t before = shared->count;
  EXPECT_TRUE(Eventually([&] { return shared->count != before; }));
  shared->stop = true;
  EXPECT_TRUE(child.Reaches(good, ThreadState::kExited));
}

TEST_F(FaultTest, SupervisionEndsWithTheNotification) {
  Child child(*this);
  const CapIndex notification = NewNotification();
  ASSERT_EQ(sys::DomainSupervise(child.domain(), notification, 1), Status::kOk);
  ASSERT_EQ(sys::CapDelete(notification), Status::kOk);
  const CapIndex thread = child.Run([](void*) { kt_undefined(); });
  ASSERT_TRUE(child.Reaches(thread, ThreadState::kFaulted));
  EXPECT_EQ(sys::DomainFault(child.domain()).kind, FaultKind::kFault);
}

TEST_F(FaultTest, LaterSupervisorReplacesTheFormer) {
  Child child(*this);
  const CapIndex former = NewNotification();
  const CapIndex latter = NewNotification();
  ASSERT_EQ(sys::DomainSupervise(child.domain(), former, 1), Status::kOk);
  ASSERT_EQ(sys::DomainSupervise(child.domain(), latter, 2), Status::kOk);
  const CapIndex thread = child.Run([](void*) { kt_undefined(); });
  ASSERT_TRUE(child.Reaches(thread, ThreadState::kFaulted));
  EXPECT_EQ(sys::NotificationWait(latter, 2, Soon()).status, Status::kOk);
  EXPECT_EQ(sys::NotificationWait(former, ~uint64_t{0}, kPoll).status, Status::kTimeout);
}

}  // namespace
}  // namespace pyrene::kernel_test
