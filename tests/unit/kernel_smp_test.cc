// SPDX-License-Identifier: Apache-2.0
//
// Several CPUs, each played by a host thread, whose user code makes random system calls, faults,
// uses FP and runs guests, while domains, threads, ports, notifications, memory and vCPUs come and
// go under it. AddressSanitizer watches every object (heap_account.cc); the threads watch their
// registers; in the end every page must be back.
#include <sched.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "kernel/abi/upcall.h"
#include "kernel/arch/sysreg.h"
#include "kernel/cap/derivation.h"
#include "kernel/memory/layout.h"
#include "kernel/object/vcpu.h"
#include "kernel/sched/entry.h"
#include "tests/unit/kernel_machine.h"

namespace pyrene::kernel_test {
namespace {

using arch::ExceptionClass;
using fake::Register;
using fake::Sysreg;

constexpr uint32_t kCpus = 4;
constexpr uint64_t kIndices = 48;  // of each table that are used
constexpr uint64_t kCode = 0x400000;
constexpr uint64_t kSpi = 40;

// Where a thread keeps what its lazily switched registers must hold; the kernel does not touch
// these registers.
constexpr unsigned kFpCopy = 20;
constexpr unsigned kSpCopy = 21;
constexpr unsigned kMarked = 22;

// The boss's table: its domains and their threads.
constexpr unsigned kDomains = 4;
constexpr unsigned kThreads = 6;  // of a domain, made by the boss
constexpr CapIndex kControlIndex = 8;
constexpr CapIndex kMemoryIndex = 9;
constexpr CapIndex kSleepIndex = 10;
constexpr CapIndex kSharedIndex = 16;  // two notifications, two ports
constexpr unsigned kShared = 4;
constexpr CapIndex DomainIndex(unsigned d) { return 64 + d * 16; }

std::atomic<bool> done;
std::atomic<uint64_t> steps;
std::atomic<uint64_t> succeeded[128];  // by system call

uint64_t Esr(ExceptionClass exception, uint64_t iss = 0) {
  return static_cast<uint64_t>(exception) << 26 | 1u << 25 | iss;
}

class Player {
 public:
  Player(uint32_t cpu, uint64_t seed) : cpu_(cpus[cpu]), random_(seed * kCpus + cpu) {}

  void Play(uint64_t count) {
    fake::Become(cpu_.id);
    try {
      __atomic_store_n(&cpu_.idle, false, __ATOMIC_SEQ_CST);
      Resume(cpu_);
      while (!done) {
        if (fake::InterruptPending()) {
          HandleInterrupt(&cpu_);
        } else {
          Step();
          if (++steps >= count) done = true;
        }
      }
    } catch (const CpuIsIdle&) {
    }
  }
  static void SetBoss(Thread& thread) { boss = &thread; }

 private:
  uint64_t Below(uint64_t limit) { return random_() % limit; }
  bool OneIn(uint64_t n) { return Below(n) == 0; }

  void Exception(uint64_t esr) {
    Sysreg(Register::esr_el2) = esr;
    Sysreg(Register::far_el2) = Below(1 << 20) * kPageBytes;
    Sysreg(Register::hpfar_el2) = Below(1 << 20) << 4;
    HandleSynchronous(&cpu_);
  }

