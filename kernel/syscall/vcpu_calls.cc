// SPDX-License-Identifier: Apache-2.0
#include "kernel/abi/syscall.h"
#include "kernel/cap/derivation.h"
#include "kernel/object/domain.h"
#include "kernel/object/vcpu.h"
#include "kernel/sched/cpu.h"
#include "kernel/syscall/dispatch.h"

namespace pyrene::syscalls {

Status VcpuCreate(Call& call) {
  Domain* guest;
  PYRENE_TRY(Find(call, call.Argument(1), ObjectType::kDomain, rights::kControl, guest));
  PYRENE_LOCK_STRUCTURE();
  Slot* slot;
  PYRENE_TRY(call.domain.caps().Reserve(call.domain.account(), call.Argument(0), slot));
  Vcpu* vcpu = Vcpu::Create(call.domain.account(), *guest, call.Argument(3) & 0xff00ffffff);
  if (vcpu == nullptr) return Status::kNoMemory;
  if (Status s = vcpu->ShareState(call.domain, call.Argument(2)); s != Status::kOk) {
    vcpu->Detach();
    call.domain.account().Delete(vcpu);
    return s;
  }
  Insert(*slot, nullptr, Slot::Pack(vcpu, ObjectType::kVcpu, rights::kAll, true), 0);
  return Status::kOk;
}

Status VcpuKick(Call& call) {
  Vcpu* vcpu;
  PYRENE_TRY(Find(call, call.Argument(0), ObjectType::kVcpu, rights::kKick, vcpu));
  vcpu->Kick();
  return Status::kOk;
}

Status VcpuSync(Call& call) {
  Vcpu* vcpu;
  PYRENE_TRY(Find(call, call.Argument(0), ObjectType::kVcpu, rights::kControl, vcpu));
  return vcpu->Sync(call.cpu, call.thread);
}

Status VcpuTranslate(Call& call) {
  Vcpu* vcpu;
  PYRENE_TRY(Find(call, call.Argument(0), ObjectType::kVcpu, rights::kControl, vcpu));
  const bool write = call.Argument(2) == static_cast<uint64_t>(TranslateAccess::kWrite);
  return vcpu->Translate(call.cpu, call.thread, call.Argument(1), write, call.Argument(3));
}

}  // namespace pyrene::syscalls
