#include "engine/stop_matcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "base/random.h"

namespace loquat::engine {
namespace {

struct Answer {
  std::string out;
  bool stopped = false;
  bool operator==(const Answer&) const = default;
};

Answer Feed(const std::vector<std::string>& stops, const std::vector<std::string>& pieces) {
  StopMatcher matcher(*StopStrings::Create(stops));
  Answer run;
  for (const std::string& piece : pieces) {
    if (matcher.Append(piece, run.out)) break;
  }
  run.stopped = matcher.stopped();
  matcher.Finish(run.out);
  return run;
}

TEST(StopMatcher, StopsAcrossPieces) {
  EXPECT_EQ(Feed({"\nUser:"}, {"Hello.\n", "Us", "er", ": no"}), (Answer{"Hello.", true}));
}

TEST(StopMatcher, LetsGoOfWhatDidNotBecomeAStopString) {
  StopMatcher matcher(*StopStrings::Create({"abcd"}));
  std::string out;
  matcher.Append("xab", out);
  EXPECT_EQ(out, "x");
  matcher.Append("c", out);
  EXPECT_EQ(out, "x");
  matcher.Append("abc", out);
  EXPECT_EQ(out, "xabc");
  matcher.Finish(out);
  EXPECT_EQ(out, "xabcabc");
}

TEST(StopMatcher, TakesTheOneThatEndsFirstAndOfThoseTheLongest) {
  EXPECT_EQ(Feed({"abc", "b"}, {"xabc"}), (Answer{"xa", true}));
  EXPECT_EQ(Feed({"c", "abc"}, {"xabc"}), (Answer{"x", true}));
}

TEST(StopMatcher, LetsEverythingPassWithoutStopStrings) {
  StopMatcher matcher(nullptr);
  std::string out;
  EXPECT_FALSE(matcher.Append("anything", out));
  EXPECT_EQ(out, "anything");
}

TEST(StopMatcher, RefusesTooManyAndTellsWhich) {
  std::vector<std::string> many(kStopStringsMax, "x");
  EXPECT_TRUE(StopStrings::Create(many).has_value());
  many.emplace_back("x");
  EXPECT_EQ(StopStrings::Create(many).error().param, "/stop");
  EXPECT_EQ(StopStrings::Create(std::vector<std::string>(10'000, "x")).error().code, base::Code::kInvalidArgument);
  EXPECT_TRUE(StopStrings::Create({std::string(kStopStringBytesMax, 'x')}).has_value());
  EXPECT_EQ(StopStrings::Create({"a", std::string(kStopStringBytesMax + 1, 'x')}).error().param, "/stop/1");
  EXPECT_EQ(StopStrings::Create({"a", "b", ""}).error().param, "/stop/2");
  EXPECT_EQ(StopStrings::Create({"\xC3"}).error().param, "/stop/0");
}

// What a reader with the whole text before them would do.
Answer Reference(const std::vector<std::string>& stops, const std::string& text) {
  for (std::size_t end = 1; end <= text.size(); ++end) {
    std::optional<std::size_t> start;
    for (const std::string& stop : stops) {
      if (stop.size() <= end && text.compare(end - stop.size(), stop.size(), stop) == 0) {
        start = std::min(start.value_or(end), end - stop.size());
      }
    }
    if (start.has_value()) return {text.substr(0, *start), true};
  }
  return {text, false};
}

TEST(StopMatcherProperty, AgreesWithSearchingTheWholeText) {
  for (std::uint64_t seed = 1; seed <= 3000; ++seed) {
    base::Random random(seed);
    const auto word = [&](std::size_t most) {
      std::string text;
      for (std::uint64_t n = random.Below(most) + 1; n > 0; --n) text += static_cast<char>('a' + random.Below(2));
      return text;
    };
    std::vector<std::string> stops;
    for (std::uint64_t n = random.Below(4) + 1; n > 0; --n) stops.push_back(word(8));
    std::vector<std::string> pieces;
    std::string text;
    for (std::uint64_t n = random.Below(10); n > 0; --n) text += pieces.emplace_back(word(5));
    EXPECT_EQ(Feed(stops, pieces), Reference(stops, text)) << "seed " << seed;

    // Never holds back what cannot become a stop string any more.
    StopMatcher matcher(*StopStrings::Create(stops));
    std::string out;
    std::string fed;
    for (const std::string& piece : pieces) {
      fed += piece;
      if (matcher.Append(piece, out)) break;
      const std::string held = fed.substr(out.size());
      EXPECT_TRUE(held.empty() || std::any_of(stops.begin(), stops.end(),
                                              [&](const std::string& stop) {
                                                return stop.size() > held.size() && stop.starts_with(held);
                                              }))
          << "seed " << seed;
    }
  }
}

}  // namespace
}  // namespace loquat::engine
