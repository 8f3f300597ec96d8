// SPDX-License-Identifier: Apache-2.0
//
// Guests, services and the machine as init's messages carry them, and as the rest of xl has them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "proto/guest.capnp.h"
#include "proto/toolstack.capnp.h"
#include "services/xl/domain_info.h"
#include "services/xl/guest_config.h"
#include "services/xl/ps_format.h"

namespace pyrene::xl {

struct Guest {
  DomainInfo info;
  std::vector<VcpuInfo> vcpus;
  uint64_t max_memory_kib = 0;
};

Guest ReadGuest(proto::GuestState::Reader state);

// `config` with its uuid; `source` is the file that it came from.
void WriteGuestConfig(const GuestConfig& config, absl::string_view source, bool paused,
                      proto::GuestConfig::Builder message);
GuestConfig ReadGuestConfig(proto::GuestConfig::Reader message);

ServiceInfo ReadService(proto::ServiceState::Reader state);

// 16 bytes <-> 8-4-4-4-12 hexadecimal digits. What is no UUID becomes all zero.
std::string UuidBytes(absl::string_view text);
std::string UuidText(absl::string_view bytes);

// A fresh one of version 4.
std::string RandomUuid();

}  // namespace pyrene::xl
