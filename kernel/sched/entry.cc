// SPDX-License-Identifier: Apache-2.0
#include "kernel/sched/entry.h"

#include "kernel/abi/syscall.h"
#include "kernel/arch/barrier.h"
#include "kernel/arch/gic.h"
#include "kernel/arch/sysreg.h"
#include "kernel/log/panic.h"
#include "kernel/memory/layout.h"
#include "kernel/object/domain.h"
#include "kernel/object/irq.h"
#include "kernel/object/thread.h"
#include "kernel/object/vcpu_switch.h"
#include "kernel/sched/eviction.h"
#include "kernel/sched/fp_switch.h"
#include "kernel/syscall/dispatch.h"

namespace pyrene {
namespace {

namespace gic = arch::gic;
using arch::ExceptionClass;

constexpr uint64_t kSvcImmediateMask = 0xffff;

// A translation fault of stage 2 at an address that is mapped by now: another CPU was splitting a
// block (break-before-make), or has just mapped it. The instruction is tried again.
bool MappedByNow(const Domain& domain, uint64_t esr, uint64_t address) {
  constexpr uint64_t kFaultKindMask = 0x3c;
  constexpr uint64_t kTranslationFault = 0x04;
  return (esr & kFaultKindMask) == kTranslationFault && domain.Maps(address);
}

// HPFAR_EL2.FIPA: bits 47:12 of the IPA, in 43:4.
uint64_t FaultingPage() { return (PYRENE_READ_SYSREG(hpfar_el2) & 0xfffffffff0) << 8; }

bool IsAbort(ExceptionClass exception) {
  return exception == ExceptionClass::kDataAbortLower ||
         exception == ExceptionClass::kInstructionAbortLower;
}

void TakeInterrupt(Cpu& cpu) {
  const uint32_t iar = gic::Acknowledge();
  const uint32_t intid = iar & list_register::kIntidMask;
  if (intid >= gic::kSpurious) return;
  gic::DropPriority(iar);
  if (intid >= gic::kFirstSpi) {
    if (!Irq::Fired(iar)) {
      gic::Disable(intid);
      gic::Deactivate(iar);
    }
    return;
  }
  switch (intid) {
    case gic::kPokeSgi:
      __atomic_store_n(&cpu.quiesce_ack, __atomic_load_n(&cpu.quiesce_wanted, __ATOMIC_ACQUIRE),
                       __ATOMIC_RELEASE);
      ServeEviction(cpu);
      cpu.scheduler.WantReschedule();
      break;
    case gic::kHypervisorTimerPpi:
      cpu.scheduler.TimerInterrupt();
      // The line is a level: off, or armed for later, before it is deactivated.
      cpu.scheduler.ProgramTimer();
      break;
    case gic::kVirtualTimerPpi:
      if (cpu.loaded != nullptr) cpu.loaded->TimerInterrupt(cpu);
      break;
    case gic::kMaintenancePpi:
      if (cpu.loaded != nullptr) cpu.loaded->MaintenanceInterrupt(cpu);
      break;
    default:
      break;
  }
  gic::Deactivate(iar);
}

// Until a thread is ready. Interrupts stay masked in PSTATE: WFI ends all the same, and they are
// taken by hand.
Thread* Idle(Cpu& cpu) {
  Thread* next;
  // No walks of a domain's tables, which may be freed meanwhile.
  alignas(kPageBytes) static uint64_t empty_table[kPageBytes / sizeof(uint64_t)];
  PYRENE_WRITE_SYSREG(vttbr_el2, PhysicalOf(empty_table));
  do {
    cpu.scheduler.ProgramTimer();
    __atomic_store_n(&cpu.idle, true, __ATOMIC_SEQ_CST);
    // A wake-up between Pick and here has sent an interrupt, which ends the WFI at once.
    arch::WaitForInterrupt();
    __atomic_store_n(&cpu.idle, false, __ATOMIC_SEQ_CST);
    TakeInterrupt(cpu);
    next = cpu.scheduler.Pick(nullptr);
  } while (next == nullptr);
  return next;
}

// The thread's registers but those of its Frame, which is returned, into the hardware.
Frame* LoadService(Cpu& cpu, Thread& thread) {
  if (cpu.el0 != &thread) {
    SaveEl0(cpu);
    PYRENE_WRITE_SYSREG(sp_el0, thread.sp_el0);
    PYRENE_WRITE_SYSREG(tpidr_el0, thread.tpidr_el0);
    cpu.el0 = &thread;
  }
  cpu.service_vttbr = thread.domain()->vttbr();
  PYRENE_WRITE_SYSREG(vttbr_el2, cpu.service_vttbr);
  TrapFpUnlessOwned(cpu, thread.fp);
  Frame& frame = thread.frame();
  PYRENE_WRITE_SYSREG(elr_el2, frame.pc);
  PYRENE_WRITE_SYSREG(spsr_el2, frame.pstate);
  return &frame;
}

}  // namespace

Frame* Resume(Cpu& cpu) {
  for (;;) {
    Thread* thread = cpu.current;
    if (thread == nullptr || cpu.scheduler.reschedule_wanted()) [[unlikely]] {
      Thread* next = cpu.scheduler.Pick(thread);
      if (next != thread && cpu.guest_regime) cpu.loaded->Pause(cpu);
      thread = next != nullptr ? next : Idle(cpu);
      cpu.service_vttbr = thread->domain()->vttbr();
      cpu.scheduler.ProgramTimer();
    }
    if (thread->running != nullptr) {
      if (Frame* frame = thread->running->Enter(cpu, *thread)) return frame;
    }
    return LoadService(cpu, *thread);
  }
}

namespace {

// Everything but the two hot ways below.
[[gnu::noinline]] Frame* HandleRarely(Cpu& cpu, Thread& thread, uint64_t esr) {
  switch (arch::ClassOf(esr)) {
    case ExceptionClass::kSvc64:
      switch (esr & kSvcImmediateMask) {
        case kSvcNative:
          DispatchSyscall(cpu, thread);
          return Resume(cpu);
        case kSvcUpcallReturn:
          if (thread.ReturnFromUpcall() == Status::kOk) return Resume(cpu);
          break;
        default:
          if (thread.Upcall(esr, 0)) return Resume(cpu);
          break;
      }
      break;
    case ExceptionClass::kFp:
      TakeFp(cpu, thread.fp);
      return Resume(cpu);
    default:
      if (IsAbort(arch::ClassOf(esr)) &&
          MappedByNow(*thread.domain(), esr, PYRENE_READ_SYSREG(far_el2)))
        return Resume(cpu);
      // Stage 1 is off: FAR_EL2 is the address, and HPFAR_EL2 may be stale for some DFSC.
      if (thread.Upcall(esr, PYRENE_READ_SYSREG(far_el2))) return Resume(cpu);
      break;
  }
  thread.Fault(esr, PYRENE_READ_SYSREG(far_el2));
  return Resume(cpu);
}

[[gnu::noinline]] Frame* GuestUsesFp(Cpu& cpu, Vcpu& vcpu) {
  TakeFp(cpu, vcpu.fp);
  return Resume(cpu);
}

// vcpu_run of another vCPU than last time, or of none.
[[gnu::noinline]] Frame* FindVcpu(Cpu& cpu, Thread& thread) {
  Frame& frame = thread.frame();
  uint64_t word;
  const Status status =
      LookUp(*thread.domain(), frame.x[0], ObjectType::kVcpu, rights::kControl, word);
  if (status != Status::kOk) {
    thread.SetResult(status);
    return Resume(cpu);
  }
  thread.ran = {frame.x[0], thread.domain()->caps().Find(frame.x[0]), word};
  return Slot::ObjectOf<Vcpu>(word)->Run(cpu, thread, frame.x[1]);
}

// Tables have changed since the last abort.
[[gnu::noinline]] Resumption GuestAborts(Cpu& cpu, Thread& thread, Vcpu& vcpu, uint64_t esr) {
  const uint32_t additions = __atomic_load_n(&page_table_additions, __ATOMIC_ACQUIRE);
  if (MappedByNow(*vcpu.guest(), esr, FaultingPage())) return General(Resume(cpu));
  if ((additions & 1) == 0) cpu.additions_seen = additions;
  return vcpu.ExitForAbort(cpu, thread, esr);
}

}  // namespace

// Leaf functions only on the way of a guest's exit and of vcpu_run: no stack is used.
Resumption HandleSynchronous(Cpu* cpu) {
  constexpr uint64_t kSvcNativeEsr =
      static_cast<uint64_t>(ExceptionClass::kSvc64) << 26 | 1u << 25 | kSvcNative;
  Thread& thread = *cpu->current;
  const uint64_t esr = PYRENE_READ_SYSREG(esr_el2);
  if (Vcpu* vcpu = thread.running) {
    const ExceptionClass exception = arch::ClassOf(esr);
    if (exception == ExceptionClass::kHvc64) return vcpu->ExitForHypercall(*cpu, thread, esr);
    if (IsAbort(exception)) {
      if (__atomic_load_n(&page_table_additions, __ATOMIC_ACQUIRE) != cpu->additions_seen)
          [[unlikely]]
        return GuestAborts(*cpu, thread, *vcpu, esr);
      return vcpu->ExitForAbort(*cpu, thread, esr);
    }
    if (exception == ExceptionClass::kFp) [[unlikely]]
      return General(GuestUsesFp(*cpu, *vcpu));
    return vcpu->ExitForException(*cpu, thread, esr);
  }
  const Frame& frame = thread.frame();
  if (esr == kSvcNativeEsr && frame.x[8] == static_cast<uint64_t>(Syscall::kVcpuRun)) {
    if (frame.x[0] == thread.ran.index && thread.ran.slot->Load() == thread.ran.word) [[likely]]
      return General(Slot::ObjectOf<Vcpu>(thread.ran.word)->Run(*cpu, thread, frame.x[1]));
    return General(FindVcpu(*cpu, thread));
  }
  return General(HandleRarely(*cpu, thread, esr));
}

Frame* HandleInterrupt(Cpu* cpu) {
  TakeInterrupt(*cpu);
  return Resume(*cpu);
}

void HandleSError(Cpu* cpu) {
  // Not attributable to an instruction: the system's state is unknown.
  Panic("SError taken on CPU %u, ESR 0x%lx", cpu->id, PYRENE_READ_SYSREG(esr_el2));
}

}  // namespace pyrene
