// SPDX-License-Identifier: Apache-2.0
//
// The kernel's answers as absl::Status.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "kernel/abi/status.h"

namespace pyrene::runtime {

// OkStatus for kOk; else a message that begins with `what`.
absl::Status ToStatus(Status status, absl::string_view what);

}  // namespace pyrene::runtime
