// SPDX-License-Identifier: Apache-2.0
#include "kernel/cap/derivation.h"
#include "kernel/memory/layout.h"
#include "kernel/object/domain.h"
#include "kernel/object/memory_object.h"
#include "kernel/object/notification.h"
#include "kernel/object/thread.h"
#include "kernel/syscall/dispatch.h"

namespace pyrene::syscalls {
namespace {

Status ControlledDomain(Call& call, Domain*& domain) {
  return Find(call, call.Argument(0), ObjectType::kDomain, rights::kControl, domain);
}

// `done` of the pages that the call was made for, of which there is an address and then a number
// from argument `index` on. If that is not all, the call is made again for the rest.
Status GoOn(Call& call, unsigned index, uint64_t done) {
  call.Result(index, call.Argument(index) + done * kPageBytes);
  call.Result(index + 1, call.Argument(index + 1) - done);
  return call.Argument(index + 1) == 0 ? Status::kOk : kRestart;
}

}  // namespace

Status DomainCreate(Call& call) {
  PYRENE_LOCK_STRUCTURE();
  Slot* slot;
  PYRENE_TRY(call.domain.caps().Reserve(call.domain.account(), call.Argument(0), slot));
  Status status;
  Domain* domain = Domain::Create(status, call.domain.account(), call.Argument(1));
  if (status != Status::kOk) return status;
  Insert(*slot, nullptr, Slot::Pack(domain, ObjectType::kDomain, rights::kAll, true), 0);
  call.Result(1, domain->id());
  return Status::kOk;
}

Status DomainMap(Call& call) {
  PYRENE_LOCK_STRUCTURE();
  Domain* domain;
  PYRENE_TRY(ControlledDomain(call, domain));
  const auto wanted =
      static_cast<Rights>(call.Argument(5) & (rights::kRead | rights::kWrite | rights::kExecute));
  MemoryObject* memory;
  PYRENE_TRY(Find(call, call.Argument(1), ObjectType::kMemory, wanted, memory));
  if (domain->dying()) return Status::kGone;
  uint64_t done = 0;
  const Status status =
      domain->Map(*memory, call.domain.caps().Find(call.Argument(1)), call.Argument(2),
                  call.Argument(3), call.Argument(4), wanted, &done);
  if (done == 0) return status;
  call.Result(2, call.Argument(2) + done);
  return GoOn(call, 3, done);
}

Status DomainUnmap(Call& call) {
  Domain* domain;
  PYRENE_TRY(ControlledDomain(call, domain));
  PYRENE_LOCK_STRUCTURE();
  uint64_t done;
  PYRENE_TRY(domain->Unmap(call.Argument(1), call.Argument(2), done));
  return GoOn(call, 1, done);
}

Status DomainReset(Call& call) {
  Domain* domain;
  PYRENE_TRY(ControlledDomain(call, domain));
  PYRENE_LOCK_STRUCTURE();
  domain->UnmapAll();
  return Status::kOk;
}

Status DomainAccount(Call& call) {
  Domain* domain;
  PYRENE_TRY(ControlledDomain(call, domain));
  PYRENE_LOCK_STRUCTURE();
  call.Result(1, domain->account().quota());
  call.Result(2, domain->account().used());
  call.Result(3, domain->cpu_time());
  return Status::kOk;
}

Status DomainSupervise(Call& call) {
  Domain* domain;
  PYRENE_TRY(ControlledDomain(call, domain));
  Notification* notification;
  PYRENE_TRY(
      Find(call, call.Argument(1), ObjectType::kNotification, rights::kSignal, notification));
  PYRENE_LOCK_STRUCTURE();
  domain->supervisor().Bind(notification, call.Argument(2));
  return Status::kOk;
}

Status DomainFault(Call& call) {
  Domain* domain;
  PYRENE_TRY(ControlledDomain(call, domain));
  const FaultReport report = domain->TakeReport();
  call.Result(1, static_cast<uint64_t>(report.kind));
  call.Result(2, report.thread);
  call.Result(3, report.esr);
  call.Result(4, report.far);
  call.Result(5, report.pc);
  return Status::kOk;
}

}  // namespace pyrene::syscalls