  // An index of the caller's table, mostly one with an object of that type.
  uint64_t Index(ObjectType type) {
    const CapTable& table = cpu_.current->domain()->caps();
    if (!OneIn(20)) {
      const uint64_t start = Below(kIndices);
      for (uint64_t i = 0; i < kIndices; ++i) {
        const uint64_t index = (start + i) % kIndices;
        const Slot* slot = table.Find(index);
        if (slot != nullptr && Slot::TypeOf(slot->Load()) == type) return index;
      }
    }
    return Below(kIndices);
  }
  uint64_t FreeIndex() {
    const CapTable& table = cpu_.current->domain()->caps();
    for (int tries = 0; tries < 8; ++tries) {
      const uint64_t index = 3 + Below(kIndices - 3);
      const Slot* slot = table.Find(index);
      if (slot == nullptr || slot->Load() == 0) return index;
    }
    return Below(kIndices);
  }
  uint64_t Parameters() {
    return ThreadParameters{static_cast<uint8_t>(Below(6)), static_cast<uint8_t>(Below(kCpus)),
                            static_cast<uint16_t>(64 + Below(512))}
        .Pack();
  }
  uint64_t Deadline() {
    return OneIn(8) ? kNoDeadline : OneIn(4) ? kPoll : fake::Counter() + Below(3000);
  }
  uint64_t Address() { return (OneIn(2) ? Below(2) * kBlockBytes : 0) + Below(600) * kPageBytes; }

  void Call(Syscall number, std::initializer_list<uint64_t> arguments) {
    Thread& thread = *cpu_.current;
    const uint64_t id = thread.id();
    Frame& frame = thread.frame();
    unsigned i = 0;
    for (const uint64_t argument : arguments) frame.x[i++] = argument;
    frame.x[8] = static_cast<uint64_t>(number);
    frame.pc = kCode + 4;
    Exception(Esr(ExceptionClass::kSvc64, kSvcNative));
    // If it is still the one that runs here, whatever became of it meanwhile.
    Thread* now = cpu_.current;
    if (now == &thread && now->id() == id && now->frame().x[0] == 0)
      ++succeeded[static_cast<unsigned>(number)];
  }
  void PortInvoke(Syscall number, uint64_t port) {
    Frame& frame = cpu_.current->frame();
    frame.x[9] = port;
    frame.x[10] = OneIn(2) ? 0 : Below(kIndices) | Below(kIndices) << 16;
    frame.x[11] = FreeIndex() | FreeIndex() << 16;
    Call(number, {});
  }

