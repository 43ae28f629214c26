#include "observe/log.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace loquat::observe {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr base::WallTime kStart{std::chrono::sys_days(std::chrono::year(2026) / 11 / 21) + 8h + 53min + 7s + 1234us};

// A sink that holds the writer until it is let go.
class StuckSink final : public LogSink {
 public:
  explicit StuckSink(LogLines& lines) : memory_(lines) {}
  std::size_t Write(std::span<const LogRecord> records) override {
    const base::MutexLock lock(mutex_);
    entered_ = true;
    changed_.NotifyAll();
    while (!open_) changed_.Wait(mutex_);
    return memory_.Write(records);
  }
  void WaitUntilStuck() {
    const base::MutexLock lock(mutex_);
    while (!entered_) changed_.Wait(mutex_);
  }
  void LetGo() {
    const base::MutexLock lock(mutex_);
    open_ = true;
    changed_.NotifyAll();
  }

 private:
  MemorySink memory_;
  base::Mutex mutex_;
  base::CondVar changed_;
  bool entered_ LOQUAT_GUARDED_BY(mutex_) = false;
  bool open_ LOQUAT_GUARDED_BY(mutex_) = false;
};

class LogTest : public ::testing::Test {
 protected:
  std::unique_ptr<Logger> Make(LogOptions options = {}, LogFormat format = LogFormat::kJson) {
    std::vector<std::unique_ptr<LogSink>> sinks;
    sinks.push_back(std::make_unique<MemorySink>(lines_, format));
    return std::make_unique<Logger>(clock_, std::move(sinks), options, &registry_);
  }

  base::ManualClock clock_{kStart};
  LogLines lines_;
  Registry registry_;
};

TEST_F(LogTest, WritesOneJsonObjectALine) {
  auto logger = Make();
  logger->Info("listening", {{"address", std::string("::1")},
                             {"port", 80},
                             {"big", UINT64_MAX},
                             {"ratio", 0.5},
                             {"tls", true},
                             {"took", 1500ms},
                             {"msg", "clash"},
                             {"nan", 0.0 / 0.0}});
  logger->Flush();
  EXPECT_THAT(
      lines_.All(),
      ElementsAre(R"({"ts":"2026-11-21T08:53:07.001234Z","level":"info","msg":"listening","address":"::1","port":80,)"
                  R"("big":18446744073709551615,"ratio":0.5,"tls":true,"took":1.5,"msg_":"clash","nan":null})"));
}

TEST_F(LogTest, CarriesTheIdsOfTheCall) {
  auto logger = Make();
  base::CallContext call;
  call.request_id = "r-1";
  call.trace.trace_id.fill(0xab);
  call.trace.span_id.fill(0x01);
  logger->Debug(call, "hidden");
  logger->Info(call, "one");
  logger->Warn(call, "two");
  logger->Error(call, "three", {{"n", 3}});
  logger->Error(base::CallContext{}, "bare");
  logger->Flush();
  const auto lines = lines_.All();
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_THAT(
      lines[0],
      HasSubstr(R"("request_id":"r-1","trace_id":"abababababababababababababababab","span_id":"0101010101010101")"));
  EXPECT_THAT(lines[2], HasSubstr(R"("level":"error")"));
  EXPECT_THAT(lines[3], Not(HasSubstr("trace_id")));
}

TEST_F(LogTest, HostileTextStaysOneValidLine) {
  auto logger = Make();
  const std::string hostile = "a\"b\\\n\r\x1b[31m\x01 \xff\xc3 帮我";
  logger->Warn(hostile, {{hostile, hostile}});
  logger->Flush();
  const auto line = lines_.All().at(0);
  EXPECT_EQ(line.find('\n'), std::string::npos);
  EXPECT_EQ(line.find('\x1b'), std::string::npos);
  EXPECT_THAT(line, HasSubstr("\xEF\xBF\xBD"));
  EXPECT_THAT(line, HasSubstr("帮我"));
}

TEST_F(LogTest, ConsoleLinesCannotBeForged) {
  auto logger = Make({}, LogFormat::kConsole);
  base::CallContext call;
  call.request_id = "r-9";
  call.trace.trace_id.fill(0xcd);
  logger->Info(call, "hello",
               {{"plain", "x"},
                {"spaced", "two words"},
                {"evil", "a\nINFO \x1b[0m\"q\\\t\xC2\x9b\xE2\x80\xAE"},
                {"empty", ""},
                {"n", -1}});
  logger->Flush();
  EXPECT_THAT(lines_.All(),
              ElementsAre("08:53:07.001 INFO  hello plain=x spaced=\"two words\" "
                          "evil=\"a\\nINFO \\x1b[0m\\\"q\\\\\\t\\x9b\\u202e\" empty=\"\" n=-1 request_id=r-9 "
                          "trace_id=cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"));
}

