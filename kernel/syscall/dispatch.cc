// SPDX-License-Identifier: Apache-2.0
#include "kernel/syscall/dispatch.h"

#include "kernel/abi/syscall.h"
#include "kernel/object/domain.h"
#include "kernel/object/thread.h"
#include "kernel/sched/cpu.h"

namespace pyrene {
namespace {

constexpr uint64_t kInstructionBytes = 4;

using Handler = Status (*)(Call&);

Handler HandlerOf(uint64_t number) {
  switch (static_cast<Syscall>(number)) {
#define PYRENE_CASE(name) \
  case Syscall::k##name:  \
    return syscalls::name;
    PYRENE_SYSCALLS(PYRENE_CASE)
#undef PYRENE_CASE
    default:
      return nullptr;
  }
}

}  // namespace

uint64_t Call::Argument(unsigned index) const { return thread.frame().x[index]; }
void Call::Result(unsigned index, uint64_t value) { thread.frame().x[index] = value; }

void DispatchSyscall(Cpu& cpu, Thread& thread) {
  Frame& frame = thread.frame();
  const Handler handler = HandlerOf(frame.x[8]);
  if (handler == nullptr) return thread.SetResult(Status::kBadCall);
  Call call{cpu, thread, *thread.domain()};
  const Status status = handler(call);
  if (cpu.current != &thread) return;  // it destroyed itself
  if (status == kRestart) {
    frame.pc -= kInstructionBytes;
  } else if (status != kAnswered) {
    thread.SetResult(status);
  }
}

}  // namespace pyrene
