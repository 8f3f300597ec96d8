// SPDX-License-Identifier: Apache-2.0
//
// What the creator of a service (init) tells it, in one read-only page at kStartInfoAddress. Init
// itself finds the kernel's BootInfo there instead; both begin with magic, heap_bytes, stack_bytes.
//
// Written by the creator before the service's first instruction; only realtime_offset_ns may change
// later. The service trusts this page as it trusts its creator.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernel/abi/boot_info.h"
#include "kernel/abi/capability.h"

namespace pyrene {

// Where the creator maps the service's log ring (runtime/log_ring.h), read-write, if
// StartInfo::log_bytes is not 0.
inline constexpr uint64_t kLogAddress = 0x20000;
inline constexpr uint64_t kMaxLogBytes = 0x10000;

// Of a service's capability indices, those from here on are its creator's to fill, at any time and
// as its messages say (proto/supervision.capnp); the service allocates below. Init has no creator
// and uses all.
inline constexpr CapIndex kFirstOfferedCap = 768;

struct NamedCapability {
  static constexpr size_t kNameBytes = 24;
  char name[kNameBytes];  // NUL-terminated; unique in the table
  CapIndex cap;           // kNullCap ends the table early
  uint32_t
      value;  // what the manifest says about it: bits of a notification, bytes of a config, else 0
};
static_assert(sizeof(NamedCapability) == 32);

struct StartInfo {
  static constexpr uint64_t kMagic = 0x76726573'4e525950;  // "PYRNserv"
  static constexpr size_t kMaxCapabilities = 64;
  static constexpr size_t kMaxArgumentBytes = 1024;
  static constexpr size_t kMaxArguments = 32;

  uint64_t magic;
  uint64_t heap_bytes;         // mapped at kHeapAddress, zeroed; a multiple of 4096
  uint64_t stack_bytes;        // mapped below kStackTop; a multiple of 4096
  char name[32];               // of the service, NUL-terminated
  uint8_t random_seed[32];     // fresh for every generation
  int64_t realtime_offset_ns;  // wall clock = CNTPCT as nanoseconds + this; written as one word
  uint32_t generation;         // 1 for the first start, counts restarts
  CapIndex first_free;         // capability indices from here to kFirstOfferedCap are free
  uint32_t log_bytes;          // at kLogAddress; a multiple of 4096 up to kMaxLogBytes, or 0
  CapIndex log_signal;         // Notification to signal after a write to the log, or kNullCap
  uint32_t argument_count;     // of strings in `arguments`
  uint32_t argument_bytes;     // used of `arguments`, with each string's NUL
  NamedCapability capability[kMaxCapabilities];
  char arguments[kMaxArgumentBytes];
};
static_assert(sizeof(StartInfo) <= 4096);
static_assert(offsetof(StartInfo, heap_bytes) == offsetof(BootInfo, heap_bytes));
static_assert(offsetof(StartInfo, stack_bytes) == offsetof(BootInfo, stack_bytes));

}  // namespace pyrene
