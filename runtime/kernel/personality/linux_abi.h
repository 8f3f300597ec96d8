// SPDX-License-Identifier: Apache-2.0
//
// The part of Linux's arm64 system call interface that static glibc programs use: numbers, error
// codes, flags, structures.
#pragma once

#include <cstdint>

namespace pyrene::personality::linux_abi {

enum Call : uint64_t {
  kIoctl = 29,
  kWrite = 64,
  kWritev = 66,
  kReadlinkat = 78,
  kNewfstatat = 79,
  kFstat = 80,
  kExit = 93,
  kExitGroup = 94,
  kSetTidAddress = 96,
  kFutex = 98,
  kSetRobustList = 99,
  kNanosleep = 101,
  kClockGettime = 113,
  kClockGetres = 114,
  kClockNanosleep = 115,
  kSchedGetscheduler = 120,
  kSchedGetparam = 121,
  kSchedYield = 124,
  kTgkill = 131,
  kRtSigaction = 134,
  kRtSigprocmask = 135,
  kGettimeofday = 169,
  kGetpid = 172,
  kGettid = 178,
  kBrk = 214,
  kMunmap = 215,
  kClone = 220,
  kMmap = 222,
  kMprotect = 226,
  kMadvise = 233,
  kPrlimit64 = 261,
  kGetrandom = 278,
};

// Answers are values, or one of these negated.
inline constexpr int64_t kENOENT = 2;
inline constexpr int64_t kEBADF = 9;
inline constexpr int64_t kEAGAIN = 11;
inline constexpr int64_t kENOMEM = 12;
inline constexpr int64_t kEINVAL = 22;
inline constexpr int64_t kENOTTY = 25;
inline constexpr int64_t kENOSYS = 38;
inline constexpr int64_t kETIMEDOUT = 110;

struct Timespec {
  int64_t seconds;
  int64_t nanoseconds;
};

struct Timeval {
  int64_t seconds;
  int64_t microseconds;
};

struct IoVector {
  const void* base;
  uint64_t bytes;
};

struct Stat {
  uint64_t device, inode;
  uint32_t mode, links, user, group;
  uint64_t special_device, reserved0;
  int64_t size;
  int32_t block_size, reserved1;
  int64_t blocks;
  uint64_t times[6];
  uint32_t reserved2[2];
};
static_assert(sizeof(Stat) == 128);
inline constexpr uint32_t kStatCharacterDevice = 0020000;
// Major number 136: glibc takes such a device for a terminal, and buffers stdout by lines, without
// asking by ioctl.
inline constexpr uint64_t kStatTerminal = 136 << 8;
inline constexpr uint64_t kAtEmptyPath = 0x1000;

enum Clock : uint64_t {
  kRealtime = 0,
  kMonotonic = 1,
  kProcessCpuTime = 2,
  kThreadCpuTime = 3,
  kMonotonicRaw = 4,
  kRealtimeCoarse = 5,
  kMonotonicCoarse = 6,
  kBoottime = 7,
};
inline constexpr uint64_t kTimerAbsolute = 1;

inline constexpr int64_t kSchedOther = 0;

inline constexpr uint64_t kMapFixed = 0x10;
inline constexpr uint64_t kMapAnonymous = 0x20;
inline constexpr uint64_t kMadviseDontNeed = 4;
inline constexpr uint64_t kResourceStack = 3;

inline constexpr uint64_t kFutexCommandMask = 0x7f;  // without PRIVATE and CLOCK_REALTIME
inline constexpr uint64_t kFutexClockRealtime = 0x100;
inline constexpr uint64_t kFutexWait = 0;
inline constexpr uint64_t kFutexWake = 1;
inline constexpr uint64_t kFutexWaitBitset = 9;
inline constexpr uint64_t kFutexWakeBitset = 10;
inline constexpr uint32_t kFutexAnyBit = ~uint32_t{0};

inline constexpr uint64_t kCloneVm = 0x100;
inline constexpr uint64_t kCloneThread = 0x10000;
inline constexpr uint64_t kCloneSetTls = 0x80000;
inline constexpr uint64_t kCloneParentSetTid = 0x100000;
inline constexpr uint64_t kCloneChildClearTid = 0x200000;
inline constexpr uint64_t kCloneChildSetTid = 0x1000000;

}  // namespace pyrene::personality::linux_abi
