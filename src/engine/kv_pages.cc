#include "engine/kv_pages.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "base/check.h"

namespace loquat::engine {

base::Result<std::unique_ptr<KvPages>> KvPages::Create(std::size_t page_bytes, std::size_t bytes) {
  LOQUAT_CHECK(page_bytes > 0, "a page holds something");
  if (page_bytes > SIZE_MAX - kKvPageAlignment)
    return base::InvalidArgument("a page of keys and values is absurdly big");
  const std::size_t stride = (page_bytes + kKvPageAlignment - 1) / kKvPageAlignment * kKvPageAlignment;
  const std::size_t count = std::min<std::size_t>(bytes / stride, kKvPagesMax);
  if (count == 0) {
    return base::InvalidArgument(fmt::format(
        "{} bytes for keys and values are less than one page of {} bytes; give the model more memory", bytes, stride));
  }
  void* arena = ::operator new (count* stride, std::align_val_t{kKvPageAlignment}, std::nothrow);
  if (arena == nullptr) {
    base::Error error = base::ResourceExhausted(
        fmt::format("no memory for {} bytes of keys and values; give the model less, or the machine more", bytes),
        "memory");
    return error;
  }
  return std::unique_ptr<KvPages>(
      new KvPages(page_bytes, stride, static_cast<std::uint32_t>(count), static_cast<std::byte*>(arena)));
}

KvPages::KvPages(std::size_t page_bytes, std::size_t stride, std::uint32_t count, std::byte* arena)
    : page_bytes_(page_bytes), stride_(stride), arena_(arena), states_(count), free_(count) {
  for (std::uint32_t i = 0; i < count; ++i) free_[i] = count - 1 - i;
}

KvPages::~KvPages() {
  ::operator delete (arena_, std::align_val_t{kKvPageAlignment});
}

std::optional<PageId> KvPages::Allocate() {
  if (free_.empty()) return std::nullopt;
  const PageId page = free_.back();
  free_.pop_back();
  states_[page] = {.holders = 1, .cached = false};
  return page;
}

void KvPages::Hold(PageId page) {
  State& state = states_[page];
  LOQUAT_CHECK(state.holders > 0, "only a held page gains holders");
  idle_ -= Idle(state) ? 1 : 0;
  ++state.holders;
}

void KvPages::Drop(PageId page) {
  State& state = states_[page];
  LOQUAT_CHECK(state.holders > 0, "a page is dropped by those who hold it");
  idle_ -= Idle(state) ? 1 : 0;
  --state.holders;
  idle_ += Idle(state) ? 1 : 0;
  if (state.holders == 0) free_.push_back(page);
}

void KvPages::Copy(PageId from, PageId to) {
  LOQUAT_CHECK(states_[to].holders == 1, "a shared page is not written");
  std::memcpy(data(to), data(from), page_bytes_);
}

void KvPages::SetCached(PageId page, bool cached) {
  State& state = states_[page];
  LOQUAT_CHECK(state.holders > 0 && state.cached != cached, "one cache holds a page, and lets go of it once");
  idle_ -= Idle(state) ? 1 : 0;
  state.cached = cached;
  idle_ += Idle(state) ? 1 : 0;
}

}  // namespace loquat::engine
