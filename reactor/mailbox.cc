#include "reactor/mailbox.h"

#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>

namespace weir {

Mailbox::~Mailbox() {
  while (Collect() > 0) {
    const std::unique_ptr<Node> node(first_);
    first_ = node->next;
    --collected_;
  }
}

bool Mailbox::Push(Task task) {
  Node* const node = new Node{std::move(task)};
  pushed_.fetch_add(1, std::memory_order_relaxed);
  node->next = head_.load(std::memory_order_relaxed);
  while (!head_.compare_exchange_weak(
      node->next, node, std::memory_order_seq_cst, std::memory_order_relaxed)) {
  }
  // Looked at before it is written: while the loop is awake, producers only
  // share this line.
  return sleeping_.load(std::memory_order_seq_cst) &&
         sleeping_.exchange(false, std::memory_order_seq_cst);
}

bool Mailbox::PrepareToSleep() {
  if (collected_ > 0) return false;
  sleeping_.store(true, std::memory_order_seq_cst);
  if (head_.load(std::memory_order_seq_cst) == nullptr) return true;
  sleeping_.store(false, std::memory_order_relaxed);
  return false;
}

// Relaxed: a push that still sees the announcement asks for one wake-up too
// many, which costs an empty round and nothing else.
void Mailbox::Awake() { sleeping_.store(false, std::memory_order_relaxed); }

size_t Mailbox::Collect() {
  // The exchange would take the line away from the producers for nothing.
  if (head_.load(std::memory_order_relaxed) == nullptr) return collected_;

  Node* newest = head_.exchange(nullptr, std::memory_order_acquire);
  Node* const last = newest;
  Node* oldest = nullptr;
  while (newest != nullptr) {
    Node* const next = newest->next;
    newest->next = oldest;
    oldest = newest;
    newest = next;
    ++collected_;
  }
  if (first_ == nullptr) {
    first_ = oldest;
  } else {
    last_->next = oldest;
  }
  last_ = last;
  return collected_;
}

size_t Mailbox::Run(size_t limit, absl::FunctionRef<void()> before_each) {
  size_t ran = 0;
  while (ran < limit && first_ != nullptr) {
    const std::unique_ptr<Node> node(first_);
    first_ = node->next;
    --collected_;
    ++ran;
    begun_.Add();
    before_each();
    std::move(node->task)();
  }
  return ran;
}

}  // namespace weir
