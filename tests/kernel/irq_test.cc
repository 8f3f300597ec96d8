// SPDX-License-Identifier: Apache-2.0
//
// Interrupt lines, by the one device that both machines have: a PL011 raises its transmit interrupt
// with every byte.
#include "tests/kernel/fixture.h"
#include "tests/kernel/task.h"
#include "tests/kernel/uart.h"

namespace pyrene::kernel_test {
namespace {

constexpr unsigned kData = 0x00 / 4;
constexpr unsigned kFlag = 0x18 / 4;
constexpr unsigned kMask = 0x38 / 4;
constexpr unsigned kClear = 0x44 / 4;
constexpr uint32_t kTransmit = 1u << 5;
constexpr uint32_t kTransmitFull = 1u << 5;

class IrqTest : public KernelTest {
 protected:
  void TearDown() override {
    UartRegisters()[kMask] = 0;
    KernelTest::TearDown();
  }
  static void Fire() {
    while ((UartRegisters()[kFlag] & kTransmitFull) != 0) {
    }
    // Once for the byte below, not also for those printed before.
    if (UartRegisters()[kMask] == 0) Silence();
    UartRegisters()[kMask] = kTransmit;
    UartRegisters()[kData] = ' ';
  }
  static void Silence() { UartRegisters()[kClear] = 0x7ff; }
  CapIndex Line() {
    const CapIndex irq = Slot();
    EXPECT_EQ(sys::IrqDerive(irq, Boot().irq_control, UartIntid()), Status::kOk);
    return irq;
  }
};

TEST_F(IrqTest, DeriveErrors) {
  const CapIndex control = Boot().irq_control;
  for (const uint64_t intid : {uint64_t{0}, uint64_t{15}, uint64_t{27}, uint64_t{31},
                               uint64_t{1020}, uint64_t{1023}, ~uint64_t{0}})
    EXPECT_EQ(sys::IrqDerive(Slot(), control, intid), Status::kNotSupported) << intid;
  EXPECT_EQ(sys::IrqDerive(Slot(), kSelfDomainCap, UartIntid()), Status::kBadType);
  EXPECT_EQ(sys::IrqDerive(Slot(), Slot(), UartIntid()), Status::kBadCap);
  EXPECT_EQ(sys::IrqDerive(control, control, UartIntid()), Status::kOccupied);
  const CapIndex weak = Slot();
  ASSERT_EQ(sys::CapCopy(kNullCap, weak, control, rights::kCopy), Status::kOk);
  EXPECT_EQ(sys::IrqDerive(Slot(), weak, UartIntid()), Status::kNoRight);
}

TEST_F(IrqTest, LineHasOneHolder) {
  const CapIndex irq = Line();
  EXPECT_EQ(sys::CapInspect(kNullCap, irq).type, ObjectType::kIrq);
  EXPECT_EQ(sys::IrqDerive(Slot(), Boot().irq_control, UartIntid()), Status::kOccupied);
  ASSERT_EQ(sys::CapDelete(irq), Status::kOk);
  EXPECT_EQ(sys::IrqDerive(irq, Boot().irq_control, UartIntid()), Status::kOk);
}

TEST_F(IrqTest, BindAndAcknowledgeErrors) {
  const CapIndex irq = Line();
  const CapIndex notification = NewNotification();
  EXPECT_EQ(sys::IrqBind(notification, notification, 1), Status::kBadType);
  EXPECT_EQ(sys::IrqBind(irq, irq, 1), Status::kBadType);
  EXPECT_EQ(sys::IrqBind(irq, Slot(), 1), Status::kBadCap);
  const CapIndex waiter = Slot();
  ASSERT_EQ(sys::CapCopy(kNullCap, waiter, notification, rights::kWait), Status::kOk);
  EXPECT_EQ(sys::IrqBind(irq, waiter, 1), Status::kNoRight);
  const CapIndex weak = Slot();
  ASSERT_EQ(sys::CapCopy(kNullCap, weak, irq, rights::kCopy), Status::kOk);
  EXPECT_EQ(sys::IrqBind(weak, notification, 1), Status::kNoRight);
  EXPECT_EQ(sys::IrqAcknowledge(weak), Status::kNoRight);
  EXPECT_EQ(sys::IrqAcknowledge(notification), Status::kBadType);
  EXPECT_EQ(sys::IrqAcknowledge(irq), Status::kOk) << "nothing to acknowledge is no error";
}

TEST_F(IrqTest, FiresOnceUntilAcknowledged) {
  const CapIndex irq = Line();
  const CapIndex notification = NewNotification();
  ASSERT_EQ(sys::IrqBind(irq, notification, 0x100), Status::kOk);
  for (int i = 0; i < 20; ++i) {
    Fire();
    const auto wakeup = sys::NotificationWait(notification, ~uint64_t{0}, Soon());
    ASSERT_EQ(wakeup.status, Status::kOk) << i;
    ASSERT_EQ(wakeup.bits, 0x100u);
    // The line is a level and still high, but silent.
    ASSERT_EQ(sys::NotificationWait(notification, ~uint64_t{0}, InMilliseconds(1)).status,
              Status::kTimeout);
    if (i % 2 == 0) {
      Silence();
      ASSERT_EQ(sys::IrqAcknowledge(irq), Status::kOk);
      ASSERT_EQ(sys::NotificationWait(notification, ~uint64_t{0}, InMilliseconds(1)).status,
                Status::kTimeout);
    } else {
      // Acknowledged while high: at once again.
      ASSERT_EQ(sys::IrqAcknowledge(irq), Status::kOk);
      ASSERT_EQ(sys::NotificationWait(notification, ~uint64_t{0}, Soon()).status, Status::kOk);
      Silence();
      ASSERT_EQ(sys::IrqAcknowledge(irq), Status::kOk);
    }
  }
}

TEST_F(IrqTest, FiresForAThreadOfAnotherCpu) {
  struct Shared {
    CapIndex irq, notification;
    std::atomic<uint64_t> seen{0};
    Status bound = Status::kBadCall;
  } shared;
  shared.irq = Line();
  shared.notification = NewNotification();
  TaskOf task(On(Boot().cpus - 1), [&shared] {
    shared.bound = sys::IrqBind(shared.irq, shared.notification, 1);
    for (int i = 0; i < 10; ++i) {
      if (sys::NotificationWait(shared.notification, 1, kNoDeadline).status != Status::kOk) return;
      Silence();
      static_cast<void>(sys::IrqAcknowledge(shared.irq));
      shared.seen = shared.seen + 1;
    }
  });
  task->Start();
  ASSERT_TRUE(task->Reaches(ThreadState::kBlocked));
  for (uint64_t i = 0; i < 10; ++i) {
    Fire();
    ASSERT_TRUE(Eventually([&] { return shared.seen == i + 1; })) << i;
  }
  EXPECT_TRUE(task->Ends());
}

TEST_F(IrqTest, DeletedWhileActive) {
  for (int i = 0; i < 3; ++i) {
    const CapIndex irq = Line();
    const CapIndex notification = NewNotification();
    ASSERT_EQ(sys::IrqBind(irq, notification, 1), Status::kOk);
    Fire();
    ASSERT_EQ(sys::NotificationWait(notification, 1, Soon()).status, Status::kOk);
    // Active, high, not acknowledged: its end leaves the line silent, and whole for the next
    // holder.
    ASSERT_EQ(sys::CapDelete(irq), Status::kOk);
    ASSERT_EQ(sys::NotificationWait(notification, 1, InMilliseconds(1)).status, Status::kTimeout);
    ASSERT_EQ(sys::CapDelete(notification), Status::kOk);
  }
}

TEST_F(IrqTest, UnboundByTheEndOfItsNotification) {
  const CapIndex irq = Line();
  const CapIndex first = NewNotification();
  ASSERT_EQ(sys::IrqBind(irq, first, 1), Status::kOk);
  ASSERT_EQ(sys::CapDelete(first), Status::kOk);
  Fire();
  Sleep(1000);
  Silence();
  ASSERT_EQ(sys::IrqAcknowledge(irq), Status::kOk);
  const CapIndex second = NewNotification();
  ASSERT_EQ(sys::IrqBind(irq, second, 2), Status::kOk);
  Fire();
  EXPECT_EQ(sys::NotificationWait(second, ~uint64_t{0}, Soon()).bits, 2u);
}

TEST_F(IrqTest, FirmwareCallsNeedTheirCapability) {
  const auto call = [](Syscall number, CapIndex cap) {
    return sys::internal::Invoke(number, cap).status;
  };
  for (const Syscall number : {Syscall::kSystemOff, Syscall::kSystemReset}) {
    EXPECT_EQ(call(number, Slot()), Status::kBadCap);
    EXPECT_EQ(call(number, Boot().irq_control), Status::kBadType);
    if (Boot().firmware == kNullCap) continue;
    const CapIndex weak = Slot();
    ASSERT_EQ(sys::CapCopy(kNullCap, weak, Boot().firmware, rights::kCopy), Status::kOk);
    EXPECT_EQ(call(number, weak), Status::kNoRight);
  }
}

}  // namespace
}  // namespace pyrene::kernel_test
