// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "services/init/capability_names.h"

namespace pyrene::init {
namespace {

const Given kUart = {"uart", 9, ObjectType::kMemory, 77, rights::kRead | rights::kWrite, 0};
const Given kPeer = {"xl.peer", 10, ObjectType::kNotification, 78, rights::kSignal, 2};

Held As(const Given& given) {
  return {given.index, given.type, given.rights, given.badge, given.object_id, {}};
}

TEST(CapabilityNamesTest, WhatWasGivenHasItsNameAndItsObjects) {
  const Given given[] = {kUart, kPeer};
  EXPECT_EQ(NameHeld(As(kUart), given, "", "device 0xfe201000"), "uart: device 0xfe201000");
  EXPECT_EQ(NameHeld(As(kPeer), given, "", ""), "xl.peer");
}

TEST(CapabilityNamesTest, AnyDifferenceToWhatWasGivenShows) {
  const Given given[] = {kUart, kPeer};
  Held held = As(kPeer);
  held.rights |= rights::kWait;
  EXPECT_EQ(NameHeld(held, given, "", "events"), "! xl.peer");
  held = As(kPeer);
  held.badge = 0;
  EXPECT_EQ(NameHeld(held, given, "", "events"), "! xl.peer");
  held = As(kPeer);
  held.object_id = 79;
  EXPECT_EQ(NameHeld(held, given, "", "other"), "! xl.peer");
  held = As(kPeer);
  held.type = ObjectType::kPort;
  EXPECT_EQ(NameHeld(held, given, "", "events"), "! xl.peer");
}

TEST(CapabilityNamesTest, OffersForeignObjectsAndOwnOnes) {
  const Given given[] = {kUart};
  Held held{800, ObjectType::kMemory, rights::kRead, 0, 5, {}};
  EXPECT_EQ(NameHeld(held, given, "pv.console.1", "console ring of guest 1"), "offer pv.console.1");
  EXPECT_EQ(NameHeld(held, given, "", "log of xl"), "log of xl");
  EXPECT_EQ(NameHeld(held, given, "", ""), "");
}

TEST(CapabilityNamesTest, NoNameIsLongerThanAMessageHasRoomFor) {
  const std::string longest(100, 'x');
  EXPECT_EQ(NameHeld(As(kUart), {}, "", longest).size(), 40u);
  EXPECT_EQ(NameHeld(As(kUart), {}, longest, "").size(), 40u);
  const Given given[] = {kUart};
  EXPECT_EQ(NameHeld(As(kUart), given, "", longest).size(), 40u);
}

TEST(CapabilityNamesTest, WhatIsGoneIsSaid) {
  const Given given[] = {kUart, kPeer};
  const Held held[] = {As(kPeer)};
  const std::vector<Held> missing = Missing(held, given);
  ASSERT_EQ(missing.size(), 1u);
  EXPECT_EQ(missing[0].index, 9u);
  EXPECT_EQ(missing[0].type, ObjectType::kNone);
  EXPECT_EQ(missing[0].object, "! uart is gone");
  EXPECT_TRUE(Missing(held, absl::MakeSpan(given).subspan(1)).empty());
}

}  // namespace
}  // namespace pyrene::init
