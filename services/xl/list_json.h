// SPDX-License-Identifier: Apache-2.0
// Output of `xl list -l`: guests' configurations as JSON, in the form that libxl writes.
#pragma once

#include <cstdint>
#include <string>

#include "absl/types/span.h"
#include "services/xl/guest_config.h"

namespace pyrene::xl {

struct DomainDetails {
  uint32_t domid = 0;
  GuestConfig config;  // with its uuid
};

// `host_cpus` bounds the lists of CPUs that a guest may run on.
std::string FormatListJson(absl::Span<const DomainDetails> domains, int host_cpus);

// What `xl create -n` prints: the configuration alone.
std::string FormatConfigJson(const GuestConfig& config, int host_cpus);

}  // namespace pyrene::xl
