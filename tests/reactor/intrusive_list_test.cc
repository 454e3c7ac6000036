#include "reactor/intrusive_list.h"

#include <memory>
#include <vector>

#include "gtest/gtest.h"

namespace weir {
namespace {

struct ByAge;

struct Item : ListNode<Item>, ListNode<ByAge> {
  explicit Item(int i) : id(i) {}
  int id;

  using ListNode<Item>::linked;
  using ListNode<Item>::Unlink;
};

std::vector<int> IdsOf(IntrusiveList<Item>& list) {
  std::vector<int> ids;
  for (Item* item = list.Front(); item != nullptr; item = list.Next(item)) {
    ids.push_back(item->id);
  }
  return ids;
}

TEST(IntrusiveListTest, KeepsTheOrder) {
  Item a(1), b(2), c(3);
  IntrusiveList<Item> list;
  EXPECT_TRUE(list.empty());
  EXPECT_EQ(list.Front(), nullptr);
  EXPECT_FALSE(a.linked());
  for (Item* item : {&a, &b, &c}) list.PushBack(item);
  EXPECT_FALSE(list.empty());
  EXPECT_TRUE(a.linked());
  EXPECT_EQ(IdsOf(list), std::vector<int>({1, 2, 3}));
}

TEST(IntrusiveListTest, ElementsLeaveFromAnywhere) {
  Item a(1), b(2), c(3);
  IntrusiveList<Item> list;
  for (Item* item : {&a, &b, &c}) list.PushBack(item);
  b.Unlink();
  EXPECT_FALSE(b.linked());
  EXPECT_EQ(IdsOf(list), std::vector<int>({1, 3}));
  b.Unlink();  // is in no list: nothing
  a.Unlink();
  EXPECT_EQ(IdsOf(list), std::vector<int>({3}));
  c.Unlink();
  EXPECT_TRUE(list.empty());
  list.PushBack(&b);
  EXPECT_EQ(IdsOf(list), std::vector<int>({2}));
}

TEST(IntrusiveListTest, ADestroyedElementIsGone) {
  Item a(1), c(3);
  auto b = std::make_unique<Item>(2);
  IntrusiveList<Item> list;
  for (Item* item : {&a, b.get(), &c}) list.PushBack(item);
  b.reset();
  EXPECT_EQ(IdsOf(list), std::vector<int>({1, 3}));
}

TEST(IntrusiveListTest, ADestroyedListLetsItsElementsGo) {
  Item a(1);
  {
    IntrusiveList<Item> list;
    list.PushBack(&a);
  }
  EXPECT_FALSE(a.linked());
}

TEST(IntrusiveListTest, SpliceMovesAllBehindWhatIsThere) {
  Item a(1), b(2), c(3), d(4);
  IntrusiveList<Item> first;
  IntrusiveList<Item> second;
  first.Splice(&second);
  EXPECT_TRUE(first.empty());
  second.PushBack(&c);
  second.PushBack(&d);
  first.Splice(&second);
  EXPECT_TRUE(second.empty());
  EXPECT_EQ(IdsOf(first), std::vector<int>({3, 4}));
  second.PushBack(&a);
  second.PushBack(&b);
  first.Splice(&second);
  EXPECT_EQ(IdsOf(first), std::vector<int>({3, 4, 1, 2}));
  first.Splice(&second);  // nothing to move
  EXPECT_EQ(IdsOf(first), std::vector<int>({3, 4, 1, 2}));
  // The links are right the other way round too.
  b.Unlink();
  c.Unlink();
  EXPECT_EQ(IdsOf(first), std::vector<int>({4, 1}));
  second.PushBack(&b);
  EXPECT_EQ(IdsOf(second), std::vector<int>({2}));
}

TEST(IntrusiveListTest, ATagForEachListThatAnElementIsIn) {
  Item a(1), b(2);
  IntrusiveList<Item> list;
  IntrusiveList<Item, ByAge> by_age;
  list.PushBack(&a);
  list.PushBack(&b);
  by_age.PushBack(&b);
  by_age.PushBack(&a);
  a.Unlink();  // the list of Item
  EXPECT_EQ(IdsOf(list), std::vector<int>({2}));
  EXPECT_EQ(by_age.Front(), &b);
  EXPECT_EQ(by_age.Next(&b), &a);
  EXPECT_EQ(by_age.Next(&a), nullptr);
}

}  // namespace
}  // namespace weir
