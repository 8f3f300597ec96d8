// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "absl/status/status.h"
#include "proto/toolstack.capnp.h"

namespace pyrene::xl {

// What init and fs say (toolstack.capnp, Failure), with their sentence.
absl::Status ToStatus(proto::Failure::Reader failure);

}  // namespace pyrene::xl