  void Step() {
    Thread& thread = *cpu_.current;
    if (&thread == boss) return BossStep();
    if (thread.running != nullptr) return GuestStep(*thread.running);
    CheckRegisters(thread);
    switch (Below(44)) {
      case 0:
        return Call(Syscall::kCapCopy,
                    {OneIn(2) ? 0 : Index(ObjectType::kDomain), FreeIndex(), Below(kIndices),
                     OneIn(3) ? random_() : 0xff, OneIn(4) ? random_() : 0});
      case 1:
        return Call(Syscall::kCapDelete, {OneIn(3) ? Below(kIndices) : 3 + Below(kIndices - 3)});
      case 2:
        return Call(Syscall::kCapRevoke, {Below(kIndices)});
      case 3:
        return Call(Syscall::kCapInspect,
                    {OneIn(2) ? 0 : Index(ObjectType::kDomain), Below(kIndices)});
      case 4:
        return Call(Syscall::kDomainCreate, {FreeIndex(), 1 + Below(40)});
      case 5:
      case 6:
        return Call(Syscall::kDomainMap, {Index(ObjectType::kDomain), Index(ObjectType::kMemory),
                                          Below(8), Address(), 1 + Below(600), 1 + Below(7)});
      case 7:
        return Call(Syscall::kDomainUnmap, {Index(ObjectType::kDomain), Address(), 1 + Below(600)});
      case 8:
        return OneIn(4) ? Call(Syscall::kDomainReset, {Index(ObjectType::kDomain)})
                        : Call(Syscall::kDomainAccount, {Index(ObjectType::kDomain)});
      case 9:
        return Call(Syscall::kDomainSupervise,
                    {Index(ObjectType::kDomain), Index(ObjectType::kNotification), random_()});
      case 10:
        return Call(Syscall::kDomainFault, {Index(ObjectType::kDomain)});
      case 11:
      case 12:
        return Call(Syscall::kThreadCreate,
                    {FreeIndex(), Index(ObjectType::kDomain), kCode, 0, 0, Parameters()});
      case 13:
      case 14:
      case 15:
        return Call(Syscall::kThreadStart, {Index(ObjectType::kThread)});
      case 16:
        return Call(Syscall::kThreadStop, {Index(ObjectType::kThread)});
      case 17:
      case 18:
        return Call(Syscall::kThreadSet, {Index(ObjectType::kThread), Parameters(),
                                          OneIn(2) ? 0 : Below(200), 200 + Below(1000)});
      case 19:
        return Call(Syscall::kThreadInfo, {Index(ObjectType::kThread)});
      case 20:
        return OneIn(16) ? Call(Syscall::kThreadExit, {random_()})
                         : Call(Syscall::kThreadYield, {});
      case 21:
        return Call(Syscall::kUpcallSet, {OneIn(2) ? 0 : kCode, 0x1000});
      case 22:
        return Unmarked(Esr(ExceptionClass::kSvc64, kSvcLinux));
      case 23:
        return Unmarked(Esr(ExceptionClass::kSvc64, kSvcUpcallReturn));
      case 24:
        return Call(OneIn(2) ? Syscall::kUpcallInfo : Syscall::kUpcallMove, {kCode});
      case 25:
        return Call(Syscall::kVcpuCreate,
                    {FreeIndex(), Index(ObjectType::kDomain), Address(), Below(4)});
      case 26:
      case 27:
        return Call(Syscall::kVcpuRun, {Index(ObjectType::kVcpu), Below(2)});
      case 28:
        return Call(Syscall::kVcpuKick, {Index(ObjectType::kVcpu)});
      case 29:
        return Call(Syscall::kVcpuSync, {Index(ObjectType::kVcpu)});
      case 30:
        return Call(Syscall::kVcpuTranslate,
                    {Index(ObjectType::kVcpu), random_(), Below(2), Below(34)});
      case 31:
        return Call(Syscall::kMemoryDerive, {FreeIndex(), Index(ObjectType::kMemory), Below(4),
                                             1 + Below(600), OneIn(3) ? random_() : 0xff});
      case 32:
        return Call(Syscall::kMemoryInfo, {Index(ObjectType::kMemory)});
      case 33:
        return OneIn(2) ? Call(Syscall::kPortCreate, {FreeIndex()})
                        : Call(Syscall::kNotificationCreate, {FreeIndex()});
      case 34:
        return PortInvoke(Syscall::kPortCall, Index(ObjectType::kPort));
      case 35:
        return PortInvoke(Syscall::kPortReplyWait, Index(ObjectType::kPort));
      case 36:
      case 37:
        return Call(Syscall::kNotificationSignal, {Index(ObjectType::kNotification), random_()});
      case 38:
      case 39:
        return Call(Syscall::kNotificationWait,
                    {Index(ObjectType::kNotification), random_(), Deadline()});
      case 40:
        return Call(Syscall::kIrqDerive,
                    {FreeIndex(), Index(ObjectType::kIrqControl), kSpi + Below(4)});
      case 41:
        return OneIn(2) ? Call(Syscall::kIrqBind, {Index(ObjectType::kIrq),
                                                   Index(ObjectType::kNotification), random_()})
                        : Call(Syscall::kIrqAcknowledge, {Index(ObjectType::kIrq)});
      case 42:
        return fake::RaiseSpi(static_cast<uint32_t>(kSpi + Below(4)));
      default:
        if (OneIn(40))
          return Unmarked(Esr(OneIn(2) ? ExceptionClass::kDataAbortLower : ExceptionClass::kUnknown,
                              Below(64)));
        return UseRegisters(thread);
    }
  }

  // An exception that may lead to an upcall or back: SP is another one then.
  void Unmarked(uint64_t esr) {
    cpu_.current->frame().x[kMarked] = 0;
    Exception(esr);
  }

