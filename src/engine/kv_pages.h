// Memory for keys and values: one arena cut into pages of equal size, each with a count of those who hold it. A page
// with one holder may be written; one with more is read only, and whoever wants to write takes a copy first.
// One thread at a time. Outlives everyone who holds a page.
//
// Kwon et al., "Efficient memory management for large language model serving with PagedAttention", SOSP 2023,
// section 4.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/result.h"

namespace loquat::engine {

using PageId = std::uint32_t;

inline constexpr std::uint32_t kKvPagesMax = 1u << 24;
inline constexpr std::size_t kKvPageAlignment = 64;  // A cache line: kernels load rows aligned.

class KvPages {
 public:
  // As many pages as fit into `bytes`, at most kKvPagesMax. Pages that were never written take no memory yet.
  // Fails when not even one fits, or the address space is not to be had.
  static base::Result<std::unique_ptr<KvPages>> Create(std::size_t page_bytes, std::size_t bytes);
  KvPages(const KvPages&) = delete;
  KvPages& operator=(const KvPages&) = delete;
  ~KvPages();

  // A page held once, its bytes as the last holder left them; none when all are held.
  std::optional<PageId> Allocate();
  void Hold(PageId page);
  // REQUIRES: held. With the last holder the page is free again.
  void Drop(PageId page);
  void Copy(PageId from, PageId to);

  // Says that one of the holders is a cache, which lets go of the page when asked; see idle().
  void SetCached(PageId page, bool cached);

  std::byte* data(PageId page) { return arena_ + std::size_t{page} * stride_; }
  std::uint32_t holders(PageId page) const { return states_[page].holders; }

  std::uint32_t size() const { return static_cast<std::uint32_t>(states_.size()); }
  std::uint32_t free() const { return static_cast<std::uint32_t>(free_.size()); }
  // Pages that only a cache holds.
  std::uint32_t idle() const { return idle_; }
  // Pages that somebody other than a cache holds.
  std::uint32_t in_use() const { return size() - free() - idle_; }

 private:
  struct State {
    std::uint32_t holders = 0;
    bool cached = false;
  };
  KvPages(std::size_t page_bytes, std::size_t stride, std::uint32_t count, std::byte* arena);
  static bool Idle(const State& state) { return state.cached && state.holders == 1; }

  // Constant after construction.
  const std::size_t page_bytes_;
  const std::size_t stride_;
  std::byte* const arena_;  // [page, stride_]

  std::vector<State> states_;  // [page]
  std::vector<PageId> free_;   // Last in, first out: the warmest page is given next.
  std::uint32_t idle_ = 0;
};

}  // namespace loquat::engine
