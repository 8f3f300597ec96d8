// SPDX-License-Identifier: Apache-2.0
#include "runtime/kernel/cap_allocator.h"
#include "runtime/kernel/syscall.h"
#include "tests/bench/root.h"
#include "tests/kernel/task.h"

// `svc #0` x0 times; entries of upcalls that only return, and that return to where they would have
// returned anyway.
extern "C" {
void bench_linux_calls(uint64_t count);
void bench_upcall();
void bench_upcall_move();
}
asm(R"(
	.text
	.balign	16
bench_linux_calls:
	stp	x19, x30, [sp, #-16]!
	mov	x19, x0
1:	svc	#0
bench_linux_call_done:
	subs	x19, x19, #1
	b.ne	1b
	ldp	x19, x30, [sp], #16
	ret
bench_upcall_move:
	adr	x0, bench_linux_call_done
	mov	x8, #29
	svc	#1
bench_upcall:
	svc	#2
	b	.
)");
static_assert(static_cast<uint64_t>(pyrene::Syscall::kUpcallMove) == 29);

namespace pyrene::bench {
namespace {

using kernel_test::On;
using kernel_test::TaskOf;

alignas(16) uint8_t upcall_stack[1024];

// What the task found, in ticks of kRounds rounds.
struct Found {
  uint64_t set = 0, upcall = 0, move = 0;
  CapIndex done = kNullCap;
};

Status SetUpcall(void (*entry)()) {
  return sys::UpcallSet(reinterpret_cast<uint64_t>(entry),
                        reinterpret_cast<uint64_t>(upcall_stack + sizeof(upcall_stack)));
}

uint64_t TimeLinuxCalls(void (*entry)()) {
  static_cast<void>(SetUpcall(entry));
  const uint64_t begin = sys::Ticks();
  bench_linux_calls(kRounds);
  return sys::Ticks() - begin;
}

void Measure(Found& found) {
  const uint64_t begin = sys::Ticks();
  for (uint64_t i = 0; i < kRounds; ++i) static_cast<void>(SetUpcall(bench_upcall));
  found.set = sys::Ticks() - begin;
  found.upcall = TimeLinuxCalls(bench_upcall);
  found.move = TimeLinuxCalls(bench_upcall_move);
  static_cast<void>(sys::NotificationSignal(found.done, 1));
}

}  // namespace

void MeasureUpcalls() {
  Found found;
  found.done = runtime::Caps().Allocate();
  Check(sys::NotificationCreate(found.done), "notification");
  TaskOf task(On(0), [&found] { Measure(found); });
  task->Start();
  Check(sys::NotificationWait(found.done, 1, kNoDeadline).status, "wait");
  Report("upcall_set", found.set);
  Report("upcall_round_trip", found.upcall);
  Report("upcall_move", found.move - found.upcall);
}

}  // namespace pyrene::bench
