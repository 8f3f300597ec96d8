// SPDX-License-Identifier: Apache-2.0
#include <capnp/message.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "services/init/cpu_placement.h"
#include "services/init/guest_check.h"

namespace pyrene::init {
namespace {

std::string Complaint(const std::function<void(proto::GuestConfig::Builder)>& change) {
  capnp::MallocMessageBuilder message;
  auto config = message.initRoot<proto::GuestConfig>();
  config.setName("web-1");
  config.initUuid(16);
  config.setKernel("guests/vmlinuz");
  config.setMemoryKib(256 << 10);
  config.setMaxMemoryKib(256 << 10);
  config.setVcpus(1);
  config.setMaxVcpus(2);
  change(config);
  return std::string(CheckGuestConfig(config.asReader()).message());
}

TEST(GuestCheckTest, RangesAreKept) {
  EXPECT_EQ(Complaint([](auto) {}), "");
  EXPECT_EQ(Complaint([](auto c) { c.setName(""); }), "a guest's name has 1 to 64 bytes");
  EXPECT_EQ(Complaint([](auto c) { c.setName(std::string(65, 'a').c_str()); }),
            "a guest's name has 1 to 64 bytes");
  EXPECT_EQ(Complaint([](auto c) { c.setName(std::string(64, 'a').c_str()); }), "");
  EXPECT_EQ(Complaint([](auto c) { c.setName("a b"); }),
            "a guest's name has only printable ASCII without spaces and slashes");
  EXPECT_EQ(Complaint([](auto c) { c.setName("a/b"); }),
            "a guest's name has only printable ASCII without spaces and slashes");
  EXPECT_EQ(Complaint([](auto c) { c.setName("17"); }),
            "a guest's name can not be a number: that is a domid");
  EXPECT_EQ(Complaint([](auto c) { c.initUuid(15); }), "the uuid has not 16 bytes");
  EXPECT_EQ(Complaint([](auto c) { c.setKernel(""); }), "no kernel");
  EXPECT_EQ(Complaint([](auto c) { c.setRamdisk(std::string(1024, 'r').c_str()); }),
            "a file's name is longer than 1023 bytes");
  EXPECT_EQ(Complaint([](auto c) { c.setCommandLine(std::string(2048, 'c').c_str()); }),
            "the command line is longer than 2047 bytes");
  EXPECT_EQ(Complaint([](auto c) { c.setMemoryKib(1025); }),
            "memory of 1025 KiB: must be whole MiB, at most 519168");
  EXPECT_EQ(Complaint([](auto c) { c.setMemoryKib(0); }),
            "memory of 0 KiB: must be whole MiB, at most 519168");
  EXPECT_EQ(Complaint([](auto c) { c.setMaxMemoryKib(1024); }),
            "maxmem of 1024 KiB is out of range");
  EXPECT_EQ(Complaint([](auto c) { c.setMaxVcpus(9); }), "maxvcpus is 9, not 1 to 8");
  EXPECT_EQ(Complaint([](auto c) { c.setVcpus(3); }), "vcpus is 3, not 1 to maxvcpus");
  EXPECT_EQ(Complaint([](auto c) { c.setVcpus(0); }), "vcpus is 0, not 1 to maxvcpus");
  EXPECT_EQ(Complaint([](auto c) { c.initCpus(9); }), "CPUs for more vCPUs than there can be");
  EXPECT_EQ(Complaint([](auto c) { c.setWeight(0); }), "weight is 0");
}

TEST(GuestCheckTest, Disks) {
  const auto with_disk = [](const std::function<void(proto::Disk::Builder)>& change) {
    return Complaint([&change](auto c) {
      auto disk = c.initDisks(1)[0];
      disk.setVdev("xvda");
      disk.setRam(4096);
      change(disk);
    });
  };
  EXPECT_EQ(with_disk([](auto) {}), "");
  EXPECT_EQ(with_disk([](auto d) { d.setPhy(); }), "");
  EXPECT_EQ(with_disk([](auto d) { d.setVdev(""); }), "a disk's name has 0 bytes, not 1..16");
  EXPECT_EQ(with_disk([](auto d) { d.setVdev(std::string(17, 'x').c_str()); }),
            "a disk's name has 17 bytes, not 1..16");
  EXPECT_EQ(with_disk([](auto d) { d.setTarget(std::string(128, 'x').c_str()); }),
            "a disk's target is longer than 127 bytes");
  for (const uint64_t bytes : {uint64_t{0}, uint64_t{4097}, ~uint64_t{4095}}) {
    EXPECT_EQ(with_disk([bytes](auto d) { d.setRam(bytes); }),
              "a RAM disk has whole pages of 4 KiB, at least one");
  }
  const auto disks = [](unsigned count, uint32_t step) {
    return Complaint([=](auto c) {
      auto list = c.initDisks(count);
      for (unsigned i = 0; i < count; ++i) {
        list[i].setVdev("xvda");
        list[i].setNumber(i * step);
        list[i].setRam(4096);
      }
    });
  };
  EXPECT_EQ(disks(4, 1), "");
  EXPECT_EQ(disks(5, 1), "more than 4 disks");
  EXPECT_EQ(disks(2, 0), "a disk is there twice");
}

TEST(GuestCheckTest, AStateThatDoesNotFitAMessageIsRefused) {
  capnp::MallocMessageBuilder message;
  auto state = message.initRoot<proto::GuestState>();
  state.initVcpus(8);
  EXPECT_TRUE(CheckGuestState(state.asReader()).ok());
  state.initVcpus(9);
  EXPECT_FALSE(CheckGuestState(state.asReader()).ok());
  state.initVcpus(1);
  state.setName(std::string(65, 'n').c_str());
  EXPECT_FALSE(CheckGuestState(state.asReader()).ok());
}

using Placement = std::vector<uint8_t>;

TEST(CpuPlacementTest, TheLeastLoadedCpuOfTheAllowedOnes) {
  CpuLoad load = {};
  EXPECT_EQ(PlaceVcpus(2, {}, 4, load).value(), Placement({3, 2}));
  EXPECT_EQ(PlaceVcpus(4, {}, 4, load).value(), Placement({1, 0, 3, 2}));
  EXPECT_EQ(load, (CpuLoad{1, 1, 2, 2}));
  const uint64_t allowed[] = {0b0100, 0b1100};
  EXPECT_EQ(PlaceVcpus(3, allowed, 4, load).value(), Placement({2, 3, 1}));
  RemoveVcpus(Placement({2, 3, 1}), load);
  EXPECT_EQ(load, (CpuLoad{1, 1, 2, 2}));
}

TEST(CpuPlacementTest, ANoWhereToRunIsRefusedAndLeavesNoLoad) {
  CpuLoad load = {};
  const uint64_t allowed[] = {~uint64_t{0}, 0b10000};
  EXPECT_EQ(PlaceVcpus(2, allowed, 4, load).status().message(),
            "vCPU 1 may use none of the machine's 4 CPUs");
  EXPECT_EQ(load, CpuLoad{});
}

}  // namespace
}  // namespace pyrene::init