TEST_F(LogTest, ColourIsForTerminals) {
  std::string line;
  AppendConsoleLine(LogRecord(Level::kError, kStart, "m", {}, nullptr), true, line);
  EXPECT_EQ(line, "08:53:07.001 \x1b[31mERROR\x1b[0m m\n");
  EXPECT_FALSE(DescriptorSink::WantsColour(-1, false));
  EXPECT_FALSE(DescriptorSink::WantsColour(0, true));
}

TEST_F(LogTest, CutsWhatIsTooLongAtACharacter) {
  auto logger = Make();
  logger->Info(
      "m", {{"fits", std::string(kLogValueBytesMax, 'a')}, {"cut", std::string(kLogValueBytesMax - 1, 'b') + "帮我"}});
  logger->Flush();
  const auto line = lines_.All().at(0);
  EXPECT_THAT(line, HasSubstr(std::string(kLogValueBytesMax, 'a') + "\""));
  EXPECT_THAT(line, HasSubstr("b…[6 bytes cut]\""));
  std::vector<Field> many(kLogFieldsMax + 1, Field("k", 1));
  EXPECT_EQ(LogRecord(Level::kInfo, kStart, "m", many, nullptr).field_count(), kLogFieldsMax);
}

TEST_F(LogTest, LevelChangesWhileRunning) {
  auto logger = Make({.level = Level::kWarn});
  logger->Info("no");
  EXPECT_FALSE(logger->Enabled(Level::kInfo));
  logger->SetLevel(Level::kDebug);
  EXPECT_EQ(logger->level(), Level::kDebug);
  logger->Debug("yes");
  logger->SetLevel(Level::kOff);
  logger->Error("no");
  logger->Flush();
  EXPECT_EQ(lines_.All().size(), 1u);
  EXPECT_EQ(LevelFromName("warn"), Level::kWarn);
  EXPECT_EQ(LevelFromName("WARN"), std::nullopt);
}

TEST_F(LogTest, DiscardsWithoutSinks) {
  Logger logger;
  logger.SetLevel(Level::kTrace);
  logger.Error("nobody hears", {{"n", 1}});
  logger.Flush();
  EXPECT_FALSE(logger.Enabled(Level::kError));
  EXPECT_EQ(logger.dropped(), 0u);
}

TEST_F(LogTest, CountsAndReportsExactlyWhatAFullQueueDrops) {
  auto stuck = std::make_unique<StuckSink>(lines_);
  StuckSink& sink = *stuck;
  std::vector<std::unique_ptr<LogSink>> sinks;
  sinks.push_back(std::move(stuck));
  Logger logger(clock_, std::move(sinks), {.queue_lines_max = 4, .sampling = {.first = 0}}, &registry_);
  logger.Info("first");
  sink.WaitUntilStuck();  // It is with the writer now: the queue is empty.
  for (int i = 0; i < 4; ++i) logger.Info("fits");
  for (int i = 0; i < 3; ++i) logger.Info("lost");
  EXPECT_EQ(logger.dropped(), 3u);
  sink.LetGo();
  logger.Flush();
  EXPECT_EQ(lines_.Count("\"fits\""), 4u);
  EXPECT_EQ(lines_.Count("\"lost\""), 0u);
  EXPECT_EQ(lines_.Count(R"("msg":"log lines dropped","count":3,"reason":"queue_full")"), 1u);
  EXPECT_THAT(registry_.Text(), HasSubstr("loquat_log_dropped_total{reason=\"queue_full\"} 3\n"));
  EXPECT_THAT(registry_.Text(), HasSubstr("loquat_log_lines_total{level=\"info\"} 5\n"));
}

TEST_F(LogTest, BoundsTheBytesOfTheQueueButTakesOneLargeLine) {
  auto stuck = std::make_unique<StuckSink>(lines_);
  StuckSink& sink = *stuck;
  std::vector<std::unique_ptr<LogSink>> sinks;
  sinks.push_back(std::move(stuck));
  Logger logger(clock_, std::move(sinks), {.queue_bytes_max = 500});
  logger.Info("first");
  sink.WaitUntilStuck();
  logger.Info("large", {{"text", std::string(1000, 'x')}});
  logger.Info("lost");
  EXPECT_EQ(logger.dropped(), 1u);
  sink.LetGo();
}

