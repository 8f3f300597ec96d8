// SPDX-License-Identifier: Apache-2.0
#include "kernel/arch/timer.h"
#include "kernel/object/domain.h"
#include "kernel/object/thread.h"
#include "kernel/sched/cpu.h"
#include "kernel/syscall/create.h"
#include "kernel/syscall/dispatch.h"

namespace pyrene::syscalls {
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
  PYRENE_TRY(Find(call, call.Argument(1), ObjectType::kDomain, rights::kControl, domain));
  const ThreadParameters parameters = ThreadParameters::Unpack(call.Argument(5));
  if (!Valid(parameters)) return Status::kBadArgument;
  PYRENE_LOCK_STRUCTURE();
  if (domain->dying()) return Status::kGone;
  // A thread may not outrank its creator, else any service could starve the drivers.
  if (parameters.priority > call.thread.parameters().priority) return Status::kNoRight;
  return CreateObject<Thread>(call, ObjectType::kThread, rights::kAll, nullptr, *domain,
                              call.Argument(2), call.Argument(3), call.Argument(4), parameters);
}

Status ThreadStart(Call& call) {
  Thread* thread;
  PYRENE_TRY(ControlledThread(call, thread));
  PYRENE_LOCK_STRUCTURE();
  return thread->Start();
}

Status ThreadStop(Call& call) {
  Thread* thread;
  PYRENE_TRY(ControlledThread(call, thread));
  PYRENE_LOCK_STRUCTURE();
  thread->Stop(ThreadState::kStopped);
  return Status::kOk;
}

Status ThreadSet(Call& call) {
  Thread* thread;
  PYRENE_TRY(ControlledThread(call, thread));
  const ThreadParameters parameters = ThreadParameters::Unpack(call.Argument(1));
  if (!Valid(parameters)) return Status::kBadArgument;
  PYRENE_LOCK_STRUCTURE();
  if (parameters.priority > call.thread.parameters().priority) return Status::kNoRight;
  // A budget is at most the period, and both fit the counter for centuries.
  constexpr uint64_t kMostMicroseconds = uint64_t{1} << 32;
  const uint64_t budget = call.Argument(2);
  const uint64_t period = call.Argument(3);
  if (budget > period || period > kMostMicroseconds) return Status::kBadArgument;
  thread->SetBudget(arch::TicksOf(budget), arch::TicksOf(period));
  thread->SetParameters(parameters);
  return Status::kOk;
}

Status ThreadInfo(Call& call) {
  Thread* thread;
  PYRENE_TRY(ControlledThread(call, thread));
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

Status UpcallInfo(Call& call) {
  const pyrene::UpcallInfo info = call.thread.upcall_info();
  call.Result(1, info.pc);
  call.Result(2, info.sp);
  call.Result(3, info.pstate);
  call.Result(4, info.esr);
  call.Result(5, info.far);
  return Status::kOk;
}

Status UpcallMove(Call& call) { return call.thread.MoveUpcall(call.Argument(0)); }

}  // namespace pyrene::syscalls
