// SPDX-License-Identifier: Apache-2.0
//
// Image header, placement, device tree, and loading.
#include <gtest/gtest.h>
#include <libfdt.h>

#include <cstring>

#include "services/vmm/boot.h"
#include "services/vmm/device_tree.h"
#include "services/vmm/image.h"
#include "tests/unit/vmm_test_guest.h"

namespace pyrene::vmm {
namespace {

constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kBase = xen::kRam0Base;

std::vector<uint8_t> Image(uint64_t text_offset, uint64_t image_size, uint64_t flags,
                           size_t bytes = 4096) {
  std::vector<uint8_t> image(bytes, 0xcc);
  std::memcpy(image.data(), "MZ\0\x91", 4);
  std::memcpy(image.data() + 8, &text_offset, 8);
  std::memcpy(image.data() + 16, &image_size, 8);
  std::memcpy(image.data() + 24, &flags, 8);
  std::memcpy(image.data() + 56, "ARM\x64", 4);
  return image;
}

std::string Error(const std::vector<uint8_t>& image) {
  const auto header = ReadImageHeader(image, image.size());
  return header.ok() ? "" : std::string(header.status().message());
}

TEST(VmmImage, Header) {
  const auto header = ReadImageHeader(Image(0, 0x2000000, 0xa), 4096);
  ASSERT_TRUE(header.ok());
  EXPECT_EQ(header->text_offset, 0u);
  EXPECT_EQ(header->image_size, 0x2000000u);
  // A file longer than it says.
  EXPECT_EQ(ReadImageHeader(Image(0, 0x1000, 0xa), 0x5000)->image_size, 0x5000u);
}

TEST(VmmImage, RefusalsSayWhatItIs) {
  EXPECT_NE(Error({0x1f, 0x8b, 8, 0}).find("gzip"), std::string::npos);
  EXPECT_NE(Error({0xfd, '7', 'z', 'X', 'Z', 0}).find("xz"), std::string::npos);
  EXPECT_NE(Error({0x28, 0xb5, 0x2f, 0xfd}).find("zstd"), std::string::npos);
  EXPECT_NE(Error({0x7f, 'E', 'L', 'F'}).find("ELF"), std::string::npos);
  EXPECT_NE(Error({}).find("too short"), std::string::npos);
  EXPECT_NE(Error(std::vector<uint8_t>(100)).find("not an arm64 Image"), std::string::npos);
  std::vector<uint8_t> zboot(100);
  std::memcpy(zboot.data(), "MZ\0\0zimg", 8);
  EXPECT_NE(Error(zboot).find("zboot"), std::string::npos);
  std::vector<uint8_t> efi(100);
  std::memcpy(efi.data(), "MZ", 2);
  EXPECT_NE(Error(efi).find("EFI"), std::string::npos);
  EXPECT_NE(Error(Image(0, 1 << 20, 1)).find("big-endian"), std::string::npos);
  EXPECT_NE(Error(Image(0, 1 << 20, 2 << 1)).find("16 KiB"), std::string::npos);
  EXPECT_NE(Error(Image(0, 0, 2)).find("3.17"), std::string::npos);
  EXPECT_NE(Error(Image(1 << 30, 1 << 20, 2)).find("damaged"), std::string::npos);
  EXPECT_NE(Error(Image(0, uint64_t{1} << 40, 2)).find("damaged"), std::string::npos);
}

TEST(VmmImage, PlacesModulesAt128MiB) {
  const auto p = PlaceImage({0, 32 * kMiB, 0xa}, 30 * kMiB, 10 * kMiB + 5, 8192, kBase, 512 * kMiB);
  ASSERT_TRUE(p.ok());
  EXPECT_EQ(p->kernel, kBase);
  EXPECT_EQ(p->initrd, kBase + 128 * kMiB);
  EXPECT_EQ(p->device_tree, kBase + 138 * kMiB + 4096);
}

TEST(VmmImage, PlacesModulesHighInSmallGuests) {
  const auto p =
      PlaceImage({0x80000, 32 * kMiB, 0xa}, 30 * kMiB, 10 * kMiB, 8192, kBase, 128 * kMiB);
  ASSERT_TRUE(p.ok());
  EXPECT_EQ(p->kernel, kBase + 0x80000);
  EXPECT_EQ(p->device_tree, kBase + 128 * kMiB - 8192);
  EXPECT_EQ(p->initrd, kBase + 118 * kMiB - 8192);
  EXPECT_EQ(PlaceImage({0, 32 * kMiB, 0xa}, 0, 0, 8192, kBase, 128 * kMiB)->initrd, 0u);
}

// Whatever the sizes: nothing overlaps, everything is inside, or it is refused.
TEST(VmmImage, PlacementNeverOverlaps) {
  for (const uint64_t ram : {2, 4, 34, 40, 64, 127, 128, 129, 140, 200, 256, 1024, 3072}) {
    for (const uint64_t kernel : {1, 2, 3, 31, 60, 127, 128, 130, 200}) {
      for (const uint64_t initrd : {0, 1, 30, 90, 200}) {
        const auto p = PlaceImage({0, kernel * kMiB, 0xa}, kernel * kMiB, initrd * kMiB, 9000,
                                  kBase, ram * kMiB);
        if (!p.ok()) {
          EXPECT_GT((kernel + 1) / 2 * 2 + initrd + 1, ram - 1)
              << ram << " " << kernel << " " << initrd;
          continue;
        }
        EXPECT_EQ(p->kernel, kBase);
        EXPECT_EQ(p->device_tree % 8, 0u);
        EXPECT_LE(p->device_tree + 9000, kBase + ram * kMiB);
        EXPECT_GE(p->device_tree, kBase + kernel * kMiB);
        if (initrd == 0) continue;
        EXPECT_EQ(p->initrd % 4096, 0u);
        EXPECT_GE(p->initrd, kBase + kernel * kMiB);
        EXPECT_LE(p->initrd + initrd * kMiB, p->device_tree);
      }
    }
  }
  EXPECT_FALSE(PlaceImage({0, kMiB, 0}, kMiB, ~uint64_t{0}, 8192, kBase, 64 * kMiB).ok());
  EXPECT_NE(PlaceImage({0, 64 * kMiB, 0}, kMiB, 100 * kMiB, 8192, kBase, 128 * kMiB)
                .status()
                .message()
                .find("165 MiB"),
            std::string_view::npos);
}

class Tree {
 public:
  explicit Tree(const DeviceTreeConfig& config) : bytes_(16384) {
    const auto size = BuildDeviceTree(config, bytes_);
    EXPECT_TRUE(size.ok()) << size.status();
    EXPECT_EQ(fdt_check_full(bytes_.data(), size.value_or(0)), 0);
  }
  std::string Bytes(const char* path, const char* name) {
    int length = 0;
    const int node = fdt_path_offset(bytes_.data(), path);
    EXPECT_GE(node, 0) << path;
    const void* data = fdt_getprop(bytes_.data(), node, name, &length);
    EXPECT_NE(data, nullptr) << path << " " << name;
    return data == nullptr ? "" : std::string(static_cast<const char*>(data), length);
  }
  std::vector<uint32_t> Cells(const char* path, const char* name) {
    const std::string bytes = Bytes(path, name);
    std::vector<uint32_t> cells;
    for (size_t i = 0; i + 4 <= bytes.size(); i += 4) {
      cells.push_back(fdt32_ld(reinterpret_cast<const fdt32_t*>(bytes.data() + i)));
    }
    return cells;
  }
  bool Has(const char* path, const char* name = nullptr) {
    const int node = fdt_path_offset(bytes_.data(), path);
    return node >= 0 &&
           (name == nullptr || fdt_getprop(bytes_.data(), node, name, nullptr) != nullptr);
  }
  // All properties, as Linux shows them below /proc/device-tree.
  std::set<std::string> Properties() {
    std::set<std::string> result;
    int node = 0;
    for (int depth = 0; node >= 0 && depth >= 0;
         node = fdt_next_node(bytes_.data(), node, &depth)) {
      char path[200];
      fdt_get_path(bytes_.data(), node, path, sizeof(path));
      int property = 0;
      fdt_for_each_property_offset(property, bytes_.data(), node) {
        const char* name = nullptr;
        fdt_getprop_by_offset(bytes_.data(), property, &name, nullptr);
        result.insert(std::string(path) + (path[1] == 0 ? "" : "/") + name);
      }
    }
    return result;
  }

