// SPDX-License-Identifier: Apache-2.0
//
// What the kernel reads from device trees built here: like the Raspberry Pi 4's, like QEMU virt's,
// and ones with something missing.
#include <libfdt.h>

#include <functional>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "kernel/boot/machine.h"
#include "tests/unit/kernel_test_util.h"

namespace pyrene {
namespace {

using Cells = std::vector<uint32_t>;

// A tree written from top to bottom.
class Tree {
 public:
  Tree() : memory_(65536) {
    EXPECT_EQ(fdt_create(memory_.data(), static_cast<int>(memory_.size())), 0);
  }
  void Reserve(uint64_t base, uint64_t bytes) {
    EXPECT_EQ(fdt_add_reservemap_entry(memory_.data(), base, bytes), 0);
  }
  void Begin() { EXPECT_EQ(fdt_finish_reservemap(memory_.data()), 0); }
  void Node(const std::string& name, const std::function<void()>& content) {
    EXPECT_EQ(fdt_begin_node(memory_.data(), name.c_str()), 0);
    content();
    EXPECT_EQ(fdt_end_node(memory_.data()), 0);
  }
  void Set(const char* name, const std::string& text) {
    EXPECT_EQ(fdt_property_string(memory_.data(), name, text.c_str()), 0);
  }
  void Set(const char* name, const Cells& cells) {
    std::vector<fdt32_t> big;
    for (const uint32_t cell : cells) big.push_back(cpu_to_fdt32(cell));
    EXPECT_EQ(fdt_property(memory_.data(), name, big.data(), static_cast<int>(big.size() * 4)), 0);
  }
  const void* Finish() {
    EXPECT_EQ(fdt_finish(memory_.data()), 0);
    return memory_.data();
  }

