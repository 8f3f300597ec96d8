// SPDX-License-Identifier: Apache-2.0
//
// Names for addresses in a service's program: the bundle's file symbols.NAME, lines of 16
// hexadecimal digits, a space and a function's name, by ascending address.
#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace pyrene::init {

// "0x4012a4 (Function+0x24)"; without a usable table the address alone.
std::string DescribeAddress(absl::string_view table, uint64_t address);

}  // namespace pyrene::init
