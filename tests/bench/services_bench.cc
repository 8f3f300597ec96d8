// SPDX-License-Identifier: Apache-2.0
//
// What services pay for talking to each other on one CPU: a root service that makes two domains and
// measures between threads of them; and what system calls cost (system_call_rows.cc,
// upcall_rows.cc).
#include <cstdint>
#include <cstdio>
#include <utility>

#include "kernel/abi/boot_info.h"
#include "runtime/kernel/cap_allocator.h"
#include "runtime/kernel/port_call.h"
#include "runtime/kernel/syscall.h"
#include "tests/bench/root.h"
#include "tests/kernel/program.h"
#include "tests/kernel/uart.h"

namespace pyrene::bench {
namespace {

constexpr uint64_t kQuotaPages = 32;
constexpr uint8_t kSenderPriority = 10;
constexpr uint8_t kReceiverPriority = 20;  // runs at once when it is woken

// In each domain.
constexpr CapIndex kPort = 16;
constexpr CapIndex kSignal = 17;
constexpr CapIndex kDone = 18;
constexpr uint64_t kSharedAddress = 0x20000000;
constexpr uint64_t kStackPages = 2;

// One page that both domains see, and whose functions run there without any other data.
struct Shared {
  uint64_t sent;     // when the signal was sent
  uint64_t elapsed;  // ticks of all rounds
};

// A domain with the program's code, the shared page, and a stack behind it.
CapIndex NewDomain(CapIndex shared) {
  constexpr Rights kReadWrite = rights::kRead | rights::kWrite;
  const CapIndex domain = runtime::Caps().Allocate();
  Check(sys::DomainCreate(domain, kQuotaPages).status, "domain");
  Check(kernel_test::MapProgram(domain), "program");
  Check(sys::DomainMap(domain, shared, 0, kSharedAddress, 1, kReadWrite), "shared page");
  Check(
      sys::DomainMap(domain, Ram(kStackPages), 0, kSharedAddress + kPage, kStackPages, kReadWrite),
      "stack");
  return domain;
}

void StartThread(CapIndex domain, void (*function)(Shared*), uint8_t priority) {
  const CapIndex thread = runtime::Caps().Allocate();
  Check(sys::ThreadCreate(thread, domain, reinterpret_cast<uint64_t>(function),
                          kSharedAddress + (1 + kStackPages) * kPage, kSharedAddress,
                          {priority, 0, 256}),
        "thread");
  Check(sys::ThreadStart(thread), "thread start");
}

[[noreturn]] void Answer(Shared*) {
  sys::PortMessage message = {};
  while (true) static_cast<void>(sys::PortReplyWait(kPort, message));
}

[[noreturn]] void Call(Shared* shared) {
  sys::PortMessage message = {};
  static_cast<void>(sys::PortCall(kPort, message));  // the server waits from now on
  const uint64_t begin = sys::Ticks();
  for (uint64_t i = 0; i < kRounds; ++i) static_cast<void>(sys::PortCall(kPort, message));
  shared->elapsed = sys::Ticks() - begin;
  static_cast<void>(sys::NotificationSignal(kDone, 1));
  sys::ThreadExit(0);
}

[[noreturn]] void Wait(Shared* shared) {
  while (true) {
    static_cast<void>(sys::NotificationWait(kSignal, 1, kNoDeadline));
    shared->elapsed += sys::Ticks() - shared->sent;
  }
}

[[noreturn]] void Signal(Shared* shared) {
  for (uint64_t i = 0; i < kRounds; ++i) {
    // A tick is 16 instructions: begin at another one of them each time, so that the mean is exact.
    for (uint64_t delay = i % 16; delay != 0; --delay) asm volatile("");
    shared->sent = sys::Ticks();
    static_cast<void>(sys::NotificationSignal(kSignal, 1));
  }
  static_cast<void>(sys::NotificationSignal(kDone, 1));
  sys::ThreadExit(0);
}

// Runs the pair, each in a domain of its own, and reports how long a round took.
void Measure(const char* name, void (*receiver)(Shared*), void (*sender)(Shared*)) {
  const CapIndex page = Ram(1);
  constexpr uint64_t kAddress = kWindowAddress + (uint64_t{1} << 36);
  Check(sys::DomainMap(kSelfDomainCap, page, 0, kAddress, 1, rights::kRead | rights::kWrite),
        "shared page");
  auto* shared = reinterpret_cast<Shared*>(kAddress);
  *shared = {};
  const CapIndex port = runtime::Caps().Allocate();
  const CapIndex signal = runtime::Caps().Allocate();
  const CapIndex done = runtime::Caps().Allocate();
  Check(sys::PortCreate(port), "port");
  Check(sys::NotificationCreate(signal), "notification");
  Check(sys::NotificationCreate(done), "notification");
  for (const auto& [function, priority] :
       {std::pair(receiver, kReceiverPriority), std::pair(sender, kSenderPriority)}) {
    const CapIndex domain = NewDomain(page);
    Check(sys::CapCopy(domain, kPort, port, rights::kAll), "capability");
    Check(sys::CapCopy(domain, kSignal, signal, rights::kAll), "capability");
    Check(sys::CapCopy(domain, kDone, done, rights::kAll), "capability");
    StartThread(domain, function, priority);
  }
  Check(sys::NotificationWait(done, 1, kNoDeadline).status, "wait");
  Report(name, shared->elapsed);
  Check(sys::DomainUnmap(kSelfDomainCap, kAddress, 1), "shared page");
}

}  // namespace
}  // namespace pyrene::bench

int main() {
  using namespace pyrene::bench;
  if (!pyrene::kernel_test::MapUart() || !pyrene::kernel_test::OpenProgram()) return 1;
  Measure("port_call_reply", Answer, Call);
  Measure("notification_wake", Wait, Signal);
  MeasureSystemCalls();
  MeasureUpcalls();
  printf("BENCH end\n");
  fflush(stdout);
  return 0;
}
