#include "ingress/stream/event_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace loquat::ingress {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;

LoggedEvent Event(std::uint64_t number, std::string json, std::string revision_of = {}) {
  return {.number = number,
          .type = "t",
          .id = "s-" + std::to_string(number),
          .json = std::move(json),
          .revision_of = std::move(revision_of)};
}

// What a client that has `number` hears; "end" at the end, "lost" where something is gone.
class Client {
 public:
  Client(StreamLog& log, std::uint64_t number) : log_(log) {
    const bool followed = log.Follow(
        number, [this](const LoggedEvent* event) { heard.push_back(event == nullptr ? "end" : event->json); });
    if (!followed) heard.emplace_back("lost");
  }
  ~Client() { log_.Unfollow(); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  std::vector<std::string> heard;

 private:
  StreamLog& log_;
};

TEST(StreamLog, TellsWhatWasMissedAndWhatComes) {
  StreamLog log(1 << 16);
  for (int i = 1; i <= 3; ++i) log.Append(Event(i, std::to_string(i)));
  Client client(log, 1);
  EXPECT_THAT(client.heard, ElementsAre("2", "3"));
  log.Append(Event(4, "4"));
  log.End();
  log.End();
  EXPECT_THAT(client.heard, ElementsAre("2", "3", "4", "end"));
}

TEST(StreamLog, TellsTheEndOfWhatHasEnded) {
  StreamLog log(1 << 16);
  log.Append(Event(1, "1"));
  log.End();
  EXPECT_THAT(Client(log, 0).heard, ElementsAre("1", "end"));
  EXPECT_THAT(Client(log, 1).heard, ElementsAre("end"));
}

TEST(StreamLog, KeepsTheLastRevisionAlone) {
  StreamLog log(1 << 16);
  log.Append(Event(1, "a1", "a"));
  log.Append(Event(2, "a2", "a"));
  log.Append(Event(3, "b1", "b"));
  log.Append(Event(4, "b2", "b"));
  log.Append(Event(5, "b final"));
  log.Append(Event(6, "b1 again", "b"));
  EXPECT_THAT(Client(log, 0).heard, ElementsAre("a2", "b2", "b final", "b1 again"));
  EXPECT_THAT(Client(log, 1).heard, ElementsAre("a2", "b2", "b final", "b1 again"));
}

TEST(StreamLog, SaysWhenSomethingIsGone) {
  const std::string large(1000, 'x');
  StreamLog log(3 * (1000 + sizeof(LoggedEvent) + 3));
  for (int i = 1; i <= 3; ++i) log.Append(Event(i, large));
  EXPECT_EQ(Client(log, 0).heard.size(), 3u);
  log.Append(Event(4, large));
  EXPECT_THAT(Client(log, 0).heard, ElementsAre("lost"));
  EXPECT_EQ(Client(log, 1).heard.size(), 3u);
}

TEST(StreamLog, AListenerThatLeavesHearsNoMore) {
  StreamLog log(1 << 16);
  Client client(log, 0);
  log.Unfollow();
  log.Append(Event(1, "1"));
  log.End();
  EXPECT_THAT(client.heard, ElementsAre());
}

class StreamLogsTest : public testing::Test {
 protected:
  base::ManualClock clock_;
  StreamLogs logs_{{.streams_max = 2, .bytes_max = 1 << 16, .keep = milliseconds(100)}, clock_};
  const StreamOwner owner_{.tenant = "t", .session = "s"};
};

TEST_F(StreamLogsTest, FindsAStreamByTheIdOfAnEventOnce) {
  const auto log = logs_.Add("a-b", owner_);
  const auto found = logs_.Take("a-b-17", owner_);
  EXPECT_EQ(found.log, log);
  EXPECT_EQ(found.number, 17u);
  EXPECT_EQ(logs_.Take("a-b-17", owner_).log, nullptr);
}

TEST_F(StreamLogsTest, FindsNothingForOthersAndForWhatIsNoId) {
  logs_.Add("a", owner_);
  EXPECT_EQ(logs_.Take("a-1", {.tenant = "other", .session = "s"}).log, nullptr);
  EXPECT_EQ(logs_.Take("a-1", {.tenant = "t", .session = "other"}).log, nullptr);
  for (const char* id : {"", "a", "a-", "a-x", "a-1x", "-1", "b-1", "a--1", "a-99999999999999999999"}) {
    EXPECT_EQ(logs_.Take(id, owner_).log, nullptr) << id;
  }
  EXPECT_NE(logs_.Take("a-1", owner_).log, nullptr);
}

TEST_F(StreamLogsTest, KeepsALogForAWhileAfterItsClientHasLeft) {
  logs_.Add("a", owner_);
  clock_.Advance(milliseconds(1000));  // As long as the client is there.
  logs_.Leave("a");
  clock_.Advance(milliseconds(99));
  EXPECT_NE(logs_.Take("a-1", owner_).log, nullptr);
  logs_.Add("b", owner_);
  logs_.Leave("b");
  clock_.Advance(milliseconds(100));
  EXPECT_EQ(logs_.Take("b-1", owner_).log, nullptr);
  EXPECT_EQ(logs_.size(), 0u);
}

TEST_F(StreamLogsTest, MoreThanTheBoundAreNotKept) {
  EXPECT_NE(logs_.Add("a", owner_), nullptr);
  EXPECT_NE(logs_.Add("b", owner_), nullptr);
  EXPECT_EQ(logs_.Add("c", owner_), nullptr);
  logs_.Leave("a");
  clock_.Advance(milliseconds(100));
  EXPECT_NE(logs_.Add("c", owner_), nullptr);
}

}  // namespace
}  // namespace loquat::ingress
