// SPDX-License-Identifier: Apache-2.0
#include "kernel/cap/derivation.h"
#include "kernel/object/domain.h"
#include "kernel/object/thread.h"
#include "kernel/sched/cpu.h"
#include "kernel/sched/structure_lock.h"
#include "kernel/syscall/dispatch.h"

namespace pyrene {
namespace {

Status ControlledThread(Call& call, Thread*& thread) {
  return Find(call, call.Argument(0), ObjectType::kThread, rights::kControl, thread);
}

bool Valid(const ThreadParameters& parameters) {
  return parameters.priority < kPriorities && parameters.cpu < kMaxCpus &&
         cpus[parameters.cpu].online && parameters.weight != 0;
}

}  // namespace

Status ThreadCreate(Call& call) {
  Domain* domain;
  if (Status s = Find(call, call.Argument(1), ObjectType::kDomain, rights::kControl, domain);
      s != Status::kOk)
    return s;
  const ThreadParameters parameters = ThreadParameters::Unpack(call.Argument(5));
  if (!Valid(parameters)) return Status::kBadArgument;
  StructureLock lock;
  if (!lock.held()) return kRestart;
  if (domain->dying()) return Status::kGone;
  // A thread may not outrank its creator, else any service could starve the drivers.
  if (parameters.priority > call.thread.parameters().priority) return Status::kNoRight;
  Slot* slot;
  if (Status s = call.domain.caps().Reserve(call.domain.account(), call.Argument(0), slot);
      s != Status::kOk)
    return s;
  auto* thread = call.domain.account().New<Thread>(call.domain.account(), *domain, call.Argument(2),
                                                   call.Argument(3), call.Argument(4), parameters);
  if (thread == nullptr) return Status::kNoMemory;
  Insert(*slot, nullptr, Slot::Pack(thread, ObjectType::kThread, rights::kAll, true), 0);
  return Status::kOk;
}

Status ThreadStart(Call& call) {
  Thread* thread;
  if (Status s = ControlledThread(call, thread); s != Status::kOk) return s;
  StructureLock lock;
  if (!lock.held()) return kRestart;
  return thread->Start();
}

Status ThreadStop(Call& call) {
  Thread* thread;
  if (Status s = ControlledThread(call, thread); s != Status::kOk) return s;
  StructureLock lock;
  if (!lock.held()) return kRestart;
  thread->Stop(ThreadState::kStopped);
  return Status::kOk;
}

Status ThreadSet(Call& call) {
  Thread* thread;
  if (Status s = ControlledThread(call, thread); s != Status::kOk) return s;
  const ThreadParameters parameters = ThreadParameters::Unpack(call.Argument(1));
  if (!Valid(parameters)) return Status::kBadArgument;
  StructureLock lock;
  if (!lock.held()) return kRestart;
  if (parameters.priority > call.thread.parameters().priority) return Status::kNoRight;
  thread->SetParameters(parameters);
  return Status::kOk;
}

Status ThreadInfo(Call& call) {
  Thread* thread;
  if (Status s = ControlledThread(call, thread); s != Status::kOk) return s;
  call.Result(1, static_cast<uint64_t>(thread->state()));
  call.Result(2, thread->cpu_time());
  call.Result(3, thread->parameters().Pack());
  return Status::kOk;
}

Status ThreadExit(Call& call) {
  call.thread.Exit(call.Argument(0));
  return kAnswered;
}

Status ThreadYield(Call& call) {
  call.thread.SetResult(Status::kOk);
  call.cpu.scheduler.Yield();
  return kAnswered;
}

Status UpcallSet(Call& call) {
  call.thread.SetUpcall(call.Argument(0), call.Argument(1));
  return Status::kOk;
}

Status UpcallInfoGet(Call& call) {
  const UpcallInfo info = call.thread.upcall_info();
  call.Result(1, info.pc);
  call.Result(2, info.sp);
  call.Result(3, info.pstate);
  call.Result(4, info.esr);
  call.Result(5, info.far);
  return Status::kOk;
}

Status UpcallMove(Call& call) { return call.thread.MoveUpcall(call.Argument(0)); }

}  // namespace pyrene
