// Coarse deadlines for many connections at the cost of none: each connection writes a time into its own fields, and the
// loop looks at all of them on every tick. Setting a deadline is a store; nothing is allocated, no timer is armed.
// Five thousand connections on a 100 ms tick cost some 50,000 comparisons a second.
// Threads: loop thread only. Lifetime: a node removes itself before it dies.

#pragma once

#include <cstddef>

#include "base/clock.h"

namespace loquat::net {

class DeadlineSweep;

class DeadlineNode {
 public:
  virtual ~DeadlineNode() = default;
  // Called on each tick. May end operations (their completions come later), must not destroy nodes.
  virtual void OnTick(base::TimePoint now) = 0;

 private:
  friend class DeadlineSweep;
  DeadlineNode* previous_ = nullptr;
  DeadlineNode* next_ = nullptr;
};

class DeadlineSweep {
 public:
  void Add(DeadlineNode& node) {
    node.previous_ = nullptr;
    node.next_ = first_;
    if (first_ != nullptr) first_->previous_ = &node;
    first_ = &node;
    ++size_;
  }

  void Remove(DeadlineNode& node) {
    (node.previous_ != nullptr ? node.previous_->next_ : first_) = node.next_;
    if (node.next_ != nullptr) node.next_->previous_ = node.previous_;
    node.previous_ = node.next_ = nullptr;
    --size_;
  }

  void Tick(base::TimePoint now) {
    for (DeadlineNode* node = first_; node != nullptr;) {
      DeadlineNode* next = node->next_;
      node->OnTick(now);
      node = next;
    }
  }

  std::size_t size() const { return size_; }

 private:
  DeadlineNode* first_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace loquat::net
