// SPDX-License-Identifier: Apache-2.0
//
// Thread: an EL0 context of a service, bound to one CPU. While it is in vcpu_run, the guest's vCPU
// runs in its name.
#pragma once

#include <cstdint>

#include "kernel/abi/status.h"
#include "kernel/abi/syscall.h"
#include "kernel/abi/upcall.h"
#include "kernel/arch/fp.h"
#include "kernel/arch/frame.h"
#include "kernel/cap/slot.h"
#include "kernel/lib/list.h"
#include "kernel/lib/timeout_queue.h"
#include "kernel/object/object.h"
#include "kernel/object/port.h"

namespace pyrene {

class Domain;
class Notification;
class Vcpu;
struct Cpu;

struct ReadyTag {};
struct DomainThreadsTag {};

inline constexpr Slot kFreeSlot = {};
inline constexpr uint64_t kNoWord = ~uint64_t{0};

class Thread final : public Object,
                     public ListHook<ReadyTag>,
                     public ListHook<DomainThreadsTag>,
                     public ListHook<CallersTag>,
                     public TimeoutNode {
 public:
  // Init's first thread: the system ends with its fault. Set once, at boot; null before.
  static inline const Thread* root = nullptr;

  Thread(Account& payer, Domain& domain, uint64_t entry, uint64_t stack_pointer, uint64_t argument,
         ThreadParameters parameters);
  // Structure lock. It stops for good, and no CPU has anything of it any more.
  void Detach();

  // What the last vcpu_run found: the same index finds it again while the slot's word stays. Slots
  // live as long as the domain.
  struct {
    uint64_t index = 0;
    const Slot* slot = &kFreeSlot;
    uint64_t word = kNoWord;
  } ran;

  // The registers at the last kernel entry; what the thread resumes with.
  Frame& frame() { return frame_; }
  void SetResult(Status status) { frame_.x[0] = static_cast<uint64_t>(status); }
  void SetResult(Status status, uint64_t value) {
    SetResult(status);
    frame_.x[1] = value;
  }

  Domain* domain() const { return domain_; }  // nullptr after the domain's end
  uint32_t cpu() const { return parameters_.cpu; }
  const ThreadParameters& parameters() const { return parameters_; }
  // Its own, or that of whom it serves if that is higher.
  uint32_t priority() const { return priority_; }
  ThreadState state() const { return state_; }

  // Structure lock, below.
  Status Start();
  // Ends whatever it does, on whatever CPU; returns when it is not running. Harmless when called
  // again.
  void Stop(ThreadState state);
  void SetParameters(ThreadParameters parameters);
  // In ticks; budget 0: no limit.
  void SetBudget(uint64_t budget, uint64_t period);
  void LeaveDomain();
  // The vCPU it runs goes away: its run ends with kGone.
  void StopRunning();

  // Own CPU: the thread caused it. The frame holds what was interrupted.
  void Fault(uint64_t esr, uint64_t far);
  void Exit(uint64_t status);
  // A Linux call or a fault goes to the upcall. False: there is none, or the upcall itself is
  // running.
  bool Upcall(uint64_t esr, uint64_t far);
  Status ReturnFromUpcall();
  void SetUpcall(uint64_t entry, uint64_t stack_pointer);
  UpcallInfo upcall_info() const { return upcall_; }
  Status MoveUpcall(uint64_t pc);

  // Notification, while it holds its lock.
  void BeginWait(Notification& notification) { waiting_on_ = &notification; }
  void FinishWait(Status status, uint64_t bits) {
    waiting_on_ = nullptr;
    SetResult(status, bits);
  }
  // The deadline that Scheduler::Block was given has passed.
  void TimedOut();

  // The vCPU that runs in this thread's name, or for whose run it sleeps. Own CPU, or the thread is
  // blocked.
  Vcpu* running = nullptr;

  // The port where it waits to be served or called, and the one whose caller it serves; each
  // guarded by that port's lock.
  Port* port = nullptr;
  Port* serving = nullptr;
  uint64_t call_badge = 0;
  // It serves a caller of the same CPU: on his time, and at least at his priority.
  void Serve(Thread& caller);
  // It serves nobody any more: its own priority, its own time.
  void EndService();

  // EL0 registers that are not in the frame, current while another thread's are in the hardware.
  uint64_t sp_el0;
  uint64_t tpidr_el0 = 0;
  FpState fp = {};

  // Ticks of CPU time; current up to its last switch.
  uint64_t cpu_time() const { return __atomic_load_n(&cpu_time_, __ATOMIC_RELAXED); }
  void AddCpuTime(uint64_t ticks);

 private:
  friend class Scheduler;

  void LeaveWaits(bool for_good);
  bool EndRun();  // false: it runs no vCPU
  void WaitUntilOff(const Cpu& home) const;

  Frame frame_ = {};
  Domain* domain_;
  ThreadParameters parameters_;
  ThreadState state_ = ThreadState::kStopped;
  uint8_t priority_;
  Thread* donor_ = nullptr;  // pays for its time while it serves a caller of the same CPU
  uint64_t slice_left_ = 0;
  // At most budget_ ticks of CPU time in each period_; guarded by the scheduler's lock.
  uint64_t budget_ = 0;
  uint64_t period_ = 0;
  int64_t budget_left_ = 0;  // negative: used too much, which the next periods pay
  uint64_t period_end_ = 0;
  bool throttled_ =
      false;  // ready, but its budget is used up: on the timeout heap instead of the queue

  uint64_t cpu_time_ = 0;
  Notification* waiting_on_ = nullptr;

  uint64_t upcall_entry_ = 0;
  uint64_t upcall_stack_ = 0;
  bool in_upcall_ = false;
  UpcallInfo upcall_ = {};
};

}  // namespace pyrene
