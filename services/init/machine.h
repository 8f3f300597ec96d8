// SPDX-License-Identifier: Apache-2.0
//
// What init reads in the device tree.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace pyrene::init {

struct Machine {
  std::string model;                    // root `model`
  std::vector<std::string> compatible;  // root `compatible`
  std::vector<uint8_t> seed;            // /chosen rng-seed and kaslr-seed; may be empty
  uint64_t real_time_clock = 0;         // physical address of a PL031, or 0
};

// InvalidArgument: not a device tree.
absl::StatusOr<Machine> ReadMachine(absl::Span<const uint8_t> tree);

}  // namespace pyrene::init
