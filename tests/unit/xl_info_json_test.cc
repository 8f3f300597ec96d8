// SPDX-License-Identifier: Apache-2.0
// The expected texts are what `xl info` and `xl list -l` of Xen 4.17 printed, without Domain-0.
#include <string>

#include "gtest/gtest.h"
#include "services/xl/info_format.h"
#include "services/xl/list_json.h"

namespace pyrene::xl {
namespace {

constexpr char kUuid[] = "872c92a6-4f8b-41f5-b230-52098c3a55b8";

HostInfo XenHost() {
  HostInfo host;
  host.host = "(none)";
  host.release = "6.1.0-50-cloud-arm64";
  host.version = "#1 SMP Debian 6.1.176-1 (2026-07-02)";
  host.nr_cpus = 1;
  host.cores_per_socket = 1;
  host.cpu_khz = 62500;
  host.virt_caps = "hvm hap vpmu gnttab-v1";
  host.total_memory_mib = 3072;
  host.free_memory_mib = 2106;
  host.xen_extra = ".5";
  host.xen_caps = "xen-3.0-aarch64 xen-3.0-armv7l ";
  host.scheduler = "credit2";
  host.platform_params = "virt_start=0x200000";
  host.command_line = "console=dtuart bootscrub=0 ";
  host.compiler = "aarch64-linux-gnu-gcc (Debian 12.2.0-14+deb12u1) 12.2.0";
  host.compile_by = "pkg-xen-devel";
  host.compile_domain = "lists.alioth.debian.org";
  host.compile_date = "Sat Nov 29 13:52:25 UTC 2025";
  host.build_id = "293274c12b4f5c7da9f0fa540dc46ab5453d78ab";
  host.topology = {{0, 0, 0}, {1, 0, 0}};
  host.nodes = {{3072, 2106, {10}}};
  return host;
}

constexpr char kInfo[] = R"(host                   : (none)
release                : 6.1.0-50-cloud-arm64
version                : #1 SMP Debian 6.1.176-1 (2026-07-02)
machine                : aarch64
nr_cpus                : 1
max_cpu_id             : 0
nr_nodes               : 1
cores_per_socket       : 1
threads_per_core       : 1
cpu_mhz                : 62.500
hw_caps                : 00000000:00000000:00000000:00000000:00000000:00000000:00000000:00000000
virt_caps              : hvm hap vpmu gnttab-v1
total_memory           : 3072
free_memory            : 2106
sharing_freed_memory   : 0
sharing_used_memory    : 0
outstanding_claims     : 0
free_cpus              : 0
xen_major              : 4
xen_minor              : 17
xen_extra              : .5
xen_version            : 4.17.5
xen_caps               : xen-3.0-aarch64 xen-3.0-armv7l 
xen_scheduler          : credit2
xen_pagesize           : 4096
platform_params        : virt_start=0x200000
xen_changeset          : 
xen_commandline        : console=dtuart bootscrub=0 
cc_compiler            : aarch64-linux-gnu-gcc (Debian 12.2.0-14+deb12u1) 12.2.0
cc_compile_by          : pkg-xen-devel
cc_compile_domain      : lists.alioth.debian.org
cc_compile_date        : Sat Nov 29 13:52:25 UTC 2025
build_id               : 293274c12b4f5c7da9f0fa540dc46ab5453d78ab
xend_config_format     : 4
)";

TEST(FormatInfo, AsXl) { EXPECT_EQ(FormatInfo(XenHost(), {}), kInfo); }

TEST(FormatInfo, OneKey) {
  EXPECT_EQ(FormatInfo(XenHost(), {false, false, "free_memory"}), "2106\n");
  EXPECT_EQ(FormatInfo(XenHost(), {false, false, "xen_m"}), "4\n17\n");
  EXPECT_EQ(FormatInfo(XenHost(), {false, false, "nothing"}), "");
}

TEST(FormatInfo, NumaAndXenstore) {
  HostInfo host = XenHost();
  host.sve_vector_length = 0;
  host.xenstore_features = 3;
  const std::string text = FormatInfo(host, {true, true, "ignored"});
  EXPECT_NE(text.find("gnttab-v1\narm_sve_vector_length  : 0\ntotal_memory"), std::string::npos);
  EXPECT_NE(text.find("free_cpus              : 0\n"
                      "cpu_topology           :\n"
                      "cpu:    core    socket     node\n"
                      "  0:       0        0        0\n"
                      "  1:       1        0        0\n"
                      "device topology        :\n"
                      "device           node\n"
                      "No device topology data available\n"
                      "numa_info              :\n"
                      "node:    memsize    memfree    distances\n"
                      "   0:      3072       2106      10\n"
                      "xen_major              : 4\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("xenstore_features      : 0x00000003\nxend_config_format     : 4\n"),
            std::string::npos);
}

GuestConfig DomuConfig() {
  GuestConfig config;
  config.name = "domu";
  config.uuid = kUuid;
  config.kernel = "/boot/vmlinuz";
  config.ramdisk = "/boot/domu.cpio.gz";
  config.cmdline = "console=hvc0 rdinit=/init";
  config.memory_mib = config.max_memory_mib = 128;
  config.disks.push_back(*ParseDiskSpec("/dev/ram0,raw,xvda,w"));
  config.vifs.push_back(*ParseVifSpec("mac=00:16:3e:00:00:02,devid=0"));
  return config;
}

constexpr char kListJson[] = R"([
    {
        "domid": 2,
        "config": {
            "c_info": {
                "type": "pvh",
                "name": "domu",
                "domid": 4294967295,
                "uuid": "872c92a6-4f8b-41f5-b230-52098c3a55b8",
                "run_hotplug_scripts": "True"
            },
            "b_info": {
                "max_vcpus": 1,
                "avail_vcpus": [
                    0
                ],
                "max_memkb": 131072,
                "target_memkb": 131072,
                "video_memkb": 0,
                "sched_params": {
                    "sched": "credit2",
                    "weight": 256,
                    "cap": 0
                },
                "claim_mode": "True",
                "kernel": "/boot/vmlinuz",
                "cmdline": "console=hvc0 rdinit=/init",
                "ramdisk": "/boot/domu.cpio.gz",
                "type.pvh": {

                },
                "arch_arm": {

                },
                "arch_x86": {

                }
            },
            "disks": [
                {
                    "pdev_path": "/dev/ram0",
                    "vdev": "xvda",
                    "format": "raw",
                    "readwrite": 1,
                    "colo_restore_enable": "False"
                }
            ],
            "nics": [
                {
                    "devid": 0,
                    "mac": "00:16:3e:00:00:02",
                    "bridge": "xenbr0",
                    "nictype": "vif"
                }
            ],
            "on_reboot": "restart",
            "on_soft_reset": "soft_reset"
        }
    }
]

)";

