// SPDX-License-Identifier: Apache-2.0
// What the commands that show guests and the machine print: plain values, gathered by the caller.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "services/xl/cpu_list.h"

namespace pyrene::xl {

// SHUTDOWN_* of Xen's sched.h.
enum class ShutdownReason : uint32_t {
  kPoweroff = 0,
  kReboot = 1,
  kSuspend = 2,
  kCrash = 3,
  kWatchdog = 4,
  kSoftReset = 5,
};

struct DomainInfo {
  uint32_t domid = 0;
  std::string name;
  std::string uuid;  // canonical
  uint64_t memory_kib = 0;
  uint32_t vcpus_online = 0;
  bool running = false;  // at least one vCPU runs at this moment
  bool blocked = false;  // all vCPUs that are on line wait
  bool paused = false;
  bool shutdown = false;
  bool dying = false;
  uint32_t shutdown_reason = 0;  // what the guest said: any number; has a meaning only if shutdown
  uint64_t cpu_time_ns = 0;      // of all vCPUs
  int64_t start_time_s = 0;      // seconds since 1970
};

struct VcpuInfo {
  uint32_t domid = 0;
  std::string domain_name;
  uint32_t vcpu = 0;
  uint32_t cpu = 0;  // where it runs or ran last
  bool online = false;
  bool running = false;
  bool blocked = false;
  uint64_t cpu_time_ns = 0;
  CpuMask hard_affinity = kAllCpus;
  CpuMask soft_affinity = kAllCpus;
};

struct CpuTopology {
  uint32_t core = 0;
  uint32_t socket = 0;
  uint32_t node = 0;
};

struct NumaNode {
  uint64_t size_mib = 0;
  uint64_t free_mib = 0;
  std::vector<uint32_t> distances;  // to every node, by its number
};

struct HostInfo {
  std::string host;
  std::string release;
  std::string version;
  std::string machine = "aarch64";
  uint32_t nr_cpus = 0;
  uint32_t max_cpu_id = 0;
  uint32_t nr_nodes = 1;
  uint32_t cores_per_socket = 0;
  uint32_t threads_per_core = 1;
  uint32_t cpu_khz = 0;  // of the system counter, as Xen on Arm has it
  std::array<uint32_t, 8> hw_caps = {};
  std::string virt_caps;  // separated by spaces
  std::optional<uint32_t> sve_vector_length;
  uint64_t total_memory_mib = 0;
  uint64_t free_memory_mib = 0;
  uint64_t sharing_freed_mib = 0;
  uint64_t sharing_used_mib = 0;
  uint64_t outstanding_claims_mib = 0;
  uint32_t free_cpus = 0;
  uint32_t xen_major = 4;
  uint32_t xen_minor = 17;
  std::string xen_extra;
  std::string xen_caps;
  std::string scheduler;
  uint32_t page_size = 4096;
  std::string platform_params;
  std::string changeset;
  std::string command_line;
  std::string compiler;
  std::string compile_by;
  std::string compile_domain;
  std::string compile_date;
  std::string build_id;
  std::vector<CpuTopology> topology;  // by CPU
  std::vector<NumaNode> nodes;
  uint32_t xenstore_features = 0;  // bits of server_features in the XenStore ring page
};

}  // namespace pyrene::xl
