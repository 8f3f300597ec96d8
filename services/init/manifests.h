// SPDX-License-Identifier: Apache-2.0
//
// The system manifests that this init was built with, one per platform.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "proto/manifest.capnp.h"

namespace pyrene::init {

std::vector<proto::Manifest::Reader> Manifests();

// The one that is for a machine with these root `compatible` strings, checked. NotFound;
// InvalidArgument: it is corrupt.
absl::StatusOr<proto::Manifest::Reader> ChooseManifest(
    absl::Span<const proto::Manifest::Reader> manifests, absl::Span<const std::string> compatible);

}  // namespace pyrene::init
