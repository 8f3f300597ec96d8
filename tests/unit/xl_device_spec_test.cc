// SPDX-License-Identifier: Apache-2.0
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "services/xl/disk_spec.h"
#include "services/xl/vdev.h"
#include "services/xl/vif_spec.h"

namespace pyrene::xl {
namespace {

DiskSpec Disk(const std::string& text) {
  absl::StatusOr<DiskSpec> disk = ParseDiskSpec(text);
  EXPECT_TRUE(disk.ok()) << disk.status();
  return disk.value_or(DiskSpec{});
}

// What follows "disk 'text': ".
std::string DiskError(const std::string& text) {
  absl::StatusOr<DiskSpec> disk = ParseDiskSpec(text);
  EXPECT_FALSE(disk.ok()) << text;
  std::string message(disk.status().message());
  const std::string prefix = absl::StrCat("disk '", text, "': ");
  return message.substr(0, prefix.size()) == prefix ? message.substr(prefix.size()) : message;
}

TEST(DiskSpec, SameDiskInManyWords) {
  for (const char* text :
       {"/dev/vg/volume,raw,hda,rw", "/dev/vg/volume,,hda",
        "format=raw, vdev=hda, access=rw, target=/dev/vg/volume", "raw:/dev/vg/volume,hda,w",
        "phy:/dev/vg/volume,hda,w", "/dev/vg/volume,,hda,", "  /dev/vg/volume , , hda , rw ",
        "tap:aio:/dev/vg/volume,hda,w", "vdev=hda,/dev/vg/volume",
        "vdev=hda,format=raw,target=/dev/vg/volume", "file:/dev/vg/volume,hda",
        "access=w,,,hda,target=/dev/vg/volume"}) {
    const DiskSpec disk = Disk(text);
    EXPECT_EQ(disk.target, "/dev/vg/volume") << text;
    EXPECT_EQ(disk.vdev, "hda") << text;
    EXPECT_EQ(disk.vdev_number, 768u) << text;
    EXPECT_FALSE(disk.read_only) << text;
    EXPECT_EQ(disk.format, DiskSpec::Format::kRaw) << text;
    EXPECT_FALSE(disk.cdrom) << text;
  }
}

TEST(DiskSpec, Cdroms) {
  for (const char* text :
       {"/root/i.iso,,hdc,cdrom", "/root/i.iso,,hdc,,cdrom", "/root/i.iso,raw,hdc,devtype=cdrom",
        "format=raw, vdev=hdc, access=ro, devtype=cdrom, target=/root/i.iso",
        "raw:/root/i.iso,hdc:cdrom,ro"}) {
    const DiskSpec disk = Disk(text);
    EXPECT_EQ(disk.target, "/root/i.iso") << text;
    EXPECT_EQ(disk.vdev, "hdc") << text;
    EXPECT_TRUE(disk.cdrom && disk.removable && disk.read_only) << text;
    EXPECT_EQ(disk.format, DiskSpec::Format::kRaw) << text;
  }
  for (const char* text : {",hdc:cdrom,r", ",,hdc,cdrom", "vdev=hdc,cdrom", ",empty,hdc,,cdrom"}) {
    const DiskSpec disk = Disk(text);
    EXPECT_EQ(disk.target, "") << text;
    EXPECT_EQ(disk.format, DiskSpec::Format::kEmpty) << text;
    EXPECT_TRUE(disk.cdrom && disk.read_only) << text;
  }
}

TEST(DiskSpec, TargetTakesTheRest) {
  EXPECT_EQ(Disk("vdev=xvda,target= a,b=c: ").target, " a,b=c: ");
  EXPECT_EQ(Disk(",raw,xvda,target=/x").target, "/x");
}

TEST(DiskSpec, AllParameters) {
  const DiskSpec disk = Disk(
      "/x,qcow2,xvdb,r,backend=blk,backendtype=qdisk,script=block-x,direct-io-safe,no-discard,"
      "untrusted,"
      "specification=virtio,grant_usage=0");
  EXPECT_EQ(disk.format, DiskSpec::Format::kQcow2);
  EXPECT_TRUE(disk.read_only);
  EXPECT_EQ(disk.backend, "blk");
  EXPECT_EQ(disk.backend_type, DiskSpec::BackendType::kQdisk);
  EXPECT_EQ(disk.script, "block-x");
  EXPECT_TRUE(disk.direct_io_safe);
  EXPECT_EQ(disk.discard, false);
  EXPECT_FALSE(disk.trusted);
  EXPECT_EQ(disk.specification, DiskSpec::Specification::kVirtio);
  EXPECT_EQ(disk.grant_usage, false);
  const DiskSpec defaults = Disk("/x,,xvdb");
  EXPECT_EQ(defaults.discard, std::nullopt);
  EXPECT_TRUE(defaults.trusted);
  EXPECT_EQ(defaults.grant_usage, std::nullopt);
  EXPECT_EQ(Disk("/x,,xvdb,discard").discard, true);
  EXPECT_EQ(Disk("nbd:host:10809,xvda,r").script, "block-nbd");
  EXPECT_EQ(Disk("nbd:host:10809,xvda,r").target, "host:10809");
}

TEST(DiskSpec, Sources) {
  EXPECT_EQ(Disk("phy:/dev/mmcblk0p2,xvda,w").source, DiskSpec::Source::kPhy);
  EXPECT_EQ(Disk("phy:/dev/loop0,xvda,w").target, "/dev/loop0");
  EXPECT_EQ(Disk("file:/root.img,xvda,w").source, DiskSpec::Source::kFile);
  EXPECT_EQ(Disk("/root.img,,xvda").source, DiskSpec::Source::kPath);
  EXPECT_EQ(Disk("vhd:/root.img,xvda,w").format, DiskSpec::Format::kVhd);
  for (const char* text : {"ram:64M,xvda,w", "ram:64M,raw,xvda,w", "ram:64M,,xvda",
                           "ram:67108864,xvda", "ram:65536k,xvda", "vdev=xvda,ram:64M"}) {
    const DiskSpec disk = Disk(text);
    EXPECT_EQ(disk.source, DiskSpec::Source::kRam) << text;
    EXPECT_EQ(disk.ram_bytes, 64u << 20) << text;
    EXPECT_EQ(disk.vdev, "xvda") << text;
  }
  for (const char* bad :
       {"ram:,xvda,w", "ram:x,xvda,w", "ram:-1,xvda", "ram:100,xvda", "ram:0,xvda",
        "ram:2000G,xvda", "ram:18446744073709551616,xvda", "ram:M,xvda"}) {
    EXPECT_FALSE(ParseDiskSpec(bad).ok()) << bad;
  }
}

TEST(DiskSpec, Errors) {
  EXPECT_EQ(DiskError(""), "no vdev given");
  EXPECT_EQ(DiskError("/x"), "no vdev given");
  EXPECT_EQ(DiskError("/x,,"), "no vdev given");
  EXPECT_EQ(DiskError("vdev=xvda"), "no target given");
  EXPECT_EQ(DiskError(",,xvda"), "no target given");
  EXPECT_EQ(DiskError("/x,xvda,w"), "unknown format: 'xvda'");
  EXPECT_EQ(DiskError("/x,raw,xvda,x"), "unknown access: 'x'");
  EXPECT_EQ(DiskError("/x,raw,xvda,w,y"), "too many parameters: 'y'");
  EXPECT_EQ(DiskError("/x,raw,xvda,foo=bar"), "unknown parameter: 'foo'");
  EXPECT_EQ(DiskError("/x=y,raw,xvda"), "unknown parameter: '/x'");
  EXPECT_EQ(DiskError("/x,raw,format=qcow,xvda"), "format given twice: 'qcow'");
  EXPECT_EQ(DiskError("/x,raw,xvda,vdev=xvdb"), "vdev given twice: 'xvdb'");
  EXPECT_EQ(DiskError("/x,raw,xvda,target=/y"), "target given twice: '/y'");
  EXPECT_EQ(DiskError("/x,raw,xvda,r,access=w"), "access given twice: 'w'");
  EXPECT_EQ(DiskError("/x,raw,xvda,cdrom,devtype=disk"), "devtype given twice: 'disk'");
  EXPECT_EQ(DiskError("/x,raw,xvda,devtype=tape"), "unknown devtype: 'tape'");
  EXPECT_EQ(DiskError("/x,raw,xvda,backendtype=foo"), "unknown backendtype: 'foo'");
  EXPECT_EQ(DiskError("/x,raw,xvda,specification=foo"), "unknown specification: 'foo'");
  EXPECT_EQ(DiskError("/x,raw,xvda,grant_usage=2"), "grant_usage is 0 or 1: '2'");
  EXPECT_EQ(DiskError("foo:/x,xvda,w"), "unknown prefix: 'foo:'");
  EXPECT_EQ(DiskError("phy:file:/x,xvda,w"), "kind of target given twice: 'file'");
  EXPECT_EQ(DiskError("/x,raw,xvda:tape"), "unknown devtype: 'tape'");
  EXPECT_EQ(DiskError("/x\n,raw,xvda"), "the disk specification contains a control character");
  EXPECT_EQ(DiskError(std::string(5000, 'x')), "the disk specification is longer than 4096 bytes");
}

TEST(DiskSpec, Parts) {
  const std::vector<std::string> parts = {"phy:/dev/ram0", "xvda", "r", "no-discard"};
  absl::StatusOr<DiskSpec> disk = ParseDiskSpecParts(parts);
  ASSERT_TRUE(disk.ok()) << disk.status();
  EXPECT_EQ(disk->target, "/dev/ram0");
  EXPECT_EQ(disk->vdev, "xvda");
  EXPECT_TRUE(disk->read_only);
  EXPECT_EQ(disk->discard, false);
  EXPECT_FALSE(ParseDiskSpecParts({}).ok());
}

TEST(DiskSpec, RandomText) {
  std::mt19937 random(2);
  const std::vector<std::string> parameters = {
      "phy:/x",    "file:/y", "ram:64M",   "/x", "xvda", "raw",     "",        " ",   "vdev=xvdb",
      "target=/z", "cdrom",   "hdc:cdrom", "r",  "w",    "discard", "access=", "\xff"};
  int accepted = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string text = parameters[random() % parameters.size()];
    for (size_t count = random() % 5; count > 0; --count)
      absl::StrAppend(&text, ",", parameters[random() % parameters.size()]);
    if (random() % 4 == 0) text.erase(random() % (text.size() + 1), random() % 3);
    absl::StatusOr<DiskSpec> disk = ParseDiskSpec(text);
    if (!disk.ok()) continue;
    ++accepted;
    EXPECT_FALSE(disk->vdev.empty());
    EXPECT_TRUE(!disk->target.empty() || disk->cdrom);
  }
  EXPECT_GT(accepted, 50);
}

TEST(Vdev, Numbers) {
  constexpr struct {
    const char* name;
    uint32_t number;
  } kCases[] = {
      {"xvda", 51712},
      {"xvdb", 51728},
      {"xvda1", 51713},
      {"xvdp15", 51967},
      {"xvdq", (1u << 28) | 16 << 8},
      {"xvda16", (1u << 28) | 16},
      {"xvdaa", (1u << 28) | 26 << 8},
      {"d0p0", 51712},
      {"d1p2", 51730},
      {"d16p0", (1u << 28) | 16 << 8},
      {"sda", 2048},
      {"sdb3", 2067},
      {"hda", 768},
      {"hdb1", 833},
      {"hdc", 5632},
      {"hdd63", 5759},
      {"51712", 51712},
      {"0xca00", 51712},
      {"d1048575p255", (1u << 28) | 0xfffff << 8 | 255},
  };
  for (const auto& test : kCases) {
    absl::StatusOr<uint32_t> number = ParseVdev(test.name);
    ASSERT_TRUE(number.ok()) << test.name;
    EXPECT_EQ(*number, test.number) << test.name;
  }
  for (const char* bad :
       {"",           "xvd",        "xvda0",  "xvda01", "xvda256", "xvdA",
        "sdq",        "sda16",      "hde",    "hda64",  "d0",      "d1048576p0",
        "d0p256",     "d01p0",      "dp",     "p",      "-1",      "0x",
        "0x80000000", "2147483648", "xvda 1", "foo",    "01",      "xvdzzzzzzzzzzzzzzzzzzzz",
        "xvda1a"}) {
    EXPECT_FALSE(ParseVdev(bad).ok()) << bad;
  }
}

TEST(Vdev, NamesGoBackAndForth) {
  for (const char* name : {"xvda", "xvda1", "xvdp15", "xvdq", "xvdz255", "xvdaa", "xvdzz1",
                           "xvdaaa", "sda", "sdp15", "hda", "hdb63", "hdc", "hdd1"}) {
    EXPECT_EQ(FormatVdev(*ParseVdev(name)), name);
  }
  EXPECT_EQ(FormatVdev(5), "5");
  EXPECT_EQ(FormatVdev(3 << 8 | 200), "968");
  for (uint32_t disk = 0; disk < 1u << 20; disk += 997) {
    const uint32_t number = *ParseVdev(absl::StrCat("d", disk, "p7"));
    EXPECT_EQ(ParseVdev(FormatVdev(number)).value_or(0), number) << disk;
  }
}

VifSpec Vif(const std::string& text) {
  absl::StatusOr<VifSpec> vif = ParseVifSpec(text);
  EXPECT_TRUE(vif.ok()) << vif.status();
  return vif.value_or(VifSpec{});
}

std::string VifError(const std::string& text) {
  absl::StatusOr<VifSpec> vif = ParseVifSpec(text);
  EXPECT_FALSE(vif.ok()) << text;
  return std::string(vif.status().message());
}

TEST(VifSpec, Defaults) {
  for (const char* text : {"", " ", ",,"}) {
    const VifSpec vif = Vif(text);
    EXPECT_FALSE(vif.mac.has_value());
    EXPECT_EQ(vif.bridge, "xenbr0");
    EXPECT_EQ(vif.type, VifSpec::Type::kVif);
    EXPECT_FALSE(vif.rate.has_value() || vif.mtu.has_value() || vif.devid.has_value());
    EXPECT_TRUE(vif.trusted);
  }
}

TEST(VifSpec, Everything) {
  const VifSpec vif =
      Vif("mac=00:16:3E:0:00:09, "
          "bridge=br1,gatewaydev=eth0,ip=10.0.0.1,script=/s,backend=net,vifname=v0,model=e1000,"
          "type=ioemu,devid=3,mtu=9000,vlan=10,rate=1MB/s@20ms,untrusted,accel=x");
  EXPECT_EQ(FormatMac(*vif.mac), "00:16:3e:00:00:09");
  EXPECT_EQ(vif.bridge, "br1");
  EXPECT_EQ(vif.gateway_device, "eth0");
  EXPECT_EQ(vif.ip, "10.0.0.1");
  EXPECT_EQ(vif.script, "/s");
  EXPECT_EQ(vif.backend, "net");
  EXPECT_EQ(vif.name, "v0");
  EXPECT_EQ(vif.model, "e1000");
  EXPECT_EQ(vif.type, VifSpec::Type::kIoemu);
  EXPECT_EQ(vif.devid, 3u);
  EXPECT_EQ(vif.mtu, 9000u);
  EXPECT_EQ(vif.vlan, "10");
  EXPECT_EQ(vif.rate->bytes, 20000u);
  EXPECT_EQ(vif.rate->interval_us, 20000u);
  EXPECT_FALSE(vif.trusted);
  EXPECT_EQ(Vif("netdev=eth1").gateway_device, "eth1");
  EXPECT_TRUE(Vif("untrusted,trusted").trusted);
  EXPECT_EQ(Vif("bridge=a,bridge=b").bridge, "b");
}

TEST(VifSpec, Rates) {
  constexpr struct {
    const char* text;
    uint64_t bytes;
    uint32_t interval_us;
  } kCases[] = {
      {"10Mb/s", 62500, 50000},
      {"250KB/s", 12500, 50000},
      {"1MB/s@20ms", 20000, 20000},
      {"1GB/s@1s", 1000000000, 1000000},
      {"80b/s@1", 10, 1000000},
      {"100B/s@500us", 0, 500},
      {"4294967295GB/s@1us", 4294967295000, 1},
      {"8Gb/s@1m", 1000000, 1000},
      {"8Gb/s@1u", 1000, 1},
  };
  for (const auto& test : kCases) {
    absl::StatusOr<VifRate> rate = ParseVifRate(test.text);
    ASSERT_TRUE(rate.ok()) << rate.status();
    EXPECT_EQ(rate->bytes, test.bytes) << test.text;
    EXPECT_EQ(rate->interval_us, test.interval_us) << test.text;
  }
  for (const char* bad : {"", "MB/s", "0B/s", "10", "10M/s", "10MB", "10TB/s", "10MB/s@",
                          "10MB/s@0", "10MB/s@5h", "-1B/s", "4294967296B/s", "4294967295GB/s@1s",
                          "1B/s@5000s", "1B/s@4294967296us", "10MB/s "}) {
    EXPECT_FALSE(ParseVifRate(bad).ok()) << bad;
  }
}

TEST(VifSpec, Errors) {
  EXPECT_EQ(VifError("mac=00:16"), "vif 'mac=00:16': '00:16' is no MAC address");
  EXPECT_EQ(
      VifError("mac=01:00:5e:00:00:01"),
      "vif 'mac=01:00:5e:00:00:01': '01:00:5e:00:00:01' is a group address, not one interface's");
  EXPECT_EQ(VifError("mac=00:00:00:00:00:00"),
            "vif 'mac=00:00:00:00:00:00': '00:00:00:00:00:00' is not a usable MAC address");
  for (const char* bad : {"mac=", "mac=00:16:3e:00:00:09:00", "mac=00-16-3e-00-00-09",
                          "mac=00:16:3e:00:00:100", "mac=00:16:3e:00:00:g0", "mac=00:16:3e:00::09",
                          "mac=+0:16:3e:00:00:09", "mac=0x:16:3e:00:00:09"}) {
    EXPECT_FALSE(ParseVifSpec(bad).ok()) << bad;
  }
  EXPECT_EQ(VifError("mtu=67"), "vif 'mtu=67': mtu is a number from 68 to 65535: '67'");
  EXPECT_EQ(VifError("devid=x"), "vif 'devid=x': devid is a number from 0 to 65535: 'x'");
  EXPECT_EQ(VifError("type=foo"), "vif 'type=foo': unknown type: 'foo'");
  EXPECT_EQ(VifError("foo=bar"), "vif 'foo=bar': unknown parameter: 'foo'");
  EXPECT_EQ(VifError("foo"), "vif 'foo': unknown parameter: 'foo'");
  EXPECT_EQ(VifError("bridge=\x01"), "the vif specification contains a control character");
  EXPECT_EQ(VifError(std::string(5000, 'x')), "the vif specification is longer than 4096 bytes");
}

}  // namespace
}  // namespace pyrene::xl
