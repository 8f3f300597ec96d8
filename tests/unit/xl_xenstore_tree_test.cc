// SPDX-License-Identifier: Apache-2.0
// The expected listing is what `xenstore-ls -f -p` printed on Xen 4.17 for a guest with one disk
// and one network interface, without the keys that front-ends and back-ends write themselves, and
// without Domain-0's own.
#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"
#include "services/xl/xenstore_devices.h"
#include "services/xl/xenstore_format.h"
#include "services/xl/xenstore_tree.h"
#include "tests/unit/xl_fake_store.h"

namespace pyrene::xl {
namespace {

std::string Listing(FakeStore& store) {
  TextPrinter printer;
  EXPECT_TRUE(ListXenstore(store, "/", {true, true, 80}, printer).ok());
  return printer.text();
}

GuestTree Domu(uint32_t domid, uint32_t backend) {
  GuestTree tree;
  tree.domid = domid;
  tree.config.name = "domu";
  tree.config.uuid = "872c92a6-4f8b-41f5-b230-52098c3a55b8";
  tree.config.memory_mib = tree.config.max_memory_mib = 128;
  tree.start_time_us = 1795365855'570000;
  tree.store_port = 1;
  tree.store_gfn = 233473;
  tree.console_port = 2;
  tree.console_gfn = 233472;
  tree.console_backend = backend;
  return tree;
}

DiskSpec Disk() {
  absl::StatusOr<DiskSpec> disk =
      ParseDiskSpec("/dev/ram0,raw,xvda,w,script=/etc/xen/scripts/block");
  EXPECT_TRUE(disk.ok());
  return *disk;
}

VifSpec Vif() {
  absl::StatusOr<VifSpec> vif = ParseVifSpec(
      "mac=00:16:3e:00:00:02,bridge=xenbr0,devid=0,script=/etc/xen/scripts/vif-bridge");
  EXPECT_TRUE(vif.ok());
  return *vif;
}

constexpr char kExpected[] = R"(/tool = ""   (n0)
/tool/xenstored = ""   (n0)
/local = ""   (n0)
/local/domain = ""   (n0)
/local/domain/0 = ""   (n0)
/local/domain/0/backend = ""   (n0)
/local/domain/0/backend/vbd = ""   (n0)
/local/domain/0/backend/vbd/2 = ""   (n0)
/local/domain/0/backend/vbd/2/51712 = ""   (n0,r2)
/local/domain/0/backend/vbd/2/51712/frontend = "/local/domain/2/device/vbd/51712"   (n0,r2)
/local/domain/0/backend/vbd/2/51712/params = "/dev/ram0"   (n0,r2)
/local/domain/0/backend/vbd/2/51712/script = "/etc/xen/scripts/block"   (n0,r2)
/local/domain/0/backend/vbd/2/51712/frontend-id = "2"   (n0,r2)
/local/domain/0/backend/vbd/2/51712/online = "1"   (n0,r2)
/local/domain/0/backend/vbd/2/51712/removable = "0"   (n0,r2)
/local/domain/0/backend/vbd/2/51712/bootable = "1"   (n0,r2)
/local/domain/0/backend/vbd/2/51712/state = "1"   (n0,r2)
/local/domain/0/backend/vbd/2/51712/dev = "xvda"   (n0,r2)
/local/domain/0/backend/vbd/2/51712/type = "phy"   (n0,r2)
/local/domain/0/backend/vbd/2/51712/mode = "w"   (n0,r2)
/local/domain/0/backend/vbd/2/51712/device-type = "disk"   (n0,r2)
/local/domain/0/backend/vbd/2/51712/discard-enable = "1"   (n0,r2)
/local/domain/0/backend/vbd/2/51712/specification = "xen"   (n0,r2)
/local/domain/0/backend/console = ""   (n0)
/local/domain/0/backend/console/2 = ""   (n0)
/local/domain/0/backend/console/2/0 = ""   (n0,r2)
/local/domain/0/backend/console/2/0/frontend = "/local/domain/2/console"   (n0,r2)
/local/domain/0/backend/console/2/0/frontend-id = "2"   (n0,r2)
/local/domain/0/backend/console/2/0/online = "1"   (n0,r2)
/local/domain/0/backend/console/2/0/state = "1"   (n0,r2)
/local/domain/0/backend/console/2/0/protocol = "vt100"   (n0,r2)
/local/domain/0/backend/vif = ""   (n0)
/local/domain/0/backend/vif/2 = ""   (n0)
/local/domain/0/backend/vif/2/0 = ""   (n0,r2)
/local/domain/0/backend/vif/2/0/frontend = "/local/domain/2/device/vif/0"   (n0,r2)
/local/domain/0/backend/vif/2/0/frontend-id = "2"   (n0,r2)
/local/domain/0/backend/vif/2/0/online = "1"   (n0,r2)
/local/domain/0/backend/vif/2/0/state = "1"   (n0,r2)
/local/domain/0/backend/vif/2/0/script = "/etc/xen/scripts/vif-bridge"   (n0,r2)
/local/domain/0/backend/vif/2/0/mac = "00:16:3e:00:00:02"   (n0,r2)
/local/domain/0/backend/vif/2/0/bridge = "xenbr0"   (n0,r2)
/local/domain/0/backend/vif/2/0/handle = "0"   (n0,r2)
/local/domain/0/backend/vif/2/0/type = "vif"   (n0,r2)
/local/domain/0/backend/vif/2/0/hotplug-status = ""   (n0,r2)
/local/domain/2 = ""   (n0,r2)
/local/domain/2/vm = "/vm/872c92a6-4f8b-41f5-b230-52098c3a55b8"   (n0,r2)
/local/domain/2/name = "domu"   (n0,r2)
/local/domain/2/cpu = ""   (n0,r2)
/local/domain/2/cpu/0 = ""   (n0,r2)
/local/domain/2/cpu/0/availability = "online"   (n0,r2)
/local/domain/2/memory = ""   (n0,r2)
/local/domain/2/memory/static-max = "131072"   (n0,r2)
/local/domain/2/memory/target = "131072"   (n0,r2)
/local/domain/2/memory/videoram = "0"   (n0,r2)
/local/domain/2/device = ""   (n0,r2)
/local/domain/2/device/suspend = ""   (n0,r2)
/local/domain/2/device/suspend/event-channel = ""   (n2)
/local/domain/2/device/vbd = ""   (n0,r2)
/local/domain/2/device/vbd/51712 = ""   (n2,r0)
/local/domain/2/device/vbd/51712/backend = "/local/domain/0/backend/vbd/2/51712"   (n2,r0)
/local/domain/2/device/vbd/51712/backend-id = "0"   (n2,r0)
/local/domain/2/device/vbd/51712/state = "1"   (n2,r0)
/local/domain/2/device/vbd/51712/virtual-device = "51712"   (n2,r0)
/local/domain/2/device/vbd/51712/device-type = "disk"   (n2,r0)
/local/domain/2/device/vbd/51712/trusted = "1"   (n2,r0)
/local/domain/2/device/vif = ""   (n0,r2)
/local/domain/2/device/vif/0 = ""   (n2,r0)
/local/domain/2/device/vif/0/backend = "/local/domain/0/backend/vif/2/0"   (n2,r0)
/local/domain/2/device/vif/0/backend-id = "0"   (n2,r0)
/local/domain/2/device/vif/0/state = "1"   (n2,r0)
/local/domain/2/device/vif/0/handle = "0"   (n2,r0)
/local/domain/2/device/vif/0/mac = "00:16:3e:00:00:02"   (n2,r0)
/local/domain/2/device/vif/0/trusted = "1"   (n2,r0)
/local/domain/2/device/vif/0/mtu = "1500"   (n0,r2)
/local/domain/2/control = ""   (n0,r2)
/local/domain/2/control/shutdown = ""   (n2)
/local/domain/2/control/feature-poweroff = ""   (n2)
/local/domain/2/control/feature-reboot = ""   (n2)
/local/domain/2/control/feature-suspend = ""   (n2)
/local/domain/2/control/sysrq = ""   (n2)
/local/domain/2/control/platform-feature-multiprocessor-suspend = "1"   (n0,r2)
/local/domain/2/control/platform-feature-xs_reset_watches = "1"   (n0,r2)
/local/domain/2/data = ""   (n2)
/local/domain/2/drivers = ""   (n2)
/local/domain/2/feature = ""   (n2)
/local/domain/2/attr = ""   (n2)
/local/domain/2/error = ""   (n2)
/local/domain/2/domid = "2"   (n0,r2)
/local/domain/2/store = ""   (n0,r2)
/local/domain/2/store/port = "1"   (n0,r2)
/local/domain/2/store/ring-ref = "233473"   (n0,r2)
/local/domain/2/console = ""   (n0,r2)
/local/domain/2/console/backend = "/local/domain/0/backend/console/2/0"   (n0,r2)
/local/domain/2/console/backend-id = "0"   (n2,r0)
/local/domain/2/console/limit = "1048576"   (n0,r2)
/local/domain/2/console/type = "xenconsoled"   (n0,r2)
/local/domain/2/console/output = "pty"   (n0,r2)
/local/domain/2/console/tty = ""   (n0,r2)
/local/domain/2/console/port = "2"   (n0,r2)
/local/domain/2/console/ring-ref = "233472"   (n0,r2)
/vm = ""   (n0)
/vm/872c92a6-4f8b-41f5-b230-52098c3a55b8 = ""   (n0,r2)
/vm/872c92a6-4f8b-41f5-b230-52098c3a55b8/name = "domu"   (n0,r2)
/vm/872c92a6-4f8b-41f5-b230-52098c3a55b8/uuid = "872c92a6-4f8b-41f5-b230-52098c3a55b8"   (n0,r2)
/vm/872c92a6-4f8b-41f5-b230-52098c3a55b8/start_time = "1795365855.57"   (n0,r2)
/libxl = ""   (n0)
/libxl/2 = ""   (n0)
/libxl/2/device = ""   (n0)
/libxl/2/device/vbd = ""   (n0)
/libxl/2/device/vbd/51712 = ""   (n0)
/libxl/2/device/vbd/51712/frontend = "/local/domain/2/device/vbd/51712"   (n0)
/libxl/2/device/vbd/51712/backend = "/local/domain/0/backend/vbd/2/51712"   (n0)
/libxl/2/device/vbd/51712/params = "/dev/ram0"   (n0)
/libxl/2/device/vbd/51712/script = "/etc/xen/scripts/block"   (n0)
/libxl/2/device/vbd/51712/frontend-id = "2"   (n0)
/libxl/2/device/vbd/51712/online = "1"   (n0)
/libxl/2/device/vbd/51712/removable = "0"   (n0)
/libxl/2/device/vbd/51712/bootable = "1"   (n0)
/libxl/2/device/vbd/51712/state = "1"   (n0)
/libxl/2/device/vbd/51712/dev = "xvda"   (n0)
/libxl/2/device/vbd/51712/type = "phy"   (n0)
/libxl/2/device/vbd/51712/mode = "w"   (n0)
/libxl/2/device/vbd/51712/device-type = "disk"   (n0)
/libxl/2/device/vbd/51712/discard-enable = "1"   (n0)
/libxl/2/device/vbd/51712/specification = "xen"   (n0)
/libxl/2/device/console = ""   (n0)
/libxl/2/device/console/0 = ""   (n0)
/libxl/2/device/console/0/frontend = "/local/domain/2/console"   (n0)
/libxl/2/device/console/0/backend = "/local/domain/0/backend/console/2/0"   (n0)
/libxl/2/device/console/0/frontend-id = "2"   (n0)
/libxl/2/device/console/0/online = "1"   (n0)
/libxl/2/device/console/0/state = "1"   (n0)
/libxl/2/device/console/0/protocol = "vt100"   (n0)
/libxl/2/device/vif = ""   (n0)
/libxl/2/device/vif/0 = ""   (n0)
/libxl/2/device/vif/0/frontend = "/local/domain/2/device/vif/0"   (n0)
/libxl/2/device/vif/0/backend = "/local/domain/0/backend/vif/2/0"   (n0)
/libxl/2/device/vif/0/frontend-id = "2"   (n0)
/libxl/2/device/vif/0/online = "1"   (n0)
/libxl/2/device/vif/0/state = "1"   (n0)
/libxl/2/device/vif/0/script = "/etc/xen/scripts/vif-bridge"   (n0)
/libxl/2/device/vif/0/mac = "00:16:3e:00:00:02"   (n0)
/libxl/2/device/vif/0/bridge = "xenbr0"   (n0)
/libxl/2/device/vif/0/handle = "0"   (n0)
/libxl/2/device/vif/0/type = "vif"   (n0)
/libxl/2/device/vif/0/hotplug-status = ""   (n0)
/libxl/2/type = "pvh"   (n0)
)";

TEST(XenstoreTree, AsLibxlMakesIt) {
  FakeStore store;
  // In the order of the expected listing /tool, /local, /vm, /libxl; back-ends are Domain-0's
  // there.
  store.Apply(BaseNodes());
  store.Apply(BackendHomeNodes(0));
  store.Apply(GuestNodes(Domu(2, 0)));
  store.Apply(VbdNodes({2, 0}, Disk(), "phy", "/dev/ram0"));
  store.Apply(ConsoleNodes(Domu(2, 0)));
  store.Apply(VifNodes({2, 0}, Vif()));
  const std::vector<std::string> listed = absl::StrSplit(Listing(store), '\n');
  const std::vector<std::string> expected = absl::StrSplit(kExpected, '\n');
  ASSERT_EQ(listed.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_EQ(listed[i], expected[i]);
}

TEST(XenstoreTree, WhatAGuestMayWrite) {
  const GuestTree tree = Domu(5, 0x7fee);
  std::set<std::string> own;
  for (const std::vector<XenstoreNode>& list : {GuestNodes(tree), ConsoleNodes(tree)}) {
    for (const XenstoreNode& node : list) {
      for (size_t i = 0; i < node.permissions.size(); ++i) {
        const XenstorePermission& permission = node.permissions[i];
        const bool writes =
            i == 0 ? permission.domid == 5 : permission.access == 'w' || permission.access == 'b';
        if (writes) own.insert(node.path);
        // What nobody is named for is closed to everybody.
        if (i == 0) {
          EXPECT_EQ(permission.access, 'n') << node.path;
        }
      }
    }
  }
  const std::string home = "/local/domain/5/";
  std::set<std::string> expected = {home + "device/suspend/event-channel",
                                    home + "console/backend-id"};
  for (const char* key :
       {"shutdown", "feature-poweroff", "feature-reboot", "feature-suspend", "sysrq"}) {
    expected.insert(absl::StrCat(home, "control/", key));
  }
  for (const char* key : {"data", "drivers", "feature", "attr", "error"})
    expected.insert(absl::StrCat(home, key));
  EXPECT_EQ(own, expected);
}

TEST(XenstoreTree, BackEndsOfTheirOwn) {
  FakeStore store;
  store.Apply(BaseNodes());
  store.Apply(BackendHomeNodes(0x7fee));
  store.Apply(GuestNodes(Domu(5, 0x7fee)));
  store.Apply(ConsoleNodes(Domu(5, 0x7fee)));
  EXPECT_EQ(store.At("/local/domain/5/console/backend").value,
            "/local/domain/32750/backend/console/5/0");
  EXPECT_EQ(store.At("/local/domain/5/console/backend-id").value, "32750");
  EXPECT_EQ(FormatPermissions(store.At("/local/domain/5/console/tty").permissions), "n32750,r5");
  EXPECT_EQ(
      FormatPermissions(store.At("/local/domain/32750/backend/console/5/0/state").permissions),
      "n32750,r5");
  EXPECT_EQ(FormatPermissions(store.At("/libxl/5/device/console/0/state").permissions), "n0");
}

TEST(XenstoreTree, VcpusAndMemory) {
  GuestTree tree = Domu(5, 0x7fee);
  tree.config.vcpus = 2;
  tree.config.max_vcpus = 4;
  tree.config.max_memory_mib = 256;
  std::map<std::string, std::string> values;
  for (const XenstoreNode& node : GuestNodes(tree)) values[node.path] = node.value;
  const std::string home = "/local/domain/5/";
  EXPECT_EQ(values[home + "cpu/0/availability"], "online");
  EXPECT_EQ(values[home + "cpu/1/availability"], "online");
  EXPECT_EQ(values[home + "cpu/2/availability"], "offline");
  EXPECT_EQ(values[home + "cpu/3/availability"], "offline");
  EXPECT_EQ(values.count(home + "cpu/4"), 0u);
  EXPECT_EQ(values[home + "memory/target"], "131072");
  EXPECT_EQ(values[home + "memory/static-max"], "262144");
}

TEST(XenstoreTree, RemovalLeavesNothing) {
  FakeStore store;
  store.Apply(BaseNodes());
  store.Apply(BackendHomeNodes(0x7fee));
  store.Apply(BackendHomeNodes(0x7fed));
  store.Apply(GuestNodes(Domu(2, 0x7fee)));
  const std::string before = Listing(store);
  GuestTree other = Domu(5, 0x7fee);
  other.config.uuid = "00000000-0000-0000-0000-000000000005";
  store.Apply(GuestNodes(other));
  store.Apply(VbdNodes({5, 0x7fed}, Disk(), "phy", "/dev/ram0"));
  store.Apply(ConsoleNodes(other));
  EXPECT_NE(Listing(store), before);
  for (const std::string& path :
       GuestRemovalPaths(5, other.config.uuid, {{0x7fee, "console"}, {0x7fed, "vbd"}})) {
    EXPECT_TRUE(store.Has(path)) << path;
    store.Remove(path);
  }
  // The back-ends' directories by kind stay; they belong to no guest.
  store.Remove("/local/domain/32750/backend/console");
  store.Remove("/local/domain/32749/backend/vbd");
  EXPECT_EQ(Listing(store), before);
}

TEST(XenstoreDevices, DetachingOne) {
  EXPECT_EQ(DeviceRemovalPaths({5, 32749}, "vbd", 51712),
            (std::vector<std::string>{"/local/domain/5/device/vbd/51712",
                                      "/local/domain/32749/backend/vbd/5/51712",
                                      "/libxl/5/device/vbd/51712"}));
}

std::string ValueAt(const std::vector<XenstoreNode>& nodes, const std::string& path) {
  for (const XenstoreNode& node : nodes) {
    if (node.path == path) return node.value;
  }
  return "(none)";
}

std::string PermissionsAt(const std::vector<XenstoreNode>& nodes, const std::string& path) {
  for (const XenstoreNode& node : nodes) {
    if (node.path == path) return FormatPermissions(node.permissions);
  }
  return "(none)";
}

TEST(XenstoreDevices, OtherDisks) {
  const std::vector<XenstoreNode> cdrom = VbdNodes(
      {5, 32749}, *ParseDiskSpec("/x.iso,,hdc,cdrom,untrusted,direct-io-safe"), "file", "/x.iso");
  const std::string back = "/local/domain/32749/backend/vbd/5/5632/";
  const std::string front = "/local/domain/5/device/vbd/5632/";
  EXPECT_EQ(ValueAt(cdrom, back + "mode"), "r");
  EXPECT_EQ(ValueAt(cdrom, back + "type"), "file");
  EXPECT_EQ(ValueAt(cdrom, back + "device-type"), "cdrom");
  EXPECT_EQ(ValueAt(cdrom, back + "removable"), "1");
  EXPECT_EQ(ValueAt(cdrom, back + "direct-io-safe"), "1");
  EXPECT_EQ(ValueAt(cdrom, back + "discard-enable"), "0");
  EXPECT_EQ(ValueAt(cdrom, back + "script"), "(none)");
  EXPECT_EQ(ValueAt(cdrom, front + "device-type"), "cdrom");
  EXPECT_EQ(ValueAt(cdrom, front + "trusted"), "0");
  EXPECT_EQ(ValueAt(cdrom, front + "virtual-device"), "5632");
}

TEST(XenstoreDevices, OtherVifs) {
  const std::vector<XenstoreNode> vif =
      VifNodes({5, 32748}, *ParseVifSpec("mac=00:16:3e:00:00:09,devid=3,mtu=9000,ip=10.0.0.1,"
                                         "vifname=v,gatewaydev=e,vlan=7,rate=1MB/s@20ms"));
  const std::string back = "/local/domain/32748/backend/vif/5/3/";
  EXPECT_EQ(ValueAt(vif, back + "mtu"), "9000");
  EXPECT_EQ(ValueAt(vif, back + "rate"), "20000,20000");
  EXPECT_EQ(ValueAt(vif, back + "vifname"), "v");
  EXPECT_EQ(ValueAt(vif, back + "ip"), "10.0.0.1");
  EXPECT_EQ(ValueAt(vif, back + "vlan"), "7");
  EXPECT_EQ(ValueAt(vif, back + "gatewaydev"), "e");
  EXPECT_EQ(ValueAt(vif, "/local/domain/5/device/vif/3/mtu"), "9000");
  EXPECT_EQ(PermissionsAt(vif, "/local/domain/5/device/vif/3/mtu"), "n32748,r5");
  EXPECT_EQ(PermissionsAt(vif, "/local/domain/5/device/vif/3/mac"), "n5,r32748");
}

}  // namespace
}  // namespace pyrene::xl