TEST(ListJson, AsXl) {
  EXPECT_EQ(FormatListJson({{2, DomuConfig()}}, 1), kListJson);
  EXPECT_EQ(FormatListJson({}, 1), "[\n\n]\n\n");
}

TEST(ListJson, WhatIsNotDefault) {
  GuestConfig config = DomuConfig();
  config.disks.clear();
  config.vifs.clear();
  config.cmdline = "a \"b\"\\\n\x01";
  config.ramdisk.clear();
  config.vcpus = 1;
  config.max_vcpus = 2;
  config.cpus = {kAllCpus, 0b10};
  config.on_crash = ShutdownAction::kRenameRestart;
  config.on_poweroff = ShutdownAction::kCoredumpDestroy;
  config.on_reboot = ShutdownAction::kDestroy;
  const std::string text = FormatConfigJson(config, 2);
  EXPECT_NE(text.find(R"("cmdline": "a \"b\"\\\n\u0001",)"), std::string::npos) << text;
  EXPECT_EQ(text.find("ramdisk"), std::string::npos);
  EXPECT_EQ(text.find("on_reboot"), std::string::npos);
  EXPECT_NE(text.find(R"(        "vcpu_hard_affinity": [
            [
                0,
                1
            ],
            [
                1
            ]
        ],
)"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find(R"(    "on_poweroff": "coredump_destroy",
    "on_crash": "restart_rename",
    "on_soft_reset": "soft_reset"
}
)"),
            std::string::npos)
      << text;
}

TEST(ListJson, DevicesThatSayMore) {
  GuestConfig config = DomuConfig();
  config.disks = {
      *ParseDiskSpec("/x.iso,,hdc,cdrom,backendtype=phy,backend=blk,no-discard,untrusted")};
  config.vifs = {*ParseVifSpec("devid=3,rate=1MB/s@20ms,mtu=9000,ip=10.0.0.1,vifname=v,untrusted")};
  const std::string text = FormatConfigJson(config, 1);
  EXPECT_NE(text.find(R"(    "disks": [
        {
            "backend_domname": "blk",
            "pdev_path": "/x.iso",
            "vdev": "hdc",
            "backend": "phy",
            "format": "raw",
            "removable": 1,
            "is_cdrom": 1,
            "discard_enable": "False",
            "colo_restore_enable": "False",
            "trusted": "False"
        }
    ],
    "nics": [
        {
            "devid": 3,
            "mtu": 9000,
            "ip": "10.0.0.1",
            "bridge": "xenbr0",
            "ifname": "v",
            "nictype": "vif",
            "rate_bytes_per_interval": 20000,
            "rate_interval_usecs": 20000,
            "trusted": "False"
        }
    ],
)"),
            std::string::npos)
      << text;
}

}  // namespace
}  // namespace pyrene::xl
