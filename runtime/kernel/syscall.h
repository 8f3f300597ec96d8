// SPDX-License-Identifier: Apache-2.0
//
// The kernel's system calls as typed inline functions; kernel/abi/syscall.h and
// docs/system-calls.md say what each does. Usable in every thread and in the upcall (no TLS, no
// memory but the arguments). For AArch64 services: code that also runs on the host uses
// runtime/notification.h and its neighbours, or a test plays the kernel (runtime/kernel/svc.h).
//
// A function without results answers Status alone. The fields of a result struct mean something
// only when `status` is kOk.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernel/abi/capability.h"
#include "kernel/abi/status.h"
#include "kernel/abi/syscall.h"
#include "kernel/abi/upcall.h"
#include "kernel/abi/vcpu_state.h"
#include "runtime/kernel/svc.h"

namespace pyrene::sys {

// Capabilities. `domain` kNullCap is the caller's own table.

inline Status CapCopy(CapIndex domain, CapIndex destination, CapIndex source, Rights rights,
                      uint64_t badge = 0) {
  return internal::Invoke(Syscall::kCapCopy, domain, destination, source, rights, badge).status;
}

inline Status CapDelete(CapIndex index) {
  return internal::Invoke(Syscall::kCapDelete, index).status;
}

inline Status CapRevoke(CapIndex index) {
  return internal::Invoke(Syscall::kCapRevoke, index).status;
}

struct CapInspection {
  Status status;
  ObjectType type;
  Rights rights;
  uint64_t badge;
  uint64_t object_id;
};
inline CapInspection CapInspect(CapIndex domain, CapIndex index) {
  const internal::Answer a = internal::Invoke(Syscall::kCapInspect, domain, index);
  return {a.status, static_cast<ObjectType>(a.value[0]), static_cast<Rights>(a.value[1]),
          a.value[2], a.value[3]};
}

// Domain

struct DomainCreation {
  Status status;
  uint64_t id;
};
inline DomainCreation DomainCreate(CapIndex destination, uint64_t quota_pages) {
  const internal::Answer a = internal::Invoke(Syscall::kDomainCreate, destination, quota_pages);
  return {a.status, a.value[0]};
}

inline Status DomainMap(CapIndex domain, CapIndex memory, uint64_t first_page, uint64_t address,
                        uint64_t pages, Rights rights) {
  return internal::Invoke(Syscall::kDomainMap, domain, memory, first_page, address, pages, rights)
      .status;
}

inline Status DomainUnmap(CapIndex domain, uint64_t address, uint64_t pages) {
  return internal::Invoke(Syscall::kDomainUnmap, domain, address, pages).status;
}

inline Status DomainReset(CapIndex domain) {
  return internal::Invoke(Syscall::kDomainReset, domain).status;
}

struct Account {
  Status status;
  uint64_t quota_pages;
  uint64_t used_pages;
  uint64_t cpu_ticks;
};
inline Account DomainAccount(CapIndex domain) {
  const internal::Answer a = internal::Invoke(Syscall::kDomainAccount, domain);
  return {a.status, a.value[0], a.value[1], a.value[2]};
}

inline Status DomainSupervise(CapIndex domain, CapIndex notification, uint64_t bits) {
  return internal::Invoke(Syscall::kDomainSupervise, domain, notification, bits).status;
}

struct Fault {
  Status status;
  FaultKind kind;
  uint64_t thread;
  uint64_t esr;  // of kExit: the exit status
  uint64_t far;
  uint64_t pc;
};
inline Fault DomainFault(CapIndex domain) {
  const internal::Answer a = internal::Invoke(Syscall::kDomainFault, domain);
  return {a.status,  static_cast<FaultKind>(a.value[0]), a.value[1], a.value[2], a.value[3],
          a.value[4]};
}

// Thread

inline Status ThreadCreate(CapIndex destination, CapIndex domain, uint64_t entry, uint64_t stack,
                           uint64_t argument, ThreadParameters parameters) {
  return internal::Invoke(Syscall::kThreadCreate, destination, domain, entry, stack, argument,
                          parameters.Pack())
      .status;
}

inline Status ThreadStart(CapIndex thread) {
  return internal::Invoke(Syscall::kThreadStart, thread).status;
}

inline Status ThreadStop(CapIndex thread) {
  return internal::Invoke(Syscall::kThreadStop, thread).status;
}

inline Status ThreadSet(CapIndex thread, ThreadParameters parameters, uint64_t budget_us,
                        uint64_t period_us) {
  return internal::Invoke(Syscall::kThreadSet, thread, parameters.Pack(), budget_us, period_us)
      .status;
}

struct ThreadFacts {
  Status status;
  ThreadState state;
  uint64_t cpu_ticks;
  ThreadParameters parameters;
};
inline ThreadFacts ThreadInfo(CapIndex thread) {
  const internal::Answer a = internal::Invoke(Syscall::kThreadInfo, thread);
  return {a.status, static_cast<ThreadState>(a.value[0]), a.value[1],
          ThreadParameters::Unpack(a.value[2])};
}

[[noreturn]] inline void ThreadExit(uint64_t exit_status) {
  while (true) static_cast<void>(internal::Invoke(Syscall::kThreadExit, exit_status));
}

inline void ThreadYield() { static_cast<void>(internal::Invoke(Syscall::kThreadYield)); }

inline Status UpcallSet(uint64_t entry, uint64_t stack) {
  return internal::Invoke(Syscall::kUpcallSet, entry, stack).status;
}

inline UpcallInfo GetUpcallInfo() {
  const internal::Answer a = internal::Invoke(Syscall::kUpcallInfo);
  return {a.value[0], a.value[1], a.value[2], a.value[3], a.value[4]};
}

inline Status UpcallMove(uint64_t pc) { return internal::Invoke(Syscall::kUpcallMove, pc).status; }

// Vcpu

inline Status VcpuCreate(CapIndex destination, CapIndex guest, uint64_t state_page,
                         uint64_t affinity) {
  return internal::Invoke(Syscall::kVcpuCreate, destination, guest, state_page, affinity).status;
}

struct VcpuExit {
  Status status;
  ExitReason reason;
};
inline VcpuExit VcpuRun(CapIndex vcpu, uint64_t flags) {
  const internal::Answer a = internal::Invoke(Syscall::kVcpuRun, vcpu, flags);
  return {a.status, static_cast<ExitReason>(a.value[0])};
}

inline Status VcpuKick(CapIndex vcpu) { return internal::Invoke(Syscall::kVcpuKick, vcpu).status; }

inline Status VcpuSync(CapIndex vcpu) { return internal::Invoke(Syscall::kVcpuSync, vcpu).status; }

inline Status VcpuTranslate(CapIndex vcpu, uint64_t address, TranslateAccess access,
                            uint64_t pages) {
  return internal::Invoke(Syscall::kVcpuTranslate, vcpu, address, static_cast<uint64_t>(access),
                          pages)
      .status;
}

// Memory

inline Status MemoryDerive(CapIndex destination, CapIndex source, uint64_t first_page,
                           uint64_t pages, Rights rights) {
  return internal::Invoke(Syscall::kMemoryDerive, destination, source, first_page, pages, rights)
      .status;
}

struct MemoryFacts {
  Status status;
  uint64_t pages;
  Rights rights;
  MemoryType type;
  uint64_t address;  // physical, with the DMA right; else 0
};
inline MemoryFacts MemoryInfo(CapIndex memory) {
  const internal::Answer a = internal::Invoke(Syscall::kMemoryInfo, memory);
  return {a.status, a.value[0], static_cast<Rights>(a.value[1]),
          static_cast<MemoryType>(a.value[2]), a.value[3]};
}

// Port: kernel/port_call.h has the calls.

inline Status PortCreate(CapIndex destination) {
  return internal::Invoke(Syscall::kPortCreate, destination).status;
}

// Notification

inline Status NotificationCreate(CapIndex destination) {
  return internal::Invoke(Syscall::kNotificationCreate, destination).status;
}

inline Status NotificationSignal(CapIndex notification, uint64_t bits) {
  return internal::Invoke(Syscall::kNotificationSignal, notification, bits).status;
}

struct Wakeup {
  Status status;
  uint64_t bits;
};
inline Wakeup NotificationWait(CapIndex notification, uint64_t mask, uint64_t deadline) {
  const internal::Answer a =
      internal::Invoke(Syscall::kNotificationWait, notification, mask, deadline);
  return {a.status, a.value[0]};
}

// Irq

inline Status IrqDerive(CapIndex destination, CapIndex control, uint64_t intid) {
  return internal::Invoke(Syscall::kIrqDerive, destination, control, intid).status;
}

inline Status IrqBind(CapIndex irq, CapIndex notification, uint64_t bits) {
  return internal::Invoke(Syscall::kIrqBind, irq, notification, bits).status;
}

inline Status IrqAcknowledge(CapIndex irq) {
  return internal::Invoke(Syscall::kIrqAcknowledge, irq).status;
}

// Firmware

inline Status SystemOff(CapIndex firmware) {
  return internal::Invoke(Syscall::kSystemOff, firmware).status;
}

inline Status SystemReset(CapIndex firmware) {
  return internal::Invoke(Syscall::kSystemReset, firmware).status;
}

// The counter that deadlines count in, and its frequency in Hz. `isb` keeps the read from being
// done early (Arm ARM D11.2.1).

inline uint64_t Ticks() {
  uint64_t ticks;
  asm volatile("isb\n\tmrs %0, cntpct_el0" : "=r"(ticks)::"memory");
  return ticks;
}

inline uint64_t TickFrequency() {
  uint64_t hz;
  asm volatile("mrs %0, cntfrq_el0" : "=r"(hz));
  return hz;
}

}  // namespace pyrene::sys
