// SPDX-License-Identifier: Apache-2.0
//
// How long a device's interrupt waits, at most, for its driver: a root service on two CPUs. On CPU
// 0 a driver of the highest priority waits for the PL011's line, under each load of
// latency_loads.h. CPU 1 only sleeps and, at times that have nothing to do with the load, raises
// the line: it stands for the device. QEMU ends CPU 0's turn at that very instruction, wherever it
// is. The plugin trace.c counts what CPU 0 executes from then on.
#include <atomic>
#include <cstdio>
#include <functional>

#include "runtime/kernel/syscall.h"
#include "tests/bench/latency_loads.h"
#include "tests/bench/root.h"
#include "tests/kernel/fixture.h"
#include "tests/kernel/program.h"
#include "tests/kernel/task.h"
#include "tests/kernel/uart.h"

namespace pyrene::bench {
namespace {

using kernel_test::On;
using kernel_test::TaskOf;

constexpr uint64_t kSamples = 1000;
constexpr uint8_t kDriverPriority = 31;
constexpr uint8_t kDevicePriority = 20;
constexpr uint8_t kLoadPriority = 10;
// Ticks between two interrupts.
constexpr uint64_t kShortest = 400;
constexpr uint64_t kSpread = 4096;
// PL011: the transmit interrupt is pending after any output; its mask raises and lowers the line.
constexpr unsigned kMaskRegister = 0x38 / 4;
constexpr uint32_t kTransmit = 1u << 5;

class Objects : public kernel_test::KernelTest {
 public:
  Objects() { SetUp(); }
  ~Objects() override { TearDown(); }

 private:
  void TestBody() override {}
};

struct Line {
  CapIndex irq, notification;
  CapIndex taken;  // signalled by the driver when the line is low again
};

void Drive(const Line& line) {
  Check(sys::IrqBind(line.irq, line.notification, 1), "bind");
  while (sys::NotificationWait(line.notification, 1, kNoDeadline).status == Status::kOk) {
    Put<Mark::kDriver>();
    kernel_test::UartRegisters()[kMaskRegister] = 0;
    Check(sys::IrqAcknowledge(line.irq), "acknowledge");
    Check(sys::NotificationSignal(line.taken, 1), "signal");
  }
}

// A full-period generator (Knuth, MMIX): the same times in every run.
uint64_t NextTime(uint64_t& state) {
  state = state * 6364136223846793005 + 1442695040888963407;
  return kShortest + (state >> 33) % kSpread;
}

// Asleep while the driver is awaited: the kernel on CPU 0 must have nothing to wait for on CPU 1,
// whose turn would not come.
void BeDevice(const Line& line) {
  uint64_t state = 1;
  for (uint64_t i = 0; i < kSamples; ++i) {
    static_cast<void>(sys::NotificationWait(line.taken, 1, sys::Ticks() + NextTime(state)));
    kernel_test::UartRegisters()[kMaskRegister] = kTransmit;
    static_cast<void>(sys::NotificationWait(line.taken, 1, kNoDeadline));
  }
}

void Measure(const Load& load) {
  Objects objects;
  const std::function<void(const std::atomic<bool>&)> loop = load.prepare(objects);
  std::atomic<bool> stop{false};
  Line line;
  line.irq = objects.Slot();
  line.notification = objects.NewNotification();
  line.taken = objects.NewNotification();
  Check(sys::IrqDerive(line.irq, kernel_test::Boot().irq_control, kernel_test::UartIntid()), "irq");
  TaskOf driver(On(0, kDriverPriority), [&] { Drive(line); });
  TaskOf device(On(1, kDevicePriority), [&] { BeDevice(line); });
  TaskOf busy(On(0, kLoadPriority), [&] { loop(stop); });
  driver->Start();
  if (!driver->Reaches(ThreadState::kBlocked)) Check(Status::kTimeout, "driver");
  if (loop) busy->Start();
  load.mark();
  device->Start();
  if (!device->Ends()) Check(Status::kTimeout, "samples");
  stop = true;
  if (loop && !busy->Ends()) Check(Status::kTimeout, "load");
}

}  // namespace
}  // namespace pyrene::bench

int main() {
  using namespace pyrene::bench;
  if (!pyrene::kernel_test::MapUart() || !pyrene::kernel_test::OpenProgram()) return 1;
  printf("BENCH begin\n");
  fflush(stdout);
  unsigned count;
  const Load* const loads = Loads(count);
  for (unsigned i = 0; i < count; ++i) Measure(loads[i]);
  printf("BENCH end\n");
  fflush(stdout);
  return 0;
}
