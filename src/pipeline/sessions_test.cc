#include "pipeline/sessions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "context/memory_session_store.h"
#include "pipeline/test_assistant.h"

namespace loquat::pipeline {
namespace {

using base::Code;

class SessionUseCasesTest : public testing::Test {
 protected:
  void Store(std::string id, std::uint64_t turns) {
    auto session = std::make_unique<domain::Session>();
    session->id = std::move(id);
    session->turn_count = turns;
    session->turns.push_back({.number = turns, .text = "hello", .intent = {}, .reply = {}});
    session->state.active_intent = "weather";
    ASSERT_TRUE(store_.SaveNow(std::move(session), 0).has_value());
  }

  base::ManualClock clock_;
  context::MemorySessionStore store_{{}, clock_};
  SessionUseCases sessions_{store_};
};

TEST_F(SessionUseCasesTest, GetsWhatIsThereAndSaysWhatIsNot) {
  Store("s", 3);
  const auto found = RunNow(sessions_.Get("s"));
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ((*found)->turn_count, 3u);
  const auto missing = RunNow(sessions_.Get("t"));
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().code, Code::kNotFound);
  EXPECT_EQ(missing.error().reason, "session_not_found");
}

TEST_F(SessionUseCasesTest, RemovesOnce) {
  Store("s", 1);
  EXPECT_TRUE(RunNow(sessions_.Remove("s")).has_value());
  EXPECT_EQ(RunNow(sessions_.Remove("s")).error().code, Code::kNotFound);
  EXPECT_EQ(store_.LoadNow("s"), nullptr);
}

TEST_F(SessionUseCasesTest, ForksIntoACopyThatLivesOnItsOwn) {
  Store("s", 3);
  const auto forked = RunNow(sessions_.Fork("s", "t"));
  ASSERT_TRUE(forked.has_value());
  EXPECT_EQ((*forked)->id, "t");
  EXPECT_EQ((*forked)->version, 1u);
  EXPECT_EQ((*forked)->turn_count, 3u);
  EXPECT_EQ((*forked)->turns.back().text, "hello");
  EXPECT_EQ((*forked)->state, store_.LoadNow("s")->state);
  ASSERT_TRUE(RunNow(sessions_.Remove("s")).has_value());
  EXPECT_NE(store_.LoadNow("t"), nullptr);
}

TEST_F(SessionUseCasesTest, ForksOntoNoSessionThatIsThere) {
  Store("s", 1);
  Store("t", 9);
  for (const std::string taken : {"t", "s"}) {
    const auto forked = RunNow(sessions_.Fork("s", taken));
    ASSERT_FALSE(forked.has_value());
    EXPECT_EQ(forked.error().code, Code::kAlreadyExists);
    EXPECT_EQ(forked.error().reason, "session_exists");
    EXPECT_EQ(forked.error().param, "/id");
  }
  EXPECT_EQ(store_.LoadNow("t")->turn_count, 9u);
}

TEST_F(SessionUseCasesTest, ForksNothingFromNothing) {
  EXPECT_EQ(RunNow(sessions_.Fork("s", "t")).error().code, Code::kNotFound);
  EXPECT_EQ(store_.stats().sessions, 0u);
}

TEST_F(SessionUseCasesTest, RefusesIdsThatNoSessionCanHave) {
  Store("s", 1);
  const std::string longest(context::kSessionIdBytesMax, 'a');
  EXPECT_TRUE(CheckSessionId(longest, "id").has_value());
  for (const std::string& bad : {std::string(), longest + "a", std::string("a/b"), std::string("a b"), std::string("é"),
                                 std::string("a\0b", 3), std::string("../x"), std::string("a\n")}) {
    EXPECT_EQ(RunNow(sessions_.Get(bad)).error().code, Code::kInvalidArgument) << bad;
    EXPECT_EQ(RunNow(sessions_.Get(bad)).error().param, "id") << bad;
    EXPECT_EQ(RunNow(sessions_.Remove(bad)).error().code, Code::kInvalidArgument) << bad;
    EXPECT_EQ(RunNow(sessions_.Fork(bad, "t")).error().param, "id") << bad;
    EXPECT_EQ(RunNow(sessions_.Fork("s", bad)).error().param, "/id") << bad;
  }
}

}  // namespace
}  // namespace loquat::pipeline
