// Sagas against services that keep books, on a clock of numbers, with a crash at every point and at many: whatever
// happens, all is done or all is undone, and nothing is done twice.

#include "response/saga_state.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "base/random.h"
#include "response/action_caller.h"
#include "response/saga_table.h"

namespace loquat::response {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kUndoFor{1'000'000'000};

std::shared_ptr<const SagaDefinition> Define(std::string_view yaml) {
  auto set = ActionSet::Compile(yaml, "t.yml");
  EXPECT_TRUE(set.has_value()) << set.error().message;
  return (*set)->intents().begin()->second.saga;
}

// `count` steps, each with its undo where the bit of `undos` is set, of random retry classes.
std::shared_ptr<const SagaDefinition> RandomDefinition(base::Random& random, std::size_t count, std::uint64_t undos) {
  constexpr std::string_view kClasses[] = {"never", "idempotent", "always"};
  std::string actions, steps;
  for (std::size_t i = 0; i < count; ++i) {
    actions +=
        fmt::format("  a{}: {{url: \"http://h/a\", retry: {}, attempts_max: 3}}\n", i, kClasses[random.Between(0, 2)]);
    actions += fmt::format("  u{}: {{url: \"http://h/u\", retry: {}}}\n", i, kClasses[random.Between(1, 2)]);
    steps += fmt::format("      - {{action: a{}{}}}\n", i, (undos >> i & 1) != 0 ? fmt::format(", undo: u{}", i) : "");
  }
  return Define(
      fmt::format("actions:\n{}intents:\n  go:\n    timeout: 10m\n    failed: {{en: [n]}}\n    "
                  "pending: {{en: [p]}}\n    steps:\n{}",
                  actions, steps));
}

// The world outside: what crashes of ours do not touch.
struct Services {
  std::map<std::string, int> applied;  // Effects by key.
  std::map<std::string, int> calls;    // That reached a service, by key.
  std::set<std::string> booked;        // Keys of bookings that stand.

  void Take(const std::string& key, const std::string& booking, bool undo) {
    if (applied[key] == 0) {
      applied[key] = 1;
      if (undo) {
        booked.erase(booking);
      } else {
        booked.insert(booking);
      }
    }
  }
};

struct World {
  std::shared_ptr<const SagaDefinition> definition;
  base::Random random;
  Services services = {};
  std::vector<std::string> journal = {};
  std::int64_t now = 1000;
  int events = 0;
  std::set<int> crashes = {};  // At these events.
  double crash_rate = 0;       // At any other.

  bool Crashes() {
    return crashes.contains(events++) || random.Between(0, 999) < static_cast<std::int64_t>(crash_rate * 1000);
  }

  // What a process that starts now finds.
  SagaTable Start() const {
    SagaTable table;
    SagaRecordReader reader;
    for (const std::string& payload : journal) {
      auto record = reader.Read(payload);
      EXPECT_TRUE(record.has_value()) << payload;
      const base::Status replayed = table.Replay(std::move(*record));
      EXPECT_TRUE(replayed.has_value()) << payload << ": " << replayed.error().message;
    }
    return table;
  }

  // One call of a service that may do anything.
  CallResult Call(const CallDefinition& call, const std::string& key, const std::string& booking, bool undo) {
    ++services.calls[key];
    const std::int64_t dice = random.Between(0, 9);
    if (dice < 5) {
      services.Take(key, booking, undo);
      return {.status = 200, .outcome = "2xx", .detail = {}, .done = true, .results = {}};
    }
    if (dice == 5) return JudgeAnswer(call, undo ? 503 : 422);
    if (dice == 6) return JudgeAnswer(call, 429);
    if (dice == 7) services.Take(key, booking, undo);
    return {.outcome = "timeout", .detail = {}, .may_pass = true, .unsure = true, .results = {}};
  }

  // A process lives until it has no more to do, or crashes; true: the saga has ended.
  bool Live() {
    SagaTable table = Start();
    for (;;) {
      const Saga& saga = *table.Find("s");
      const SagaNext next = saga.Next(now, kUndoFor);
      if (next.kind == SagaNext::Kind::kEnded) return true;
      SagaOutcome outcome = next.outcome;
      if (next.kind == SagaNext::Kind::kCall) {
        now = std::max(now, next.due_ms);
        if (Crashes()) return false;
        journal.push_back(EncodeSagaRecord(SagaStarted{.call = next.call}));
        EXPECT_TRUE(table.Apply(SagaStarted{.call = next.call}).has_value());
        if (Crashes()) return false;
        const StepDefinition& step = definition->steps[next.call.step];
        const CallDefinition& call = next.call.undo ? *step.undo : step.call;
        const std::string key = saga.KeyOf(next.call.step, next.call.undo);
        const CallResult result = Call(call, key, saga.KeyOf(next.call.step, false), next.call.undo);
        if (Crashes()) return false;
        outcome = {.call = next.call,
                   .at_ms = now,
                   .status = result.status,
                   .outcome = std::string(result.outcome),
                   .detail = {},
                   .verdict = VerdictOf(call, result, next.call.attempt, next.call.undo),
                   .unsure = result.unsure,
                   .results = {}};
        if (outcome.verdict == CallVerdict::kRetry) {
          outcome.next_ms = now + WaitAfterCall(call, result, next.call.attempt, key).count();
        }
      }
      if (Crashes()) return false;
      journal.push_back(EncodeSagaRecord(outcome));
      EXPECT_TRUE(table.Apply(outcome).has_value());
      // What a compaction would write is the same saga.
      std::vector<std::string> before = std::exchange(journal, table.Snapshot());
      EXPECT_EQ(Start().Snapshot(), journal);
      if (random.Between(0, 1) == 0) journal = std::move(before);
    }
  }

