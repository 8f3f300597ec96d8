// SPDX-License-Identifier: Apache-2.0
//
// The virtual GICv2: raising interrupts and putting them into the list registers of the vCPU's
// state page (VcpuState::gic). The GIC's virtual CPU interface is mapped into the guest, so
// acknowledge and end-of-interrupt never come here; the distributor's registers are in
// vgic_distributor_registers.h.
//
// List registers are touched by the vCPU's own thread only, between two runs; other threads leave
// what they raise in VgicCpu::incoming (see vcpu.h for the order). The kernel writes list registers
// back at each exit and clears the `used` bit of those that became inactive, so the state page is
// the only record: there is no shadow to keep in step. One list register per interrupt; one that is
// raised again while active becomes active and pending.
//
// When more interrupts are deliverable than there are list registers, the most urgent are in them,
// the others stay latched in VgicCpu::pending, and the kernel is asked to exit (`underflow`) once
// at most one list register is in use.
//
// The virtual timer's interrupt is put into a list register by the kernel, by the template kept
// here; only when none is free does it arrive as an exit, and is latched like any other.
#pragma once

#include <atomic>
#include <bit>
#include <cstdint>

#include "services/vmm/host.h"
#include "services/vmm/vcpu.h"

namespace pyrene::vmm {

class Vgic {
 public:
  // `vcpus` is an array of `count`.
  Vgic(Host& host, Vcpu* vcpus, uint32_t count) : host_(host), vcpus_(vcpus), count_(count) {
    Reset();
  }

  // Start state of distributor and all vCPUs. No vCPU runs.
  void Reset();
  // A vCPU comes on by PSCI: its SGIs and PPIs, pending and active, and its virtual CPU interface
  // are reset; what it has enabled, and shared interrupts that wait for it, stay. By its own
  // thread.
  void ResetCpu(Vcpu& vcpu);

  // Latches a PPI, or an SGI sent by the target itself, for the vCPU whose own thread calls.
  static void RaiseSelf(Vcpu& vcpu, uint32_t intid) { vcpu.gic.pending |= uint64_t{1} << intid; }

  // Latches an interrupt for any vCPU. `current`: the vCPU whose own thread calls, null from the
  // event thread.
  void Raise(Vcpu& target, uint32_t intid, const Vcpu* current) {
    if (&target == current) {
      RaiseSelf(target, intid);
    } else {
      RaiseRemote(target, uint64_t{1} << intid);
    }
  }
  // An SGI from `sender`'s own thread to each vCPU of the mask; bits of vCPUs that do not exist are
  // ignored.
  void SendSgi(Vcpu& sender, uint32_t sgi, uint32_t targets);
  static void SendSgiToSelf(Vcpu& sender, uint32_t sgi) {
    sender.gic.sgi_source[sgi].store(static_cast<uint8_t>(sender.index), std::memory_order_relaxed);
    RaiseSelf(sender, sgi);
  }
  // A shared interrupt, edge-triggered: latched and routed to one of its targets. Any thread.
  void RaiseSpi(uint32_t spi, const Vcpu* current);

  // Moves latched interrupts into list registers. Called before each run if anything is latched.
  // Own thread.
  void Deliver(Vcpu& vcpu) {
    const uint64_t ready = vcpu.gic.pending & vcpu.gic.deliverable;
    VcpuState::Gic& gic = vcpu.state->gic;
    // Mostly it is one private interrupt, and no list register is in use.
    if (gic.used == 0 && ready != 0 && (ready & (ready - 1)) == 0 &&
        ready >> kPrivateInterrupts == 0) {
      vcpu.gic.pending ^= ready;
      gic.lr[0] = PrivateListRegister(vcpu, static_cast<uint32_t>(std::countr_zero(ready)));
      gic.used = 1;
      gic.underflow = 0;
      return;
    }
    DeliverMany(vcpu, ready);
  }
  // Takes over what other threads raised. Own thread.
  void Merge(Vcpu& vcpu);
  // Takes interrupts that may no longer be delivered out of the list registers again, forwards
  // shared ones whose target changed, and sets the timer template. Own thread, after kAttendRecheck
  // or a change of its own registers.
  void Recheck(Vcpu& vcpu);

