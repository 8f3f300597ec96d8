// SPDX-License-Identifier: Apache-2.0
//
// What the kernel tells init, in one read-only page at kStartInfoAddress. Init gets everything: all
// free RAM, the device frames, the interrupt lines, the device tree and the boot bundle.
#pragma once

#include <cstdint>

#include "kernel/abi/capability.h"

namespace pyrene {

// Where the start page of every service is mapped (BootInfo for init, StartInfo for the others).
inline constexpr uint64_t kStartInfoAddress = 0x10000;

// Init's own memory, laid out by the kernel. Other services get the same layout from init.
inline constexpr uint64_t kHeapAddress = 0x10000000;
inline constexpr uint64_t kStackTop = 0x30000000;  // grows down; nothing is mapped below the stack
inline constexpr uint64_t kWindowAddress =
    0x40000000;  // from here on the service maps what it likes

struct BootMemory {
  uint64_t base;   // physical address
  uint64_t pages;  // of 4 KiB
  CapIndex cap;    // Memory, all rights
  uint32_t type;   // MemoryType
};

struct BootInfo {
  static constexpr uint64_t kMagic = 0x746f6f62'4e525950;  // "PYRNboot"
  static constexpr unsigned kMaxMemories = 32;

  uint64_t magic;
  uint64_t heap_bytes;         // mapped at kHeapAddress
  uint64_t stack_bytes;        // mapped below kStackTop
  uint64_t kernel_bytes;       // RAM that the kernel keeps: image and pool
  uint64_t ram_bytes;          // all RAM of the machine, as the device tree tells
  uint64_t counter_frequency;  // Hz
  uint64_t boot_ticks;         // CNTPCT at the kernel's first instruction
  uint64_t quota_pages;        // of init's domain
  uint32_t cpus;               // CPUs that run, 0..cpus-1
  uint32_t list_registers;
  CapIndex device_tree;  // Memory, read only
  uint32_t device_tree_bytes;
  uint64_t device_tree_offset;  // of its first byte within that Memory
  CapIndex bundle;              // Memory; written only to wipe its seed
  uint32_t reserved0;
  uint64_t bundle_bytes;
  uint64_t bundle_offset;
  CapIndex kernel_log;  // Memory, read only: KernelLog
  CapIndex irq_control;
  CapIndex firmware;    // kNullCap where there is none
  CapIndex gicv;        // Memory: the GIC's virtual CPU interface, for guests
  CapIndex first_free;  // capability indices from here on are free
  uint32_t memories;    // entries used below
  BootMemory memory[kMaxMemories];
};
static_assert(sizeof(BootInfo) <= 4096);

// The kernel's log: what it printed. Written by the kernel only.
struct KernelLog {
  static constexpr uint32_t kBytes = 16384 - 8;
  uint32_t
      written;  // bytes ever written; the text is text[written - kBytes .. written) modulo kBytes
  uint32_t reserved;
  char text[kBytes];
};

}  // namespace pyrene
