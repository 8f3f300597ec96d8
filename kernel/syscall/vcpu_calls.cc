// SPDX-License-Identifier: Apache-2.0
#include "kernel/abi/syscall.h"
#include "kernel/cap/derivation.h"
#include "kernel/memory/layout.h"
#include "kernel/object/domain.h"
#include "kernel/object/vcpu.h"
#include "kernel/sched/cpu.h"
#include "kernel/sched/structure_lock.h"
#include "kernel/syscall/dispatch.h"

namespace pyrene {

Status VcpuCreate(Call& call) {
  Domain* guest;
  if (Status s = Find(call, call.Argument(1), ObjectType::kDomain, rights::kControl, guest);
      s != Status::kOk)
    return s;
  StructureLock lock;
  if (!lock.held()) return kRestart;
  Slot* slot;
  if (Status s = call.domain.caps().Reserve(call.domain.account(), call.Argument(0), slot);
      s != Status::kOk)
    return s;
  Vcpu* vcpu = Vcpu::Create(call.domain.account(), *guest, call.Argument(3) & 0xff00ffffff);
  if (vcpu == nullptr) return Status::kNoMemory;
  if (Status s = vcpu->ShareState(call.domain, call.Argument(2)); s != Status::kOk) {
    call.domain.account().Delete(vcpu);
    return s;
  }
  Insert(*slot, nullptr, Slot::Pack(vcpu, ObjectType::kVcpu, rights::kAll, true), 0);
  return Status::kOk;
}

Status VcpuRun(Call& call) {
  Vcpu* vcpu;
  if (Status s = Find(call, call.Argument(0), ObjectType::kVcpu, rights::kControl, vcpu);
      s != Status::kOk)
    return s;
  const Status status = vcpu->Run(call.cpu, call.thread, call.Argument(1));
  return status == Status::kOk ? kAnswered : status;
}

Status VcpuKick(Call& call) {
  Vcpu* vcpu;
  if (Status s = Find(call, call.Argument(0), ObjectType::kVcpu, rights::kKick, vcpu);
      s != Status::kOk)
    return s;
  vcpu->Kick();
  return Status::kOk;
}

Status VcpuSync(Call& call) {
  Vcpu* vcpu;
  if (Status s = Find(call, call.Argument(0), ObjectType::kVcpu, rights::kControl, vcpu);
      s != Status::kOk)
    return s;
  return vcpu->Sync(call.cpu);
}

Status VcpuTranslate(Call& call) {
  Vcpu* vcpu;
  if (Status s = Find(call, call.Argument(0), ObjectType::kVcpu, rights::kControl, vcpu);
      s != Status::kOk)
    return s;
  const bool write = call.Argument(2) == static_cast<uint64_t>(TranslateAccess::kWrite);
  return vcpu->Translate(call.cpu, call.Argument(1), write, call.Argument(3));
}

}  // namespace pyrene
