// SPDX-License-Identifier: Apache-2.0
#include "services/vmm/exceptions.h"

#include "services/vmm/domain.h"
#include "services/vmm/syndrome.h"

namespace pyrene::vmm {
namespace {

namespace pstate {
constexpr uint64_t kModeMask = 0x1f;
constexpr uint64_t kEl1h = 0x5;
constexpr uint64_t kEl1t = 0x4;
constexpr uint64_t kAArch32 = 0x10;
constexpr uint64_t kMasked = 0x3c0;  // D A I F
constexpr uint64_t kPan = uint64_t{1} << 22;
}  // namespace pstate

constexpr uint64_t kSctlrSpan = uint64_t{1} << 23;
constexpr unsigned kMmfr1PanShift = 20;

constexpr uint64_t kSynchronousExternalAbort = 0x10;  // fault status code

bool FromEl1(uint64_t pstate) {
  const uint64_t mode = pstate & pstate::kModeMask;
  return mode == pstate::kEl1h || mode == pstate::kEl1t;
}

// Offset of the synchronous exception's entry in the vector table.
uint64_t VectorOffset(uint64_t pstate) {
  switch (pstate & pstate::kModeMask) {
    case pstate::kEl1t:
      return 0x000;
    case pstate::kEl1h:
      return 0x200;
    default:
      return (pstate & pstate::kAArch32) != 0 ? 0x600 : 0x400;
  }
}

bool HasPan(const Vcpu& vcpu) {
  const uint64_t mmfr1 = vcpu.domain->config().ids.value[IdRegisters::Index(7, 1)];
  return (mmfr1 >> kMmfr1PanShift & 0xf) != 0;
}

// The state page is in step with the hardware (Sync).
void Take(Vcpu& vcpu, uint64_t pc, uint64_t esr) {
  VcpuState& state = *vcpu.state;
  state.el1.esr = esr;
  state.el1.elr = pc;
  state.el1.spsr = state.pstate;
  state.pc = state.el1.vbar + VectorOffset(state.pstate);
  uint64_t entry = pstate::kEl1h | pstate::kMasked;
  if (HasPan(vcpu)) {
    const bool set = (state.el1.sctlr & kSctlrSpan) == 0;
    entry |= set ? pstate::kPan : state.pstate & pstate::kPan;
  }
  state.pstate = entry;
}

void InjectAbort(Vcpu& vcpu, uint64_t lower_class, uint64_t same_class, uint64_t iss) {
  vcpu.domain->host().Sync(vcpu.index);
  VcpuState& state = *vcpu.state;
  state.el1.far = state.exit.far;
  const uint64_t exception_class = FromEl1(state.pstate) ? same_class : lower_class;
  Take(vcpu, state.pc,
       exception_class << syndrome::kClassShift | (state.exit.esr & syndrome::kLength32) | iss |
           kSynchronousExternalAbort);
}

}  // namespace

void InjectUndefined(Vcpu& vcpu, uint64_t pc) {
  vcpu.domain->host().Sync(vcpu.index);
  Take(vcpu, pc, syndrome::kUnknown << syndrome::kClassShift | syndrome::kLength32);
}

void InjectDataAbort(Vcpu& vcpu) {
  InjectAbort(vcpu, syndrome::kDataAbort, syndrome::kDataAbort + 1,
              vcpu.state->exit.esr & syndrome::kWrite);
}

void InjectInstructionAbort(Vcpu& vcpu) {
  InjectAbort(vcpu, syndrome::kInstructionAbort, syndrome::kInstructionAbort + 1, 0);
}

}  // namespace pyrene::vmm
