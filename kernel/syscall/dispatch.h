// SPDX-License-Identifier: Apache-2.0
//
// From x8 to the function that carries a system call out.
#pragma once

#include <cstdint>

#include "kernel/abi/capability.h"
#include "kernel/abi/status.h"
#include "kernel/cap/slot.h"
#include "kernel/object/domain.h"
#include "kernel/sched/structure_lock.h"

namespace pyrene {

struct Cpu;
class Thread;

// The calling thread's frame has the arguments and gets the answer.
void DispatchSyscall(Cpu& cpu, Thread& thread);

// What a handler works with. Results go to thread's x1..x7 by Result; the returned Status to x0.
struct Call {
  Cpu& cpu;
  Thread& thread;
  Domain& domain;

  uint64_t Argument(unsigned index) const;
  void Result(unsigned index, uint64_t value);  // index 1..7
};

// A handler returns this when the answer is in the frame already, or will be when the thread is
// woken.
inline constexpr Status kAnswered = static_cast<Status>(1);
// The call is made again: the structure lock was not to be had, or a preemption point was reached.
inline constexpr Status kRestart = static_cast<Status>(2);

// The object of type T that `index` names with all of `rights`; kBadCap, kBadType, kNoRight. No
// lock needed (cap/slot.h).
inline Status LookUp(Domain& domain, uint64_t index, ObjectType type, Rights rights,
                     uint64_t& word) {
  const Slot* slot = domain.caps().Find(index);
  word = slot == nullptr ? 0 : slot->Load();
  const ObjectType found = Slot::TypeOf(word);
  if (found == type && (Slot::RightsOf(word) & rights) == rights) [[likely]]
    return Status::kOk;
  if (found == ObjectType::kNone) return Status::kBadCap;
  return found != type ? Status::kBadType : Status::kNoRight;
}

template <typename T>
Status Find(Call& call, uint64_t index, ObjectType type, Rights rights, T*& object) {
  uint64_t word = 0;
  const Status status = LookUp(call.domain, index, type, rights, word);
  object = Slot::ObjectOf<T>(word);
  return status;
}

// One function for each system call, named as in enum class Syscall; all but vcpu_run, which
// sched/entry.cc treats first.
// clang-format off
#define PYRENE_SYSCALLS(X)                                                              \
  X(CapCopy) X(CapDelete) X(CapRevoke) X(CapInspect) X(DomainCreate) X(DomainMap)       \
  X(DomainUnmap) X(DomainReset) X(DomainAccount) X(DomainSupervise) X(DomainFault)      \
  X(ThreadCreate) X(ThreadStart) X(ThreadStop) X(ThreadSet) X(ThreadInfo) X(ThreadExit) \
  X(ThreadYield) X(UpcallSet) X(UpcallInfo) X(UpcallMove) X(VcpuCreate) X(VcpuKick)     \
  X(VcpuSync) X(VcpuTranslate) X(MemoryDerive) X(MemoryInfo) X(PortCreate) X(PortCall)  \
  X(PortReplyWait) X(NotificationCreate) X(NotificationSignal) X(NotificationWait)      \
  X(IrqDerive) X(IrqBind) X(IrqAcknowledge) X(SystemOff) X(SystemReset)
// clang-format on

namespace syscalls {
#define PYRENE_DECLARE_SYSCALL(name) Status name(Call& call);
PYRENE_SYSCALLS(PYRENE_DECLARE_SYSCALL)
#undef PYRENE_DECLARE_SYSCALL
}  // namespace syscalls

}  // namespace pyrene

// Returns from the enclosing function what is not kOk.
#define PYRENE_TRY(expression) \
  if (const Status status_ = (expression); status_ != Status::kOk) return status_
// Waits for the structure lock until the end of the scope; an interrupt makes the call restart.
#define PYRENE_LOCK_STRUCTURE() \
  StructureLock structure_lock; \
  if (!structure_lock.held()) return kRestart
