// SPDX-License-Identifier: Apache-2.0
// Output of `ps`, which shows the domains that Pyrene itself consists of, and of `ps -c`, which
// shows what each of them may do: a domain can use nothing that is not listed there.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"

namespace pyrene::xl {

struct CapabilityInfo {
  uint32_t slot = 0;
  std::string type;    // "Port", "Memory", "Irq", ...
  std::string rights;  // "send", "rw", ...
  std::string object;  // what it names: "console", "uart registers"
};

struct ServiceInfo {
  std::string name;
  std::string state;        // "running", "starting", "restarting", "dead"
  uint32_t generation = 0;  // how often it was restarted
  uint64_t memory_kib = 0;
  uint64_t cpu_time_ns = 0;
  int cpu = -1;  // -1: any
  uint32_t priority = 0;
  std::vector<CapabilityInfo> capabilities;  // ps -c only
};

// NAME STATE GEN MEM(KiB) TIME(s) CPU PRIO, a line with the sums of memory and time, and one with
// the memory that nobody has: exact, where `xl info` counts in MiB.
std::string FormatPs(absl::Span<const ServiceInfo> services, uint64_t unused_kib);

// For each domain its name and a line for each capability: slot, type, rights, object.
std::string FormatCapabilities(absl::Span<const ServiceInfo> services);

}  // namespace pyrene::xl
