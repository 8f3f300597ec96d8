// SPDX-License-Identifier: Apache-2.0
#include "services/xl/xenstore_tree.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "services/xl/node_list.h"

namespace pyrene::xl {
namespace {

constexpr uint32_t kToolstack = 0;
constexpr int64_t kKibPerMib = 1024;

// Seconds with two digits, as the machine's clock gave them when the guest was made.
std::string StartTime(uint64_t microseconds) {
  return absl::StrFormat("%d.%02d", microseconds / 1'000'000, microseconds / 10'000 % 100);
}

}  // namespace

std::string GuestHome(uint32_t domid) { return absl::StrCat("/local/domain/", domid); }

void AddBackendNodes(const DevicePaths& device,
                     const std::vector<std::pair<std::string, std::string>>& keys,
                     NodeList& nodes) {
  const XenstorePermissions home = OwnedBy(device.backend);
  const XenstorePermissions readable = OwnedAndRead(device.backend, device.frontend);
  const XenstorePermissions secret = OwnedBy(kToolstack);
  const std::string kind = absl::StrCat(GuestHome(device.backend), "/backend/", device.kind);
  const std::string path = device.BackendPath();
  const std::string copy = device.ToolstackPath();
  nodes.Add(kind, home);
  nodes.Add(absl::StrCat(kind, "/", device.frontend), home);
  nodes.Add(path, readable);
  nodes.Add(path + "/frontend", readable, device.frontend_path);
  nodes.Add(absl::StrCat("/libxl/", device.frontend, "/device/", device.kind), secret);
  nodes.Add(copy, secret);
  nodes.Add(copy + "/frontend", secret, device.frontend_path);
  nodes.Add(copy + "/backend", secret, path);
  for (const auto& [key, value] : keys) nodes.Add(absl::StrCat(path, "/", key), readable, value);
  for (const auto& [key, value] : keys) nodes.Add(absl::StrCat(copy, "/", key), secret, value);
}

std::vector<XenstoreNode> BaseNodes() {
  NodeList nodes;
  for (const absl::string_view path :
       {"/tool", "/tool/xenstored", "/local", "/local/domain", "/vm", "/libxl"}) {
    nodes.Add(std::string(path), OwnedBy(kToolstack));
  }
  return std::move(nodes).Take();
}

std::vector<XenstoreNode> BackendHomeNodes(uint32_t backend) {
  NodeList nodes;
  nodes.Add(GuestHome(backend), OwnedBy(backend));
  nodes.Add(GuestHome(backend) + "/backend", OwnedBy(backend));
  return std::move(nodes).Take();
}

std::vector<XenstoreNode> GuestNodes(const GuestTree& tree) {
  const GuestConfig& config = tree.config;
  const std::string home = GuestHome(tree.domid);
  const std::string vm = absl::StrCat("/vm/", config.uuid);
  const std::string libxl = absl::StrCat("/libxl/", tree.domid);
  const XenstorePermissions readable = OwnedAndRead(kToolstack, tree.domid);
  const XenstorePermissions guests = OwnedBy(tree.domid);
  const XenstorePermissions secret = OwnedBy(kToolstack);
  NodeList nodes;
  nodes.Add(home, readable);
  nodes.Add(vm, readable);
  nodes.Add(libxl, secret);
  nodes.Add(libxl + "/device", secret);
  nodes.Add(home + "/vm", readable, vm);
  nodes.Add(home + "/name", readable, config.name);
  nodes.Add(vm + "/name", readable, config.name);
  nodes.Add(home + "/cpu", readable);
  nodes.Add(home + "/memory", readable);
  nodes.Add(home + "/device", readable);
  nodes.Add(home + "/device/suspend", readable);
  nodes.Add(home + "/device/suspend/event-channel", guests);
  nodes.Add(home + "/control", readable);
  for (const absl::string_view key :
       {"shutdown", "feature-poweroff", "feature-reboot", "feature-suspend", "sysrq"}) {
    nodes.Add(absl::StrCat(home, "/control/", key), guests);
  }
  for (const absl::string_view key : {"data", "drivers", "feature", "attr", "error"}) {
    nodes.Add(absl::StrCat(home, "/", key), guests);
  }
  nodes.Add(vm + "/uuid", readable, config.uuid);
  nodes.Add(home + "/control/platform-feature-multiprocessor-suspend", readable, 1);
  nodes.Add(home + "/control/platform-feature-xs_reset_watches", readable, 1);
  nodes.Add(libxl + "/type", secret, "pvh");

  nodes.Add(home + "/memory/static-max", readable, config.max_memory_mib * kKibPerMib);
  nodes.Add(home + "/memory/target", readable, config.memory_mib * kKibPerMib);
  nodes.Add(home + "/memory/videoram", readable, 0);
  nodes.Add(home + "/domid", readable, tree.domid);
  nodes.Add(home + "/store", readable);
  nodes.Add(home + "/store/port", readable, tree.store_port);
  nodes.Add(home + "/store/ring-ref", readable, tree.store_gfn);
  for (const XenstoreNode& node : AvailabilityNodes(tree.domid, config)) {
    nodes.Add(node.path.substr(0, node.path.rfind('/')), readable);
    nodes.Add(node.path, readable, node.value);
  }
  nodes.Add(vm + "/start_time", readable, StartTime(tree.start_time_us));
  return std::move(nodes).Take();
}

std::vector<XenstoreNode> AvailabilityNodes(uint32_t domid, const GuestConfig& config) {
  std::vector<XenstoreNode> nodes;
  nodes.reserve(static_cast<size_t>(config.max_vcpus));
  for (int vcpu = 0; vcpu < config.max_vcpus; ++vcpu) {
    nodes.push_back({absl::StrCat(GuestHome(domid), "/cpu/", vcpu, "/availability"),
                     vcpu < config.vcpus ? "online" : "offline",
                     {}});
  }
  return nodes;
}

std::vector<XenstoreNode> ConsoleNodes(const GuestTree& tree) {
  NodeList nodes;
  DevicePaths device;
  device.kind = "console";
  device.frontend = tree.domid;
  device.backend = tree.console_backend;
  device.frontend_path = absl::StrCat(GuestHome(tree.domid), "/console");
  AddBackendNodes(device,
                  {{"frontend-id", absl::StrCat(tree.domid)},
                   {"online", "1"},
                   {"state", "1"},
                   {"protocol", "vt100"}},
                  nodes);

  // Unlike a device's directory this one is not the guest's: it could otherwise misdirect whoever
  // attaches.
  const std::string& path = device.frontend_path;
  const XenstorePermissions console = OwnedAndRead(tree.console_backend, tree.domid);
  nodes.Add(path, console);
  nodes.Add(path + "/backend", console, device.BackendPath());
  nodes.Add(path + "/backend-id", OwnedAndRead(tree.domid, tree.console_backend),
            tree.console_backend);
  nodes.Add(path + "/limit", console, kConsoleLimit);
  nodes.Add(path + "/type", console, "xenconsoled");
  nodes.Add(path + "/output", console, "pty");
  nodes.Add(path + "/tty", console);
  nodes.Add(path + "/port", console, tree.console_port);
  nodes.Add(path + "/ring-ref", console, tree.console_gfn);
  return std::move(nodes).Take();
}

std::vector<std::string> GuestRemovalPaths(uint32_t domid, const std::string& uuid,
                                           const std::vector<BackendOfGuest>& backends) {
  std::vector<std::string> paths;
  paths.reserve(backends.size() + 3);
  for (const BackendOfGuest& device : backends) {
    paths.push_back(absl::StrCat(GuestHome(device.backend), "/backend/", device.kind, "/", domid));
  }
  paths.push_back(GuestHome(domid));
  paths.push_back(absl::StrCat("/vm/", uuid));
  paths.push_back(absl::StrCat("/libxl/", domid));
  return paths;
}

}  // namespace pyrene::xl