  // SP_EL0 is always the thread's; the FP registers once it has asked for them.
  void CheckRegisters(Thread& thread) {
    Frame& frame = thread.frame();
    if (frame.x[kMarked] == 0) return;
    if (Sysreg(Register::sp_el0) != frame.x[kSpCopy]) ADD_FAILURE() << "SP of another thread";
    if ((Sysreg(Register::cptr_el2) & arch::kCptrTfp) == 0 &&
        fake::FpRegisters() != frame.x[kFpCopy])
      ADD_FAILURE() << "FP registers of another thread";
  }
  void UseRegisters(Thread& thread) {
    Frame& frame = thread.frame();
    if ((Sysreg(Register::cptr_el2) & arch::kCptrTfp) != 0) {
      Exception(Esr(ExceptionClass::kFp));
      // Another may run now, or it was stopped in between.
      if (cpu_.current != &thread || thread.running != nullptr) return;
    }
    if (frame.x[kMarked] != 0 && fake::FpRegisters() != frame.x[kFpCopy])
      ADD_FAILURE() << "FP registers not restored";
    fake::FpRegisters() = frame.x[kFpCopy] = random_();
    Sysreg(Register::sp_el0) = frame.x[kSpCopy] = random_();
    frame.x[kMarked] = 1;
  }

  void GuestStep(Vcpu& vcpu) {
    VcpuState& state = *vcpu.state();
    switch (Below(12)) {
      case 0:
        Sysreg(Register::cntv_cval_el0) = fake::Counter() + Below(500);
        Sysreg(Register::cntv_ctl_el0) = 1;
        break;
      case 1:
        state.gic.timer_template = OneIn(2) ? 0 : 27 | list_register::kPending;
        break;
      case 2:
        state.gic.used = static_cast<uint32_t>(Below(16));  // as another thread of the VMM might
        break;
      case 3:
        state.gic.lr[Below(4)] = static_cast<uint32_t>(random_());
        break;
      case 4:
        if (OneIn(200)) state.pstate = random_();
        break;
      case 5:
        state.hvc_translate = Below(64);
        break;
      case 6:
        if ((Sysreg(Register::cptr_el2) & arch::kCptrTfp) != 0)
          return Exception(Esr(ExceptionClass::kFp));
        if (state.x[kMarked] != 0 && fake::FpRegisters() != state.x[kFpCopy])
          ADD_FAILURE() << "FP registers of another guest";
        fake::FpRegisters() = state.x[kFpCopy] = random_();
        state.x[kMarked] = 1;
        break;
      case 7:
        fake::Counter();
        break;
      default:
        Exception(
            Esr(OneIn(2) ? ExceptionClass::kHvc64 : ExceptionClass::kDataAbortLower, Below(64)));
        break;
    }
  }

  // By the boss, which is the most urgent thread of its CPU: until it is carried out.
  bool BossCall(Syscall number, std::initializer_list<uint64_t> arguments) {
    do {
      while (fake::InterruptPending()) HandleInterrupt(&cpu_);
      Call(number, arguments);
    } while (boss->frame().pc == kCode);
    return boss->frame().x[0] == 0;
  }
  // Ends a domain, makes another in its place, and sleeps.
  void BossStep() {
    const auto d = static_cast<unsigned>(Below(kDomains));
    for (unsigned t = 0; t <= kThreads; ++t)
      BossCall(Syscall::kCapDelete, {DomainIndex(d) + (t + 1) % (kThreads + 1)});
    if (BossCall(Syscall::kDomainCreate, {DomainIndex(d), 100 + Below(300)})) {
      uint64_t index = 3;
      const auto give = [this, d](uint64_t at, uint64_t source) {
        BossCall(Syscall::kCapCopy, {DomainIndex(d), at, source, rights::kAll, 0});
      };
      give(kSelfDomainCap, DomainIndex(d));
      give(index++, kControlIndex);
      give(index++, kMemoryIndex);
      for (unsigned i = 0; i < kShared; ++i) {
        if (OneIn(16)) BossCall(Syscall::kCapDelete, {kSharedIndex + i});
        BossCall(i % 2 == 0 ? Syscall::kNotificationCreate : Syscall::kPortCreate,
                 {kSharedIndex + i});
        give(index++, kSharedIndex + i);
      }
      if (OneIn(2)) give(index++, DomainIndex(static_cast<unsigned>(Below(kDomains))));
      for (unsigned t = 1; t <= kThreads; ++t) {
        const ThreadParameters parameters = {3, static_cast<uint8_t>(Below(kCpus)), 256};
        BossCall(Syscall::kThreadCreate,
                 {DomainIndex(d) + t, DomainIndex(d), kCode, 0, 0, parameters.Pack()});
        give(index++, DomainIndex(d) + t);
        BossCall(Syscall::kThreadStart, {DomainIndex(d) + t});
      }
    }
    Call(Syscall::kNotificationWait, {kSleepIndex, 1, fake::Counter() + Below(4000)});
  }

