// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "services/init/offer_book.h"

namespace pyrene::init {
namespace {

// A service: its capability table, and a ring with room for some messages.
class FakeService final : public OfferBook::Port {
 public:
  bool Install(CapIndex index, CapIndex source, Rights, uint64_t badge) override {
    return table.emplace(index, std::pair(source, badge)).second;
  }
  bool TellOffer(const ServiceOffer& offer, CapIndex memory, CapIndex wake) override {
    if (room == 0) return false;
    --room;
    told.push_back("+" + offer.name);
    last_memory = memory;
    last_wake = wake;
    return true;
  }
  bool TellRevoked(const std::string& name) override {
    if (room == 0) return false;
    --room;
    told.push_back("-" + name);
    return true;
  }

  std::map<CapIndex, std::pair<CapIndex, uint64_t>> table;
  std::vector<std::string> told;
  int room = 1000;
  CapIndex last_memory = 0;
  CapIndex last_wake = 0;
};

ServiceOffer Offer(const std::string& name) {
  ServiceOffer offer;
  offer.name = name;
  offer.memory = 11;
  offer.wake = 12;
  offer.wake_bits = 4;
  return offer;
}

using Told = std::vector<std::string>;

TEST(OfferBookTest, AnOfferIsInstalledToldAndTaken) {
  OfferBook book;
  FakeService service;
  ASSERT_TRUE(book.Add(Offer("a")));
  EXPECT_FALSE(book.Add(Offer("a")));
  EXPECT_FALSE(book.Told("a"));
  book.Pump(service);
  EXPECT_TRUE(book.Told("a"));
  EXPECT_EQ(service.told, Told({"+a"}));
  EXPECT_GE(service.last_memory, kFirstOfferedCap);
  EXPECT_EQ(service.table[service.last_memory], std::pair(CapIndex{11}, uint64_t{0}));
  EXPECT_EQ(service.table[service.last_wake], std::pair(CapIndex{12}, uint64_t{4}));
  book.Taken("a");
  book.Pump(service);
  EXPECT_EQ(service.told.size(), 1u);
  bool is_memory = false;
  ASSERT_NE(book.InstalledAt(service.last_wake, is_memory), nullptr);
  EXPECT_FALSE(is_memory);
  EXPECT_EQ(book.InstalledAt(service.last_memory, is_memory)->name, "a");
  EXPECT_TRUE(is_memory);
  EXPECT_EQ(book.InstalledAt(kNullCap, is_memory), nullptr);
}

TEST(OfferBookTest, WithoutAPeerToWakeOnlyMemoryIsInstalled) {
  OfferBook book;
  FakeService service;
  ServiceOffer log = Offer("log");
  log.wake = kNullCap;
  ASSERT_TRUE(book.Add(log));
  book.Pump(service);
  EXPECT_EQ(service.last_wake, kNullCap);
  EXPECT_EQ(service.table.size(), 1u);
}

TEST(OfferBookTest, WhatFindsNoRoomIsToldLaterOnce) {
  OfferBook book;
  FakeService service;
  service.room = 1;
  ASSERT_TRUE(book.Add(Offer("a")));
  ASSERT_TRUE(book.Add(Offer("b")));
  book.Pump(service);
  book.Pump(service);
  EXPECT_EQ(service.told, Told({"+a"}));
  const size_t installed = service.table.size();
  service.room = 10;
  book.Pump(service);
  book.Pump(service);
  EXPECT_EQ(service.told, Told({"+a", "+b"}));
  EXPECT_EQ(service.table.size(), installed) << "installed once";
}

TEST(OfferBookTest, ARevokedOfferIsGoneWhenTheServiceSaysSo) {
  OfferBook book;
  FakeService service;
  ASSERT_TRUE(book.Add(Offer("a")));
  book.Pump(service);
  book.Revoke("a");
  EXPECT_TRUE(book.Has("a"));
  book.Pump(service);
  book.Revoke("a");
  book.Pump(service);
  EXPECT_EQ(service.told, Told({"+a", "-a"}));
  EXPECT_TRUE(book.Has("a"));
  EXPECT_TRUE(book.Closed("a"));
  EXPECT_FALSE(book.Has("a"));
  EXPECT_FALSE(book.Closed("a"));
}

TEST(OfferBookTest, WhatTheServiceNeverHeardOfIsRevokedAtOnce) {
  OfferBook book;
  FakeService service;
  service.room = 0;
  ASSERT_TRUE(book.Add(Offer("a")));
  book.Pump(service);  // installed, not told
  book.Revoke("a");
  EXPECT_FALSE(book.Has("a"));
  service.room = 1;
  book.Pump(service);
  EXPECT_TRUE(service.told.empty());
}

TEST(OfferBookTest, ANewLifeIsOfferedEverythingButWhatWasRevoked) {
  OfferBook book;
  FakeService service;
  for (const char* name : {"a", "b", "c", "d"}) ASSERT_TRUE(book.Add(Offer(name)));
  book.Pump(service);
  book.Taken("a");
  book.Revoke("b");
  book.Pump(service);  // b is told
  service.room = 0;
  book.Revoke("c");
  book.Pump(service);  // c is not
  book.Restarted();
  FakeService next;
  book.Pump(next);
  EXPECT_EQ(next.told, Told({"+a", "+d"}));
  EXPECT_FALSE(book.Has("b"));
  EXPECT_FALSE(book.Has("c"));
}

TEST(OfferBookTest, ANameOutOfTurnIsIgnored) {
  OfferBook book;
  FakeService service;
  ASSERT_TRUE(book.Add(Offer("a")));
  book.Taken("a");
  EXPECT_FALSE(book.Closed("a")) << "it was not offered yet";
  EXPECT_FALSE(book.Closed("x"));
  book.Taken("x");
  book.Pump(service);
  EXPECT_EQ(service.told, Told({"+a"}));
}

TEST(OfferBookTest, IndicesComeBackAndThoseTheServiceTookAreLost) {
  OfferBook book;
  FakeService service;
  service.table[kFirstOfferedCap] = {};  // against the rules
  ASSERT_TRUE(book.Add(Offer("a")));
  book.Pump(service);
  EXPECT_EQ(service.last_memory, kFirstOfferedCap + 1);
  for (int i = 0; i < 1000; ++i) {
    service.table.erase(service.last_memory);
    service.table.erase(service.last_wake);
    ASSERT_TRUE(book.Closed("a"));
    ASSERT_TRUE(book.Add(Offer("a")));
    book.Pump(service);
    ASSERT_EQ(service.last_memory, kFirstOfferedCap + 1);
    ASSERT_EQ(service.last_wake, kFirstOfferedCap + 2);
  }
}

TEST(OfferBookTest, AFullBookRefuses) {
  OfferBook book;
  FakeService service;
  for (size_t i = 0; i < OfferBook::kMaxOffers; ++i)
    ASSERT_TRUE(book.Add(Offer(std::to_string(i))));
  EXPECT_FALSE(book.Add(Offer("more")));
  book.Pump(service);
  EXPECT_EQ(service.table.size(), 2 * OfferBook::kMaxOffers);
  EXPECT_EQ(service.told.size(), OfferBook::kMaxOffers);
}

// A table that the service filled up by itself: its offers wait, nobody else is harmed.
TEST(OfferBookTest, ATableWithoutRoomIsTheServicesOwnLoss) {
  OfferBook book;
  FakeService service;
  for (CapIndex index = kFirstOfferedCap; index < kMaxCaps; ++index) service.table[index] = {};
  ASSERT_TRUE(book.Add(Offer("a")));
  book.Pump(service);
  book.Pump(service);
  EXPECT_TRUE(service.told.empty());
  book.Revoke("a");
  EXPECT_FALSE(book.Has("a"));
}

}  // namespace
}  // namespace pyrene::init
