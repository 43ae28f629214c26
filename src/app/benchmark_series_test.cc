// The rounds of a measured quantity, as they are shown.

#include "app/benchmark_series.h"

#include <gtest/gtest.h>

#include <string>

namespace loquat::app {
namespace {

TEST(Median, IsTheMiddleOne) {
  EXPECT_EQ(Median({3, 1, 2}), 2);
  EXPECT_EQ(Median({}), 0);
}

TEST(WriteSeries, HasTheMedianAndEveryRound) {
  std::string out;
  base::JsonWriter json(out);
  json.BeginObject();
  WriteSeries(json, "speed", {3, 1, 2.5});
  WriteSeries(json, "none", {});
  json.EndObject();
  EXPECT_EQ(out, R"({"speed":{"median":2.500,"rounds":[3.000,1.000,2.500]}})");
}

}  // namespace
}  // namespace loquat::app
