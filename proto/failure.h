// SPDX-License-Identifier: Apache-2.0
//
// An error as services tell each other (proto/toolstack.capnp, Failure), and absl::Status, which
// has more codes: what is out of range or not in order there is `invalid` here.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "proto/toolstack.capnp.h"

namespace pyrene::proto {

// The reason is cut at 300 bytes.
void WriteFailure(const absl::Status& status, Failure::Builder failure);

absl::StatusCode CodeOf(FailureCode code);
// With its sentence, which is the sender's: hostile, where the sender is.
absl::Status ToStatus(Failure::Reader failure);

}  // namespace pyrene::proto
