#include "engine/prefix_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <numeric>

#include "base/random.h"

namespace loquat::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<TokenId> Tokens(std::size_t count, TokenId first = 0) {
  std::vector<TokenId> tokens(count);
  std::iota(tokens.begin(), tokens.end(), first);
  return tokens;
}

class PrefixIndexTest : public ::testing::Test {
 protected:
  // Adds the whole text as a sequence that then goes away; gives its pages and last node.
  PrefixIndex::NodeId Cache(std::span<const TokenId> tokens, std::vector<PageId>* held = nullptr) {
    PrefixIndex::NodeId node = PrefixIndex::kRoot;
    for (std::size_t at = 0; at < tokens.size(); at += kPageTokens) {
      PageId page = *pages_->Allocate();
      node = index_.Insert(node, tokens.subspan(at, std::min<std::size_t>(kPageTokens, tokens.size() - at)), page);
      if (held != nullptr) {
        held->push_back(page);
      } else {
        pages_->Drop(page);
      }
    }
    return node;
  }
  std::uint32_t FoundTokens(std::span<const TokenId> tokens) {
    std::vector<PageId> pages;
    const auto found = index_.Find(PrefixIndex::kRoot, tokens, pages);
    for (const PageId page : pages) pages_->Drop(page);
    EXPECT_EQ(pages.size(), (found.tokens + kPageTokens - 1) / kPageTokens);
    return found.tokens;
  }

  std::unique_ptr<KvPages> pages_ = *KvPages::Create(64, 64 * 8);
  PrefixIndex index_{*pages_};
};

TEST_F(PrefixIndexTest, FindsNothingAtFirst) {
  EXPECT_EQ(FoundTokens(Tokens(100)), 0U);
}

TEST_F(PrefixIndexTest, SharesPagesWithALiveSequence) {
  std::vector<PageId> first;
  Cache(Tokens(64), &first);
  std::vector<PageId> second;
  EXPECT_EQ(index_.Find(PrefixIndex::kRoot, Tokens(80), second).tokens, 64U);
  EXPECT_EQ(second, first);
  EXPECT_EQ(pages_->holders(first[0]), 3U);
  for (const PageId page : first) pages_->Drop(page);
  for (const PageId page : second) pages_->Drop(page);
}

TEST_F(PrefixIndexTest, FindsThePartOfAPageThatIsShared) {
  Cache(Tokens(50));
  EXPECT_EQ(FoundTokens(Tokens(50)), 50U);
  EXPECT_EQ(FoundTokens(Tokens(45)), 45U);
  auto other = Tokens(50);
  other[40] = -1;
  EXPECT_EQ(FoundTokens(other), 40U);
  other[3] = -1;
  EXPECT_EQ(FoundTokens(other), 3U);
}

TEST_F(PrefixIndexTest, TellsSameRunsAfterDifferentTextsApart) {
  auto tokens = Tokens(64);
  Cache(tokens);
  // The second page's tokens alone, at the start of a text, are another node.
  EXPECT_EQ(FoundTokens(std::span<const TokenId>(tokens).subspan(32)), 0U);
}

TEST_F(PrefixIndexTest, ExchangesAPageForTheSameOne) {
  Cache(Tokens(32));
  PageId page = *pages_->Allocate();
  const PageId own = page;
  index_.Insert(PrefixIndex::kRoot, Tokens(32), page);
  EXPECT_NE(page, own);
  EXPECT_EQ(pages_->holders(page), 2U);
  EXPECT_EQ(index_.size(), 1U);
  pages_->Drop(page);
  EXPECT_EQ(pages_->free(), 7U);
}

TEST_F(PrefixIndexTest, ALongerTailTakesTheShorterOnesPlace) {
  Cache(Tokens(40));
  Cache(Tokens(50));
  EXPECT_EQ(index_.size(), 2U);
  Cache(Tokens(64));
  EXPECT_EQ(index_.size(), 2U);
  EXPECT_EQ(FoundTokens(Tokens(64)), 64U);
  // A shorter one that is all inside adds nothing.
  Cache(Tokens(40));
  EXPECT_EQ(index_.size(), 2U);
}

