// SPDX-License-Identifier: Apache-2.0
//
// What the device tree says about the machine, as far as the kernel needs it. Read once at boot;
// init reads the tree again for devices.
#pragma once

#include <cstdint>

#include "kernel/abi/syscall.h"

namespace pyrene {

struct PhysicalRange {
  uint64_t base = 0;
  uint64_t bytes = 0;
  uint64_t end() const { return base + bytes; }
};

// A short list of ranges; Add fails when it is full.
template <unsigned kMax>
struct RangeList {
  PhysicalRange item[kMax];
  unsigned count = 0;
  bool Add(uint64_t base, uint64_t bytes) {
    if (count == kMax) return false;
    if (bytes != 0) item[count++] = {base, bytes};
    return true;
  }
};

enum class EnableMethod : uint8_t { kNone, kSpinTable, kPsci };

struct CpuNode {
  uint64_t mpidr = 0;
  EnableMethod method = EnableMethod::kNone;
  uint64_t release_address = 0;  // spin table
};

struct Machine {
  RangeList<8> ram;
  RangeList<24> reserved;  // memory reservations, /reserved-memory
  PhysicalRange distributor, cpu_interface, hypervisor_interface, virtual_interface;
  uint64_t uart = 0;
  PhysicalRange device_tree;
  PhysicalRange bundle;  // the initrd; empty if there is none
  CpuNode cpu[kMaxCpus];
  unsigned cpus = 0;
  bool psci_by_smc = false;
  char model[64] = {};
};

// `tree` is mapped and its header checked. nullptr, or what is missing.
[[nodiscard]] const char* ReadDeviceTree(const void* tree, Machine& machine);

}  // namespace pyrene