  SagaState Finish() {
    journal.push_back(EncodeSagaRecord(SagaAccepted{.id = "s",
                                                    .tenant = {},
                                                    .request_id = {},
                                                    .traceparent = {},
                                                    .at_ms = now,
                                                    .until_ms = now + definition->timeout.count(),
                                                    .definition = definition->text,
                                                    .fields = {}}));
    while (!Live()) {
    }
    return Start().Find("s")->state();
  }

  void Check(SagaState state) const {
    SCOPED_TRACE(fmt::format("events {}, crashes at {}", events, fmt::join(crashes, ", ")));
    const SagaTable table = Start();
    const Saga& saga = *table.Find("s");
    for (const auto& [key, times] : services.applied) EXPECT_LE(times, 1) << key;
    for (std::size_t i = 0; i < definition->steps.size(); ++i) {
      const StepDefinition& step = definition->steps[i];
      const std::string key = saga.KeyOf(i, false);
      if (step.call.retry == RetryClass::kNever) {
        const auto calls = services.calls.find(key);
        EXPECT_LE(calls == services.calls.end() ? 0 : calls->second, 1) << key;
      }
      if (state == SagaState::kDone) {
        EXPECT_TRUE(services.booked.contains(key)) << key;
      } else if (step.undo) {
        EXPECT_FALSE(services.booked.contains(key)) << key;
      }
    }
    EXPECT_TRUE(state == SagaState::kDone || state == SagaState::kCompensated) << SagaStateName(state);
  }
};

TEST(SagaState, ACrashAtAnyPointEndsInAllDoneOrAllUndone) {
  int done = 0, compensated = 0;
  for (std::uint64_t seed = 1; seed <= 24; ++seed) {
    SCOPED_TRACE(seed);
    base::Random random(seed);
    const auto definition = RandomDefinition(random, 1 + seed % 4, seed % 3 == 0 ? 0b0101 : 0b1111);
    World whole{.definition = definition, .random = base::Random(seed)};
    whole.Check(whole.Finish());
    for (int at = 0; at < whole.events; ++at) {
      World run{.definition = definition, .random = base::Random(seed), .crashes = {at}};
      const SagaState state = run.Finish();
      run.Check(state);
      ++(state == SagaState::kDone ? done : compensated);
    }
  }
  EXPECT_GT(done, 50);
  EXPECT_GT(compensated, 50);
}

TEST(SagaState, ManyCrashesEndInAllDoneOrAllUndone) {
  for (std::uint64_t seed = 1; seed <= 120; ++seed) {
    SCOPED_TRACE(seed);
    base::Random random(seed);
    const auto definition = RandomDefinition(random, 1 + seed % 4, 0b1111);
    World run{.definition = definition, .random = base::Random(seed * 7919), .crash_rate = 0.3};
    run.Check(run.Finish());
  }
}

class SagaStateTest : public testing::Test {
 protected:
  static std::shared_ptr<const SagaDefinition> Two(std::string_view retry = "idempotent") {
    return Define(fmt::format(R"(actions:
  a: {{url: "http://h/a", retry: {0}, take: {{n: /n}}}}
  b: {{url: "http://h/b", retry: {0}, attempts_max: 2}}
  ua: {{url: "http://h/u", retry: {0}}}
intents:
  go: {{timeout: 1s, steps: [{{action: a, undo: ua}}, {{action: b}}], failed: {{en: [n]}}, pending: {{en: [p]}}}}
)",
                              retry));
  }
  static Saga Make(std::shared_ptr<const SagaDefinition> definition) {
    return {SagaAccepted{.id = "s",
                         .tenant = {},
                         .request_id = {},
                         .traceparent = {},
                         .at_ms = 100,
                         .until_ms = 1100,
                         .definition = {},
                         .fields = {{"text", {.text = "hi"}}}},
            std::move(definition)};
  }
  static SagaCall Call(std::uint32_t step, bool undo, std::uint32_t attempt) {
    return {.id = "s", .step = step, .undo = undo, .attempt = attempt};
  }
  static SagaOutcome Outcome(SagaCall call, CallVerdict verdict, bool unsure = false, FieldValues results = {}) {
    return {.call = std::move(call),
            .at_ms = 200,
            .outcome = "x",
            .detail = {},
            .verdict = verdict,
            .unsure = unsure,
            .next_ms = verdict == CallVerdict::kRetry ? 300 : 0,
            .results = std::move(results)};
  }
};

TEST_F(SagaStateTest, StepsFollowEachOtherAndResultsAreFields) {
  Saga saga = Make(Two());
  SagaNext next = saga.Next(150, kUndoFor);
  EXPECT_EQ(next.kind, SagaNext::Kind::kCall);
  EXPECT_EQ(next.call, Call(0, false, 1));
  ASSERT_TRUE(saga.Apply(SagaStarted{.call = Call(0, false, 1)}).has_value());
  ASSERT_TRUE(saga.Apply(Outcome(Call(0, false, 1), CallVerdict::kDone, false, {{"n", {.text = "7", .literal = true}}}))
                  .has_value());
  EXPECT_EQ(saga.fields().at("a.n").text, "7");
  EXPECT_EQ(saga.fields().at("a.key").text, "s-a");
  EXPECT_EQ(saga.fields().at("saga.id").text, "s");
  EXPECT_EQ(saga.Next(150, kUndoFor).call, Call(1, false, 1));
}

TEST_F(SagaStateTest, RecordsThatDoNotFollowAreRefused) {
  Saga saga = Make(Two());
  EXPECT_FALSE(saga.Apply(SagaStarted{.call = Call(1, false, 1)}).has_value()) << "not the first step";
  EXPECT_FALSE(saga.Apply(SagaStarted{.call = Call(0, true, 1)}).has_value()) << "nothing to undo";
  EXPECT_FALSE(saga.Apply(SagaStarted{.call = Call(0, false, 0)}).has_value()) << "attempts count from one";
  EXPECT_FALSE(saga.Apply(Outcome(Call(7, false, 1), CallVerdict::kDone)).has_value()) << "no such step";
  EXPECT_EQ(saga.state(), SagaState::kRunning);
}

TEST_F(SagaStateTest, ARetryWaitsAndNothingBeginsAfterTheTime) {
  Saga saga = Make(Two());
  ASSERT_TRUE(saga.Apply(SagaStarted{.call = Call(0, false, 1)}).has_value());
  ASSERT_TRUE(saga.Apply(Outcome(Call(0, false, 1), CallVerdict::kRetry)).has_value());
  EXPECT_EQ(saga.Next(250, kUndoFor).due_ms, 300);
  EXPECT_EQ(saga.Next(1099, kUndoFor).kind, SagaNext::Kind::kCall);
  const SagaNext late = saga.Next(1100, kUndoFor);
  EXPECT_EQ(late.kind, SagaNext::Kind::kGiveUp);
  EXPECT_EQ(late.outcome.outcome, "out_of_time");
  ASSERT_TRUE(saga.Apply(late.outcome).has_value());
  EXPECT_EQ(saga.state(), SagaState::kCompensated) << "nothing was done";
}

TEST_F(SagaStateTest, AnInterruptedCallThatMayNotBeRepeatedIsUndone) {
  Saga saga = Make(Two("never"));
  ASSERT_TRUE(saga.Apply(SagaStarted{.call = Call(0, false, 1)}).has_value());
  const SagaNext next = saga.Next(150, kUndoFor);
  EXPECT_EQ(next.kind, SagaNext::Kind::kGiveUp);
  EXPECT_EQ(next.outcome.outcome, "interrupted");
  ASSERT_TRUE(saga.Apply(next.outcome).has_value());
  EXPECT_EQ(saga.steps()[0].state, StepState::kUnsure);
  EXPECT_EQ(saga.Next(150, kUndoFor).call, Call(0, true, 1));
}

TEST_F(SagaStateTest, ALaterRefusalDoesNotMakeAnEarlierTimeoutSure) {
  Saga saga = Make(Two());
  ASSERT_TRUE(saga.Apply(SagaStarted{.call = Call(0, false, 1)}).has_value());
  ASSERT_TRUE(saga.Apply(Outcome(Call(0, false, 1), CallVerdict::kRetry, true)).has_value());
  ASSERT_TRUE(saga.Apply(SagaStarted{.call = Call(0, false, 2)}).has_value());
  ASSERT_TRUE(saga.Apply(Outcome(Call(0, false, 2), CallVerdict::kFailed)).has_value());
  EXPECT_EQ(saga.steps()[0].state, StepState::kUnsure);
  EXPECT_EQ(saga.state(), SagaState::kCompensating);
}

TEST_F(SagaStateTest, UndoingIsTriedOnceHoweverLateAndThenWithinItsTime) {
  Saga saga = Make(Two());
  ASSERT_TRUE(saga.Apply(SagaStarted{.call = Call(0, false, 1)}).has_value());
  ASSERT_TRUE(saga.Apply(Outcome(Call(0, false, 1), CallVerdict::kFailed, true)).has_value());
  EXPECT_EQ(saga.Next(1'000'000, milliseconds(500)).kind, SagaNext::Kind::kCall);
  ASSERT_TRUE(saga.Apply(SagaStarted{.call = Call(0, true, 1)}).has_value());
  ASSERT_TRUE(saga.Apply(Outcome(Call(0, true, 1), CallVerdict::kRetry)).has_value());
  EXPECT_EQ(saga.Next(599, milliseconds(500)).kind, SagaNext::Kind::kCall);
  const SagaNext late = saga.Next(600, milliseconds(500));
  ASSERT_EQ(late.kind, SagaNext::Kind::kGiveUp);
  ASSERT_TRUE(saga.Apply(late.outcome).has_value());
  EXPECT_EQ(saga.state(), SagaState::kDead);
  EXPECT_EQ(saga.steps()[0].state, StepState::kUndoFailed);
}

TEST(SagaTable, FullRefusesAndEndedOnesAreForgotten) {
  const auto definition = Define(R"(actions: {a: {url: "http://h/a"}}
intents: {go: {steps: [{action: a}], failed: {en: [n]}, pending: {en: [p]}}}
)");
  SagaTable table;
  ActionOptions options;
  options.in_flight_max = 1;
  options.retention = milliseconds(1000);
  const auto accepted = [](std::string id) {
    return SagaAccepted{.id = std::move(id),
                        .tenant = {},
                        .request_id = {},
                        .traceparent = {},
                        .at_ms = 10,
                        .until_ms = 20,
                        .definition = "d",
                        .fields = {}};
  };
  ASSERT_TRUE(table.Add(accepted("s1"), definition, options).has_value());
  EXPECT_EQ(table.Add(accepted("s2"), definition, options).error().reason, "sagas_full");
  EXPECT_EQ(table.Counts().running, 1U);
  const SagaCall call{.id = "s1", .step = 0, .undo = false, .attempt = 1};
  ASSERT_TRUE(table.Apply(SagaStarted{.call = call}).has_value());
  ASSERT_TRUE(
      table.Apply(SagaOutcome{.call = call, .at_ms = 30, .outcome = "2xx", .detail = {}, .results = {}}).has_value());
  EXPECT_EQ(table.Counts().running, 0U);
  EXPECT_EQ(table.Counts().bytes, 0U);
  EXPECT_TRUE(table.Add(accepted("s2"), definition, options).has_value());
  table.Expire(options, 1029);
  EXPECT_TRUE(table.View("s1").has_value());
  table.Expire(options, 1030);
  EXPECT_FALSE(table.View("s1").has_value());
  options.in_flight_bytes_max = 1;
  options.in_flight_max = 10;
  EXPECT_EQ(table.Add(accepted("s3"), definition, options).error().reason, "sagas_full");
}

TEST(SagaRecord, WhatIsWrittenReadsAsTheSame) {
  const std::vector<SagaRecord> records = {
      SagaAccepted{.id = "s",
                   .tenant = "t",
                   .request_id = "r",
                   .traceparent = "p",
                   .at_ms = 1,
                   .until_ms = 2,
                   .definition = "{}",
                   .fields = {{"text", {.text = "\"\n"}}, {"n", {.text = "1", .literal = true}}}},
      SagaStarted{.call = {.id = "s", .step = kStepsMax - 1, .undo = true, .attempt = 3}},
      SagaOutcome{.call = {.id = "s", .step = 0, .undo = false, .attempt = 0},
                  .at_ms = 5,
                  .duration_ms = 6,
                  .status = 503,
                  .outcome = "5xx",
                  .detail = "d",
                  .verdict = CallVerdict::kRetry,
                  .unsure = true,
                  .next_ms = 9,
                  .results = {{"x", {.text = "y"}}}}};
  SagaRecordReader reader;
  for (const SagaRecord& record : records) {
    const auto again = reader.Read(EncodeSagaRecord(record));
    ASSERT_TRUE(again.has_value()) << again.error().message;
    EXPECT_EQ(*again, record);
  }
  EXPECT_FALSE(reader.Read(R"({"k":"started","id":"s","step":16,"undo":false,"n":1})").has_value());
  EXPECT_FALSE(reader.Read(R"({"k":"started","id":"","step":0,"undo":false,"n":1})").has_value());
  EXPECT_FALSE(reader.Read("{}").has_value());
}

}  // namespace
}  // namespace loquat::response
