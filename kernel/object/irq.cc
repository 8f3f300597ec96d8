// SPDX-License-Identifier: Apache-2.0
#include "kernel/object/irq.h"

#include "kernel/arch/gic.h"
#include "kernel/sched/cpu.h"

namespace pyrene {
namespace {

namespace gic = arch::gic;

// Written under the structure lock, read by interrupt entry.
Irq* lines[gic::kMaxIntids];

}  // namespace

Irq* Irq::Create(Status& status, Account& payer, uint64_t intid) {
  status = Status::kNotSupported;
  if (intid < gic::kFirstSpi || intid >= gic::Intids()) return nullptr;
  status = Status::kOccupied;
  if (lines[intid] != nullptr) return nullptr;
  void* memory = payer.AllocateBytes(sizeof(Irq));
  status = memory == nullptr ? Status::kNoMemory : Status::kOk;
  if (memory == nullptr) return nullptr;
  auto* irq = new (memory) Irq(payer, static_cast<uint32_t>(intid));
  __atomic_store_n(&lines[intid], irq, __ATOMIC_RELEASE);
  return irq;
}

void Irq::Detach() {
  gic::Disable(intid_);
  __atomic_store_n(&lines[intid_], static_cast<Irq*>(nullptr), __ATOMIC_RELEASE);
  binding_.Unbind();
}

Irq::~Irq() { Acknowledge(); }

void Irq::Bind(Notification& notification, uint64_t bits) {
  binding_.Bind(&notification, bits);
  gic::Route(intid_, ThisCpu().id);
  gic::Enable(intid_);
}

void Irq::Acknowledge() {
  if (__atomic_exchange_n(&active_, false, __ATOMIC_ACQ_REL)) gic::Deactivate(intid_);
}

bool Irq::Fired(uint32_t iar) {
  Irq* irq = __atomic_load_n(&lines[iar & 0x3ff], __ATOMIC_ACQUIRE);
  if (irq == nullptr) return false;
  __atomic_store_n(&irq->active_, true, __ATOMIC_RELEASE);
  irq->binding_.Signal();
  return true;
}

}  // namespace pyrene