  static inline Thread* boss;
  Cpu& cpu_;
  std::mt19937_64 random_;
};

// Tells where the CPUs are when nothing goes on any more, and ends the test.
void WatchProgress(const std::atomic<uint32_t>& playing) {
  constexpr int kSeconds = 60;
  uint64_t last = 0;
  for (int idle = 0; playing != 0 && idle < kSeconds * 10; ++idle) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    if (steps != last) idle = 0;
    last = steps;
  }
  if (playing == 0) return;
  for (uint32_t i = 0; i < kCpus; ++i) {
    fprintf(stderr, "CPU %u: idle %d, current %p, quiesce %lu/%lu, evict %p %p\n", i, cpus[i].idle,
            static_cast<void*>(cpus[i].current), cpus[i].quiesce_ack, cpus[i].quiesce_wanted,
            static_cast<void*>(cpus[i].evict), static_cast<void*>(cpus[i].evict_thread));
  }
  fprintf(stderr, "no progress after %lu steps\n", last);
  abort();
}

TEST(KernelSmp, RandomSystemCalls) {
  const uint64_t count = Rounds(100000);
  KernelMachine machine(kCpus, 4000);
  Account& account = machine.root().account();
  const auto put = [&machine, &account](CapIndex index, ObjectType type, void* object, bool owner) {
    Slot* slot;
    ASSERT_EQ(machine.root().caps().Reserve(account, index, slot), Status::kOk);
    Insert(*slot, nullptr, Slot::Pack(object, type, rights::kAll, owner), 0);
  };
  int irq_control;  // only its capability counts
  put(kControlIndex, ObjectType::kIrqControl, &irq_control, false);
  put(kMemoryIndex, ObjectType::kMemory,
      account.New<MemoryObject>(account, uint64_t{1} << 30, 4096, MemoryType::kRam), true);
  ASSERT_EQ(machine.Call(Syscall::kNotificationCreate, {kSleepIndex}).status, Status::kOk);
  Player::SetBoss(machine.boss());

  done = false;
  steps = 0;
  fake::on_relax = [] { sched_yield(); };
  fake::on_wait = [] {
    while (!fake::InterruptPending()) {
      if (done) throw CpuIsIdle();
      fake::Counter();  // time goes on while all sleep
      sched_yield();
    }
  };
  std::vector<std::thread> players;
  std::atomic<uint32_t> playing = kCpus;
  for (uint32_t cpu = 0; cpu < kCpus; ++cpu) {
    players.emplace_back([cpu, count, &playing] {
      Player(cpu, Seed()).Play(count);
      --playing;
      // The others may be waiting for this CPU in the middle of a call.
      while (playing != 0) {
        if (fake::InterruptPending()) KernelMachine::Interrupt(cpu);
        sched_yield();
      }
    });
  }
  WatchProgress(playing);
  for (std::thread& player : players) player.join();
  machine.PlayAlone();
  for (unsigned i = 0; i < 128; ++i) {
    if (succeeded[i] != 0) printf("call %u: %lu times with success\n", i, succeeded[i].load());
  }
}

}  // namespace
}  // namespace pyrene::kernel_test
