// SPDX-License-Identifier: Apache-2.0
#include "services/xl/xenstore_devices.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "services/xl/node_list.h"
#include "services/xl/xenstore_tree.h"

namespace pyrene::xl {
namespace {

constexpr uint32_t kToolstack = 0;
constexpr uint32_t kDefaultMtu = 1500;

using Keys = std::vector<std::pair<std::string, std::string>>;

DevicePaths Paths(const DeviceEnds& ends, absl::string_view kind, uint32_t id) {
  DevicePaths device;
  device.kind = kind;
  device.id = id;
  device.frontend = ends.domid;
  device.backend = ends.backend;
  device.frontend_path = absl::StrCat(GuestHome(ends.domid), "/device/", kind, "/", id);
  return device;
}

// The guest owns its end, and the back-end reads it.  Keys of the second list belong to the
// back-end, the guest reads them.
void AddFrontendNodes(const DevicePaths& device, const Keys& keys, const Keys& read_only_keys,
                      NodeList& nodes) {
  const XenstorePermissions guests = OwnedAndRead(device.frontend, device.backend);
  const XenstorePermissions read_only = OwnedAndRead(device.backend, device.frontend);
  const std::string& path = device.frontend_path;
  nodes.Add(absl::StrCat(GuestHome(device.frontend), "/device/", device.kind),
            OwnedAndRead(kToolstack, device.frontend));
  nodes.Add(path, guests);
  nodes.Add(path + "/backend", guests, device.BackendPath());
  nodes.Add(path + "/backend-id", guests, device.backend);
  nodes.Add(path + "/state", guests, 1);
  for (const auto& [key, value] : keys) nodes.Add(absl::StrCat(path, "/", key), guests, value);
  for (const auto& [key, value] : read_only_keys)
    nodes.Add(absl::StrCat(path, "/", key), read_only, value);
}

}  // namespace

std::vector<XenstoreNode> VbdNodes(const DeviceEnds& ends, const DiskSpec& disk,
                                   const std::string& type, const std::string& params) {
  const DevicePaths device = Paths(ends, "vbd", disk.vdev_number);
  const std::string kind = disk.cdrom ? "cdrom" : "disk";
  Keys back = {{"params", params}};
  if (!disk.script.empty()) back.emplace_back("script", disk.script);
  back.emplace_back("frontend-id", absl::StrCat(ends.domid));
  back.emplace_back("online", "1");
  back.emplace_back("removable", disk.removable ? "1" : "0");
  back.emplace_back("bootable", "1");
  back.emplace_back("state", "1");
  back.emplace_back("dev", disk.vdev);
  back.emplace_back("type", type);
  back.emplace_back("mode", disk.read_only ? "r" : "w");
  back.emplace_back("device-type", kind);
  if (disk.direct_io_safe) back.emplace_back("direct-io-safe", "1");
  back.emplace_back("discard-enable", disk.discard.value_or(true) && !disk.read_only ? "1" : "0");
  back.emplace_back("specification", "xen");
  NodeList nodes;
  AddFrontendNodes(device,
                   {{"virtual-device", absl::StrCat(disk.vdev_number)},
                    {"device-type", kind},
                    {"trusted", disk.trusted ? "1" : "0"}},
                   {}, nodes);
  AddBackendNodes(device, back, nodes);
  return std::move(nodes).Take();
}

std::vector<XenstoreNode> VifNodes(const DeviceEnds& ends, const VifSpec& vif) {
  const uint32_t id = vif.devid.value_or(0);
  const DevicePaths device = Paths(ends, "vif", id);
  const std::string mac = FormatMac(vif.mac.value_or(MacAddress{}));
  Keys back = {{"frontend-id", absl::StrCat(ends.domid)}, {"online", "1"}, {"state", "1"}};
  if (!vif.script.empty()) back.emplace_back("script", vif.script);
  if (!vif.name.empty()) back.emplace_back("vifname", vif.name);
  back.emplace_back("mac", mac);
  if (!vif.ip.empty()) back.emplace_back("ip", vif.ip);
  if (!vif.gateway_device.empty()) back.emplace_back("gatewaydev", vif.gateway_device);
  if (vif.rate.has_value())
    back.emplace_back("rate", absl::StrCat(vif.rate->bytes, ",", vif.rate->interval_us));
  if (vif.mtu.has_value()) back.emplace_back("mtu", absl::StrCat(*vif.mtu));
  if (!vif.vlan.empty()) back.emplace_back("vlan", vif.vlan);
  back.emplace_back("bridge", vif.bridge);
  back.emplace_back("handle", absl::StrCat(id));
  back.emplace_back("type", "vif");
  back.emplace_back("hotplug-status", "");
  NodeList nodes;
  AddFrontendNodes(
      device, {{"handle", absl::StrCat(id)}, {"mac", mac}, {"trusted", vif.trusted ? "1" : "0"}},
      {{"mtu", absl::StrCat(vif.mtu.value_or(kDefaultMtu))}}, nodes);
  AddBackendNodes(device, back, nodes);
  return std::move(nodes).Take();
}

std::vector<std::string> DeviceRemovalPaths(const DeviceEnds& ends, const std::string& kind,
                                            uint32_t id) {
  const DevicePaths device = Paths(ends, kind, id);
  return {device.frontend_path, device.BackendPath(), device.ToolstackPath()};
}

}  // namespace pyrene::xl
