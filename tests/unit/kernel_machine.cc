// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/kernel_machine.h"

#include <cstdlib>

#include "gtest/gtest.h"
#include "kernel/abi/upcall.h"
#include "kernel/cap/derivation.h"
#include "kernel/object/destroy.h"
#include "kernel/sched/entry.h"

namespace pyrene::kernel_test {
namespace {

constexpr uint64_t kSvcNativeEsr = kEsrClassSvc64 << kEsrClassShift | 1u << 25 | kSvcNative;
constexpr uint64_t kCodeAddress = 0x400000;

template <typename Function>
void InKernel(uint32_t cpu, Function function) {
  fake::Become(cpu);
  __atomic_store_n(&cpus[cpu].idle, false, __ATOMIC_SEQ_CST);
  try {
    function(cpus[cpu]);
  } catch (const CpuIsIdle&) {
  }
}

}  // namespace

KernelMachine::KernelMachine(uint32_t cpus, size_t pages) : cpus_(cpus), pages_(pages + 10) {
  fake::PowerOn(cpus);
  PlayAlone();
  pool_.Donate(fake::AllocatePages(pages_), pages_);
  Status status;
  root_ = Domain::Create(status, pool_, pages);
  boss_ = pool_.New<Thread>(pool_, *root_, kCodeAddress, 0, 0,
                            ThreadParameters{kPriorities - 1, 0, 256});
  const auto put = [this](CapIndex index, ObjectType type, void* object) {
    Slot* slot;
    if (root_->caps().Reserve(root_->account(), index, slot) != Status::kOk) abort();
    Insert(*slot, nullptr, Slot::Pack(object, type, rights::kAll, false), 0);
  };
  put(kSelfDomainCap, ObjectType::kDomain, root_);
  put(kSelfThreadCap, ObjectType::kThread, boss_);
  if (boss_->Start() != Status::kOk) abort();
  for (uint32_t cpu = 0; cpu < cpus_; ++cpu) InKernel(cpu, [](Cpu& self) { Resume(self); });
}

KernelMachine::~KernelMachine() {
  fake::Become(0);
  while (Slot* slot = root_->caps().AnyUsed()) {
    while (!DeleteTree(*slot, true)) Settle();
    fake::Become(0);
  }
  boss_->Detach();
  pool_.Delete(boss_);
  root_->Detach();
  pool_.Delete(root_);
  EXPECT_EQ(pool_.used(), 0u) << "pages lost";
  EXPECT_EQ(pool_.quota(), pages_);
  fake::on_wait = fake::on_relax = nullptr;
}

Answer KernelMachine::Call(Thread& caller, Syscall number,
                           std::initializer_list<uint64_t> arguments) {
  EXPECT_EQ(Running(caller.cpu()), &caller) << "it does not run";
  // A call that is made again has PC where it was.
  do {
    Frame& frame = caller.frame();
    unsigned i = 0;
    for (const uint64_t argument : arguments) frame.x[i++] = argument;
    frame.x[8] = static_cast<uint64_t>(number);
    frame.pc = kCodeAddress + 4;
    InKernel(caller.cpu(), [](Cpu& self) {
      fake::Sysreg(fake::Register::esr_el2) = kSvcNativeEsr;
      HandleSynchronous(&self);
    });
    if (frame.pc != kCodeAddress) break;
    Settle();
  } while (Running(caller.cpu()) == &caller);
  return AnswerOf(caller);
}

Answer KernelMachine::AnswerOf(Thread& thread) {
  Answer answer = {static_cast<Status>(thread.frame().x[0]), {}};
  for (unsigned i = 0; i < 7; ++i) answer.value[i] = thread.frame().x[1 + i];
  return answer;
}

Thread& KernelMachine::NewThread(ThreadParameters parameters, CapIndex* index) {
  const CapIndex slot = NextIndex();
  if (index != nullptr) *index = slot;
  EXPECT_EQ(
      Call(Syscall::kThreadCreate, {slot, kSelfDomainCap, kCodeAddress, 0, 0, parameters.Pack()})
          .status,
      Status::kOk);
  return Object<Thread>(slot);
}

void KernelMachine::Interrupt(uint32_t cpu) {
  InKernel(cpu, [](Cpu& self) { HandleInterrupt(&self); });
}

void KernelMachine::PlayAlone() {
  fake::on_wait = [] {
    if (!fake::InterruptPending()) throw CpuIsIdle();
  };
  fake::on_relax = [this] {
    const uint32_t waits = ThisCpu().id;
    for (uint32_t cpu = 0; cpu < cpus_; ++cpu) {
      if (cpu == waits) continue;
      fake::Become(cpu);
      if (fake::InterruptPending()) Interrupt(cpu);
    }
    fake::Become(waits);
  };
}

void KernelMachine::Settle() {
  const uint32_t before = ThisCpu().id;
  for (bool any = true; any;) {
    any = false;
    for (uint32_t cpu = 0; cpu < cpus_; ++cpu) {
      fake::Become(cpu);
      if (!fake::InterruptPending()) continue;
      any = true;
      Interrupt(cpu);
    }
  }
  fake::Become(before);
}

void KernelMachine::Pass(uint64_t ticks) {
  fake::AdvanceCounter(ticks);
  Settle();
}

}  // namespace pyrene::kernel_test
