// SPDX-License-Identifier: Apache-2.0
// Builds lists of XenStore nodes; used by xenstore_tree.cc and xenstore_devices.cc.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "services/xl/xenstore_node.h"

namespace pyrene::xl {

class NodeList {
 public:
  void Add(std::string path, const XenstorePermissions& permissions,
           const absl::AlphaNum& value = "") {
    nodes_.push_back({std::move(path), std::string(value.Piece()), permissions});
  }

  std::vector<XenstoreNode> Take() && { return std::move(nodes_); }

 private:
  std::vector<XenstoreNode> nodes_;
};

inline XenstorePermissions OwnedBy(uint32_t owner) { return {{'n', owner}}; }
inline XenstorePermissions OwnedAndRead(uint32_t owner, uint32_t reader) {
  return {{'n', owner}, {'r', reader}};
}

// A device: a directory of the guest's, one of the back-end's, and the toolstack's own copy of the
// latter, which no domain can change.
struct DevicePaths {
  absl::string_view kind;  // "console", "vbd", "vif"
  uint32_t id = 0;
  uint32_t frontend = 0;  // domain ids
  uint32_t backend = 0;
  std::string frontend_path;

  std::string BackendPath() const {
    return absl::StrCat("/local/domain/", backend, "/backend/", kind, "/", frontend, "/", id);
  }
  std::string ToolstackPath() const {
    return absl::StrCat("/libxl/", frontend, "/device/", kind, "/", id);
  }
};

// Adds the back-end's directory, with its parents below the back-end's home, and the toolstack's
// copy.  Both begin with where the other ends are; `keys` follow.
void AddBackendNodes(const DevicePaths& device,
                     const std::vector<std::pair<std::string, std::string>>& keys, NodeList& nodes);

}  // namespace pyrene::xl
