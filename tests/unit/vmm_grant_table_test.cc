// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <thread>

#include "tests/unit/vmm_test_guest.h"

namespace pyrene::vmm {
namespace {

constexpr uint64_t kOp = 20;
constexpr uint32_t kGfn = xen::kRam0Base >> 12;

class VmmGrantTable : public ::testing::Test {
 protected:
  void Grant(uint32_t ref, uint16_t domid, uint32_t gfn, uint16_t flags = xen::kGrantPermitAccess) {
    guest.grant_entries()[ref] = {flags, domid, gfn};
  }
  uint16_t Flags(uint32_t ref) { return guest.grant_entries()[ref].flags; }
  GrantTable& grants() { return guest.domain->grants(); }
  TestGuest guest;
  uint32_t gfn = 0;
};

TEST_F(VmmGrantTable, PinSetsFlagsAndUnpinClearsThem) {
  Grant(8, kBackendDomid, kGfn + 5);
  EXPECT_EQ(grants().Pin(kBackendDomid, 8, false, &gfn), xen::kGrantOk);
  EXPECT_EQ(gfn, kGfn + 5);
  EXPECT_EQ(Flags(8), xen::kGrantPermitAccess | xen::kGrantReading);
  EXPECT_EQ(grants().Pin(kBackendDomid, 8, true, &gfn), xen::kGrantOk);
  EXPECT_EQ(Flags(8), xen::kGrantPermitAccess | xen::kGrantReading | xen::kGrantWriting);
  EXPECT_EQ(grants().pins(), 2u);
  EXPECT_TRUE(grants().Unpin(kBackendDomid, 8, true));
  EXPECT_EQ(Flags(8), xen::kGrantPermitAccess | xen::kGrantReading);
  EXPECT_FALSE(grants().Unpin(kBackendDomid, 8, true));
  EXPECT_FALSE(grants().Unpin(kConsoleDomid, 8, false));
  EXPECT_TRUE(grants().Unpin(kBackendDomid, 8, false));
  EXPECT_EQ(Flags(8), xen::kGrantPermitAccess);
  EXPECT_FALSE(grants().Unpin(kBackendDomid, 8, false));
  EXPECT_EQ(grants().pins(), 0u);
}

TEST_F(VmmGrantTable, FirstFrameIsKeptWhilePinned) {
  Grant(8, kBackendDomid, kGfn + 5);
  EXPECT_EQ(grants().Pin(kBackendDomid, 8, false, &gfn), xen::kGrantOk);
  guest.grant_entries()[8].frame = kGfn + 6;
  EXPECT_EQ(grants().Pin(kBackendDomid, 8, false, &gfn), xen::kGrantOk);
  EXPECT_EQ(gfn, kGfn + 5);
  // The guest gives it to somebody else under our feet: neither gets at it until the first is done.
  guest.grant_entries()[8].domid = kConsoleDomid;
  EXPECT_EQ(grants().Pin(kConsoleDomid, 8, false, &gfn), xen::kGrantGeneralError);
  EXPECT_EQ(grants().Pin(kBackendDomid, 8, false, &gfn), xen::kGrantGeneralError);
  EXPECT_EQ(grants().DropEpoch(kBackendDomid), 2u);
  EXPECT_EQ(grants().Pin(kConsoleDomid, 8, false, &gfn), xen::kGrantOk);
  EXPECT_EQ(gfn, kGfn + 6);
}

TEST_F(VmmGrantTable, Refusals) {
  const auto pin = [&](uint32_t ref, bool write = false, uint16_t domid = kBackendDomid) {
    const xen::GrantStatus status = grants().Pin(domid, ref, write, &gfn);
    EXPECT_EQ(grants().pins(), 0u);
    return status;
  };
  EXPECT_EQ(pin(512), xen::kGrantBadRef);  // one frame only
  EXPECT_EQ(pin(0xffffffff), xen::kGrantBadRef);
  EXPECT_EQ(pin(9), xen::kGrantGeneralError);  // invalid entry
  Grant(9, kBackendDomid, kGfn, 2);            // accept_transfer
  EXPECT_EQ(pin(9), xen::kGrantGeneralError);
  Grant(9, kBackendDomid, kGfn, 3);  // transitive
  EXPECT_EQ(pin(9), xen::kGrantGeneralError);
  Grant(9, kBackendDomid, kGfn, xen::kGrantPermitAccess | xen::kGrantSubPage);
  EXPECT_EQ(pin(9), xen::kGrantGeneralError);
  Grant(9, kBackendDomid, kGfn, xen::kGrantPermitAccess | xen::kGrantReadonly);
  EXPECT_EQ(pin(9, true), xen::kGrantGeneralError);
  EXPECT_EQ(pin(9, false, kConsoleDomid), xen::kGrantGeneralError);
  for (const uint32_t frame : {0x3001u, 0x38000u, 0u, 0xffffffffu, kGfn + 0x100000u}) {
    Grant(9, kBackendDomid, frame);
    EXPECT_EQ(pin(9), xen::kGrantBadPage) << frame;
    EXPECT_EQ(Flags(9), xen::kGrantPermitAccess);
  }
  // A page that the guest ballooned out.
  EXPECT_TRUE(guest.domain->physmap().Decrease(kGfn + 3));
  Grant(9, kBackendDomid, kGfn + 3);
  EXPECT_EQ(pin(9), xen::kGrantBadPage);
}

TEST_F(VmmGrantTable, ServicesFindTheirRings) {
  EXPECT_EQ(grants().Pin(kConsoleDomid, 0, true, &gfn), xen::kGrantOk);
  EXPECT_EQ(gfn, 0x39000u);
  EXPECT_EQ(grants().Pin(kXenstoreDomid, 1, true, &gfn), xen::kGrantOk);
  EXPECT_EQ(gfn, 0x39001u);
  EXPECT_EQ(grants().Pin(kConsoleDomid, 1, true, &gfn), xen::kGrantGeneralError);
}

TEST_F(VmmGrantTable, EpochAndOffers) {
  ASSERT_TRUE(grants().Grow(1));
  for (uint32_t ref = 500; ref < 530; ++ref) {
    Grant(ref, ref % 2 == 0 ? kBackendDomid : kConsoleDomid, kGfn + ref);
    EXPECT_EQ(grants().Pin(ref % 2 == 0 ? kBackendDomid : kConsoleDomid, ref, ref % 4 == 0, &gfn),
              xen::kGrantOk);
  }
  uint32_t offers = 0;
  bool write = false;
  for (uint32_t ref = 0; grants().NextPin(kBackendDomid, &ref, &gfn, &write); ++ref) {
    EXPECT_EQ(gfn, kGfn + ref);
    EXPECT_EQ(write, ref % 4 == 0);
    ++offers;
  }
  EXPECT_EQ(offers, 15u);
  EXPECT_EQ(grants().DropEpoch(kBackendDomid), 15u);
  EXPECT_EQ(grants().DropEpoch(kBackendDomid), 0u);
  EXPECT_EQ(grants().pins(), 15u);
  EXPECT_EQ(Flags(500), xen::kGrantPermitAccess);
  EXPECT_EQ(Flags(501), xen::kGrantPermitAccess | xen::kGrantReading);
}

TEST_F(VmmGrantTable, CopiesForBackends) {
  Grant(8, kBackendDomid, kGfn + 5);
  char text[16] = "hello";
  EXPECT_EQ(grants().CopyTo(kBackendDomid, 8, 4090, text, 6), xen::kGrantOk);
  EXPECT_STREQ(&guest.Ram<char>(0x5000 + 4090), "hello");
  char back[6];
  EXPECT_EQ(grants().CopyFrom(kBackendDomid, 8, 4090, back, 6), xen::kGrantOk);
  EXPECT_STREQ(back, "hello");
  EXPECT_EQ(grants().CopyTo(kBackendDomid, 8, 4091, text, 6), xen::kGrantBadCopyArg);
  EXPECT_EQ(grants().CopyFrom(kBackendDomid, 8, 0xffffffff, back, 6), xen::kGrantBadCopyArg);
  EXPECT_EQ(Flags(8), xen::kGrantPermitAccess);
  EXPECT_EQ(grants().pins(), 0u);
}

// The guest's stores race with pins: what a pin accepted must have been valid at one moment.
TEST_F(VmmGrantTable, RacesWithTheGuest) {
  std::atomic<bool> stop{false};
  auto* word = reinterpret_cast<uint32_t*>(guest.grant_entries() + 8);
  auto* frame = &guest.grant_entries()[8].frame;
  std::thread writer([&] {
    while (!stop) {
      __atomic_store_n(frame, kGfn + 7, __ATOMIC_RELAXED);
      __atomic_store_n(word, uint32_t{kBackendDomid} << 16 | 1, __ATOMIC_RELEASE);
      // Revoked properly: only while nobody uses it.
      uint16_t flags = xen::kGrantPermitAccess;
      while (!__atomic_compare_exchange_n(reinterpret_cast<uint16_t*>(word), &flags, uint16_t{0},
                                          false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
        flags = xen::kGrantPermitAccess;
        if (stop) break;
      }
      __atomic_store_n(frame, 0xdeadu, __ATOMIC_RELAXED);
    }
  });
  int pinned = 0;
  for (int i = 0; i < 10000000 && pinned < 5000; ++i) {
    const xen::GrantStatus status = grants().Pin(kBackendDomid, 8, i % 2 == 0, &gfn);
    ASSERT_TRUE(status == xen::kGrantOk || status == xen::kGrantGeneralError);
    if (status != xen::kGrantOk) continue;
    ASSERT_EQ(gfn, kGfn + 7);
    ++pinned;
    ASSERT_TRUE(grants().Unpin(kBackendDomid, 8, i % 2 == 0));
  }
  stop = true;
  writer.join();
  EXPECT_GT(pinned, 0);
  EXPECT_EQ(grants().pins(), 0u);
}

TEST_F(VmmGrantTable, QueryAndVersion) {
  xen::GrantQuerySize query = {xen::kDomidSelf, 0, 0, 0, 0, 0};
  EXPECT_EQ(guest.CallWith(kOp, xen::kGrantQuerySize, &query), 0);
  EXPECT_EQ(query.max_nr_frames, 8u);
  query.dom = 5;
  EXPECT_EQ(guest.CallWith(kOp, xen::kGrantQuerySize, &query), 0);
  EXPECT_EQ(query.status, xen::kGrantBadDomain);
  EXPECT_EQ(guest.CallWith(kOp, xen::kGrantQuerySize, &query, 2), -xen::kEinval);
  uint32_t version = 1;
  EXPECT_EQ(guest.CallWith(kOp, xen::kGrantSetVersion, &version), 0);
  version = 2;
  EXPECT_EQ(guest.CallWith(kOp, xen::kGrantSetVersion, &version), -xen::kEnosys);
  version = 3;
  EXPECT_EQ(guest.CallWith(kOp, xen::kGrantSetVersion, &version), -xen::kEinval);
  xen::GrantVersion get = {xen::kDomidSelf, 0, 0};
  EXPECT_EQ(guest.CallWith(kOp, xen::kGrantGetVersion, &get), 0);
  EXPECT_EQ(get.version, 1u);
  get.dom = 2;
  EXPECT_EQ(guest.CallWith(kOp, xen::kGrantGetVersion, &get), -xen::kEperm);
  for (const uint64_t operation : {2, 3, 4, 7, 9, 11, 12, 99}) {
    EXPECT_EQ(guest.Call(kOp, {operation, TestGuest::Va(0), 1}), -xen::kEnosys);
  }
  EXPECT_EQ(guest.Call(kOp, {xen::kGrantCopy, TestGuest::Va(0), 0x80000000}), -xen::kEinval);
}

TEST_F(VmmGrantTable, MapAndUnmapOwnGrants) {
  const uint64_t hole = kGfn + 0x200;
  EXPECT_TRUE(guest.domain->physmap().Decrease(hole));
  Grant(8, kTestDomid, kGfn + 5);
  xen::GrantMap map = {};
  map.host_addr = hole << 12;
  map.flags = xen::kGrantMapHost;
  map.ref = 8;
  map.dom = xen::kDomidSelf;
  EXPECT_EQ(guest.CallWith(kOp, xen::kGrantMap, &map), 0);
  EXPECT_EQ(map.status, xen::kGrantOk);
  EXPECT_EQ(guest.host.stage2.at(hole), "rw " + std::to_string(kGfn + 5));
  EXPECT_EQ(Flags(8), xen::kGrantPermitAccess | xen::kGrantReading | xen::kGrantWriting);
  // The page is taken now.
  xen::GrantMap second = map;
  EXPECT_EQ(guest.CallWith(kOp, xen::kGrantMap, &second), 0);
  EXPECT_EQ(second.status, xen::kGrantGeneralError);
  EXPECT_EQ(grants().pins(), 1u);
  EXPECT_FALSE(guest.domain->physmap().Populate(hole));
  // An alias is no RAM: it can be neither granted nor removed.
  Grant(9, kBackendDomid, static_cast<uint32_t>(hole));
  EXPECT_EQ(grants().Pin(kBackendDomid, 9, false, &gfn), xen::kGrantBadPage);
  EXPECT_EQ(guest.domain->physmap().Remove(hole), -xen::kEnoent);

  xen::GrantUnmap unmap = {hole << 12, 0, 99, 0, 0};
  EXPECT_EQ(guest.CallWith(kOp, xen::kGrantUnmap, &unmap), 0);
  EXPECT_EQ(unmap.status, xen::kGrantBadHandle);
  unmap.handle = map.handle;
  unmap.host_addr = 0;
  EXPECT_EQ(guest.CallWith(kOp, xen::kGrantUnmap, &unmap), 0);
  EXPECT_EQ(unmap.status, xen::kGrantBadVirtAddr);
  unmap.host_addr = hole << 12;
  EXPECT_EQ(guest.CallWith(kOp, xen::kGrantUnmap, &unmap), 0);
  EXPECT_EQ(unmap.status, xen::kGrantOk);
  EXPECT_EQ(Flags(8), xen::kGrantPermitAccess);
  EXPECT_EQ(guest.host.stage2.count(hole), 0u);
  EXPECT_EQ(guest.CallWith(kOp, xen::kGrantUnmap, &unmap), 0);
  EXPECT_EQ(unmap.status, xen::kGrantBadHandle);
  EXPECT_TRUE(guest.domain->physmap().Populate(hole));
}

TEST_F(VmmGrantTable, MapErrors) {
  Grant(8, kTestDomid, kGfn + 5, xen::kGrantPermitAccess | xen::kGrantReadonly);
  const uint64_t hole = kGfn + 0x200;
  EXPECT_TRUE(guest.domain->physmap().Decrease(hole));
  const auto map = [&](uint64_t address, uint32_t flags, uint16_t domid, uint32_t ref = 8) {
    xen::GrantMap op = {};
    op.host_addr = address;
    op.flags = flags;
    op.dom = domid;
    op.ref = ref;
    EXPECT_EQ(guest.CallWith(kOp, xen::kGrantMap, &op), 0);
    return op.status;
  };
  EXPECT_EQ(map(hole << 12, 2, kBackendDomid), xen::kGrantBadDomain);
  EXPECT_EQ(map(hole << 12, 1, kTestDomid), xen::kGrantGeneralError);
  EXPECT_EQ(map(hole << 12, 3, kTestDomid), xen::kGrantGeneralError);
  EXPECT_EQ(map(hole << 12, 2, kTestDomid), xen::kGrantGeneralError);  // read-only grant
  EXPECT_EQ(map((hole << 12) + 8, 6, kTestDomid), xen::kGrantBadVirtAddr);
  EXPECT_EQ(map((hole + 1) << 12, 6, kTestDomid), xen::kGrantBadVirtAddr);  // RAM
  EXPECT_EQ(map(0x38000000, 6, kTestDomid), xen::kGrantBadVirtAddr);
  EXPECT_EQ(map(hole << 12, 6, kTestDomid, 9999), xen::kGrantBadRef);
  EXPECT_EQ(map(hole << 12, 6, kTestDomid), xen::kGrantOk);
  // Bounded: sixteen maps in this guest.
  int mapped = 1;
  for (uint64_t i = 1; i < 40; ++i) {
    EXPECT_TRUE(guest.domain->physmap().Decrease(hole + i));
    const int16_t status = map((hole + i) << 12, 6, kTestDomid);
    if (status == xen::kGrantOk) ++mapped;
    EXPECT_TRUE(status == xen::kGrantOk || status == xen::kGrantNoSpace);
  }
  EXPECT_EQ(mapped, 16);
  // Reset takes them all down.
  guest.domain->Reset();
  EXPECT_TRUE(guest.host.stage2.empty());
  EXPECT_TRUE(guest.host.removed.empty());
}

TEST_F(VmmGrantTable, CopyOwn) {
  Grant(8, kTestDomid, kGfn + 5);
  Grant(9, kTestDomid, kGfn + 6, xen::kGrantPermitAccess | xen::kGrantReadonly);
  std::memcpy(&guest.Ram<char>(0x6010), "payload", 8);
  const auto copy = [&](xen::GrantCopyEnd from, xen::GrantCopyEnd to, uint16_t length,
                        uint16_t flags) {
    xen::GrantCopy op = {from, to, length, flags, 0, 0};
    EXPECT_EQ(guest.CallWith(kOp, xen::kGrantCopy, &op), 0);
    EXPECT_EQ(grants().pins(), 0u);
    return op.status;
  };
  const uint16_t self = xen::kDomidSelf;
  EXPECT_EQ(copy({9, self, 0x10, 0}, {8, self, 0x20, 0}, 8, 3), xen::kGrantOk);
  EXPECT_STREQ(&guest.Ram<char>(0x5020), "payload");
  EXPECT_EQ(copy({kGfn + 6, self, 0x10, 0}, {8, self, 0x40, 0}, 8, 2), xen::kGrantOk);
  EXPECT_STREQ(&guest.Ram<char>(0x5040), "payload");
  EXPECT_EQ(copy({8, self, 0, 0}, {9, self, 0, 0}, 8, 3), xen::kGrantGeneralError);
  EXPECT_EQ(copy({8, self, 4090, 0}, {8, self, 0, 0}, 7, 3), xen::kGrantBadCopyArg);
  EXPECT_EQ(copy({8, self, 0, 0}, {8, self, 0xffff, 0}, 7, 3), xen::kGrantBadCopyArg);
  EXPECT_EQ(copy({8, self, 0, 0}, {8, self, 0, 0}, 7, 4), xen::kGrantBadCopyArg);
  EXPECT_EQ(copy({8, 1, 0, 0}, {8, self, 0, 0}, 7, 3), xen::kGrantBadDomain);
  EXPECT_EQ(copy({8, self, 0, 0}, {8, 1, 0, 0}, 7, 3), xen::kGrantBadDomain);
  EXPECT_EQ(copy({0x38000, self, 0, 0}, {8, self, 0, 0}, 7, 2), xen::kGrantBadPage);
  EXPECT_EQ(copy({8, self, 0, 0}, {~uint64_t{0}, self, 0, 0}, 7, 1), xen::kGrantBadPage);
  EXPECT_EQ(copy({77, self, 0, 0}, {8, self, 0, 0}, 7, 3), xen::kGrantGeneralError);
}

TEST_F(VmmGrantTable, ManyElementsGoInParts) {
  Grant(8, kTestDomid, kGfn + 5);
  const uint64_t count = 200;
  auto* ops = &guest.Ram<xen::GrantCopy>(0x10000);
  for (uint64_t i = 0; i < count; ++i) {
    ops[i] = {{8, xen::kDomidSelf, 0, 0},
              {8, xen::kDomidSelf, static_cast<uint16_t>(i * 8), 0},
              8,
              3,
              99,
              0};
  }
  guest.Ram<uint64_t>(0x5000) = 0x123456789;
  EXPECT_EQ(guest.Call(kOp, {xen::kGrantCopy, TestGuest::Va(0x10000), count}), 0);
  for (uint64_t i = 0; i < count; ++i) {
    EXPECT_EQ(ops[i].status, 0);
    EXPECT_EQ(guest.Ram<uint64_t>(0x5000 + i * 8), 0x123456789u);
  }
  EXPECT_EQ(guest.Call(kOp, {xen::kGrantCopy, 0x10, 3}), -xen::kEfault);
  EXPECT_EQ(guest.Call(kOp, {xen::kGrantCopy, 0x10, 0}), 0);
}

}  // namespace
}  // namespace pyrene::vmm
