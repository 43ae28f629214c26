#include "engine/kv_pages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

namespace loquat::engine {
namespace {

TEST(KvPages, CutsTheArenaIntoAlignedPages) {
  auto pages = *KvPages::Create(100, 1000);
  EXPECT_EQ(pages->size(), 7U);  // 128 bytes each.
  for (int i = 0; i < 7; ++i) {
    const PageId page = *pages->Allocate();
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(pages->data(page)) % kKvPageAlignment, 0U);
    std::memset(pages->data(page), i, 100);
  }
  EXPECT_FALSE(pages->Allocate().has_value());
}

TEST(KvPages, RefusesAnArenaThatHoldsNoPage) {
  EXPECT_EQ(KvPages::Create(1 << 20, 1000).error().code, base::Code::kInvalidArgument);
  EXPECT_EQ(KvPages::Create(SIZE_MAX, SIZE_MAX).error().code, base::Code::kInvalidArgument);
}

TEST(KvPages, TakesNoMoreThanItsMostPages) {
  EXPECT_EQ((*KvPages::Create(64, 64 * (std::size_t{kKvPagesMax} + 1)))->size(), kKvPagesMax);
}

TEST(KvPages, FreesAPageWithItsLastHolder) {
  auto pages = *KvPages::Create(64, 128);
  const PageId page = *pages->Allocate();
  pages->Hold(page);
  pages->Drop(page);
  EXPECT_EQ(pages->free(), 1U);
  pages->Drop(page);
  EXPECT_EQ(pages->free(), 2U);
  EXPECT_DEATH(pages->Drop(page), "dropped by those who hold it");
  EXPECT_DEATH(pages->Hold(page), "only a held page");
}

TEST(KvPages, CountsWhatOnlyACacheHoldsAsIdle) {
  auto pages = *KvPages::Create(64, 256);
  const PageId page = *pages->Allocate();
  pages->Hold(page);
  pages->SetCached(page, true);
  EXPECT_EQ(pages->in_use(), 1U);
  pages->Drop(page);
  EXPECT_EQ(pages->idle(), 1U);
  EXPECT_EQ(pages->in_use(), 0U);
  pages->Hold(page);
  EXPECT_EQ(pages->idle(), 0U);
  pages->Drop(page);
  pages->SetCached(page, false);
  pages->Drop(page);
  EXPECT_EQ(pages->free(), 4U);
  EXPECT_EQ(pages->idle(), 0U);
}

TEST(KvPages, CopiesIntoPagesThatNobodyElseSees) {
  auto pages = *KvPages::Create(64, 128);
  const PageId from = *pages->Allocate();
  const PageId to = *pages->Allocate();
  std::memset(pages->data(from), 7, 64);
  pages->Copy(from, to);
  EXPECT_EQ(std::memcmp(pages->data(from), pages->data(to), 64), 0);
  pages->Hold(to);
  EXPECT_DEATH(pages->Copy(from, to), "shared page");
}

}  // namespace
}  // namespace loquat::engine
