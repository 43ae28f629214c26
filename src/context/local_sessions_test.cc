#include "context/local_sessions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace loquat::context {
namespace {

std::unique_ptr<domain::Session> Session(std::uint64_t version, std::uint64_t turns, std::string id = "s") {
  auto session = std::make_unique<domain::Session>();
  session->id = std::move(id);
  session->version = version;
  session->turn_count = turns;
  return session;
}

class LocalSessionsTest : public testing::Test {
 protected:
  base::ManualClock clock_;
  LocalSessions local_{{}, clock_, "here"};
};

TEST_F(LocalSessionsTest, KeepsCopiesWithTheVersionTheyHave) {
  local_.Keep(Session(7, 3));
  EXPECT_EQ(local_.Load("s")->version, 7u);
  local_.Keep(Session(5, 2));  // Whatever the shared store says is right.
  EXPECT_EQ(local_.Load("s")->version, 5u);
  EXPECT_EQ(local_.owed(), 0u);
  local_.Forget("s");
  EXPECT_EQ(local_.Load("s"), nullptr);
}

TEST_F(LocalSessionsTest, ASaveIsOwedOverTheStateItGrewFrom) {
  local_.Keep(Session(7, 3));
  ASSERT_TRUE(local_.Save(Session(0, 4), 7).has_value());
  ASSERT_TRUE(local_.Save(Session(0, 5), 8).has_value());
  EXPECT_EQ(local_.Save(Session(0, 9), 8).error().code, base::Code::kAborted);
  EXPECT_TRUE(local_.Owes("s"));
  const auto debt = local_.Begin("s");
  ASSERT_TRUE(debt.has_value());
  EXPECT_EQ(debt->session->version, 9u);
  EXPECT_EQ(debt->base->version, 7u);
  EXPECT_FALSE(local_.Begin("s").has_value()) << "one at a time";
}

TEST_F(LocalSessionsTest, NothingFromTheSharedStoreTouchesAnOwedSession) {
  ASSERT_TRUE(local_.Save(Session(0, 1), 0).has_value());
  local_.Keep(Session(40, 30));
  local_.Forget("s");
  EXPECT_EQ(local_.Load("s")->version, 1u);
}

TEST_F(LocalSessionsTest, SettlingEndsTheDebtUnlessMoreWasSaved) {
  ASSERT_TRUE(local_.Save(Session(0, 1), 0).has_value());
  auto debt = local_.Begin("s");
  ASSERT_TRUE(local_.Save(Session(0, 2), 1).has_value());
  local_.Settle("s", *debt, Session(5, 1));
  EXPECT_TRUE(local_.Owes("s"));
  EXPECT_EQ(local_.Load("s")->version, 2u);
  const auto more = local_.Begin("s");
  ASSERT_TRUE(more.has_value());
  EXPECT_EQ(more->base, debt->session);
  local_.Settle("s", *more, Session(6, 2));
  EXPECT_FALSE(local_.Owes("s"));
  EXPECT_EQ(local_.Load("s")->version, 6u);
}

TEST_F(LocalSessionsTest, AReleasedDebtStands) {
  ASSERT_FALSE(local_.Remove("s"));
  const auto debt = local_.Begin("s");
  ASSERT_TRUE(debt->removed);
  local_.Release("s", *debt);
  EXPECT_TRUE(local_.Begin("s")->removed);
}

TEST_F(LocalSessionsTest, ARemovalWhileItIsWrittenBackIsOwed) {
  ASSERT_TRUE(local_.Save(Session(0, 1), 0).has_value());
  const auto debt = local_.Begin("s");
  EXPECT_TRUE(local_.Remove("s"));
  local_.Settle("s", *debt, Session(5, 1));
  const auto removal = local_.Begin("s");
  ASSERT_TRUE(removal.has_value());
  EXPECT_TRUE(removal->removed);
  EXPECT_EQ(removal->session, nullptr);
}

TEST_F(LocalSessionsTest, AnExpiredSessionIsNotTakenForARemovedOne) {
  ASSERT_TRUE(local_.Save(Session(0, 1), 0).has_value());
  const auto debt = local_.Begin("s");
  clock_.Advance(std::chrono::hours(1));
  local_.Settle("s", *debt, Session(5, 1));
  EXPECT_FALSE(local_.Owes("s"));
}

TEST_F(LocalSessionsTest, OwesEveryCopyToAStoreThatLostAll) {
  local_.Keep(Session(7, 3, "a"));
  local_.Keep(Session(8, 3, "b"));
  ASSERT_TRUE(local_.Save(Session(0, 1, "c"), 0).has_value());
  local_.OweAll();
  EXPECT_THAT(local_.OwedIds(), testing::ElementsAre("a", "b", "c"));
  EXPECT_EQ(local_.Begin("a")->base, nullptr);
}

}  // namespace
}  // namespace loquat::context
