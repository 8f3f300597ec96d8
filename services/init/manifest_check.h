// SPDX-License-Identifier: Apache-2.0
//
// Whether a manifest keeps the ranges of proto/manifest.capnp and names only what it has.
#pragma once

#include "absl/status/status.h"
#include "proto/manifest.capnp.h"

namespace pyrene::init {

// InvalidArgument: "service console: heapKib is 12, not 64..262144" and the like; the first mistake
// that is found. Also for a constant whose bytes are damaged.
absl::Status CheckManifest(proto::Manifest::Reader manifest);

}  // namespace pyrene::init