TEST_F(LogTest, ManyThreadsLoseNothingUncounted) {
  constexpr int kThreads = 4, kLines = 2000;
  auto logger = Make({.queue_lines_max = 64, .sampling = {.first = 0}});
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < kLines; ++i) logger->Info("line", {{"i", i}});
      });
    }
  }
  logger->Flush();
  EXPECT_EQ(lines_.Count("\"msg\":\"line\"") + logger->dropped(), std::uint64_t{kThreads} * kLines);
}

TEST_F(LogTest, SamplesPerKeyAndReportsWhatWasLeftOut) {
  auto logger = Make({.sampling = {.first = 2, .then_one_in = 3, .interval = 1s}});
  for (int i = 0; i < 9; ++i) logger->Info("again", {{"i", i}});  // 0 1, then 4 and 7 pass.
  logger->Info("other");
  logger->Flush();
  EXPECT_EQ(lines_.Count("\"msg\":\"again\""), 4u);
  EXPECT_EQ(lines_.Count("\"i\":4,\"suppressed\":2"), 1u);
  EXPECT_EQ(lines_.Count("\"i\":7,\"suppressed\":2"), 1u);
  EXPECT_EQ(lines_.Count("\"msg\":\"other\""), 1u);
  logger.reset();
  EXPECT_EQ(lines_.Count(R"("msg":"log lines suppressed","count":1,"of_level":"info","of_msg":"again")"), 1u);
  EXPECT_THAT(registry_.Text(), HasSubstr("loquat_log_suppressed_total 5\n"));
}

TEST(LogSampler, StartsAnewWithEachInterval) {
  LogSampler sampler({.first = 1, .then_one_in = 0, .interval = 1s});
  const base::TimePoint start{};
  EXPECT_EQ(sampler.Admit(Level::kInfo, "a", start), 0u);
  EXPECT_EQ(sampler.Admit(Level::kInfo, "a", start), std::nullopt);
  EXPECT_EQ(sampler.Admit(Level::kWarn, "a", start), 0u);
  EXPECT_TRUE(sampler.Sweep(start + 999ms).empty());
  EXPECT_EQ(sampler.Admit(Level::kInfo, "a", start + 1s), 1u);
  EXPECT_EQ(sampler.Admit(Level::kInfo, "a", start + 1s), std::nullopt);
  const auto swept = sampler.Sweep(start + 2s);
  ASSERT_EQ(swept.size(), 1u);
  EXPECT_EQ(swept[0].message, "a");
  EXPECT_EQ(swept[0].count, 1u);
  EXPECT_TRUE(sampler.Sweep(start + 9s).empty());
}

TEST(LogSampler, PassesWhatIsPastItsKeys) {
  LogSampler sampler({.first = 1, .then_one_in = 0, .interval = 1s});
  for (std::size_t i = 0; i < LogSampler::kKeysMax; ++i)
    ASSERT_TRUE(sampler.Admit(Level::kInfo, std::to_string(i), {}));
  EXPECT_FALSE(sampler.Admit(Level::kInfo, "0", {}).has_value());
  EXPECT_TRUE(sampler.Admit(Level::kInfo, "new", {}).has_value());
  EXPECT_TRUE(sampler.Admit(Level::kInfo, "new", {}).has_value());
}

TEST(DescriptorSink, WritesLinesAndCountsThoseItCannot) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  DescriptorSink sink(ends[1], LogFormat::kConsole, false);
  const std::vector<LogRecord> records(2, LogRecord(Level::kInfo, kStart, "m", {}, nullptr));
  EXPECT_EQ(sink.Write(records), 0u);
  std::string text(200, '\0');
  text.resize(static_cast<std::size_t>(::read(ends[0], text.data(), text.size())));
  EXPECT_EQ(text, "08:53:07.001 INFO  m\n08:53:07.001 INFO  m\n");
  ::close(ends[0]);
  ::close(ends[1]);
  EXPECT_EQ(sink.Write(records), 2u);

  base::ManualClock clock;
  std::vector<std::unique_ptr<LogSink>> sinks;
  sinks.push_back(std::make_unique<DescriptorSink>(-1, LogFormat::kJson, false));
  Logger logger(clock, std::move(sinks));
  logger.Info("lost");
  logger.Flush();
  EXPECT_EQ(logger.dropped(), 1u);
}

}  // namespace
}  // namespace loquat::observe
