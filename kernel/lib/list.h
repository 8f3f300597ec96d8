// SPDX-License-Identifier: Apache-2.0
//
// Intrusive doubly linked list. A node is in at most one list; all operations but iteration are
// O(1). The lock that guards a list is named where the list is declared.
#pragma once

#include <cstddef>

namespace pyrene {

struct ListNode {
  ListNode* next = nullptr;
  ListNode* prev = nullptr;

  bool linked() const { return next != nullptr; }
  void Unlink() {
    prev->next = next;
    next->prev = prev;
    next = prev = nullptr;
  }
};

// `Tag` lets a class be in several lists at once: class T : ListHook<kReady>,
// ListHook<kDomainThreads>.
template <typename Tag>
struct ListHook : ListNode {};

template <typename T, typename Tag>
class List {
 public:
  List() { head_.next = head_.prev = &head_; }
  List(const List&) = delete;
  List& operator=(const List&) = delete;

  bool empty() const { return head_.next == &head_; }
  T* front() { return empty() ? nullptr : From(head_.next); }
  void PushBack(T* item) { Insert(&head_, Hook(item)); }
  void PushFront(T* item) { Insert(head_.next, Hook(item)); }
  T* PopFront() {
    T* item = front();
    if (item != nullptr) Remove(item);
    return item;
  }
  static void Remove(T* item) { Hook(item)->Unlink(); }
  static bool Linked(T* item) { return Hook(item)->linked(); }
  // The item behind `item`, or nullptr at the end.
  T* Next(T* item) {
    ListNode* next = Hook(item)->next;
    return next == &head_ ? nullptr : From(next);
  }

 private:
  static ListNode* Hook(T* item) { return static_cast<ListHook<Tag>*>(item); }
  static T* From(ListNode* node) { return static_cast<T*>(static_cast<ListHook<Tag>*>(node)); }
  static void Insert(ListNode* before, ListNode* node) {
    node->next = before;
    node->prev = before->prev;
    before->prev->next = node;
    before->prev = node;
  }
  ListNode head_;
};

}  // namespace pyrene
