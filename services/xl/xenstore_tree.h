// SPDX-License-Identifier: Apache-2.0
// The XenStore nodes that the toolstack makes for a guest, in the order libxl makes them (so that
// listings agree), and the paths it removes when the guest is gone.
//
// Each list is complete: it names every node with its permissions, parents before children, and may
// be applied as it is: write the value, then set the permissions, all within one transaction.
// Directories that devices share come again with every device, with the same value and permissions.
// Domain id 0 in permissions is the toolstack, which XenStore lets do everything; no domain has it.
// Back-ends have ids of their own (from 0x7FEF downwards).
//
// Permissions: a guest reads its own tree (n0,rN) and owns (nN) only what Xen lets it own; a
// back-end owns its home.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "services/xl/guest_config.h"
#include "services/xl/xenstore_node.h"

namespace pyrene::xl {

// Bytes of console output that are kept; the value Xen writes.
inline constexpr uint32_t kConsoleLimit = 1048576;

struct GuestTree {
  uint32_t domid = 0;
  GuestConfig config;          // with its uuid
  uint64_t start_time_us = 0;  // microseconds since 1970
  // Event channels and guest frame numbers that the guest learns by its HVM parameters too.
  uint32_t store_port = 0;
  uint64_t store_gfn = 0;
  uint32_t console_port = 0;
  uint64_t console_gfn = 0;
  uint32_t console_backend = 0;  // domain id of the console service
};

// What stands there before any guest: /local/domain, /vm and so on.  Made when missing.
std::vector<XenstoreNode> BaseNodes();

// The home of a back-end of that domain id, made when missing before a guest's nodes.
std::vector<XenstoreNode> BackendHomeNodes(uint32_t backend);

// The guest's home, /vm and /libxl without any device.
std::vector<XenstoreNode> GuestNodes(const GuestTree& tree);

// Which vCPUs are to be on line: a node for each of config.max_vcpus, paths and values only.
std::vector<XenstoreNode> AvailabilityNodes(uint32_t domid, const GuestConfig& config);

// Console 0.  libxl makes it after the virtual disks and before the network interfaces
// (xenstore_devices.h).
std::vector<XenstoreNode> ConsoleNodes(const GuestTree& tree);

// Subtrees to remove once the guest is destroyed; one that does not exist is no error.  `backends`
// are the domain ids of all back-ends that it had devices of, `kind` "console", "vbd" or "vif".
struct BackendOfGuest {
  uint32_t backend = 0;
  std::string kind;
};
std::vector<std::string> GuestRemovalPaths(uint32_t domid, const std::string& uuid,
                                           const std::vector<BackendOfGuest>& backends);

std::string GuestHome(uint32_t domid);  // "/local/domain/5"

}  // namespace pyrene::xl
