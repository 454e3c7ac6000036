// Public. A doubly linked list whose links lie in its elements: insertion and
// removal are O(1), allocate nothing, and an element leaves its list when it is
// destroyed. As thread-safe as a pointer.

#ifndef REACTOR_INTRUSIVE_LIST_H_
#define REACTOR_INTRUSIVE_LIST_H_

namespace weir {

// Base of what can be in a list; in at most one at a time. `Tag` tells several
// bases of one class apart.
template <typename Tag>
class ListNode {
 public:
  ListNode() = default;
  ListNode(const ListNode&) = delete;
  ListNode& operator=(const ListNode&) = delete;

  bool linked() const { return next_ != this; }

  void Unlink() {
    previous_->next_ = next_;
    next_->previous_ = previous_;
    next_ = previous_ = this;
  }

 protected:
  ~ListNode() { Unlink(); }

 private:
  template <typename T, typename U>
  friend class IntrusiveList;

  void InsertBefore(ListNode* other) {
    next_ = other;
    previous_ = other->previous_;
    previous_->next_ = this;
    other->previous_ = this;
  }

  ListNode* next_ = this;
  ListNode* previous_ = this;
};

// Owns nothing. T derives from ListNode<Tag>.
template <typename T, typename Tag = T>
class IntrusiveList {
 public:
  bool empty() const { return !head_.linked(); }

  // `element` must not be in a list.
  void PushBack(T* element) { Node(element)->InsertBefore(&head_); }

  // Null when the list is empty.
  T* Front() { return empty() ? nullptr : static_cast<T*>(head_.next_); }

  // The element behind `element`, null at the end.
  T* Next(T* element) {
    ListNode<Tag>* next = Node(element)->next_;
    return next == &head_ ? nullptr : static_cast<T*>(next);
  }

  // Moves all of `other` behind what is here.
  void Splice(IntrusiveList* other) {
    if (other->empty()) return;
    ListNode<Tag>* first = other->head_.next_;
    ListNode<Tag>* last = other->head_.previous_;
    other->head_.next_ = other->head_.previous_ = &other->head_;
    first->previous_ = head_.previous_;
    head_.previous_->next_ = first;
    last->next_ = &head_;
    head_.previous_ = last;
  }

 private:
  class Head : public ListNode<Tag> {};
  static ListNode<Tag>* Node(T* element) { return element; }

  Head head_;
};

}  // namespace weir

#endif  // REACTOR_INTRUSIVE_LIST_H_
