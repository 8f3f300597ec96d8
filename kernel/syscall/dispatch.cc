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

Status LookUp(Domain& domain, uint64_t index, ObjectType type, Rights rights, uint64_t& word) {
  const Slot* slot = domain.caps().Find(index);
  word = slot == nullptr ? 0 : slot->Load();
  const ObjectType found = Slot::TypeOf(word);
  if (found == ObjectType::kNone) return Status::kBadCap;
  if (found != type) return Status::kBadType;
  if ((Slot::RightsOf(word) & rights) != rights) return Status::kNoRight;
  return Status::kOk;
}

void DispatchSyscall(Cpu& cpu, Thread& thread) {
  Frame& frame = thread.frame();
  if (frame.x[8] == static_cast<uint64_t>(Syscall::kVcpuRun)) [[likely]] {
    // The way of every guest exit: not through the table.
    Call call{cpu, thread, *thread.domain()};
    const Status status = syscalls::VcpuRun(call);
    if (status != kAnswered) thread.SetResult(status);
    return;
  }
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
