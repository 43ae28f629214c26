#include "observe/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "observe/process_metrics.h"

namespace loquat::observe {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(Metrics, CountsFromManyThreadsExactly) {
  Registry registry;
  Counter& counter = registry.AddCounter("t_total", "Things.");
  Gauge& gauge = registry.AddGauge("t_open", "Open things.");
  Histogram& histogram = registry.AddHistogram("t_seconds", "Time of things.", {1, 2});
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 8; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 10'000; ++i) {
          counter.Increment();
          gauge.Add(i % 2 == 0 ? 1 : -1);
          histogram.Observe(i % 4);
        }
      });
    }
  }
  EXPECT_EQ(counter.value(), 80'000u);
  EXPECT_EQ(gauge.value(), 0);
  const auto snapshot = histogram.Read();
  EXPECT_THAT(snapshot.counts, ElementsAre(40'000u, 20'000u, 20'000u));
  EXPECT_EQ(snapshot.count, 80'000u);
  EXPECT_EQ(snapshot.sum, 80'000 * 1.5);
}

TEST(Metrics, HistogramBoundsBelongToTheirBucket) {
  Histogram histogram({1, 2});
  for (const double value : {-5.0, 1.0, 1.0000001, 2.0, 2.1, std::numeric_limits<double>::infinity(), std::nan("")}) {
    histogram.Observe(value);
  }
  EXPECT_THAT(histogram.Read().counts, ElementsAre(2u, 2u, 3u));
  EXPECT_TRUE(std::isinf(histogram.Read().sum));
  EXPECT_THAT(ExponentialBounds(1, 2, 4), ElementsAre(1, 2, 4, 8));
}

TEST(Metrics, WritesTheTextFormatExactly) {
  Registry registry;
  registry.AddCounterFamily("b_total", "Help with \\ and\nnewline.", {"path", "code"})
      .With({"a\"b\\c\nd", "200"})
      .Increment(3);
  registry.AddGauge("a_ratio", "Ratio.").Set(0.25);
  registry.AddHistogram("c_seconds", "Time.", {0.1, 1}).Observe(0.5);
  registry.AddGaugeFamily("d_unused", "Never set.", {"x"});
  registry.AddGauge("e_odd", "Odd.").Set(-std::numeric_limits<double>::infinity());
  registry.AddGauge("f_nan", "Nan.").Set(std::nan(""));
  EXPECT_EQ(registry.Text().substr(0, registry.Text().find("# HELP loquat_metrics")),
            "# HELP a_ratio Ratio.\n# TYPE a_ratio gauge\na_ratio 0.25\n"
            "# HELP b_total Help with \\\\ and\\nnewline.\n# TYPE b_total counter\n"
            "b_total{path=\"a\\\"b\\\\c\\nd\",code=\"200\"} 3\n"
            "# HELP c_seconds Time.\n# TYPE c_seconds histogram\n"
            "c_seconds_bucket{le=\"0.1\"} 0\nc_seconds_bucket{le=\"1\"} 1\nc_seconds_bucket{le=\"+Inf\"} 1\n"
            "c_seconds_sum 0.5\nc_seconds_count 1\n"
            "# HELP e_odd Odd.\n# TYPE e_odd gauge\ne_odd -Inf\n"
            "# HELP f_nan Nan.\n# TYPE f_nan gauge\nf_nan NaN\n");
}

TEST(Metrics, FamiliesStopAtTheirCapAndCountWhatGoesToOther) {
  Registry registry;
  CounterFamily& family = registry.AddCounterFamily("x_total", "X.", {"who"}, 3);
  Counter& first = family.With({"a"});
  family.With({"b"});
  family.With({"c"}).Increment();
  family.With({"d"}).Increment();
  family.With({"e"}).Increment();
  EXPECT_EQ(&family.With({"a"}), &first);
  EXPECT_EQ(&family.With({"f"}), &family.With({"other"}));
  EXPECT_EQ(family.All().size(), 4u);
  EXPECT_THAT(registry.Text(), HasSubstr("x_total{who=\"other\"} 2\n"));
  EXPECT_THAT(registry.Text(), HasSubstr("loquat_metrics_overflow_total{metric=\"x_total\"} 3\n"));
}

TEST(Metrics, LabelValuesAreRepairedAndCut) {
  Registry registry;
  GaugeFamily& family = registry.AddGaugeFamily("x", "X.", {"a", "b"});
  family.With({"\xff", std::string(kLabelValueBytesMax + 1, 'y')}).Set(1);
  family.With({"", std::string(kLabelValueBytesMax - 1, 'z') + "帮"}).Set(2);
  EXPECT_THAT(registry.Text(),
              HasSubstr("x{a=\"\xEF\xBF\xBD\",b=\"" + std::string(kLabelValueBytesMax, 'y') + "\"} 1\n"));
  EXPECT_THAT(registry.Text(), HasSubstr("x{a=\"\",b=\"" + std::string(kLabelValueBytesMax - 1, 'z') + "\"} 2\n"));
  // Values that run together the same way are different series.
  EXPECT_NE(&family.With({"ab", "c"}), &family.With({"a", "bc"}));
}

TEST(Metrics, TheSameMetricIsSharedAndAnotherOneRefused) {
  Registry registry;
  Counter& counter = registry.AddCounter("x_total", "X.");
  EXPECT_EQ(&registry.AddCounter("x_total", "X."), &counter);
  EXPECT_DEATH(registry.AddCounter("x_total", "Y."), "one name is one metric");
  EXPECT_DEATH(registry.AddCounterFamily("x_total", "X.", {"l"}), "one name is one metric");
}

TEST(Metrics, BadNamesStopTheProgram) {
  Registry registry;
  EXPECT_DEATH(registry.AddGauge("1x", "X."), "letters, digits");
  EXPECT_DEATH(registry.AddGauge("a-b", "X."), "letters, digits");
  EXPECT_DEATH(registry.AddGauge("x", ""), "says what it means");
  EXPECT_DEATH(registry.AddCounter("x", "X."), "end in _total");
  EXPECT_DEATH(registry.AddGauge("x_total", "X."), "end in _total");
  EXPECT_DEATH(registry.AddGauge("x_bucket", "X."), "histogram's series");
  EXPECT_DEATH(registry.AddGaugeFamily("x", "X.", {"le"}), "Prometheus' own");
  EXPECT_DEATH(registry.AddGaugeFamily("x", "X.", {"__a"}), "a label name");
  EXPECT_DEATH(registry.AddGaugeFamily("x", "X.", {"a", "a"}), "label names differ");
  EXPECT_DEATH(registry.AddGaugeFamily("x", "X.", {"a"}).With({}), "one value for each");
  EXPECT_DEATH(registry.AddHistogram("x", "X.", {2, 1}), "increase strictly");
  EXPECT_DEATH(registry.AddHistogram("x", "X.", {std::nan("")}), "finite");
}

TEST(Metrics, CallbacksAreReadAtEachScrapeUntilTheirHandleEnds) {
  Registry registry;
  int calls = 0;
  {
    CallbackHandle handle = registry.AddCallback(MetricType::kGauge, "live", "Live.", [&calls] { return ++calls; });
    CallbackHandle moved = std::move(handle);
    EXPECT_THAT(registry.Text(), HasSubstr("live 1\n"));
    EXPECT_THAT(registry.Text(), HasSubstr("live 2\n"));
  }
  EXPECT_THAT(registry.Text(), Not(HasSubstr("live")));
}

TEST(ProcessMetrics, AreTrueOfThisProcess) {
  Registry registry;
  {
    const ProcessMetrics metrics(registry);
    const auto usage = ReadProcessUsage();
    ASSERT_TRUE(usage.has_value()) << usage.error().message;
    EXPECT_GT(usage->resident_bytes, 1u << 20);
    EXPECT_GT(usage->virtual_bytes, usage->resident_bytes);
    EXPECT_GT(usage->start_time_seconds, 1.6e9);
    EXPECT_LE(usage->start_time_seconds, static_cast<double>(std::time(nullptr)) + 1);
    const std::uint64_t threads = usage->threads;
    const std::uint64_t before = CountOpenDescriptors();
    EXPECT_GE(threads, 1u);
    EXPECT_GE(before, 3u);
    const int extra = ::dup(1);
    EXPECT_EQ(CountOpenDescriptors(), before + 1);
    ::close(extra);
    for (const char* name :
         {"process_cpu_seconds_total", "process_open_fds", "process_max_fds", "process_threads",
          "process_resident_memory_bytes", "process_virtual_memory_bytes", "process_start_time_seconds"}) {
      EXPECT_THAT(registry.Text(), HasSubstr("\n" + std::string(name) + " ")) << name;
    }
  }
  EXPECT_THAT(registry.Text(), Not(HasSubstr("process_")));
}

TEST(Metrics, PromtoolFindsNothingToComplainAbout) {
  Registry registry;
  const ProcessMetrics process(registry);
  registry.AddCounterFamily("t_requests_total", "Requests \\ by \"route\".\nSecond line.", {"route"})
      .With({"/a\"\\\n帮"})
      .Increment();
  registry.AddHistogramFamily("t_request_seconds", "Time of requests.", {"route"}).With({"/"}).Observe(0.01);
  registry.AddGauge("t_queue_bytes", "Bytes queued.").Set(1e300);
  registry.AddCounterFamily("t_capped_total", "Capped.", {"x"}, 1).With({"1"}).Increment();
  const std::string path = ::testing::TempDir() + "metrics_" + std::to_string(::getpid()) + ".txt";
  std::ofstream(path) << registry.Text();
  const std::string command = "promtool check metrics < '" + path + "' 2>&1";
  FILE* pipe = ::popen(command.c_str(), "r");
  ASSERT_NE(pipe, nullptr);
  std::string output;
  for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) output += static_cast<char>(c);
  EXPECT_EQ(::pclose(pipe), 0) << output;
  EXPECT_EQ(output, "");
  std::remove(path.c_str());
}

}  // namespace
}  // namespace loquat::observe
