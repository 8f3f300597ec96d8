// SPDX-License-Identifier: Apache-2.0
//
// What init itself must be sure of in a guest's configuration; the VMM checks what concerns the
// guest alone.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "proto/guest.capnp.h"

namespace pyrene::init {

inline constexpr unsigned kMaxGuestDisks = 4;

// Ranges of proto/guest.capnp. InvalidArgument is a sentence for the user.
absl::Status CheckGuestConfig(proto::GuestConfig::Reader config);
absl::Status CheckDiskConfig(proto::Disk::Reader disk);
absl::Status CheckSchedule(uint16_t weight, uint32_t cap_percent, unsigned max_vcpus);

// 1..64 bytes of printable ASCII without "/", and not all digits, which would be a domid.
absl::Status CheckGuestName(absl::string_view name);

// A state as a VMM tells it: short enough to be passed on.
absl::Status CheckGuestState(proto::GuestState::Reader state);

}  // namespace pyrene::init
