// SPDX-License-Identifier: Apache-2.0
#include <deque>
#include <random>

#include "gtest/gtest.h"
#include "kernel/lib/list.h"
#include "tests/unit/kernel_test_util.h"

namespace pyrene {
namespace {

struct RedTag {};
struct BlueTag {};
struct Item : ListHook<RedTag>, ListHook<BlueTag> {
  int number = 0;
};
using RedList = List<Item, RedTag>;
using BlueList = List<Item, BlueTag>;

TEST(KernelList, EmptyHasNothing) {
  RedList list;
  EXPECT_TRUE(list.empty());
  EXPECT_EQ(list.front(), nullptr);
  EXPECT_EQ(list.PopFront(), nullptr);
}

TEST(KernelList, OrderIsThatOfThePushes) {
  RedList list;
  Item items[4];
  list.PushBack(&items[1]);
  list.PushBack(&items[2]);
  list.PushFront(&items[0]);
  list.PushBack(&items[3]);
  for (Item& item : items) EXPECT_EQ(list.PopFront(), &item);
  EXPECT_TRUE(list.empty());
}

TEST(KernelList, NextEndsAtTheEnd) {
  RedList list;
  Item items[3];
  for (Item& item : items) list.PushBack(&item);
  EXPECT_EQ(list.Next(&items[0]), &items[1]);
  EXPECT_EQ(list.Next(&items[1]), &items[2]);
  EXPECT_EQ(list.Next(&items[2]), nullptr);
}

TEST(KernelList, ItemIsInListsOfSeveralKinds) {
  RedList red;
  BlueList blue;
  Item items[3];
  for (Item& item : items) red.PushBack(&item);
  for (Item& item : items) blue.PushFront(&item);
  RedList::Remove(&items[1]);
  EXPECT_FALSE(RedList::Linked(&items[1]));
  EXPECT_TRUE(BlueList::Linked(&items[1]));
  EXPECT_EQ(red.Next(&items[0]), &items[2]);
  EXPECT_EQ(blue.front(), &items[2]);
  EXPECT_EQ(blue.Next(&items[2]), &items[1]);
}

TEST(KernelList, RandomOperations) {
  std::mt19937_64 random(kernel_test::Seed());
  RedList list;
  std::deque<Item*> model;
  Item items[32];
  for (uint64_t round = 0; round < kernel_test::Rounds(20000); ++round) {
    Item* item = &items[random() % 32];
    if (RedList::Linked(item)) {
      if (random() % 4 == 0) {
        ASSERT_EQ(list.PopFront(), model.front());
        model.pop_front();
      } else {
        RedList::Remove(item);
        std::erase(model, item);
      }
    } else if (random() % 2 == 0) {
      list.PushBack(item);
      model.push_back(item);
    } else {
      list.PushFront(item);
      model.push_front(item);
    }
    Item* at = list.front();
    for (Item* expected : model) {
      ASSERT_EQ(at, expected);
      at = list.Next(at);
    }
    ASSERT_EQ(at, nullptr);
    ASSERT_EQ(list.empty(), model.empty());
  }
}

}  // namespace
}  // namespace pyrene
