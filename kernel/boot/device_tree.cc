// SPDX-License-Identifier: Apache-2.0
#include <libfdt.h>

#include "kernel/boot/machine.h"
#include "kernel/lib/bytes.h"

namespace pyrene {
namespace {

constexpr unsigned kMaxDepth = 8;
constexpr uint32_t kMaxCells = 4;  // devicetree specification 2.3.5

uint64_t ReadCells(const fdt32_t* cells, int count) {
  uint64_t value = 0;
  for (int i = 0; i < count; ++i) value = value << 32 | fdt32_to_cpu(cells[i]);
  return value;
}

// Of what lies below `bus`. libfdt's own functions for this would bring its whole editing part into
// the kernel.
int CellsOf(const void* tree, int bus, const char* property, int standard) {
  int length;
  const auto* cells = static_cast<const fdt32_t*>(fdt_getprop(tree, bus, property, &length));
  if (cells == nullptr) return standard;
  const uint32_t count = length == 4 ? fdt32_to_cpu(*cells) : kMaxCells + 1;
  return count > kMaxCells ? -1 : static_cast<int>(count);
}
int AddressCells(const void* tree, int bus) { return CellsOf(tree, bus, "#address-cells", 2); }
int SizeCells(const void* tree, int bus) { return CellsOf(tree, bus, "#size-cells", 1); }

// Entry `index` of a node's reg, in the parent bus's addresses.
bool BusReg(const void* tree, int node, int index, PhysicalRange& range) {
  const int parent = fdt_parent_offset(tree, node);
  if (parent < 0) return false;
  const int address_cells = AddressCells(tree, parent);
  const int size_cells = SizeCells(tree, parent);
  int length;
  const auto* reg = static_cast<const fdt32_t*>(fdt_getprop(tree, node, "reg", &length));
  if (reg == nullptr || address_cells < 1 || size_cells < 0) return false;
  const int entry = address_cells + size_cells;
  if ((index + 1) * entry * 4 > length) return false;
  range.base = ReadCells(reg + index * entry, address_cells);
  range.bytes = ReadCells(reg + index * entry + address_cells, size_cells);
  return true;
}

// Through the `ranges` of all buses above, to a CPU address (devicetree specification 2.3.8).
bool Reg(const void* tree, int node, int index, PhysicalRange& range) {
  if (!BusReg(tree, node, index, range)) return false;
  int bus = fdt_parent_offset(tree, node);
  for (unsigned depth = 0; bus > 0 && depth < kMaxDepth; ++depth) {
    const int parent = fdt_parent_offset(tree, bus);
    if (parent < 0) return false;
    int length;
    const auto* ranges = static_cast<const fdt32_t*>(fdt_getprop(tree, bus, "ranges", &length));
    if (ranges == nullptr) return false;
    const int child_cells = AddressCells(tree, bus);
    const int parent_cells = AddressCells(tree, parent);
    const int size_cells = SizeCells(tree, bus);
    if (child_cells < 0 || parent_cells < 0 || size_cells < 0) return false;
    const int entry = child_cells + parent_cells + size_cells;
    if (entry == 0) return false;
    bool found = length == 0;  // empty: the same addresses
    for (int i = 0; !found && (i + 1) * entry * 4 <= length; ++i) {
      const fdt32_t* cells = ranges + i * entry;
      const uint64_t child = ReadCells(cells, child_cells);
      const uint64_t size = ReadCells(cells + child_cells + parent_cells, size_cells);
      if (range.base < child || range.base - child >= size) continue;
      range.base = range.base - child + ReadCells(cells + child_cells, parent_cells);
      found = true;
    }
    if (!found) return false;
    bus = parent;
  }
  return true;
}

bool Enabled(const void* tree, int node) {
  const auto* status = static_cast<const char*>(fdt_getprop(tree, node, "status", nullptr));
  return status == nullptr || strcmp(status, "okay") == 0 || strcmp(status, "ok") == 0;
}

const char* ReadMemory(const void* tree, Machine& machine) {
  int node;
  fdt_for_each_subnode(node, tree, 0) {
    const auto* type = static_cast<const char*>(fdt_getprop(tree, node, "device_type", nullptr));
    if (type == nullptr || strcmp(type, "memory") != 0) continue;
    PhysicalRange range;
    for (int i = 0; Reg(tree, node, i, range); ++i) {
      if (!machine.ram.Add(range.base, range.bytes)) return "it has too many memory ranges";
    }
  }
  if (machine.ram.count == 0) return "it describes no memory";
  for (int i = 0; i < fdt_num_mem_rsv(tree); ++i) {
    uint64_t base, bytes;
    if (fdt_get_mem_rsv(tree, i, &base, &bytes) == 0 && !machine.reserved.Add(base, bytes))
      return "it has too many reservations";
  }
  const int reserved = fdt_path_offset(tree, "/reserved-memory");
  if (reserved < 0) return nullptr;
  fdt_for_each_subnode(node, tree, reserved) {
    PhysicalRange range;
    for (int i = 0; Reg(tree, node, i, range); ++i) {
      if (!machine.reserved.Add(range.base, range.bytes)) return "it has too many reservations";
    }
  }
  return nullptr;
}

const char* ReadGic(const void* tree, Machine& machine) {
  int node = fdt_node_offset_by_compatible(tree, -1, "arm,gic-400");
  if (node < 0) node = fdt_node_offset_by_compatible(tree, -1, "arm,cortex-a15-gic");
  if (node < 0) return "it describes no GICv2";
  if (!Reg(tree, node, 0, machine.distributor) || !Reg(tree, node, 1, machine.cpu_interface) ||
      !Reg(tree, node, 2, machine.hypervisor_interface) ||
      !Reg(tree, node, 3, machine.virtual_interface))
    return "its GICv2 has no virtualization registers (reg needs four entries)";
  return nullptr;
}

void ReadUart(const void* tree, Machine& machine) {
  // Not /chosen/stdout-path: the Raspberry Pi's tree names the mini UART there.
  for (int node = fdt_node_offset_by_compatible(tree, -1, "arm,pl011"); node >= 0;
       node = fdt_node_offset_by_compatible(tree, node, "arm,pl011")) {
    PhysicalRange range;
    if (Enabled(tree, node) && Reg(tree, node, 0, range)) {
      machine.uart = range.base;
      return;
    }
  }
}

void ReadChosen(const void* tree, Machine& machine) {
  const int node = fdt_path_offset(tree, "/chosen");
  if (node < 0) return;
  const auto read = [tree, node](const char* name) -> uint64_t {
    int length;
    const auto* cells = static_cast<const fdt32_t*>(fdt_getprop(tree, node, name, &length));
    return cells == nullptr ? 0 : ReadCells(cells, length / 4 > 2 ? 2 : length / 4);
  };
  const uint64_t start = read("linux,initrd-start");
  const uint64_t end = read("linux,initrd-end");
  if (end > start) machine.bundle = {start, end - start};
}

void ReadCpus(const void* tree, Machine& machine) {
  const int psci = fdt_path_offset(tree, "/psci");
  if (psci >= 0) {
    const auto* method = static_cast<const char*>(fdt_getprop(tree, psci, "method", nullptr));
    machine.psci_by_smc = method != nullptr && strcmp(method, "smc") == 0;
  }
  const int cpus = fdt_path_offset(tree, "/cpus");
  if (cpus < 0) return;
  int node;
  fdt_for_each_subnode(node, tree, cpus) {
    const auto* type = static_cast<const char*>(fdt_getprop(tree, node, "device_type", nullptr));
    PhysicalRange reg;
    if (type == nullptr || strcmp(type, "cpu") != 0 || machine.cpus == kMaxCpus ||
        !BusReg(tree, node, 0, reg))
      continue;
    CpuNode& cpu = machine.cpu[machine.cpus++];
    cpu.mpidr = reg.base;
    const auto* method =
        static_cast<const char*>(fdt_getprop(tree, node, "enable-method", nullptr));
    if (method == nullptr) continue;
    if (strcmp(method, "psci") == 0) cpu.method = EnableMethod::kPsci;
    if (strcmp(method, "spin-table") != 0) continue;
    int length;
    const auto* cells =
        static_cast<const fdt32_t*>(fdt_getprop(tree, node, "cpu-release-addr", &length));
    if (cells == nullptr || length != 8) continue;
    cpu.method = EnableMethod::kSpinTable;
    cpu.release_address = ReadCells(cells, 2);
  }
}

}  // namespace

const char* ReadDeviceTree(const void* tree, Machine& machine) {
  ReadUart(tree, machine);
  ReadChosen(tree, machine);
  ReadCpus(tree, machine);
  if (const char* problem = ReadMemory(tree, machine)) return problem;
  if (const char* problem = ReadGic(tree, machine)) return problem;
  int length;
  const auto* model = static_cast<const char*>(fdt_getprop(tree, 0, "model", &length));
  for (int i = 0; model != nullptr && i < length && i < 63; ++i) machine.model[i] = model[i];
  return nullptr;
}

}  // namespace pyrene