  // Sets bits of Vcpu::attention and kicks unless that was done already. Any thread.
  void Attend(Vcpu& target, uint64_t bits) {
    const uint64_t before = target.attention.fetch_or(bits, std::memory_order_acq_rel);
    if ((before & bits) != bits) host_.Kick(target.index);
  }
  // The same for all vCPUs; the one whose own thread calls is not kicked: it looks before it runs.
  void AttendAll(uint64_t bits, const Vcpu* current);

  // ---- what the distributor's registers show and change; own thread of `vcpu` ----
  bool forwarding() const { return forwarding_.load(std::memory_order_relaxed) != 0; }
  void SetForwarding(Vcpu& vcpu, bool on);
  // Words of 32 interrupts: 0 private, 1 shared.
  uint32_t EnabledWord(const Vcpu& vcpu, unsigned word) const {
    return word == 0 ? vcpu.gic.enabled : spi_enabled_.load(std::memory_order_relaxed);
  }
  void Enable(Vcpu& vcpu, unsigned word, uint32_t bits);
  void Disable(Vcpu& vcpu, unsigned word, uint32_t bits);
  uint32_t PendingWord(const Vcpu& vcpu, unsigned word) const;
  void SetPending(Vcpu& vcpu, unsigned word, uint32_t bits);
  void ClearPending(Vcpu& vcpu, unsigned word, uint32_t bits);
  uint32_t ActiveWord(const Vcpu& vcpu, unsigned word) const;
  void ClearActive(Vcpu& vcpu, unsigned word, uint32_t bits);
  uint8_t Priority(const Vcpu& vcpu, uint32_t intid) const;
  void SetPriority(Vcpu& vcpu, uint32_t intid, uint8_t priority);
  uint8_t SpiTargets(uint32_t spi) const {
    return spi_target_[spi].load(std::memory_order_relaxed);
  }
  void SetSpiTargets(Vcpu& vcpu, uint32_t spi, uint8_t targets);
  uint32_t spi_config(unsigned word) const {
    return spi_config_[word].load(std::memory_order_relaxed);
  }
  void set_spi_config(unsigned word, uint32_t value) {
    spi_config_[word].store(value, std::memory_order_relaxed);
  }
  // GICD_TYPER: number of interrupts (4:0, in words of 32, less one), number of CPUs less one
  // (7:5).
  uint32_t typer() const { return (kPrivateInterrupts + kSpis) / 32 - 1 + ((count_ - 1) << 5); }

 private:
  void RaiseRemote(Vcpu& target, uint64_t bits);
  bool Place(Vcpu& vcpu, uint32_t intid);
  void DeliverMany(Vcpu& vcpu, uint64_t ready);
  bool MakeRoom(Vcpu& vcpu, uint32_t intid, uint32_t* index);
  uint32_t MostUrgent(const Vcpu& vcpu, uint64_t set) const;
  uint32_t ListRegisterFor(const Vcpu& vcpu, uint32_t intid) const;
  static uint32_t PrivateListRegister(const Vcpu& vcpu, uint32_t intid) {
    uint32_t word = vcpu.gic.list_word[intid];
    if (intid < kSgis) {
      word |= uint32_t{vcpu.gic.sgi_source[intid].load(std::memory_order_relaxed)}
              << list_register::kSourceShift;
    }
    return word;
  }
  // What may be delivered to this vCPU, and whether the kernel may inject its timer.
  void UpdateDeliverable(Vcpu& vcpu) const;
  // Interrupts of one word whose list register has any of the state bits.
  static uint32_t InListRegisters(const Vcpu& vcpu, unsigned word, uint32_t state_bits);

  Host& host_;
  Vcpu* const vcpus_;
  const uint32_t count_;

  // Shared state. Every word is independent of the others, so plain atomics do.
  std::atomic<uint32_t> forwarding_{0};  // GICD_CTLR.EnableGrp0
  std::atomic<uint32_t> spi_enabled_{0};
  std::atomic<uint8_t> spi_priority_[kSpis] = {};
  std::atomic<uint8_t> spi_target_[kSpis] = {};
  std::atomic<uint32_t> spi_config_[2] = {};
};

}  // namespace pyrene::vmm