 private:
  std::vector<uint8_t> bytes_;
};

TEST(VmmDeviceTree, WhatXlBuilds) {
  const std::vector<uint8_t> seed(128, 0x5a);
  DeviceTreeConfig config;
  config.vcpus = 1;
  config.banks[0] = {kBase, 512 * kMiB};
  config.command_line = "console=hvc0 rdinit=/init";
  config.initrd_start = 0x48000000;
  config.initrd_end = 0x48123456;
  config.seed = seed;
  Tree tree(config);
  // The list that a guest of Xen 4.17 shows, without "name", which Linux adds; a seed is read and
  // then hidden by Linux.
  const std::set<std::string> expected = {"/#address-cells",
                                          "/#size-cells",
                                          "/compatible",
                                          "/interrupt-parent",
                                          "/model",
                                          "/chosen/bootargs",
                                          "/chosen/linux,initrd-end",
                                          "/chosen/linux,initrd-start",
                                          "/chosen/rng-seed",
                                          "/cpus/#address-cells",
                                          "/cpus/#size-cells",
                                          "/cpus/cpu@0/compatible",
                                          "/cpus/cpu@0/device_type",
                                          "/cpus/cpu@0/enable-method",
                                          "/cpus/cpu@0/reg",
                                          "/hypervisor/compatible",
                                          "/hypervisor/interrupt-parent",
                                          "/hypervisor/interrupts",
                                          "/hypervisor/reg",
                                          "/interrupt-controller@3001000/#address-cells",
                                          "/interrupt-controller@3001000/#interrupt-cells",
                                          "/interrupt-controller@3001000/compatible",
                                          "/interrupt-controller@3001000/interrupt-controller",
                                          "/interrupt-controller@3001000/linux,phandle",
                                          "/interrupt-controller@3001000/phandle",
                                          "/interrupt-controller@3001000/reg",
                                          "/memory@40000000/device_type",
                                          "/memory@40000000/reg",
                                          "/psci/compatible",
                                          "/psci/cpu_off",
                                          "/psci/cpu_on",
                                          "/psci/method",
                                          "/timer/compatible",
                                          "/timer/interrupt-parent",
                                          "/timer/interrupts"};
  EXPECT_EQ(tree.Properties(), expected);

  EXPECT_EQ(tree.Bytes("/", "model"), std::string("XENVM-4.17\0", 11));
  EXPECT_EQ(tree.Bytes("/", "compatible"), std::string("xen,xenvm-4.17\0xen,xenvm\0", 25));
  EXPECT_EQ(tree.Cells("/", "interrupt-parent"), (std::vector<uint32_t>{65000}));
  EXPECT_EQ(tree.Bytes("/hypervisor", "compatible"), std::string("xen,xen-4.17\0xen,xen\0", 21));
  EXPECT_EQ(tree.Cells("/hypervisor", "reg"), (std::vector<uint32_t>{0, 0x38000000, 0, 0x1000000}));
  EXPECT_EQ(tree.Cells("/hypervisor", "interrupts"), (std::vector<uint32_t>{1, 15, 0xf08}));
  EXPECT_EQ(tree.Cells("/timer", "interrupts"),
            (std::vector<uint32_t>{1, 13, 0xf08, 1, 14, 0xf08, 1, 11, 0xf08}));
  EXPECT_EQ(tree.Cells("/interrupt-controller@3001000", "reg"),
            (std::vector<uint32_t>{0, 0x3001000, 0, 0x1000, 0, 0x3002000, 0, 0x2000}));
  EXPECT_EQ(tree.Cells("/interrupt-controller@3001000", "#interrupt-cells"),
            (std::vector<uint32_t>{3}));
  EXPECT_EQ(tree.Cells("/memory@40000000", "reg"),
            (std::vector<uint32_t>{0, 0x40000000, 0, 0x20000000}));
  EXPECT_EQ(tree.Cells("/chosen", "linux,initrd-start"), (std::vector<uint32_t>{0, 0x48000000}));
  EXPECT_EQ(tree.Cells("/chosen", "linux,initrd-end"), (std::vector<uint32_t>{0, 0x48123456}));
  EXPECT_STREQ(tree.Bytes("/chosen", "bootargs").c_str(), "console=hvc0 rdinit=/init");
  EXPECT_EQ(tree.Bytes("/chosen", "rng-seed").size(), 128u);
  EXPECT_STREQ(tree.Bytes("/psci", "method").c_str(), "hvc");
  EXPECT_EQ(tree.Bytes("/psci", "compatible"),
            std::string("arm,psci-1.0\0arm,psci-0.2\0arm,psci\0", 35));
}

TEST(VmmDeviceTree, Options) {
  DeviceTreeConfig config;
  config.vcpus = 8;
  config.banks[0] = {kBase, 3072 * kMiB};
  config.banks[1] = {xen::kRam1Base, 1024 * kMiB};
  Tree tree(config);
  EXPECT_EQ(tree.Cells("/cpus/cpu@7", "reg"), (std::vector<uint32_t>{7}));
  EXPECT_FALSE(tree.Has("/cpus/cpu@8"));
  EXPECT_EQ(tree.Cells("/memory@200000000", "reg"), (std::vector<uint32_t>{2, 0, 0, 0x40000000}));
  EXPECT_FALSE(tree.Has("/chosen", "linux,initrd-start"));
  EXPECT_FALSE(tree.Has("/chosen", "rng-seed"));
  EXPECT_STREQ(tree.Bytes("/chosen", "bootargs").c_str(), "");
}

TEST(VmmDeviceTree, TooLongCommandLine) {
  std::vector<uint8_t> out(4096);
  const std::string line(8000, 'x');
  DeviceTreeConfig config;
  config.command_line = line;
  const auto size = BuildDeviceTree(config, out);
  EXPECT_EQ(size.status().code(), absl::StatusCode::kResourceExhausted);
}

TEST(VmmBootFiles, LoadsIntoRam) {
  TestGuest guest(2);
  std::vector<uint8_t> kernel = Image(0, 1 * kMiB, 0xa, 100'000);
  std::vector<uint8_t> initrd(50'000, 0xab);
  const std::vector<uint8_t> seed(128, 1);
  const auto entry = LoadGuest(guest.memory, 2, {kernel, initrd, "quiet", seed});
  ASSERT_TRUE(entry.ok()) << entry.status();
  EXPECT_EQ(entry->entry, kBase);
  EXPECT_EQ(std::memcmp(&guest.Ram<uint8_t>(0), kernel.data(), kernel.size()), 0);
  const auto* tree = guest.memory.At(entry->device_tree, 64);
  ASSERT_NE(tree, nullptr);
  EXPECT_EQ(fdt_check_header(tree), 0);
  EXPECT_GE(fdt_path_offset(tree, "/cpus/cpu@1"), 0);
  EXPECT_GE(fdt_path_offset(tree, "/memory@200000000"), 0);
  // As small as the test's guest is: the kernel's BSS does not fit.
  kernel = Image(0, 4 * kMiB, 0xa, 1000);
  EXPECT_EQ(LoadGuest(guest.memory, 1, {kernel, initrd, "", seed}).status().code(),
            absl::StatusCode::kResourceExhausted);
  kernel[56] = 0;
  EXPECT_EQ(LoadGuest(guest.memory, 1, {kernel, initrd, "", seed}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(LoadGuest(guest.memory, 1, {{}, {}, "", {}}).ok());
}

}  // namespace
}  // namespace pyrene::vmm
