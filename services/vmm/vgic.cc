// SPDX-License-Identifier: Apache-2.0
#include "services/vmm/vgic.h"

#include <bit>

namespace pyrene::vmm {
namespace {

constexpr uint32_t kStateBits = list_register::kPending | list_register::kActive;

uint32_t Intid(uint32_t lr) { return lr & list_register::kIntidMask; }

uint64_t Bit(uint32_t intid) { return uint64_t{1} << intid; }

uint32_t ListWord(uint32_t intid, uint8_t priority) {
  return intid | list_register::kPending | uint32_t{priority} >> 3 << list_register::kPriorityShift;
}

uint32_t AllListRegisters(const VcpuState::Gic& gic) {
  const uint32_t count = gic.count < kMaxListRegisters ? gic.count : kMaxListRegisters;
  return (uint32_t{1} << count) - 1;
}

}  // namespace

void Vgic::Reset() {
  forwarding_ = 0;
  spi_enabled_ = 0;
  for (unsigned spi = 0; spi < kSpis; ++spi) {
    spi_priority_[spi] = 0;
    spi_target_[spi] = 1;  // vCPU 0, as Xen resets it
  }
  spi_config_[0] = spi_config_[1] = 0;
  for (uint32_t i = 0; i < count_; ++i) {
    Vcpu& vcpu = vcpus_[i];
    vcpu.gic.incoming = 0;
    vcpu.gic.pending = 0;
    for (auto& source : vcpu.gic.sgi_source) source = 0;
    for (uint32_t id = 0; id < kPrivateInterrupts; ++id) vcpu.gic.list_word[id] = ListWord(id, 0);
    vcpu.gic.enabled = 0xffff;  // SGIs are always enabled
    vcpu.state->gic.used = 0;
    ResetCpu(vcpu);
  }
}

void Vgic::ResetCpu(Vcpu& vcpu) {
  VcpuState::Gic& gic = vcpu.state->gic;
  constexpr uint64_t kShared = ~uint64_t{0} << kPrivateInterrupts;
  const uint64_t waiting = uint64_t{InListRegisters(vcpu, 1, list_register::kPending)}
                           << kPrivateInterrupts;
  vcpu.gic.incoming.fetch_and(kShared);
  vcpu.gic.pending = (vcpu.gic.pending & kShared) | waiting;
  gic.used = 0;
  gic.underflow = 0;
  gic.vmcr = 0;
  gic.apr = 0;
  for (uint32_t& lr : gic.lr) lr = 0;
  UpdateDeliverable(vcpu);
}

void Vgic::RaiseRemote(Vcpu& target, uint64_t bits) {
  target.gic.incoming.fetch_or(bits, std::memory_order_release);
  Attend(target, kAttendInterrupts);
}

void Vgic::AttendAll(uint64_t bits, const Vcpu* current) {
  for (uint32_t i = 0; i < count_; ++i) {
    if (&vcpus_[i] == current) {
      vcpus_[i].attention.fetch_or(bits, std::memory_order_relaxed);
    } else {
      Attend(vcpus_[i], bits);
    }
  }
}

void Vgic::SendSgi(Vcpu& sender, uint32_t sgi, uint32_t targets) {
  for (uint32_t left = targets & ((uint32_t{1} << count_) - 1); left != 0; left &= left - 1) {
    Vcpu& target = vcpus_[std::countr_zero(left)];
    target.gic.sgi_source[sgi].store(static_cast<uint8_t>(sender.index), std::memory_order_relaxed);
    Raise(target, sgi, &sender);
  }
}

void Vgic::RaiseSpi(uint32_t spi, const Vcpu* current) {
  Raise(vcpus_[std::countr_zero(uint32_t{SpiTargets(spi)})], kPrivateInterrupts + spi, current);
}

void Vgic::Merge(Vcpu& vcpu) {
  vcpu.gic.pending |= vcpu.gic.incoming.exchange(0, std::memory_order_acquire);
}

void Vgic::DeliverMany(Vcpu& vcpu, uint64_t ready) {
  while (ready != 0) {
    const uint32_t intid =
        (ready & (ready - 1)) == 0 ? std::countr_zero(ready) : MostUrgent(vcpu, ready);
    ready &= ~Bit(intid);
    if (Place(vcpu, intid)) vcpu.gic.pending &= ~Bit(intid);
  }
  // What found no place, or had to make room for something more urgent.
  vcpu.state->gic.underflow = (vcpu.gic.pending & vcpu.gic.deliverable) != 0 ? 1 : 0;
}

uint32_t Vgic::MostUrgent(const Vcpu& vcpu, uint64_t set) const {
  uint32_t best = std::countr_zero(set);
  uint8_t best_priority = Priority(vcpu, best);
  for (set &= set - 1; set != 0; set &= set - 1) {
    const uint32_t intid = std::countr_zero(set);
    const uint8_t priority = Priority(vcpu, intid);
    if (priority < best_priority) {
      best = intid;
      best_priority = priority;
    }
  }
  return best;
}

uint32_t Vgic::ListRegisterFor(const Vcpu& vcpu, uint32_t intid) const {
  return intid < kPrivateInterrupts ? PrivateListRegister(vcpu, intid)
                                    : ListWord(intid, Priority(vcpu, intid));
}

bool Vgic::Place(Vcpu& vcpu, uint32_t intid) {
  VcpuState::Gic& gic = vcpu.state->gic;
  for (uint32_t left = gic.used & AllListRegisters(gic); left != 0; left &= left - 1) {
    uint32_t& lr = gic.lr[std::countr_zero(left)];
    if (Intid(lr) == intid) {
      lr |= list_register::kPending;
      return true;
    }
  }
  const uint32_t free = ~gic.used & AllListRegisters(gic);
  uint32_t index = std::countr_zero(free);
  if (free == 0 && !MakeRoom(vcpu, intid, &index)) return false;
  gic.lr[index] = ListRegisterFor(vcpu, intid);
  gic.used |= uint32_t{1} << index;
  return true;
}

// Puts the least urgent interrupt that only waits back into `pending`, if it is less urgent than
// this one.
bool Vgic::MakeRoom(Vcpu& vcpu, uint32_t intid, uint32_t* index) {
  VcpuState::Gic& gic = vcpu.state->gic;
  uint8_t worst = Priority(vcpu, intid);
  bool found = false;
  for (uint32_t left = gic.used & AllListRegisters(gic); left != 0; left &= left - 1) {
    const uint32_t i = std::countr_zero(left);
    if ((gic.lr[i] & kStateBits) != list_register::kPending) continue;
    const uint8_t priority = Priority(vcpu, Intid(gic.lr[i]));
    if (priority > worst) {
      worst = priority;
      *index = i;
      found = true;
    }
  }
  if (found) vcpu.gic.pending |= Bit(Intid(gic.lr[*index]));
  return found;
}

void Vgic::Recheck(Vcpu& vcpu) {
  UpdateDeliverable(vcpu);
  VcpuState::Gic& gic = vcpu.state->gic;
  gic.underflow = 0;  // Deliver sets it again if something still waits
  const uint64_t deliverable = vcpu.gic.deliverable;
  for (uint32_t left = gic.used & AllListRegisters(gic); left != 0; left &= left - 1) {
    const uint32_t i = std::countr_zero(left);
    const uint32_t lr = gic.lr[i];
    const uint32_t intid = Intid(lr);
    if ((lr & list_register::kPending) == 0 || (deliverable & Bit(intid)) != 0) continue;
    vcpu.gic.pending |= Bit(intid);
    gic.lr[i] = lr & ~list_register::kPending;
    if ((lr & list_register::kActive) == 0) gic.used &= ~(uint32_t{1} << i);
  }
  for (uint64_t spis = vcpu.gic.pending >> kPrivateInterrupts; spis != 0; spis &= spis - 1) {
    const uint32_t spi = std::countr_zero(spis);
    if ((SpiTargets(spi) >> vcpu.index & 1) != 0) continue;
    vcpu.gic.pending &= ~Bit(kPrivateInterrupts + spi);
    RaiseSpi(spi, &vcpu);
  }
}

void Vgic::UpdateDeliverable(Vcpu& vcpu) const {
  vcpu.gic.deliverable =
      !forwarding() ? 0
                    : vcpu.gic.enabled | uint64_t{spi_enabled_.load(std::memory_order_relaxed)}
                                             << kPrivateInterrupts;
  const bool timer = (vcpu.gic.deliverable & Bit(xen::kTimerPpi)) != 0;
  vcpu.state->gic.timer_template = timer ? vcpu.gic.list_word[xen::kTimerPpi] : 0;
}

void Vgic::SetForwarding(Vcpu& vcpu, bool on) {
  if (forwarding() == on) return;
  forwarding_.store(on ? 1 : 0, std::memory_order_release);
  AttendAll(kAttendRecheck, &vcpu);
}

void Vgic::Enable(Vcpu& vcpu, unsigned word, uint32_t bits) {
  if (word == 0) {
    vcpu.gic.enabled |= bits;
    UpdateDeliverable(vcpu);
  } else if ((spi_enabled_.fetch_or(bits, std::memory_order_acq_rel) & bits) != bits) {
    AttendAll(kAttendRecheck, &vcpu);  // one of them may be latched at any vCPU
  }
}

void Vgic::Disable(Vcpu& vcpu, unsigned word, uint32_t bits) {
  if (word == 0) {
    vcpu.gic.enabled &= ~(bits & 0xffff0000);  // SGIs stay enabled
    Recheck(vcpu);
  } else if ((spi_enabled_.fetch_and(~bits, std::memory_order_acq_rel) & bits) != 0) {
    AttendAll(kAttendRecheck, &vcpu);
  }
}

uint32_t Vgic::InListRegisters(const Vcpu& vcpu, unsigned word, uint32_t state_bits) {
  const VcpuState::Gic& gic = vcpu.state->gic;
  uint32_t result = 0;
  for (uint32_t left = gic.used & AllListRegisters(gic); left != 0; left &= left - 1) {
    const uint32_t lr = gic.lr[std::countr_zero(left)];
    if ((lr & state_bits) != 0 && Intid(lr) / 32 == word) result |= uint32_t{1} << (lr % 32);
  }
  return result;
}

uint32_t Vgic::PendingWord(const Vcpu& vcpu, unsigned word) const {
  uint32_t result = InListRegisters(vcpu, word, list_register::kPending);
  result |= static_cast<uint32_t>(vcpu.gic.pending >> (word * 32));
  result |= static_cast<uint32_t>(vcpu.gic.incoming.load(std::memory_order_relaxed) >> (word * 32));
  return result;
}

void Vgic::SetPending(Vcpu& vcpu, unsigned word, uint32_t bits) {
  if (word == 0) {
    vcpu.gic.pending |= bits & 0xffff0000;  // SGIs: read-only here
    return;
  }
  for (; bits != 0; bits &= bits - 1) RaiseSpi(std::countr_zero(bits), &vcpu);
}

void Vgic::ClearPending(Vcpu& vcpu, unsigned word, uint32_t bits) {
  if (word == 0) bits &= 0xffff0000;
  const uint64_t set = uint64_t{bits} << (word * 32);
  Merge(vcpu);
  vcpu.gic.pending &= ~set;
  VcpuState::Gic& gic = vcpu.state->gic;
  gic.underflow = 0;  // Deliver sets it again if something still waits
  for (uint32_t left = gic.used & AllListRegisters(gic); left != 0; left &= left - 1) {
    const uint32_t i = std::countr_zero(left);
    const uint32_t intid = Intid(gic.lr[i]);
    if (intid >= 64 || (set & Bit(intid)) == 0) continue;
    gic.lr[i] &= ~list_register::kPending;
    if ((gic.lr[i] & list_register::kActive) == 0) gic.used &= ~(uint32_t{1} << i);
  }
}

uint32_t Vgic::ActiveWord(const Vcpu& vcpu, unsigned word) const {
  return InListRegisters(vcpu, word, list_register::kActive);
}

void Vgic::ClearActive(Vcpu& vcpu, unsigned word, uint32_t bits) {
  VcpuState::Gic& gic = vcpu.state->gic;
  for (uint32_t left = gic.used & AllListRegisters(gic); left != 0; left &= left - 1) {
    const uint32_t i = std::countr_zero(left);
    const uint32_t lr = gic.lr[i];
    if (Intid(lr) / 32 != word || (bits >> (lr % 32) & 1) == 0) continue;
    gic.lr[i] = lr & ~list_register::kActive;
    if ((lr & list_register::kPending) == 0) gic.used &= ~(uint32_t{1} << i);
  }
}

uint8_t Vgic::Priority(const Vcpu& vcpu, uint32_t intid) const {
  return intid < kPrivateInterrupts
             ? static_cast<uint8_t>(vcpu.gic.list_word[intid] >> list_register::kPriorityShift << 3)
             : spi_priority_[(intid - kPrivateInterrupts) % kSpis].load(std::memory_order_relaxed);
}

void Vgic::SetPriority(Vcpu& vcpu, uint32_t intid, uint8_t priority) {
  priority &= 0xf8;  // five bits, as the list registers have
  if (intid >= kPrivateInterrupts) {
    spi_priority_[(intid - kPrivateInterrupts) % kSpis].store(priority, std::memory_order_relaxed);
    return;
  }
  vcpu.gic.list_word[intid] = ListWord(intid, priority);
  if (intid == xen::kTimerPpi) UpdateDeliverable(vcpu);
}

void Vgic::SetSpiTargets(Vcpu& vcpu, uint32_t spi, uint8_t targets) {
  const uint8_t valid = static_cast<uint8_t>(targets & ((uint32_t{1} << count_) - 1));
  if (valid == 0) return;  // no such vCPU: the interrupt keeps its targets, as with Xen
  if (spi_target_[spi].exchange(valid, std::memory_order_acq_rel) != valid) {
    AttendAll(kAttendRecheck, &vcpu);
  }
}

}  // namespace pyrene::vmm
