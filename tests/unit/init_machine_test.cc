// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <libfdt.h>

#include <cstring>
#include <vector>

#include "services/init/machine.h"

namespace pyrene::init {
namespace {

void Number(void* tree, int node, const char* name, uint32_t value) {
  ASSERT_EQ(fdt_setprop_u32(tree, node, name, value), 0);
}

std::vector<uint8_t> Tree(bool with_clock, uint32_t address_cells) {
  std::vector<uint8_t> bytes(4096);
  void* const tree = bytes.data();
  EXPECT_EQ(fdt_create_empty_tree(tree, static_cast<int>(bytes.size())), 0);
  Number(tree, 0, "#address-cells", address_cells);
  Number(tree, 0, "#size-cells", 1);
  EXPECT_EQ(fdt_setprop_string(tree, 0, "model", "Test Board"), 0);
  const char compatible[] = "acme,board\0acme,soc";
  EXPECT_EQ(fdt_setprop(tree, 0, "compatible", compatible, sizeof(compatible)), 0);
  const int chosen = fdt_add_subnode(tree, 0, "chosen");
  EXPECT_EQ(fdt_setprop_u64(tree, chosen, "kaslr-seed", 0x1122334455667788), 0);
  if (with_clock) {
    const int clock = fdt_add_subnode(tree, 0, "rtc");
    EXPECT_EQ(fdt_setprop_string(tree, clock, "compatible", "arm,pl031"), 0);
    if (address_cells == 2) {
      EXPECT_EQ(fdt_setprop_u64(tree, clock, "reg", 0x109010000), 0);
    } else {
      EXPECT_EQ(fdt_setprop_u32(tree, clock, "reg", 0x9010000), 0);
    }
    EXPECT_EQ(fdt_appendprop_u32(tree, clock, "reg", 0x1000), 0);
  }
  return bytes;
}

TEST(MachineTest, ReadsWhatInitNeeds) {
  const auto machine = ReadMachine(Tree(true, 2));
  ASSERT_TRUE(machine.ok()) << machine.status();
  EXPECT_EQ(machine->model, "Test Board");
  EXPECT_EQ(machine->compatible, std::vector<std::string>({"acme,board", "acme,soc"}));
  EXPECT_EQ(machine->real_time_clock, 0x109010000u);
  EXPECT_EQ(machine->seed, std::vector<uint8_t>({0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88}));
  EXPECT_EQ(ReadMachine(Tree(true, 1))->real_time_clock, 0x9010000u);
}

TEST(MachineTest, WhatIsNotThereIsEmpty) {
  EXPECT_EQ(ReadMachine(Tree(false, 2))->real_time_clock, 0u);
  std::vector<uint8_t> bytes(256);
  ASSERT_EQ(fdt_create_empty_tree(bytes.data(), 256), 0);
  const auto machine = ReadMachine(bytes);
  ASSERT_TRUE(machine.ok());
  EXPECT_EQ(machine->model, "");
  EXPECT_TRUE(machine->compatible.empty());
  EXPECT_TRUE(machine->seed.empty());
}

TEST(MachineTest, SomethingElseIsRefused) {
  std::vector<uint8_t> bytes = Tree(true, 2);
  EXPECT_FALSE(ReadMachine(absl::MakeSpan(bytes).subspan(0, 20)).ok());
  bytes[0] ^= 1;
  EXPECT_FALSE(ReadMachine(bytes).ok());
  EXPECT_FALSE(ReadMachine({}).ok());
}

}  // namespace
}  // namespace pyrene::init
