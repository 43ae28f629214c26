// An array that was built here, or that lies in a file which somebody keeps mapped. Built by one thread; then constant
// and for any thread. Moving it moves no item.

#pragma once

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "base/flat.h"

namespace loquat::text {

template <typename T>
class Table {
 public:
  Table() = default;
  // Built here.
  explicit Table(std::vector<T> items) : built_(std::move(items)), view_(built_) {}
  // Of someone who outlives this.
  explicit Table(std::span<const T> items) : view_(items) {}
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;
  Table(Table&& other) noexcept : built_(std::move(other.built_)), view_(std::exchange(other.view_, {})) {}
  Table& operator=(Table&& other) noexcept {
    built_ = std::move(other.built_);
    view_ = std::exchange(other.view_, {});
    return *this;
  }

  std::size_t size() const { return view_.size(); }
  bool empty() const { return view_.empty(); }
  const T& operator[](std::size_t i) const { return view_[i]; }
  const T& back() const { return view_.back(); }
  std::span<const T> view() const { return view_; }

  // REQUIRES of these: built here.
  void Reserve(std::size_t items) {
    built_.reserve(items);
    view_ = built_;
  }
  void Append(std::span<const T> items) {
    built_.insert(built_.end(), items.begin(), items.end());
    view_ = built_;
  }
  void Add(const T& item) {
    built_.push_back(item);
    view_ = built_;
  }
  void Resize(std::size_t items) {
    built_.resize(items);
    view_ = built_;
  }
  T& At(std::size_t i) { return built_[i]; }

 private:
  std::vector<T> built_;
  std::span<const T> view_;
};

// A table as a field of a binary form (base/flat.h).
template <typename T>
void TableField(base::FlatWriter& flat, const Table<T>& table, std::size_t items_max) {
  flat.Table(table.view(), items_max);
}
template <typename T>
void TableField(base::FlatReader& flat, Table<T>& table, std::size_t items_max) {
  std::span<const T> items;
  flat.Table(items, items_max);
  table = Table<T>(items);
}

}  // namespace loquat::text
