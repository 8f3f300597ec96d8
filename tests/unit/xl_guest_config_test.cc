// SPDX-License-Identifier: Apache-2.0
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gtest/gtest.h"
#include "services/xl/guest_config.h"

namespace pyrene::xl {
namespace {

constexpr char kMinimum[] = "name='g'\nkernel='/boot/vmlinuz'\nmemory=128\n";

struct Outcome {
  absl::StatusOr<GuestConfig> config;
  std::vector<std::string> warnings;
};

Outcome Read(const std::string& text, GuestFeatures features = {}) {
  Outcome outcome{absl::UnknownError("not parsed"), {}};
  absl::StatusOr<ConfigEntries> entries = ParseConfig("g.cfg", text);
  EXPECT_TRUE(entries.ok()) << entries.status();
  if (entries.ok())
    outcome.config = ParseGuestConfig("g.cfg", *entries, features, outcome.warnings);
  return outcome;
}

GuestConfig Good(const std::string& text, GuestFeatures features = {}) {
  Outcome outcome = Read(text, features);
  EXPECT_TRUE(outcome.config.ok()) << outcome.config.status();
  EXPECT_TRUE(outcome.warnings.empty()) << absl::StrJoin(outcome.warnings, "\n");
  return outcome.config.value_or(GuestConfig{});
}

std::string ErrorOf(const std::string& text, GuestFeatures features = {}) {
  Outcome outcome = Read(text, features);
  EXPECT_FALSE(outcome.config.ok()) << text;
  return std::string(outcome.config.status().message());
}

TEST(GuestConfig, Defaults) {
  const GuestConfig config = Good(kMinimum);
  EXPECT_EQ(config.name, "g");
  EXPECT_EQ(config.uuid, "");
  EXPECT_EQ(config.kernel, "/boot/vmlinuz");
  EXPECT_EQ(config.ramdisk, "");
  EXPECT_EQ(config.cmdline, "");
  EXPECT_EQ(config.memory_mib, 128);
  EXPECT_EQ(config.max_memory_mib, 128);
  EXPECT_EQ(config.vcpus, 1);
  EXPECT_EQ(config.max_vcpus, 1);
  EXPECT_TRUE(config.cpus.empty());
  EXPECT_EQ(config.cpu_weight, 256);
  EXPECT_EQ(config.cap, 0);
  EXPECT_EQ(config.on_poweroff, ShutdownAction::kDestroy);
  EXPECT_EQ(config.on_reboot, ShutdownAction::kRestart);
  EXPECT_EQ(config.on_watchdog, ShutdownAction::kDestroy);
  EXPECT_EQ(config.on_crash, ShutdownAction::kDestroy);
  EXPECT_EQ(config.on_soft_reset, ShutdownAction::kSoftReset);
}

TEST(GuestConfig, Everything) {
  const GuestConfig config = Good(R"(
name = "deb-12.test"
uuid = "872C92A6-4f8b-41f5-b230-52098c3a55b8"
kernel = "/boot/vmlinuz"
ramdisk = "/boot/initrd"
cmdline = "console=hvc0"
memory = 256
maxmem = 512
vcpus = 2
maxvcpus = 4
cpus = "0-3,^2"
cpus_soft = ["1"]
cpu_weight = 512
cap = 150
on_poweroff = "preserve"
on_reboot = "rename-restart"
on_watchdog = "coredump-destroy"
on_crash = "coredump-restart"
on_soft_reset = "restart"
type = "pvh"
builder = "generic"
gic_version = "v2"
serial = "pty"
)");
  EXPECT_EQ(config.name, "deb-12.test");
  EXPECT_EQ(config.uuid, "872c92a6-4f8b-41f5-b230-52098c3a55b8");
  EXPECT_EQ(config.cmdline, "console=hvc0");
  EXPECT_EQ(config.memory_mib, 256);
  EXPECT_EQ(config.max_memory_mib, 512);
  EXPECT_EQ(config.vcpus, 2);
  EXPECT_EQ(config.max_vcpus, 4);
  EXPECT_EQ(config.cpus, (std::vector<CpuMask>{0b1011, 0b1011, 0b1011, 0b1011}));
  EXPECT_EQ(config.cpus_soft, (std::vector<CpuMask>{0b10}));
  EXPECT_EQ(config.cpu_weight, 512);
  EXPECT_EQ(config.cap, 150);
  EXPECT_EQ(config.on_poweroff, ShutdownAction::kPreserve);
  EXPECT_EQ(config.on_reboot, ShutdownAction::kRenameRestart);
  EXPECT_EQ(config.on_watchdog, ShutdownAction::kCoredumpDestroy);
  EXPECT_EQ(config.on_crash, ShutdownAction::kCoredumpRestart);
  EXPECT_EQ(config.on_soft_reset, ShutdownAction::kRestart);
}

TEST(GuestConfig, CommandLineIsMadeAsLibxlMakesIt) {
  const std::string base = kMinimum;
  EXPECT_EQ(Good(base + "root='/dev/xvda ro'").cmdline, "root=/dev/xvda ro");
  EXPECT_EQ(Good(base + "extra='quiet'").cmdline, "quiet");
  EXPECT_EQ(Good(base + "extra='quiet'\nroot='/dev/xvda'").cmdline, "root=/dev/xvda quiet");
  EXPECT_EQ(Good(base + "extra=''\nroot='/dev/xvda'").cmdline, "root=/dev/xvda ");
  Outcome outcome = Read(base + "cmdline='c'\nroot='/dev/xvda'");
  EXPECT_EQ(outcome.config->cmdline, "c");
  EXPECT_EQ(outcome.warnings,
            (std::vector<std::string>{"Warning: ignoring root= and extra= in favour of cmdline="}));
  const std::string full(kMaxCmdlineBytes, 'x');
  EXPECT_EQ(Good(base + "cmdline='" + full + "'").cmdline, full);
  EXPECT_EQ(ErrorOf(base + "cmdline='x" + full + "'"),
            "g.cfg:4: cmdline: is longer than 2047 bytes");
  EXPECT_EQ(ErrorOf(base + "root='" + full + "'"),
            "g.cfg:4: root: the command line is longer than 2047 bytes");
  EXPECT_EQ(ErrorOf(base + "root='a'\nextra='" + full + "'"),
            "g.cfg:5: extra: the command line is longer than 2047 bytes");
}

TEST(GuestConfig, CpusByVcpu) {
  const std::string base = std::string(kMinimum) + "vcpus=2\n";
  EXPECT_EQ(Good(base + "cpus=['2', 'all', '3']").cpus, (std::vector<CpuMask>{4, kAllCpus}));
  EXPECT_EQ(Good(base + "cpus='all'").cpus, (std::vector<CpuMask>{kAllCpus, kAllCpus}));
  EXPECT_EQ(Good(base + "cpus=3").cpus, (std::vector<CpuMask>{8, 8}));
  EXPECT_EQ(ErrorOf(base + "cpus=['1',\n'x']"),
            "g.cfg:6: cpus: 'x' is not a CPU or a range of CPUs");
}

TEST(GuestConfig, MemoryFromEitherKey) {
  const std::string base = "name='g'\nkernel='k'\n";
  EXPECT_EQ(Good(base + "maxmem=64").memory_mib, 64);
  EXPECT_EQ(Good(base + "memory='0x40'").max_memory_mib, 64);
  EXPECT_EQ(ErrorOf(base), "g.cfg: memory must be specified.");
  EXPECT_EQ(ErrorOf(base + "memory=128\nmaxmem=64"),
            "g.cfg:4: maxmem: 64 is less than memory, 128");
  EXPECT_EQ(ErrorOf(base + "memory=0"), "g.cfg:3: memory: 0 is not in the range 1..519168");
  EXPECT_EQ(ErrorOf(base + "memory=519169"),
            "g.cfg:3: memory: 519169 is not in the range 1..519168");
}

TEST(GuestConfig, BadValuesNameFileLineAndKey) {
  constexpr struct {
    const char* line;
    const char* error;
  } kCases[] = {
      {"memory='12x'", "g.cfg:4: memory: '12x' is not a number"},
      {"memory=[1]", "g.cfg:4: memory: is a list but should be a single value"},
      {"vcpus=0", "g.cfg:4: vcpus: 0 is not in the range 1..8"},
      {"vcpus=9", "g.cfg:4: vcpus: 9 is not in the range 1..8"},
      {"vcpus=3\nmaxvcpus=2", "g.cfg:5: maxvcpus: 2 is less than vcpus, 3"},
      {"cpus=''", "g.cfg:4: cpus: '' names no CPU"},
      {"cpu_weight=0", "g.cfg:4: cpu_weight: 0 is not in the range 1..65535"},
      {"cap=101", "g.cfg:4: cap: 101 is not in the range 0..100"},
      {"on_crash='die'", "g.cfg:4: on_crash: Unknown on_crash action \"die\" specified"},
      {"uuid='x'", "g.cfg:4: uuid: 'x' is no UUID"},
      {"uuid='872c92a6-4f8b-41f5-b230-52098c3a55bg'",
       "g.cfg:4: uuid: '872c92a6-4f8b-41f5-b230-52098c3a55bg' is no UUID"},
      {"type='x'", "g.cfg:4: type: 'x' is no type of guest (pvh, pv, hvm)"},
      {"builder='x'", "g.cfg:4: builder: 'x' is no builder (generic, hvm, linux)"},
      {"gic_version='v3'",
       "g.cfg:4: gic_version: 'v3' is no interrupt controller of this machine (default, v2)"},
      {"kernel=''", "g.cfg:4: kernel: is empty"},
      {"cmdline=\"a\\nb\"", "g.cfg:4: cmdline: contains a control character"},
      {"disk='x'", "g.cfg:4: disk: is a single value but should be a list"},
      {"vif='x'", "g.cfg:4: vif: is a single value but should be a list"},
  };
  for (const auto& test : kCases) EXPECT_EQ(ErrorOf(std::string(kMinimum) + test.line), test.error);
  EXPECT_EQ(ErrorOf("kernel='k'\nmemory=1"), "g.cfg: Domain name must be specified.");
  EXPECT_EQ(ErrorOf("name='g'\nmemory=1"), "g.cfg: kernel must be specified.");
  EXPECT_EQ(ErrorOf("name='g'\nmemory=1\nbootloader='pygrub'"),
            "g.cfg:3: bootloader: is not supported; name a kernel file by 'kernel'");
}

TEST(GuestConfig, Names) {
  for (const char* good : {"a", "domu", "deb-12", "1a", "a.b_c+d@e:f", "Domain-0"}) {
    EXPECT_TRUE(IsValidGuestName(good)) << good;
  }
  for (const char* bad : {"", "12", "-a", ".a", "a b", "a/b", "a\n", "\xc3\xa4", "a'b"}) {
    EXPECT_FALSE(IsValidGuestName(bad)) << bad;
  }
  EXPECT_TRUE(IsValidGuestName(std::string(kMaxNameBytes, 'a')));
  EXPECT_FALSE(IsValidGuestName(std::string(kMaxNameBytes + 1, 'a')));
  EXPECT_NE(
      ErrorOf("name='a b'\nkernel='k'\nmemory=1").find("g.cfg:1: name: 'a b' is no valid name"),
      std::string::npos);
  EXPECT_EQ(ErrorOf("name='" + std::string(65, 'a') + "'"),
            "g.cfg:1: name: is longer than 64 bytes");
}

TEST(GuestConfig, WarningsAboutKeys) {
  Outcome outcome =
      Read(std::string(kMinimum) +
           "naem='x'\nvuart='sbsa_uart'\nacpi=0\np9=[]\nvnc=1\nnomigrate=1\nserial=['a','b']\n"
           "naem='y'\npool=''\niomem=['1,1']\nbootloader='pygrub'\n");
  ASSERT_TRUE(outcome.config.ok()) << outcome.config.status();
  EXPECT_EQ(outcome.warnings,
            (std::vector<std::string>{
                "g.cfg:11: warning: unknown key 'naem' ignored",
                "g.cfg:5: warning: 'vuart' is not supported and has no effect",
                "g.cfg:13: warning: 'iomem' is not supported and has no effect",
                "g.cfg:14: warning: 'bootloader' is not supported, 'kernel' is used",
            }));
}

TEST(GuestConfig, WarningsComeWithAnErrorToo) {
  Outcome outcome = Read("foo=1\nname='g'");
  EXPECT_FALSE(outcome.config.ok());
  EXPECT_EQ(outcome.warnings,
            (std::vector<std::string>{"g.cfg:1: warning: unknown key 'foo' ignored"}));
}

TEST(GuestConfig, DevicesAreCheckedAndThenRefused) {
  const std::string base = kMinimum;
  EXPECT_EQ(ErrorOf(base + "disk = [\n 'phy:/dev/ram0,xvda,w' ]"),
            "g.cfg:5: disk: disks are not yet supported");
  EXPECT_EQ(Read(base + "disk=['phy:/dev/ram0,xvda,w']").config.status().code(),
            absl::StatusCode::kUnimplemented);
  EXPECT_EQ(ErrorOf(base + "vif=['']"), "g.cfg:4: vif: network interfaces are not yet supported");
  EXPECT_EQ(ErrorOf(base + "disk=['phy:/dev/ram0,foo,w']"),
            "g.cfg:4: disk: disk 'phy:/dev/ram0,foo,w': 'foo' is no virtual disk (xvda, sda1, hda, "
            "d0p1)");
  EXPECT_EQ(ErrorOf(base + "vif=['mac=1']"), "g.cfg:4: vif: vif 'mac=1': '1' is no MAC address");
  EXPECT_TRUE(Good(base + "disk=[]\nvif=[]").disks.empty());
}

TEST(GuestConfig, DevicesWhereTheyAreSupported) {
  const GuestFeatures features{true, true};
  const GuestConfig config = Good(std::string(kMinimum) +
                                      "disk=['phy:/dev/ram0,xvda,w', 'ram:1M,xvdb,r']\n"
                                      "vif=['', 'bridge=br1,devid=7', 'mac=00:16:3e:00:00:09']\n",
                                  features);
  ASSERT_EQ(config.disks.size(), 2u);
  EXPECT_EQ(config.disks[1].vdev_number, 51728u);
  EXPECT_EQ(config.disks[1].ram_bytes, 1048576u);
  ASSERT_EQ(config.vifs.size(), 3u);
  EXPECT_EQ(config.vifs[0].devid, 0u);
  EXPECT_EQ(config.vifs[1].devid, 7u);
  EXPECT_EQ(config.vifs[2].devid, 2u);
  EXPECT_EQ(ErrorOf(std::string(kMinimum) + "disk=['/sd/a,,xvda',\n'/sd/b,,d0p0']", features),
            "g.cfg:5: disk: vdev d0p0 is used twice");
  EXPECT_EQ(ErrorOf(std::string(kMinimum) + "vif=['devid=1','']", features),
            "g.cfg:4: vif: devid 1 is used twice");
}

TEST(GuestConfig, WhatADiskIsIsSaidByItsTarget) {
  using Source = DiskSpec::Source;
  const struct {
    std::string disk;
    Source source;
    std::string target;
    std::string file;
  } disks[] = {
      {"phy:/dev/vda,xvda,w", Source::kPhy, "/dev/vda", ""},
      {"phy:vda2,xvda,w", Source::kPhy, "/dev/vda2", ""},
      {"file:/dev/vda,xvda,w", Source::kPhy, "/dev/vda", ""},
      {"/dev/loop0,raw,xvda,rw", Source::kPhy, "/dev/loop0", ""},
      {"file:/sd/a/root.img,xvda,w", Source::kFile, "/sd/a/root.img", "/a/root.img"},
      {"tap:aio:/sd/root.img,xvda,w", Source::kFile, "/sd/root.img", "/root.img"},
      {"sd/root.img,raw,xvda,rw", Source::kFile, "sd/root.img", "/root.img"},
      {"phy:/sd/root.img,xvda,w", Source::kFile, "/sd/root.img", "/root.img"},
  };
  for (const auto& [text, source, target, file] : disks) {
    const GuestConfig config =
        Good(std::string(kMinimum) + "disk=['" + text + "']\n", GuestFeatures{.disks = true});
    ASSERT_EQ(config.disks.size(), 1u) << text;
    EXPECT_EQ(config.disks[0].source, source) << text;
    EXPECT_EQ(config.disks[0].target, target) << text;
    EXPECT_EQ(config.disks[0].file, file) << text;
  }
}

TEST(GuestConfig, DisksThatThereAreNot) {
  for (const auto& [disk, why] : std::vector<std::pair<std::string, std::string>>{
           {"file:/x.img,xvda,w", "/x.img can not be a disk: only files below /sd can"},
           {"/x.img,,xvda", "/x.img can not be a disk: only files below /sd can"},
           {absl::StrCat("/sd/", std::string(130, 'x'), ",,xvda"), "longer than 127 bytes"},
           {"/dev/vda,qcow2,xvda", "only raw disks are supported"},
           {"phy:/dev/vda,xvda:cdrom,r", "CD-ROM drives are not supported"},
           {"vdev=xvda,backend=2,target=/dev/vda", "back-ends in other guests are not supported"},
           {"ram:5120,xvda,w", "a RAM disk is a multiple of 4 KiB"}}) {
    const std::string error =
        ErrorOf(std::string(kMinimum) + "disk=['" + disk + "']", GuestFeatures{.disks = true});
    EXPECT_NE(error.find("g.cfg:4: disk: "), std::string::npos) << disk;
    EXPECT_NE(error.find(why), std::string::npos) << disk << ": " << error;
  }
  EXPECT_NE(
      ErrorOf(std::string(kMinimum) +
                  "disk=['ram:4K,xvda','ram:4K,xvdb','ram:4K,xvdc','ram:4K,xvdd','ram:4K,xvde']",
              GuestFeatures{.disks = true})
          .find("more than 4 disks"),
      std::string::npos);
}

TEST(GuestConfig, OverridesWin) {
  absl::StatusOr<ConfigEntries> entries = ParseConfig("g.cfg", std::string(kMinimum) + "vcpus=99");
  ASSERT_TRUE(entries.ok());
  ASSERT_TRUE(AddConfigOverride("memory=256", *entries).ok());
  ASSERT_TRUE(AddConfigOverride("vcpus=2", *entries).ok());
  std::vector<std::string> warnings;
  absl::StatusOr<GuestConfig> config = ParseGuestConfig("g.cfg", *entries, {}, warnings);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->memory_mib, 256);
  EXPECT_EQ(config->vcpus, 2);
  ASSERT_TRUE(AddConfigOverride("vcpus=none", *entries).ok());
  config = ParseGuestConfig("g.cfg", *entries, {}, warnings);
  EXPECT_EQ(config.status().message(), "command line:1: vcpus: 'none' is not a number");
}

TEST(CpuList, Parse) {
  const auto mask = [](const char* text) { return ParseCpuList(text).value_or(0); };
  EXPECT_EQ(mask("0"), 1u);
  EXPECT_EQ(mask("0-3"), 0xfu);
  EXPECT_EQ(mask("0-3,^2"), 0xbu);
  EXPECT_EQ(mask(" 0 , 2-3 ,"), 0xdu);
  EXPECT_EQ(mask("all"), kAllCpus);
  EXPECT_EQ(mask("all,^0-62"), CpuMask{1} << 63);
  EXPECT_EQ(mask("^2,0-3"), 0xfu);
  EXPECT_EQ(mask("nodes:0"), kAllCpus);
  EXPECT_EQ(mask("node:0,^1"), kAllCpus & ~CpuMask{2});
  EXPECT_EQ(mask("63"), CpuMask{1} << 63);
  const auto error = [](const char* text) {
    return std::string(ParseCpuList(text).status().message());
  };
  EXPECT_EQ(error("^all"), "'^all' takes away all CPUs");
  EXPECT_EQ(error("3-1"), "'3-1' ends before it begins");
  EXPECT_EQ(error("64"), "'64' is beyond CPU 63");
  EXPECT_EQ(error("node:1"), "'node:1' names a node that does not exist");
  EXPECT_EQ(error("1,^1"), "'1,^1' names no CPU");
  for (const char* bad : {"x", "1-", "-1", "1-2-3", "1x", "+1", "^", "node:", "99999999999"}) {
    EXPECT_EQ(error(bad), absl::StrCat("'", bad, "' is not a CPU or a range of CPUs"));
  }
}

TEST(CpuList, Format) {
  EXPECT_EQ(FormatCpuMask(kAllCpus, 4), "all");
  EXPECT_EQ(FormatCpuMask(0xf, 4), "all");
  EXPECT_EQ(FormatCpuMask(1, 1), "all");
  EXPECT_EQ(FormatCpuMask(0xf0, 4), "none");
  EXPECT_EQ(FormatCpuMask(0b1011, 4), "0-1,3");
  EXPECT_EQ(FormatCpuMask(0b1110, 4), "1-3");
  EXPECT_EQ(FormatCpuMask(0b0101, 4), "0,2");
  EXPECT_EQ(FormatCpuMask(kAllCpus, 64), "all");
  EXPECT_EQ(FormatCpuMask(kAllCpus << 1, 64), "1-63");
}

}  // namespace
}  // namespace pyrene::xl
