// SPDX-License-Identifier: Apache-2.0
#include "services/xl/info_format.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace pyrene::xl {
namespace {

// Collects "key : value" lines, or the values alone of the keys that were asked for.
class Lines {
 public:
  explicit Lines(absl::string_view key) : key_(key) {}

  template <typename T>
  void Add(absl::string_view key, const T& value) {
    if (key_.empty()) {
      absl::StrAppendFormat(&text_, "%-23s: %s\n", key, absl::AlphaNum(value).Piece());
    } else if (absl::StartsWith(key, key_)) {
      absl::StrAppend(&text_, value, "\n");
    }
  }

  // Text that no key selects.
  void AddText(absl::string_view text) { absl::StrAppend(&text_, text); }

  std::string Take() && { return std::move(text_); }

 private:
  absl::string_view key_;
  std::string text_;
};

std::string HwCaps(const HostInfo& host) {
  std::string text;
  for (const uint32_t caps : host.hw_caps)
    absl::StrAppendFormat(&text, "%s%08x", text.empty() ? "" : ":", caps);
  return text;
}

void AddHost(const HostInfo& host, Lines& lines) {
  lines.Add("host", host.host);
  lines.Add("release", host.release);
  lines.Add("version", host.version);
  lines.Add("machine", host.machine);
  lines.Add("nr_cpus", host.nr_cpus);
  lines.Add("max_cpu_id", host.max_cpu_id);
  lines.Add("nr_nodes", host.nr_nodes);
  lines.Add("cores_per_socket", host.cores_per_socket);
  lines.Add("threads_per_core", host.threads_per_core);
  lines.Add("cpu_mhz", absl::StrFormat("%d.%03d", host.cpu_khz / 1000, host.cpu_khz % 1000));
  lines.Add("hw_caps", HwCaps(host));
  lines.Add("virt_caps", host.virt_caps);
  if (host.sve_vector_length.has_value())
    lines.Add("arm_sve_vector_length", *host.sve_vector_length);
  lines.Add("total_memory", host.total_memory_mib);
  lines.Add("free_memory", host.free_memory_mib);
  lines.Add("sharing_freed_memory", host.sharing_freed_mib);
  lines.Add("sharing_used_memory", host.sharing_used_mib);
  lines.Add("outstanding_claims", host.outstanding_claims_mib);
  lines.Add("free_cpus", host.free_cpus);
}

void AddTopology(const HostInfo& host, Lines& lines) {
  std::string text = "cpu_topology           :\ncpu:    core    socket     node\n";
  for (size_t cpu = 0; cpu < host.topology.size(); ++cpu) {
    const CpuTopology& place = host.topology[cpu];
    absl::StrAppendFormat(&text, "%3d:    %4d     %4d     %4d\n", cpu, place.core, place.socket,
                          place.node);
  }
  // PCI devices; the board's are not handed out.
  absl::StrAppend(
      &text,
      "device topology        :\ndevice           node\nNo device topology data available\n");
  absl::StrAppend(&text, "numa_info              :\nnode:    memsize    memfree    distances\n");
  for (size_t node = 0; node < host.nodes.size(); ++node) {
    const NumaNode& memory = host.nodes[node];
    absl::StrAppendFormat(&text, "%4d:    %6d     %6d      %s\n", node, memory.size_mib,
                          memory.free_mib, absl::StrJoin(memory.distances, ","));
  }
  lines.AddText(text);
}

void AddHypervisor(const HostInfo& host, Lines& lines) {
  lines.Add("xen_major", host.xen_major);
  lines.Add("xen_minor", host.xen_minor);
  lines.Add("xen_extra", host.xen_extra);
  lines.Add("xen_version", absl::StrCat(host.xen_major, ".", host.xen_minor, host.xen_extra));
  lines.Add("xen_caps", host.xen_caps);
  lines.Add("xen_scheduler", host.scheduler);
  lines.Add("xen_pagesize", host.page_size);
  lines.Add("platform_params", host.platform_params);
  lines.Add("xen_changeset", host.changeset);
  lines.Add("xen_commandline", host.command_line);
  lines.Add("cc_compiler", host.compiler);
  lines.Add("cc_compile_by", host.compile_by);
  lines.Add("cc_compile_domain", host.compile_domain);
  lines.Add("cc_compile_date", host.compile_date);
  lines.Add("build_id", host.build_id);
}

}  // namespace

std::string FormatInfo(const HostInfo& host, const InfoOptions& options) {
  Lines lines(options.numa ? absl::string_view() : options.key);
  AddHost(host, lines);
  if (options.numa) AddTopology(host, lines);
  AddHypervisor(host, lines);
  if (options.xenstore)
    lines.Add("xenstore_features", absl::StrFormat("0x%08x", host.xenstore_features));
  lines.Add("xend_config_format", 4);
  return std::move(lines).Take();
}

}  // namespace pyrene::xl