 private:
  std::vector<char> memory_;
};

// The parts of a machine; each can be left out or replaced.
struct Parts {
  bool gic = true, gic_virtual = true, memory = true, cpus = true, uart = true, chosen = true,
       ranges = true;
  std::string first_uart_status = "disabled";
};

const void* RaspberryPi4(Tree& tree, const Parts& parts = {}) {
  tree.Reserve(0, 0x1000);
  tree.Begin();
  tree.Node("", [&] {
    tree.Set("model", "Raspberry Pi 4 Model B");
    tree.Set("#address-cells", Cells{2});
    tree.Set("#size-cells", Cells{1});
    if (parts.chosen) {
      tree.Node("chosen", [&] {
        tree.Set("stdout-path", "serial1:115200n8");
        tree.Set("linux,initrd-start", Cells{0x8000000});
        tree.Set("linux,initrd-end", Cells{0x8123456});
      });
    }
    if (parts.memory) {
      tree.Node("memory@0", [&] {
        tree.Set("device_type", "memory");
        tree.Set("reg", Cells{0, 0, 0x3b400000, 0, 0x40000000, 0x10000000});
      });
    }
    tree.Node("reserved-memory", [&] {
      tree.Set("#address-cells", Cells{2});
      tree.Set("#size-cells", Cells{1});
      tree.Set("ranges", Cells{});
      tree.Node("nvram@0", [&] { tree.Set("reg", Cells{0, 0x3000000, 0x10000}); });
      tree.Node("linux,cma", [&] { tree.Set("size", Cells{0x4000000}); });
    });
    tree.Node("soc", [&] {
      tree.Set("#address-cells", Cells{1});
      tree.Set("#size-cells", Cells{1});
      if (parts.ranges)
        tree.Set("ranges",
                 Cells{0x7e000000, 0, 0xfe000000, 0x1800000, 0x40000000, 0, 0xff800000, 0x800000});
      tree.Node("serial@7e201600", [&] {
        tree.Set("compatible", "arm,pl011");
        tree.Set("reg", Cells{0x7e201600, 0x200});
        tree.Set("status", parts.first_uart_status);
      });
      if (parts.uart) {
        tree.Node("serial@7e201000", [&] {
          tree.Set("compatible", "arm,pl011");
          tree.Set("reg", Cells{0x7e201000, 0x200});
          tree.Set("status", "okay");
        });
      }
      if (parts.gic) {
        tree.Node("interrupt-controller@40041000", [&] {
          tree.Set("compatible", "arm,gic-400");
          Cells reg = {0x40041000, 0x1000, 0x40042000, 0x2000};
          if (parts.gic_virtual) reg.insert(reg.end(), {0x40044000, 0x2000, 0x40046000, 0x2000});
          tree.Set("reg", reg);
        });
      }
    });
    if (parts.cpus) {
      tree.Node("cpus", [&] {
        tree.Set("#address-cells", Cells{1});
        tree.Set("#size-cells", Cells{0});
        for (uint32_t i = 0; i < 4; ++i) {
          tree.Node("cpu@" + std::to_string(i), [&] {
            tree.Set("device_type", "cpu");
            tree.Set("reg", Cells{i});
            tree.Set("enable-method", "spin-table");
            tree.Set("cpu-release-addr", Cells{0, 0xd8 + 8 * i});
          });
        }
        tree.Node("l2-cache0", [&] { tree.Set("compatible", "cache"); });
      });
    }
  });
  return tree.Finish();
}

const void* Virt(Tree& tree, unsigned cpus) {
  tree.Begin();
  tree.Node("", [&] {
    tree.Set("#address-cells", Cells{2});
    tree.Set("#size-cells", Cells{2});
    tree.Node("psci", [&] { tree.Set("method", "smc"); });
    tree.Node("memory@40000000", [&] {
      tree.Set("device_type", "memory");
      tree.Set("reg", Cells{0, 0x40000000, 1, 0x80000000});
    });
    tree.Node("intc@8000000", [&] {
      tree.Set("compatible", "arm,cortex-a15-gic");
      tree.Set("reg", Cells{0, 0x8000000, 0, 0x10000, 0, 0x8010000, 0, 0x10000, 0, 0x8030000, 0,
                            0x10000, 0, 0x8040000, 0, 0x10000});
    });
    tree.Node("pl011@9000000", [&] {
      tree.Set("compatible", "arm,pl011");
      tree.Set("reg", Cells{0, 0x9000000, 0, 0x1000});
    });
    tree.Node("chosen", [&] {
      tree.Set("linux,initrd-start", Cells{1, 0x48000000});
      tree.Set("linux,initrd-end", Cells{1, 0x48000010});
    });
    tree.Node("cpus", [&] {
      tree.Set("#address-cells", Cells{1});
      tree.Set("#size-cells", Cells{0});
      for (uint32_t i = 0; i < cpus; ++i) {
        tree.Node("cpu@" + std::to_string(i), [&] {
          tree.Set("device_type", "cpu");
          tree.Set("reg", Cells{i});
          tree.Set("enable-method", "psci");
        });
      }
    });
  });
  return tree.Finish();
}

void ExpectRange(const PhysicalRange& range, uint64_t base, uint64_t bytes) {
  EXPECT_EQ(range.base, base);
  EXPECT_EQ(range.bytes, bytes);
}

TEST(KernelDeviceTree, RaspberryPi4) {
  Tree tree;
  Machine machine;
  ASSERT_EQ(ReadDeviceTree(RaspberryPi4(tree), machine), nullptr);
  EXPECT_STREQ(machine.model, "Raspberry Pi 4 Model B");
  ASSERT_EQ(machine.ram.count, 2u);
  ExpectRange(machine.ram.item[0], 0, 0x3b400000);
  ExpectRange(machine.ram.item[1], 0x40000000, 0x10000000);
  ASSERT_EQ(machine.reserved.count, 2u);
  ExpectRange(machine.reserved.item[0], 0, 0x1000);
  ExpectRange(machine.reserved.item[1], 0x3000000, 0x10000);
  ExpectRange(machine.distributor, 0xff841000, 0x1000);
  ExpectRange(machine.cpu_interface, 0xff842000, 0x2000);
  ExpectRange(machine.hypervisor_interface, 0xff844000, 0x2000);
  ExpectRange(machine.virtual_interface, 0xff846000, 0x2000);
  EXPECT_EQ(machine.uart, 0xfe201000u) << "not the disabled one";
  ExpectRange(machine.bundle, 0x8000000, 0x123456);
  ASSERT_EQ(machine.cpus, 4u);
  for (unsigned i = 0; i < 4; ++i) {
    EXPECT_EQ(machine.cpu[i].mpidr, i);
    EXPECT_EQ(machine.cpu[i].method, EnableMethod::kSpinTable);
    EXPECT_EQ(machine.cpu[i].release_address, 0xd8 + 8 * i);
  }
  EXPECT_FALSE(machine.psci_by_smc);
}

TEST(KernelDeviceTree, QemuVirt) {
  Tree tree;
  Machine machine;
  ASSERT_EQ(ReadDeviceTree(Virt(tree, 2), machine), nullptr);
  ASSERT_EQ(machine.ram.count, 1u);
  ExpectRange(machine.ram.item[0], 0x40000000, 0x180000000);
  ExpectRange(machine.virtual_interface, 0x8040000, 0x10000);
  EXPECT_EQ(machine.uart, 0x9000000u);
  ExpectRange(machine.bundle, 0x148000000, 0x10);
  EXPECT_EQ(machine.cpus, 2u);
  EXPECT_EQ(machine.cpu[1].method, EnableMethod::kPsci);
  EXPECT_TRUE(machine.psci_by_smc);
}

TEST(KernelDeviceTree, MoreCpusThanAreSupported) {
  Tree tree;
  Machine machine;
  ASSERT_EQ(ReadDeviceTree(Virt(tree, 12), machine), nullptr);
  EXPECT_EQ(machine.cpus, kMaxCpus);
}

TEST(KernelDeviceTree, WhatIsMissingIsSaid) {
  const auto problem = [](const Parts& parts) {
    Tree tree;
    Machine machine;
    const char* text = ReadDeviceTree(RaspberryPi4(tree, parts), machine);
    return std::string(text == nullptr ? "" : text);
  };
  EXPECT_NE(problem({.memory = false}).find("memory"), std::string::npos);
  EXPECT_NE(problem({.gic = false}).find("GIC"), std::string::npos);
  EXPECT_NE(problem({.gic_virtual = false}).find("GIC"), std::string::npos);
  EXPECT_NE(problem({.ranges = false}).find("GIC"), std::string::npos)
      << "a bus without ranges has no way to the CPU";
}

TEST(KernelDeviceTree, WhatCanBeDoneWithout) {
  Tree tree;
  Machine machine;
  ASSERT_EQ(
      ReadDeviceTree(RaspberryPi4(tree, {.cpus = false, .uart = false, .chosen = false}), machine),
      nullptr);
  EXPECT_EQ(machine.uart, 0u);
  EXPECT_EQ(machine.bundle.bytes, 0u);
  EXPECT_EQ(machine.cpus, 0u);
}

TEST(KernelDeviceTree, TooManyMemoryRanges) {
  Tree tree;
  tree.Begin();
  tree.Node("", [&] {
    tree.Set("#address-cells", Cells{1});
    tree.Set("#size-cells", Cells{1});
    tree.Node("memory", [&] {
      tree.Set("device_type", "memory");
      Cells reg;
      for (uint32_t i = 0; i < 40; ++i) reg.insert(reg.end(), {i << 24, 1 << 20});
      tree.Set("reg", reg);
    });
  });
  Machine machine;
  EXPECT_NE(ReadDeviceTree(tree.Finish(), machine), nullptr);
}

// Cells properties that make no sense.
TEST(KernelDeviceTree, AbsurdCells) {
  for (const Cells& address_cells : {Cells{0}, Cells{5}, Cells{0xffffffff}, Cells{}, Cells{1, 1}}) {
    Tree tree;
    tree.Begin();
    tree.Node("", [&] {
      tree.Set("#address-cells", address_cells);
      tree.Set("#size-cells", address_cells);
      tree.Node("memory", [&] {
        tree.Set("device_type", "memory");
        tree.Set("reg", Cells{1, 2, 3, 4});
      });
    });
    Machine machine;
    EXPECT_NE(ReadDeviceTree(tree.Finish(), machine), nullptr);
  }
}

// The kernel checks a tree as a whole before it reads it (fdt_check_full); what passes that may
// still say anything.
TEST(KernelDeviceTree, RandomDamage) {
  std::mt19937_64 random(kernel_test::Seed());
  Tree source;
  const void* whole = RaspberryPi4(source);
  const size_t size = fdt_totalsize(whole);
  unsigned read = 0;
  for (uint64_t round = 0; round < kernel_test::Rounds(20000); ++round) {
    std::vector<char> bad(static_cast<const char*>(whole), static_cast<const char*>(whole) + size);
    for (unsigned i = 0; i <= random() % 4; ++i)
      bad[40 + random() % (size - 40)] =
          static_cast<char>(random() % 4 == 0 ? random() : random() % 8);
    if (fdt_check_full(bad.data(), bad.size()) != 0) continue;
    ++read;
    Machine machine;
    static_cast<void>(ReadDeviceTree(bad.data(), machine));
    ASSERT_LE(machine.cpus, kMaxCpus);
    ASSERT_EQ(machine.model[sizeof(machine.model) - 1], '\0');
  }
  EXPECT_GT(read, 0u);
}

}  // namespace
}  // namespace pyrene
