// SPDX-License-Identifier: Apache-2.0
//
// The system calls: numbers and register conventions. docs/system-calls.md is the reference.
//
// `svc #1`: x8 = number, x0..x7 = arguments. Answer: x0 = Status, x1..x7 = results; x9..x17 are
// lost, x18..x30 and all FP/SIMD registers are kept. The exceptions are the port calls, whose eight
// message words use x0..x7: there x8 = number, x9 = port, x10 = capabilities to send, x11 = where
// received capabilities go, and the answer's Status is in x8, the badge in x9, the number of
// received capabilities in x10.
//
// `svc #0` is a Linux system call: reflected to the thread's upcall (see upcall.h).
// `svc #2` returns from an upcall.
#pragma once

#include <cstdint>

namespace pyrene {

inline constexpr uint32_t kSvcLinux = 0;
inline constexpr uint32_t kSvcNative = 1;
inline constexpr uint32_t kSvcUpcallReturn = 2;

enum class Syscall : uint64_t {
  // Capabilities. A `domain` argument of kNullCap means the caller's own table.
  kCapCopy = 0,  // (domain, destination, source, rights, badge): badge only for an unbadged Port or
                 // Notification
  kCapDelete = 1,   // (index)
  kCapRevoke = 2,   // (index)
  kCapInspect = 3,  // (domain, index) -> type, rights, badge, object id

  // Domain
  kDomainCreate = 10,   // (destination, quota pages) -> domain id
  kDomainMap = 11,      // (domain, memory, first page in it, address, pages, rights)
  kDomainUnmap = 12,    // (domain, address, pages)
  kDomainReset = 13,    // (domain): unmaps everything
  kDomainAccount = 14,  // (domain) -> quota pages, used pages, CPU time in counter ticks
  kDomainSupervise =
      15,  // (domain, notification, bits): signalled when a thread of it stops by a fault or exits
  kDomainFault =
      16,  // (domain) -> FaultKind, thread tag, ESR, FAR, PC: the first since the last call

  // Thread
  kThreadCreate = 20,  // (destination, domain, entry, stack pointer, argument, ThreadParameters)
  kThreadStart = 21,   // (thread)
  kThreadStop = 22,    // (thread)
  kThreadSet = 23,     // (thread, ThreadParameters, budget us, period us)
  kThreadInfo = 24,    // (thread) -> state, CPU time in ticks, parameters
  kThreadExit = 25,    // (status): ends the caller
  kThreadYield = 26,
  kUpcallSet = 27,   // (entry, stack pointer): the caller's upcall
  kUpcallInfo = 28,  // () -> PC, SP, PSTATE, ESR, FAR of what the upcall interrupted
  kUpcallMove = 29,  // (PC): the upcall returns there instead

  // Vcpu
  kVcpuCreate =
      30,  // (destination, guest domain, address of the state page in the caller, MPIDR affinity)
  kVcpuRun = 31,        // (vcpu, RunFlags) -> ExitReason
  kVcpuKick = 32,       // (vcpu)
  kVcpuSync = 33,       // (vcpu)
  kVcpuTranslate = 34,  // (vcpu, address, access, pages): results in the state page

  // Memory
  kMemoryDerive = 40,  // (destination, source, first page, pages, rights)
  kMemoryInfo = 41,    // (memory) -> pages, rights, MemoryType, physical address (kDma) or 0

  // Port
  kPortCreate = 50,  // (destination)
  kPortCall = 51,
  kPortReplyWait = 52,

  // Notification
  kNotificationCreate = 60,  // (destination)
  kNotificationSignal = 61,  // (notification, bits)
  kNotificationWait =
      62,  // (notification, mask, deadline in CNTPCT ticks) -> bits, which are cleared

  // Irq
  kIrqDerive = 70,       // (destination, irq control, INTID)
  kIrqBind = 71,         // (irq, notification, bits)
  kIrqAcknowledge = 72,  // (irq): the line may fire again

  // Firmware
  kSystemOff = 80,    // (firmware)
  kSystemReset = 81,  // (firmware)
};

// Deadlines are absolute, in CNTPCT_EL0 ticks.
inline constexpr uint64_t kNoDeadline = ~uint64_t{0};
inline constexpr uint64_t kPoll = 0;

enum class MemoryType : uint64_t { kRam = 0, kDevice = 1 };

// 32 priorities, 31 the most urgent; one ready-queue bitmap word holds them all.
inline constexpr uint32_t kPriorities = 32;
inline constexpr uint32_t kMaxCpus = 8;  // the most a GICv2 serves

// ThreadParameters: priority in bits 7:0, CPU in bits 15:8, slice weight in bits 31:16 (256 = one
// slice of 5 ms).
struct ThreadParameters {
  uint8_t priority = 1;
  uint8_t cpu = 0;
  uint16_t weight = 256;

  constexpr uint64_t Pack() const { return priority | uint64_t{cpu} << 8 | uint64_t{weight} << 16; }
  static constexpr ThreadParameters Unpack(uint64_t word) {
    return {static_cast<uint8_t>(word), static_cast<uint8_t>(word >> 8),
            static_cast<uint16_t>(word >> 16)};
  }
};

enum class ThreadState : uint64_t {
  kStopped = 0,
  kReady = 1,
  kBlocked = 2,
  kFaulted = 3,
  kExited = 4
};

enum class FaultKind : uint64_t { kNone = 0, kFault = 1, kExit = 2 };

namespace run_flags {
// Sleep first, until a kick, a pending list register or the virtual timer: what a guest's WFI asks
// for.
inline constexpr uint64_t kBlock = 1;
// Go behind threads of the same priority first: what a guest's SCHEDOP_yield asks for.
inline constexpr uint64_t kYield = 2;
}  // namespace run_flags

enum class TranslateAccess : uint64_t { kRead = 0, kWrite = 1 };

}  // namespace pyrene