TEST_F(PrefixIndexTest, EvictsTheLongestUnusedLeafFirst) {
  Cache(Tokens(64));
  Cache(Tokens(64, 1000));
  EXPECT_EQ(FoundTokens(Tokens(64)), 64U);  // Just used.
  EXPECT_TRUE(index_.Evict());
  EXPECT_EQ(FoundTokens(Tokens(64, 1000)), 32U);
  EXPECT_EQ(FoundTokens(Tokens(64)), 64U);
  while (index_.Evict()) continue;
  EXPECT_EQ(index_.size(), 0U);
  EXPECT_EQ(pages_->free(), pages_->size());
}

TEST_F(PrefixIndexTest, KeepsWhatALiveSequenceHolds) {
  std::vector<PageId> held;
  Cache(Tokens(64), &held);
  EXPECT_FALSE(index_.Evict());
  pages_->Drop(held[1]);
  EXPECT_TRUE(index_.Evict());
  EXPECT_FALSE(index_.Evict());
  pages_->Drop(held[0]);
}

TEST_F(PrefixIndexTest, LetsSessionsGoLast) {
  index_.Touch(Cache(Tokens(64)), "alice");
  Cache(Tokens(64, 1000));
  Cache(Tokens(64, 2000));
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(index_.Evict());
  EXPECT_EQ(FoundTokens(Tokens(64)), 64U);
  EXPECT_TRUE(index_.Evict());
  EXPECT_EQ(FoundTokens(Tokens(64)), 32U);
  // The session goes on from what is left.
  index_.Touch(Cache(Tokens(64)), "alice");
  EXPECT_EQ(FoundTokens(Tokens(64)), 64U);
}

TEST_F(PrefixIndexTest, KeepsSoManySessionsAndNoMore) {
  index_.Touch(Cache(Tokens(32)), "first");
  const auto later = Cache(Tokens(32, 1000));
  for (std::size_t i = 0; i < kKeptSessionsMax; ++i) index_.Touch(later, "later " + std::to_string(i));
  EXPECT_TRUE(index_.Evict());  // The first session was the oldest and is kept no more.
  EXPECT_EQ(FoundTokens(Tokens(32)), 0U);
  EXPECT_EQ(FoundTokens(Tokens(32, 1000)), 32U);
}

// Against a plain list of texts: what is found is never more than the longest common prefix with a text that was
// cached, and exactly that while nothing was evicted.
TEST(PrefixIndexProperty, FindsTheLongestCommonPrefix) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    base::Random random(seed);
    auto pages = *KvPages::Create(64, 64 * 4096);
    PrefixIndex index(*pages);
    std::vector<std::vector<TokenId>> texts;
    for (int i = 0; i < 60; ++i) {
      std::vector<TokenId> text;
      if (!texts.empty() && random.Chance(0.7)) {
        text = texts[random.Below(texts.size())];
        text.resize(random.Below(text.size() + 1));
      }
      for (std::uint64_t more = random.Below(100) + 1; more > 0; --more)
        text.push_back(static_cast<TokenId>(random.Below(3)));
      std::size_t longest = 0;
      for (const auto& other : texts) {
        const auto ends = std::mismatch(text.begin(), text.end(), other.begin(), other.end());
        longest = std::max<std::size_t>(longest, static_cast<std::size_t>(ends.first - text.begin()));
      }
      std::vector<PageId> held;
      const auto found = index.Find(PrefixIndex::kRoot, text, held);
      EXPECT_LE(found.tokens, longest);
      EXPECT_GE(found.tokens + kPageTokens, longest);  // Siblings compared are bounded.
      // Goes on from whole pages, as a sequence does.
      while (held.size() > found.tokens / kPageTokens) {
        pages->Drop(held.back());
        held.pop_back();
      }
      PrefixIndex::NodeId node = found.node;
      for (std::size_t at = held.size() * kPageTokens; at < text.size(); at += kPageTokens) {
        PageId page = *pages->Allocate();
        node = index.Insert(
            node, std::span<const TokenId>(text).subspan(at, std::min<std::size_t>(kPageTokens, text.size() - at)),
            page);
        held.push_back(page);
      }
      index.Touch(node, random.Chance(0.3) ? "s" + std::to_string(random.Below(5)) : "");
      for (const PageId page : held) pages->Drop(page);
      EXPECT_EQ(pages->in_use(), 0U);
      texts.push_back(std::move(text));
    }
    while (index.Evict()) continue;
    EXPECT_EQ(pages->free(), pages->size());
  }
}

}  // namespace
}  // namespace loquat::engine
