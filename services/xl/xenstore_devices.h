// SPDX-License-Identifier: Apache-2.0
// XenStore nodes of a guest's virtual disks and network interfaces: those the toolstack makes, both
// ends in state 1 (XenbusStateInitialising).  The rules of xenstore_tree.h apply; the guest's and
// the back-end's home must be there.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "services/xl/disk_spec.h"
#include "services/xl/vif_spec.h"
#include "services/xl/xenstore_node.h"

namespace pyrene::xl {

struct DeviceEnds {
  uint32_t domid = 0;    // of the guest
  uint32_t backend = 0;  // of the back-end's domain
};

// `params` is what the back-end opens; `type` how: "phy" or "file".
std::vector<XenstoreNode> VbdNodes(const DeviceEnds& ends, const DiskSpec& disk,
                                   const std::string& type, const std::string& params);

// The specification's devid and mac must be set.
std::vector<XenstoreNode> VifNodes(const DeviceEnds& ends, const VifSpec& vif);

// Subtrees to remove when one device (kind "vbd" or "vif") is detached.
std::vector<std::string> DeviceRemovalPaths(const DeviceEnds& ends, const std::string& kind,
                                            uint32_t id);

}  // namespace pyrene::xl
