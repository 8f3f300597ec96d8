// SPDX-License-Identifier: Apache-2.0
//
// From x8 to the function that carries a system call out.
#pragma once

#include <cstdint>

#include "kernel/abi/capability.h"
#include "kernel/abi/status.h"
#include "kernel/cap/slot.h"

namespace pyrene {

struct Cpu;
class Domain;
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
Status LookUp(Domain& domain, uint64_t index, ObjectType type, Rights rights, uint64_t& word);

template <typename T>
Status Find(Call& call, uint64_t index, ObjectType type, Rights rights, T*& object) {
  uint64_t word = 0;
  const Status status = LookUp(call.domain, index, type, rights, word);
  object = Slot::ObjectOf<T>(word);
  return status;
}

// One function for each system call; syscall/table.cc lists them.
using Handler = Status (*)(Call&);
Status CapCopy(Call& call);
Status CapDelete(Call& call);
Status CapRevoke(Call& call);
Status CapInspect(Call& call);
Status DomainCreate(Call& call);
Status DomainMap(Call& call);
Status DomainUnmap(Call& call);
Status DomainReset(Call& call);
Status DomainAccount(Call& call);
Status DomainSupervise(Call& call);
Status DomainFault(Call& call);
Status ThreadCreate(Call& call);
Status ThreadStart(Call& call);
Status ThreadStop(Call& call);
Status ThreadSet(Call& call);
Status ThreadInfo(Call& call);
Status ThreadExit(Call& call);
Status ThreadYield(Call& call);
Status UpcallSet(Call& call);
Status UpcallInfoGet(Call& call);
Status UpcallMove(Call& call);
Status VcpuCreate(Call& call);
Status VcpuRun(Call& call);
Status VcpuKick(Call& call);
Status VcpuSync(Call& call);
Status VcpuTranslate(Call& call);
Status MemoryDerive(Call& call);
Status MemoryInfo(Call& call);
Status NotificationCreate(Call& call);
Status NotificationSignal(Call& call);
Status NotificationWait(Call& call);
Status IrqDerive(Call& call);
Status IrqBind(Call& call);
Status IrqAcknowledge(Call& call);
Status SystemOff(Call& call);
Status SystemReset(Call& call);

}  // namespace pyrene
