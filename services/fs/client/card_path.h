// SPDX-License-Identifier: Apache-2.0
//
// Where the files of fs are among those of the boot bundle: below /sd.
#pragma once

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace pyrene::fs {

inline constexpr char kCardFolder[] = "sd";

// What fs calls "/sd/PATH", "sd/PATH" or "/sd": "/PATH" or "/". Nothing: it is none of its.
std::optional<std::string> PathOnCard(absl::string_view path);

}  // namespace pyrene::fs
