// Records of one key are processed one after the other, those of different keys at the same time: a queue for each key
// that has a record under way.
//
// One thread. A key without a record under way takes no memory.

#pragma once

#include <cstddef>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/check.h"
#include "base/hash.h"

namespace loquat::ingress::kafka {

template <typename T>
class KeyQueues {
 public:
  // The record, where it may start now; else it waits for those of its key before it.
  [[nodiscard]] std::optional<T> Enter(std::string_view key, T record) {
    if (const auto found = queues_.find(key); found != queues_.end()) {
      found->second.push_back(std::move(record));
      ++waiting_;
      return std::nullopt;
    }
    queues_.emplace(std::string(key), std::list<T>());
    return record;
  }
  // The record of `key` under way has ended; the one that may start now, if one waits. REQUIRES: one is under way.
  [[nodiscard]] std::optional<T> Leave(std::string_view key) {
    const auto found = queues_.find(key);
    LOQUAT_CHECK(found != queues_.end(), "a key is left by the record that entered it");
    if (found->second.empty()) {
      queues_.erase(found);
      return std::nullopt;
    }
    std::optional<T> next(std::move(found->second.front()));
    found->second.pop_front();
    --waiting_;
    return next;
  }

  std::size_t keys() const { return queues_.size(); }
  std::size_t waiting() const { return waiting_; }

 private:
  // Lists, for most are empty, and then take no memory of their own.
  std::unordered_map<std::string, std::list<T>, base::StringHash, std::equal_to<>> queues_;
  std::size_t waiting_ = 0;
};

}  // namespace loquat::ingress::kafka
