// SPDX-License-Identifier: Apache-2.0
#include "services/vmm/exit.h"

#include "services/vmm/domain.h"
#include "services/vmm/exceptions.h"
#include "services/vmm/hypercall.h"
#include "services/vmm/mmio.h"
#include "services/vmm/psci.h"
#include "services/vmm/runstate.h"
#include "services/vmm/syndrome.h"
#include "services/vmm/system_registers.h"

namespace pyrene::vmm {
namespace {

// ESR_EL2 of an HVC, but for its immediate.
constexpr uint64_t kHvcEsr = syndrome::kHvc64 << syndrome::kClassShift | syndrome::kLength32;

[[gnu::noinline]] Action WaitFor(Vcpu& vcpu, uint64_t esr) {
  vcpu.state->pc += (esr & syndrome::kLength32) != 0 ? 4 : 2;
  if ((esr & syndrome::kWaitForEvent) != 0) return Prepare(vcpu, Action::kYield);
  EventChannels& events = vcpu.domain->events();
  if (events.has_put_off()) events.ServePutOff(vcpu);
  BeginBlock(vcpu);
  return Prepare(vcpu, Action::kBlock);
}

[[gnu::noinline]] Action InstructionAbort(Vcpu& vcpu) {
  InjectInstructionAbort(vcpu);
  return Prepare(vcpu, Action::kRun);
}

[[gnu::noinline]] Action Undefined(Vcpu& vcpu, uint64_t pc) {
  InjectUndefined(vcpu, pc);
  return Prepare(vcpu, Action::kRun);
}

[[gnu::noinline]] Action HandleOther(Vcpu& vcpu, ExitReason reason) {
  switch (reason) {
    case ExitReason::kTimer:
      Vgic::RaiseSelf(vcpu, xen::kTimerPpi);
      break;
    case ExitReason::kKick:
    case ExitReason::kMaintenance:
      break;  // Prepare does it
    default:
      // The kernel refuses this state: the guest, or we, made it so. There is no way on.
      vcpu.domain->RequestShutdown(ShutdownReason::kCrash);
      return Action::kEnd;
  }
  if (HasRunstateArea(vcpu)) UpdateRunstate(vcpu, xen::kRunstateRunning);
  return Prepare(vcpu, Action::kRun);
}

[[gnu::noinline]] Action HandleFirstAfterBlock(Vcpu& vcpu, ExitReason reason) {
  EndBlock(vcpu);
  return HandleExit(vcpu, reason);
}

}  // namespace

// Written so that the common exits are tail calls: this function has no frame.
Action HandleExit(Vcpu& vcpu, ExitReason reason) {
  if (vcpu.blocked) [[unlikely]]
    return HandleFirstAfterBlock(vcpu, reason);
  if (reason != ExitReason::kException) [[unlikely]]
    return HandleOther(vcpu, reason);

  const uint64_t esr = vcpu.state->exit.esr;
  // Of other exceptions this is no number that an immediate can have.
  const uint64_t immediate = esr - kHvcEsr;
  if (immediate == xen::kHypercallImmediate) return Hypercall(vcpu);
  if (immediate == 0) return FirmwareCall(vcpu);
  const uint32_t exception_class = static_cast<uint32_t>(esr) >> syndrome::kClassShift;
  if (exception_class == syndrome::kDataAbort) return HandleDataAbort(vcpu);
  if (exception_class == syndrome::kSystemRegister) return HandleSystemRegister(vcpu);
  if (exception_class == syndrome::kWaitFor) return WaitFor(vcpu, esr);
  // PC is behind an HVC already; the exception is taken at it.
  if (exception_class == syndrome::kHvc64) return Undefined(vcpu, vcpu.state->pc - 4);
  if (exception_class == syndrome::kSmc64 && (esr & syndrome::kImmediate) == 0) {
    vcpu.state->pc += 4;
    return FirmwareCall(vcpu);
  }
  if (exception_class == syndrome::kInstructionAbort) return InstructionAbort(vcpu);
  return Undefined(vcpu, vcpu.state->pc);
}

}  // namespace pyrene::vmm
