// SPDX-License-Identifier: Apache-2.0
#include "services/xl/ps_format.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "services/xl/format.h"

namespace pyrene::xl {

std::string FormatPs(absl::Span<const ServiceInfo> services, uint64_t unused_kib) {
  std::string text = absl::StrFormat("%-20s %-10s %5s %9s %9s %4s %4s\n", "NAME", "STATE", "GEN",
                                     "MEM(KiB)", "TIME(s)", "CPU", "PRIO");
  uint64_t memory_kib = 0;
  uint64_t cpu_time_ns = 0;
  for (const ServiceInfo& service : services) {
    const std::string cpu = service.cpu < 0 ? "any" : absl::StrCat(service.cpu);
    absl::StrAppendFormat(&text, "%-20s %-10s %5d %9d %9.3f %4s %4d\n", service.name, service.state,
                          service.generation, service.memory_kib, CpuSeconds(service.cpu_time_ns),
                          cpu, service.priority);
    memory_kib += service.memory_kib;
    cpu_time_ns += service.cpu_time_ns;
  }
  absl::StrAppendFormat(&text, "%-20s %-10s %5s %9d %9.3f\n", "(all)", "", "", memory_kib,
                        CpuSeconds(cpu_time_ns));
  absl::StrAppendFormat(&text, "%-20s %-10s %5s %9d\n", "(free)", "", "", unused_kib);
  return text;
}

std::string FormatCapabilities(absl::Span<const ServiceInfo> services) {
  std::string text;
  for (const ServiceInfo& service : services) {
    absl::StrAppend(&text, service.name, "\n");
    for (const CapabilityInfo& capability : service.capabilities) {
      absl::StrAppendFormat(&text, "%6d  %-13s %-17s %s\n", capability.slot, capability.type,
                            capability.rights, capability.object);
    }
    if (service.capabilities.empty()) absl::StrAppend(&text, "        none\n");
  }
  return text;
}

}  // namespace pyrene::xl
