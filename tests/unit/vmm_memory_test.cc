// SPDX-License-Identifier: Apache-2.0
//
// GuestMemory, memory_op and the physical map.
#include <gtest/gtest.h>

#include "tests/unit/vmm_test_guest.h"

namespace pyrene::vmm {
namespace {

constexpr uint64_t kOp = 12;
constexpr uint64_t kGfn = xen::kRam0Base >> 12;

class VmmMemory : public ::testing::Test {
 protected:
  int64_t Add(uint32_t space, uint64_t index, uint64_t gfn, uint16_t domid = xen::kDomidSelf) {
    xen::AddToPhysmap add = {domid, 0, space, index, gfn};
    return guest.CallWith(kOp, xen::kAddToPhysmap, &add);
  }
  int64_t Remove(uint64_t gfn) {
    xen::RemoveFromPhysmap remove = {xen::kDomidSelf, {}, gfn};
    return guest.CallWith(kOp, xen::kRemoveFromPhysmap, &remove);
  }
  // Extents at RAM offset 0x10000.
  int64_t Reserve(uint64_t operation, uint64_t count, uint32_t order = 0,
                  uint16_t domid = xen::kDomidSelf) {
    xen::MemoryReservation r = {TestGuest::Va(0x10000), count, order, 0, domid, {}};
    return guest.CallWith(kOp, operation, &r);
  }
  TestGuest guest;
};

TEST_F(VmmMemory, Addresses) {
  const GuestMemory& m = guest.memory;
  EXPECT_EQ(m.At(xen::kRam0Base, 1), m.bank(0).host);
  EXPECT_EQ(m.At(xen::kRam0Base + kTestRamBytes - 1, 1), m.bank(0).host + kTestRamBytes - 1);
  EXPECT_EQ(m.At(xen::kRam0Base + kTestRamBytes, 1), nullptr);
  EXPECT_EQ(m.At(xen::kRam0Base - 1, 1), nullptr);
  EXPECT_EQ(m.At(xen::kRam0Base + 4090, 7), nullptr);  // two pages
  EXPECT_EQ(m.At(xen::kRam1Base + 8, 8), m.bank(1).host + 8);
  EXPECT_EQ(m.At(xen::kMagicBase + 4096, 8), m.magic().host + 4096);
  EXPECT_EQ(m.At(xen::kMagicBase + 4 * 4096, 1), nullptr);
  EXPECT_EQ(m.At(xen::kGrantWindowBase, 1), nullptr);
  EXPECT_EQ(m.At(~uint64_t{0}, 1), nullptr);
  EXPECT_EQ(m.At<uint64_t>(xen::kRam0Base + 4), nullptr);
  EXPECT_EQ(m.RamPage(xen::kMagicBase >> 12), nullptr);
  EXPECT_NE(m.GrantablePage(xen::kMagicBase >> 12), nullptr);
  EXPECT_EQ(m.GrantablePage(uint64_t{1} << 52), nullptr);
  EXPECT_EQ(m.RamPage((uint64_t{1} << 52) + kGfn), nullptr);  // shifts out of 64 bits
  EXPECT_EQ(m.Range(xen::kRam0Base, kTestRamBytes + 1), nullptr);
  EXPECT_NE(m.Range(xen::kRam0Base, kTestRamBytes), nullptr);
  EXPECT_EQ(m.total_pages(), (kTestRamBytes + kTestBank1Bytes) / 4096);
  EXPECT_EQ(m.end_gfn(), (xen::kRam1Base + kTestBank1Bytes) >> 12);
}

TEST_F(VmmMemory, SharedInfoReplacesRam) {
  EXPECT_EQ(Add(0, 1, kGfn + 8), -xen::kEinval);
  EXPECT_EQ(Add(0, 0, 0x3001), -xen::kEinval);   // the distributor
  EXPECT_EQ(Add(0, 0, 0x39000), -xen::kEinval);  // a magic page
  EXPECT_EQ(Add(0, 0, uint64_t{1} << 27), -xen::kEinval);
  EXPECT_EQ(Add(0, 0, ~uint64_t{0}), -xen::kEinval);
  EXPECT_EQ(Add(0, 0, kGfn + 8), 0);
  EXPECT_EQ(guest.memory.RamPage(kGfn + 8), nullptr);
  EXPECT_EQ(guest.host.stage2.at(kGfn + 8), "frame 0:0");
  EXPECT_EQ(Add(0, 0, kGfn + 8), 0);
  EXPECT_EQ(Add(0, 0, kGfn + 9), -xen::kEbusy);
  EXPECT_EQ(Remove(kGfn + 8), 0);
  EXPECT_EQ(guest.memory.RamPage(kGfn + 8), nullptr);  // a hole, as with Xen
  EXPECT_EQ(Add(0, 0, kGfn + 9), 0);
  guest.Ram<uint64_t>(0x10000) = kGfn + 8;
  EXPECT_EQ(Reserve(xen::kPopulatePhysmap, 1), 1);
  EXPECT_NE(guest.memory.RamPage(kGfn + 8), nullptr);
  EXPECT_EQ(Add(0, 0, kGfn + 9, 5), -xen::kEperm);
}

TEST_F(VmmMemory, GrantFrames) {
  EXPECT_EQ(Add(1, 8, 0x38008), -xen::kEinval);  // eight frames at most
  EXPECT_EQ(Add(1, 1u << 31, 0x38000), -xen::kEinval);
  EXPECT_EQ(Add(1, uint64_t{1} << 32, 0x38000), -xen::kEinval);
  EXPECT_EQ(guest.domain->grants().frames(), 1u);
  EXPECT_EQ(Add(1, 7, 0x38007), 0);
  EXPECT_EQ(guest.domain->grants().frames(), 8u);
  EXPECT_EQ(guest.host.stage2.at(0x38007), "frame 1:7");
  EXPECT_EQ(Add(1, 6, 0x38007), -xen::kEnomem);  // occupied
  EXPECT_EQ(Add(1, 7, 0x38006), -xen::kEbusy);
  EXPECT_EQ(Remove(0x38007), 0);
  EXPECT_EQ(Remove(0x38007), -xen::kEnoent);
  EXPECT_EQ(Add(1, 7, kGfn + 3), 0);  // anywhere it likes
  EXPECT_EQ(Add(1, 6, 0x37fff), -xen::kEinval);
}

TEST_F(VmmMemory, OtherSpaces) {
  EXPECT_EQ(Add(2, 0, kGfn), -xen::kEnosys);
  EXPECT_EQ(Add(3, 0, kGfn), -xen::kEnosys);
  EXPECT_EQ(Add(4, 0, kGfn), -xen::kEinval);
  EXPECT_EQ(Add(5, 0, kGfn), -xen::kEperm);
  EXPECT_EQ(guest.Call(kOp, {xen::kAddToPhysmap, 0x10}), -xen::kEfault);
}

TEST_F(VmmMemory, Batch) {
  const int count = 150;  // more than one exit handles
  for (int i = 0; i < count; ++i) {
    guest.Ram<uint64_t>(0x10000 + i * 8) = i;
    guest.Ram<uint64_t>(0x20000 + i * 8) = 0x38000 + i;
    guest.Ram<int32_t>(0x30000 + i * 4) = 99;
  }
  xen::AddToPhysmapBatch batch = {
      xen::kDomidSelf,       1, count, 0, TestGuest::Va(0x10000), TestGuest::Va(0x20000),
      TestGuest::Va(0x30000)};
  EXPECT_EQ(guest.CallWith(kOp, xen::kAddToPhysmapBatch, &batch), 0);
  for (int i = 0; i < count; ++i) {
    EXPECT_EQ(guest.Ram<int32_t>(0x30000 + i * 4), i < 8 ? 0 : -xen::kEinval) << i;
  }
  EXPECT_EQ(guest.host.stage2.size(), 8u);
  batch.space = 4;
  batch.foreign_domid = 1;
  EXPECT_EQ(guest.CallWith(kOp, xen::kAddToPhysmapBatch, &batch), 0);
  EXPECT_EQ(guest.Ram<int32_t>(0x30000), -xen::kEperm);
  batch.errs = 0x10;
  EXPECT_EQ(guest.CallWith(kOp, xen::kAddToPhysmapBatch, &batch), -xen::kEfault);
  EXPECT_EQ(guest.CallWith(kOp, xen::kAddToPhysmapBatch | 151 << 6, &batch), -xen::kEinval);
}

TEST_F(VmmMemory, BalloonOutAndIn) {
  const uint64_t count = 600;
  for (uint64_t i = 0; i < count; ++i) guest.Ram<uint64_t>(0x10000 + i * 8) = kGfn + 0x100 + i;
  EXPECT_EQ(Reserve(xen::kDecreaseReservation, count), static_cast<int64_t>(count));
  EXPECT_EQ(guest.memory.present_pages(), guest.memory.total_pages() - count);
  EXPECT_EQ(guest.memory.At(xen::kRam0Base + 0x100000, 1), nullptr);
  EXPECT_EQ(guest.host.removed.size(), count);
  uint16_t domid = xen::kDomidSelf;
  EXPECT_EQ(guest.CallWith(kOp, xen::kCurrentReservation, &domid),
            static_cast<int64_t>(guest.memory.total_pages() - count));
  EXPECT_EQ(guest.CallWith(kOp, xen::kMaximumReservation, &domid),
            static_cast<int64_t>(guest.memory.total_pages()));
  EXPECT_EQ(guest.CallWith(kOp, xen::kMaximumGpfn, &domid),
            static_cast<int64_t>(guest.memory.end_gfn() - 1));
  EXPECT_EQ(Reserve(xen::kDecreaseReservation, 1), 0);  // gone already
  EXPECT_EQ(Reserve(xen::kPopulatePhysmap, count), static_cast<int64_t>(count));
  EXPECT_EQ(guest.memory.present_pages(), guest.memory.total_pages());
  EXPECT_TRUE(guest.host.removed.empty());
  EXPECT_EQ(Reserve(xen::kPopulatePhysmap, 1), 0);  // there already
  // A short count where one fails.
  guest.Ram<uint64_t>(0x10008) = 5;
  EXPECT_EQ(Reserve(xen::kDecreaseReservation, 3), 1);
}

TEST_F(VmmMemory, Extents) {
  guest.Ram<uint64_t>(0x10000) = kGfn + 0x100;
  guest.Ram<uint64_t>(0x10008) = kGfn + 0x106;
  EXPECT_EQ(Reserve(xen::kDecreaseReservation, 2, 2), 1);  // the second is not aligned
  guest.Ram<uint64_t>(0x10000) = kGfn + 0x102;
  EXPECT_EQ(Reserve(xen::kPopulatePhysmap, 1), 1);
  guest.Ram<uint64_t>(0x10000) = kGfn + 0x100;
  EXPECT_EQ(Reserve(xen::kPopulatePhysmap, 1, 2), 0);  // one page is in the way: none is taken
  EXPECT_EQ(guest.memory.RamPage(kGfn + 0x100), nullptr);
  EXPECT_EQ(Reserve(xen::kPopulatePhysmap, 1, 10), 0);
  EXPECT_EQ(Reserve(xen::kPopulatePhysmap, ~uint64_t{0}), 0);
  EXPECT_EQ(Reserve(xen::kPopulatePhysmap, 1, 0, 7), -xen::kEperm);
  guest.Ram<uint64_t>(0x10000) = kGfn + 0x200;
  EXPECT_EQ(Reserve(xen::kDecreaseReservation, 1, 9), 1);
  EXPECT_EQ(Reserve(xen::kPopulatePhysmap, 1, 9), 1);
  guest.Ram<uint64_t>(0x10000) = ~uint64_t{0};
  EXPECT_EQ(Reserve(xen::kPopulatePhysmap, 1), 0);
  EXPECT_EQ(guest.Call(kOp, {xen::kPopulatePhysmap, 0x10}), 0);
}

TEST_F(VmmMemory, OddOperations) {
  for (uint64_t operation = 0; operation < 64; ++operation) {
    switch (operation) {
      case 1:
      case 3:
      case 4:
      case 6:
      case 7:
      case 14:
      case 15:
      case 23:
        continue;
      default:
        EXPECT_EQ(guest.Call(kOp, {operation, TestGuest::Va(0)}), -xen::kEnosys) << operation;
    }
  }
  EXPECT_EQ(guest.Call(kOp, {xen::kAddToPhysmap | 1 << 6, TestGuest::Va(0)}), -xen::kEnosys);
  EXPECT_EQ(Remove(~uint64_t{0}), -xen::kEinval);
  EXPECT_EQ(Remove(7), -xen::kEnoent);
  EXPECT_EQ(Remove(kGfn + 1), 0);
  EXPECT_EQ(guest.memory.RamPage(kGfn + 1), nullptr);
}

}  // namespace
}  // namespace pyrene::vmm
