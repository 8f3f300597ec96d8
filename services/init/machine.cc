// SPDX-License-Identifier: Apache-2.0
#include "services/init/machine.h"

#include <libfdt.h>

#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

namespace pyrene::init {
namespace {

absl::string_view Property(const void* tree, int node, const char* name) {
  int bytes = 0;
  const void* value = node < 0 ? nullptr : fdt_getprop(tree, node, name, &bytes);
  if (value == nullptr || bytes <= 0) return {};
  return {static_cast<const char*>(value), static_cast<size_t>(bytes)};
}

// The first address of `reg` below a root with `cells` address cells; 0 if it is too short.
uint64_t FirstAddress(absl::string_view reg, int cells) {
  if (cells < 1 || cells > 2 || reg.size() < 4 * static_cast<size_t>(cells)) return 0;
  uint64_t address = 0;
  for (size_t i = 0; i < 4 * static_cast<size_t>(cells); ++i) {
    address = address << 8 | static_cast<uint8_t>(reg[i]);
  }
  return address;
}

}  // namespace

absl::StatusOr<Machine> ReadMachine(absl::Span<const uint8_t> bytes) {
  const void* tree = bytes.data();
  if (bytes.size() < sizeof(fdt_header) || fdt_check_full(tree, bytes.size()) != 0) {
    return absl::InvalidArgumentError("the device tree is damaged");
  }
  Machine machine;
  const absl::string_view model = Property(tree, 0, "model");
  machine.model = std::string(model.substr(0, model.find('\0')));
  for (absl::string_view name :
       absl::StrSplit(Property(tree, 0, "compatible"), '\0', absl::SkipEmpty())) {
    machine.compatible.emplace_back(name);
  }
  const int chosen = fdt_path_offset(tree, "/chosen");
  for (const char* name : {"rng-seed", "kaslr-seed"}) {
    const absl::string_view seed = Property(tree, chosen, name);
    machine.seed.insert(machine.seed.end(), seed.begin(), seed.end());
  }
  // Only directly below the root, where addresses are physical ones.
  const int clock = fdt_node_offset_by_compatible(tree, -1, "arm,pl031");
  if (clock >= 0 && fdt_parent_offset(tree, clock) == 0) {
    machine.real_time_clock =
        FirstAddress(Property(tree, clock, "reg"), fdt_address_cells(tree, 0));
  }
  return machine;
}

}  // namespace pyrene::init
