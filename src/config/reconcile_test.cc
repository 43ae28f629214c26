#include "config/reconcile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "base/random.h"

namespace loquat::config {
namespace {

using ::testing::HasSubstr;

LayerPtr Entries(const std::vector<std::pair<std::string, LayerEntry>>& entries) {
  auto layer = std::make_shared<Layer>();
  for (const auto& [path, entry] : entries) layer->entries.emplace(path, entry);
  return layer;
}
LayerEntry At(std::int64_t revision, std::string text) {
  return {.text = std::move(text), .problem = {}, .revision = revision};
}

// A text that says "bad" does not stand; "needs file" stands beside a file that says "offers" alone, and the other way
// round.
base::Status Stands(const std::string& file, const LayerPtr& layer) {
  if (file.contains("bad")) return base::InvalidArgument("the file is bad");
  bool needed = false;
  bool offered = false;
  for (const auto& [path, entry] : layer->entries) {
    if (entry.text == "bad") return base::InvalidArgument(path + " is bad");
    needed = needed || entry.text == "needs file";
    offered = offered || entry.text == "offers";
  }
  if (needed && !file.contains("offers")) return base::InvalidArgument("the file offers nothing");
  if (file.contains("needs layer") && !offered) return base::InvalidArgument("the layer offers nothing");
  return {};
}

TEST(Reconciler, TakesWhatStands) {
  Reconciler both({.file = "1"});
  both.WantFile("2");
  Verdict verdict = both.Settle(Stands);
  EXPECT_TRUE(verdict.file.has_value() && verdict.layer.has_value());
  both.WantLayer(Entries({{"a", At(2, "x")}}));
  verdict = both.Settle(Stands);
  EXPECT_TRUE(verdict.file.has_value() && verdict.layer.has_value());
  EXPECT_EQ(both.good().file, "2");
  EXPECT_EQ(both.good().layer->entries.at("a").text, "x");
}

TEST(Reconciler, ATransactionIsTakenWholeOrNotAtAllAndHoldsUpNoOther) {
  Reconciler both({.file = "1", .layer = Entries({{"a", At(1, "old")}, {"b", At(1, "old")}, {"z", At(1, "old")}})});
  auto wanted = std::make_shared<Layer>(*Entries({{"a", At(5, "bad")}, {"b", At(5, "new")}, {"c", At(6, "new")}}));
  wanted->gone = {{"z", 5}};
  both.WantLayer(wanted);
  const Verdict verdict = both.Settle(Stands);
  EXPECT_TRUE(verdict.file.has_value());
  EXPECT_THAT(verdict.layer.error().message, HasSubstr("a is bad (revision 5: nothing of it is taken)"));
  EXPECT_EQ(both.good().layer->entries.at("a").text, "old");
  EXPECT_EQ(both.good().layer->entries.at("b").text, "old");
  EXPECT_EQ(both.good().layer->entries.at("c").text, "new");
  EXPECT_TRUE(both.good().layer->entries.contains("z")) << "the deletion was of the refused transaction";

  both.WantLayer(Entries({{"a", At(7, "mended")}, {"b", At(5, "new")}, {"c", At(6, "new")}}));
  EXPECT_TRUE(both.Settle(Stands).layer.has_value());
  EXPECT_EQ(both.good().layer->entries.at("b").text, "new");
  EXPECT_FALSE(both.good().layer->entries.contains("z"));
}

TEST(Reconciler, CountsWhatElseIsRefused) {
  Reconciler both(Contents{});
  both.WantLayer(Entries({{"a", At(5, "bad")}, {"b", At(6, "bad")}, {"c", At(7, "bad")}}));
  EXPECT_THAT(both.Settle(Stands).layer.error().message, HasSubstr("and 2 more revisions are refused"));
}

TEST(Reconciler, ABadSourceDoesNotHoldUpTheOther) {
  Reconciler both({.file = "1"});
  both.WantFile("bad");
  EXPECT_FALSE(both.Settle(Stands).file.has_value());
  both.WantLayer(Entries({{"a", At(2, "x")}}));
  Verdict verdict = both.Settle(Stands);
  EXPECT_FALSE(verdict.file.has_value());
  EXPECT_TRUE(verdict.layer.has_value());
  EXPECT_EQ(both.good().file, "1");
  EXPECT_EQ(both.good().layer->entries.at("a").text, "x");

  both.WantLayer(Entries({{"a", At(3, "bad")}}));
  EXPECT_FALSE(both.Settle(Stands).layer.has_value());
  both.WantFile("2");
  verdict = both.Settle(Stands);
  EXPECT_TRUE(verdict.file.has_value());
  EXPECT_FALSE(verdict.layer.has_value());
  EXPECT_EQ(both.good().file, "2");
  EXPECT_EQ(both.good().layer->entries.at("a").text, "x");
}

TEST(Reconciler, TwoChangesThatNeedEachOtherMayComeInEitherOrder) {
  for (const bool file_first : {true, false}) {
    Reconciler both({.file = "1"});
    const auto file = [&] { both.WantFile("offers, needs layer"); };
    const auto layer = [&] { both.WantLayer(Entries({{"a", At(2, "needs file")}, {"b", At(2, "offers")}})); };
    file_first ? file() : layer();
    const Verdict half = both.Settle(Stands);
    EXPECT_NE(half.file.has_value(), half.layer.has_value());
    EXPECT_EQ(both.good().file, "1");
    EXPECT_TRUE(both.good().layer->entries.empty());
    file_first ? layer() : file();
    const Verdict whole = both.Settle(Stands);
    EXPECT_TRUE(whole.file.has_value() && whole.layer.has_value());
    EXPECT_EQ(both.good().file, "offers, needs layer");
    EXPECT_EQ(both.good().layer->entries.size(), 2u);
  }
}

// Whatever happens in whatever order: what is in force stands, and once everything wanted stands it is in force.
TEST(Reconciler, InForceAlwaysStandsAndTheLastGoodWordWins) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    base::Random random(seed);
    Reconciler both({.file = "0"});
    auto wanted = std::make_shared<Layer>();
    const auto text = [&]() -> std::string {
      const char* const kTexts[] = {"x", "y", "bad", "offers", "needs file"};
      return kTexts[random.Below(5)];
    };
    for (std::int64_t revision = 1; revision <= 20; ++revision) {
      if (random.Chance(0.3)) {
        const char* const kFiles[] = {"1", "bad", "offers", "needs layer"};
        both.WantFile(kFiles[random.Below(4)]);
      }
      auto next = std::make_shared<Layer>(*wanted);
      for (std::uint64_t i = 0; i <= random.Below(3); ++i) {
        const std::string path(1, static_cast<char>('a' + random.Below(4)));
        next->entries.insert_or_assign(path, At(revision, text()));
      }
      wanted = next;
      both.WantLayer(wanted);
      const Verdict verdict = both.Settle(Stands);
      EXPECT_TRUE(Stands(both.good().file, both.good().layer).has_value());
      EXPECT_EQ(verdict.layer.has_value(), both.good().layer->entries == wanted->entries);
    }
    auto last = std::make_shared<Layer>(*Entries({{"a", At(99, "x")}}));
    both.WantLayer(last);
    both.WantFile("final");
    EXPECT_TRUE(both.Settle(Stands).layer.has_value());
    EXPECT_EQ(both.good().file, "final");
    EXPECT_EQ(both.good().layer->entries, last->entries);
  }
}

}  // namespace
}  // namespace loquat::config
