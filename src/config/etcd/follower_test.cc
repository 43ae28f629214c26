#include "config/etcd/follower.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <deque>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "config/etcd/beginning.h"
#include "config/etcd/snapshot_file.h"

namespace loquat::config::etcd {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

base::Error Down(std::string reason = "") {
  return {.code = base::Code::kUnavailable, .message = "connection refused", .reason = std::move(reason)};
}

// What one connection will say, and what it was asked.
struct Script {
  base::Status connect;
  base::Result<RangeAnswer> range = RangeAnswer{};
  std::deque<base::Result<WatchMessage>> messages;  // Afterwards: silence.
};

struct Asked {
  std::vector<std::size_t> endpoints;
  int ranges = 0;
  std::vector<std::int64_t> watches;  // Revisions from which.
  int progress = 0;
};

class FakeConnection final : public Connection {
 public:
  FakeConnection(Script script, Asked& asked, base::ManualClock& clock)
      : script_(std::move(script)), asked_(asked), clock_(clock) {}

  base::Result<RangeAnswer> Range(std::size_t limit) override {
    ++asked_.ranges;
    if (script_.range.has_value() && script_.range->keys.size() > limit) {
      script_.range->keys.resize(limit);
      script_.range->more = true;
    }
    return script_.range;
  }
  base::Status Watch(std::int64_t from) override {
    asked_.watches.push_back(from);
    return {};
  }
  base::Result<WatchMessage> Next(base::Duration wait) override {
    if (script_.messages.empty()) {
      clock_.Advance(wait);
      return base::Error{.code = base::Code::kDeadlineExceeded, .message = "silent", .reason = std::string(kSilent)};
    }
    auto message = std::move(script_.messages.front());
    script_.messages.pop_front();
    return message;
  }
  base::Status AskProgress() override {
    ++asked_.progress;
    return {};
  }

 private:
  Script script_;
  Asked& asked_;
  base::ManualClock& clock_;
};

class FakeClient final : public Client {
 public:
  explicit FakeClient(base::ManualClock& clock) : clock_(clock) {}

  std::size_t endpoint_count() const override { return 2; }
  std::string endpoint(std::size_t index) const override { return "e" + std::to_string(index); }
  base::Result<std::unique_ptr<Connection>> Connect(std::size_t index) override {
    asked.endpoints.push_back(index);
    if (stopped) return base::Error{.code = base::Code::kCancelled, .message = "", .reason = std::string(kStopped)};
    if (scripts.empty()) return Down();
    Script script = std::move(scripts.front());
    scripts.pop_front();
    LOQUAT_TRY(script.connect);
    return std::make_unique<FakeConnection>(std::move(script), asked, clock_);
  }
  void Stop() override { stopped = true; }

  std::deque<Script> scripts;
  Asked asked;
  std::atomic<bool> stopped{false};

 private:
  base::ManualClock& clock_;
};

// Refuses a layer that has an entry "bad" as it is; otherwise takes it.
class FakeSink final : public LayerSink {
 public:
  explicit FakeSink(const EtcdOptions& options)
      : in_force(std::make_shared<const Layer>(KeySpace::EmptyLayer(options))) {}

  base::Status Take(LayerPtr layer) override {
    taken.push_back(layer);
    for (const auto& [path, entry] : layer->entries) {
      if (entry.text == "bad") return base::InvalidArgument(path + " is bad");
    }
    in_force = std::move(layer);
    return {};
  }
  LayerPtr InForce() const override { return in_force; }

  std::string Text(const std::string& path) const {
    const auto found = in_force->entries.find(path);
    return found == in_force->entries.end() ? "(absent)" : found->second.text;
  }

  LayerPtr in_force;
  std::vector<LayerPtr> taken;
};

KeyValue Key(const std::string& path, std::string text, std::int64_t revision) {
  return {.key = "/loquat/config/" + path, .value = std::move(text), .revision = revision};
}
WatchMessage Created(std::int64_t revision) {
  return {.revision = revision, .created = true};
}
WatchMessage Events(std::vector<KeyValue> keys) {
  WatchMessage message{.revision = keys.back().revision};
  for (KeyValue& key : keys) message.events.push_back({.key = std::move(key)});
  return message;
}

class FollowerTest : public ::testing::Test {
 protected:
  FollowerTest() {
    folder_ = fs::path(::testing::TempDir()) / ("follower_" + std::to_string(::getpid()) + "_" +
                                                ::testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    options_.endpoints = {"e0:1", "e1:1"};
    std::vector<std::unique_ptr<observe::LogSink>> sinks;
    sinks.push_back(std::make_unique<observe::MemorySink>(lines_));
    log_ = std::make_unique<observe::Logger>(clock_, std::move(sinks));
  }
  ~FollowerTest() override { fs::remove_all(folder_); }

  void UseSnapshot() { options_.snapshot = (folder_ / "snapshot").string(); }
  void Start(std::int64_t known_revision = 0) {
    follower_ = std::make_unique<Follower>(
        FollowerParts{.client = client_, .sink = sink_, .clock = clock_, .log = *log_, .metrics = metrics_}, options_,
        known_revision, 1);
  }
  base::Error Session(Script script) {
    client_.scripts.push_back(std::move(script));
    return follower_->Session();
  }
  bool HasMetric(const std::string& line) { return metrics_.Text().find(line + "\n") != std::string::npos; }

  fs::path folder_;
  base::ManualClock clock_{base::WallTime(std::chrono::seconds(1'700'000'000))};
  EtcdOptions options_;
  observe::LogLines lines_;
  observe::Registry metrics_;
  std::unique_ptr<observe::Logger> log_;
  FakeClient client_{clock_};
  FakeSink sink_{options_};
  std::unique_ptr<Follower> follower_;
};

TEST_F(FollowerTest, RangesThenWatchesFromTheRevisionAfter) {
  Start();
  EXPECT_EQ(follower_->status().error().reason, "etcd_away");
  Script script{.range = RangeAnswer{.revision = 7, .keys = {Key("a", "1", 3)}}};
  script.messages = {Created(7), Events({Key("a", "2", 8)}), Down()};
  EXPECT_EQ(Session(std::move(script)).code, base::Code::kUnavailable);
  EXPECT_THAT(client_.asked.watches, ElementsAre(8));
  EXPECT_EQ(sink_.taken.size(), 2u);
  EXPECT_EQ(sink_.Text("a"), "2");
  EXPECT_TRUE(HasMetric("loquat_etcd_revision 8"));
  EXPECT_TRUE(HasMetric("loquat_etcd_connected 0"));
  EXPECT_TRUE(HasMetric("loquat_etcd_reloads_total{outcome=\"applied\"} 2"));
  EXPECT_THAT(follower_->status().error().message, HasSubstr("etcd at e0: connection refused"));
}

TEST_F(FollowerTest, AfterADropItGoesOnByRevisionAtTheNextMember) {
  Start();
  Script first{.range = RangeAnswer{.revision = 7}};
  first.messages = {Created(7), Events({Key("a", "2", 9)}), Down()};
  Session(std::move(first));
  Script second;
  second.messages = {Created(12), Events({Key("b", "3", 12)}), Down()};
  Session(std::move(second));
  EXPECT_EQ(client_.asked.ranges, 1);
  EXPECT_THAT(client_.asked.watches, ElementsAre(8, 10));
  EXPECT_THAT(client_.asked.endpoints, ElementsAre(0, 1));
  EXPECT_EQ(sink_.Text("a"), "2");
  EXPECT_EQ(sink_.Text("b"), "3");
  log_->Flush();
  EXPECT_EQ(lines_.Count("etcd is not followed"), 2u);
  EXPECT_EQ(lines_.Count("etcd is followed"), 2u);
}

TEST_F(FollowerTest, CompactionMeansARangeAnewAtTheSameMember) {
  Start();
  Script first{.range = RangeAnswer{.revision = 7, .keys = {Key("a", "1", 3), Key("gone", "1", 3)}}};
  first.messages = {Created(7), Down()};
  Session(std::move(first));
  Script second;
  second.messages = {Created(50), WatchMessage{.revision = 50, .cancelled = true, .compact_revision = 40}};
  EXPECT_EQ(Session(std::move(second)).reason, "compacted");
  Script third{.range = RangeAnswer{.revision = 50, .keys = {Key("a", "9", 45)}}};
  third.messages = {Created(50), Down()};
  Session(std::move(third));
  EXPECT_THAT(client_.asked.endpoints, ElementsAre(0, 1, 1));
  EXPECT_THAT(client_.asked.watches, ElementsAre(8, 8, 51));
  EXPECT_EQ(sink_.Text("a"), "9");
  EXPECT_EQ(sink_.Text("gone"), "(absent)");
  EXPECT_TRUE(HasMetric("loquat_etcd_watch_restarts_total{reason=\"compacted\"} 1"));
}

TEST_F(FollowerTest, ASilentPeerIsAskedThenLeft) {
  Start();
  Script script{.range = RangeAnswer{.revision = 7}};
  script.messages = {Created(7)};
  const base::TimePoint before = clock_.Now();
  EXPECT_EQ(Session(std::move(script)).reason, "silent");
  EXPECT_EQ(client_.asked.progress, 1);
  EXPECT_EQ(clock_.Now() - before, 2 * options_.keepalive);
}

TEST_F(FollowerTest, ProgressMovesTheRevisionToResumeFrom) {
  Start();
  Script script{.range = RangeAnswer{.revision = 7}};
  script.messages = {Created(7), WatchMessage{.revision = 30, .progress = true},
                     WatchMessage{.revision = 99, .progress = false}, Down()};
  Session(std::move(script));
  Session({});
  EXPECT_THAT(client_.asked.watches, ElementsAre(8, 31));
}

TEST_F(FollowerTest, FragmentsAreOneMessage) {
  Start();
  Script script{.range = RangeAnswer{.revision = 7}};
  WatchMessage half = Events({Key("a", "1", 8)});
  half.fragment = true;
  script.messages = {Created(7), half, Events({Key("b", "1", 8)}), Down()};
  Session(std::move(script));
  ASSERT_EQ(sink_.taken.size(), 1u);
  EXPECT_EQ(sink_.Text("a"), "1");
  EXPECT_EQ(sink_.Text("b"), "1");
}

TEST_F(FollowerTest, HalfOfAMessageIsForgottenWithTheConnection) {
  Start();
  Script script{.range = RangeAnswer{.revision = 7}};
  WatchMessage half = Events({Key("a", "1", 8)});
  half.fragment = true;
  script.messages = {Created(7), half, Down()};
  Session(std::move(script));
  Script second;
  second.messages = {Created(8), Events({Key("b", "1", 8)}), Down()};
  Session(std::move(second));
  EXPECT_THAT(client_.asked.watches, ElementsAre(8, 8));
  EXPECT_EQ(sink_.Text("a"), "(absent)");
  EXPECT_EQ(sink_.Text("b"), "1");
}

TEST_F(FollowerTest, FragmentsWithoutEndAreCutOff) {
  options_.keys_max = 10;
  Start();
  WatchMessage piece = Events({Key("a", "1", 8)});
  piece.fragment = true;
  for (const bool past : {false, true}) {
    Script script{.range = RangeAnswer{.revision = 7}};
    script.messages = {Created(7)};
    for (int i = 0; i < 20 + (past ? 1 : 0); ++i) script.messages.push_back(piece);
    script.messages.push_back(Down());
    EXPECT_EQ(Session(std::move(script)).reason, past ? "too_many_bytes" : "");
  }
}

TEST_F(FollowerTest, EachRevisionIsDeliveredByItself) {
  Start();
  Script script{.range = RangeAnswer{.revision = 7}};
  script.messages = {Created(7), Events({Key("a", "1", 8), Key("b", "1", 8), Key("a", "2", 9)}), Down()};
  Session(std::move(script));
  ASSERT_EQ(sink_.taken.size(), 2u);
  EXPECT_EQ(sink_.taken[0]->entries.size(), 2u);
  EXPECT_EQ(sink_.taken[0]->entries.at("a").text, "1");
  EXPECT_EQ(sink_.taken[1]->entries.at("a").text, "2");
}

TEST_F(FollowerTest, ARefusedChangeIsCountedAndItsDeletionsAreRemembered) {
  Start();
  Script script{.range = RangeAnswer{.revision = 7, .keys = {Key("a", "1", 3), Key("b", "1", 3)}}};
  WatchMessage change = Events({Key("a", "bad", 8), Key("b", "", 8)});
  change.events[1].deleted = true;
  script.messages = {Created(7), change, Events({Key("a", "2", 9)}), Down()};
  Session(std::move(script));
  ASSERT_EQ(sink_.taken.size(), 3u);
  EXPECT_EQ(sink_.taken[1]->gone.at("b"), 8);
  EXPECT_EQ(sink_.taken[2]->gone.at("b"), 8);
  EXPECT_TRUE(HasMetric("loquat_etcd_reloads_total{outcome=\"refused\"} 1"));
  EXPECT_EQ(sink_.Text("a"), "2");
}

TEST_F(FollowerTest, AStoreThatBeganAgainIsReadAnew) {
  Start();
  Script first{.range = RangeAnswer{.revision = 70, .keys = {Key("a", "1", 3)}}};
  first.messages = {Created(70), Down()};
  Session(std::move(first));
  Script second;
  second.messages = {Created(5)};
  EXPECT_EQ(Session(std::move(second)).reason, "rolled_back");
  Script third{.range = RangeAnswer{.revision = 5, .keys = {Key("b", "2", 5)}}};
  third.messages = {Created(5), Down()};
  Session(std::move(third));
  EXPECT_EQ(sink_.Text("a"), "(absent)");
  EXPECT_EQ(sink_.Text("b"), "2");
  EXPECT_THAT(client_.asked.watches, ElementsAre(71, 71, 6));
}

TEST_F(FollowerTest, AStoreThatLostEverythingTakesNothingAwayUntilAKeyComes) {
  Start();
  Script first{.range = RangeAnswer{.revision = 70, .keys = {Key("a", "1", 3)}}};
  first.messages = {Created(70), Down()};
  Session(std::move(first));
  Script second;
  second.messages = {Created(1)};
  Session(std::move(second));
  for (int again = 0; again < 2; ++again) {
    Script empty{.range = RangeAnswer{.revision = 1}};
    empty.messages = {Created(1), WatchMessage{.revision = 9, .cancelled = true, .compact_revision = 9}};
    Session(std::move(empty));
    EXPECT_EQ(sink_.Text("a"), "1");
  }
  EXPECT_TRUE(HasMetric("loquat_etcd_watch_restarts_total{reason=\"data_lost\"} 2"));
  Script meant{.range = RangeAnswer{.revision = 9}};
  meant.messages = {Created(9), Events({Key("b", "2", 10)}), Down()};
  Session(std::move(meant));
  EXPECT_EQ(sink_.Text("a"), "(absent)");
  EXPECT_EQ(sink_.Text("b"), "2");
}

TEST_F(FollowerTest, AKeyThatIsDeletedForGoodGoes) {
  Start();
  Script script{.range = RangeAnswer{.revision = 7, .keys = {Key("a", "1", 3)}}};
  WatchMessage change = Events({Key("a", "", 8)});
  change.events[0].deleted = true;
  script.messages = {Created(7), change, Down()};
  Session(std::move(script));
  EXPECT_EQ(sink_.Text("a"), "(absent)");
}

TEST_F(FollowerTest, TooManyKeysTakeNothing) {
  options_.keys_max = 2;
  Start();
  Script script{.range = RangeAnswer{.revision = 7, .keys = {Key("a", "1", 3), Key("b", "1", 3), Key("c", "1", 3)}}};
  EXPECT_EQ(Session(std::move(script)).reason, "too_many_keys");
  EXPECT_EQ(follower_->status().error().reason, "too_many_keys");
  EXPECT_TRUE(sink_.taken.empty());
  Script grows{.range = RangeAnswer{.revision = 7, .keys = {Key("a", "1", 3), Key("b", "1", 3)}}};
  grows.messages = {Created(7), Events({Key("c", "1", 8)})};
  EXPECT_EQ(Session(std::move(grows)).reason, "too_many_keys");
  EXPECT_EQ(sink_.taken.size(), 1u);
  Script shrunk{.range = RangeAnswer{.revision = 9, .keys = {Key("c", "1", 8)}}};
  shrunk.messages = {Created(9), Down()};
  Session(std::move(shrunk));
  EXPECT_EQ(sink_.Text("c"), "1");
}

TEST_F(FollowerTest, WaitsGrowUntilAConnectionLasts) {
  Start();
  const auto longest = [this](int draws) {
    base::Duration most{};
    for (int i = 0; i < draws; ++i) {
      (void)follower_->Session();
      const base::Duration wait = follower_->NextWait();
      EXPECT_LE(wait, options_.retry_max);
      most = std::max(most, wait);
    }
    return most;
  };
  EXPECT_GT(longest(30), options_.retry_first);
  Script brief{.range = RangeAnswer{.revision = 7}};
  brief.messages = {Created(7), Down()};
  Session(std::move(brief));
  EXPECT_GT(longest(30), options_.retry_first);
  Script lasting;
  lasting.messages = {Created(7)};  // Then silence, for two times the keepalive.
  Session(std::move(lasting));
  EXPECT_LE(follower_->NextWait(), options_.retry_first);
}

TEST_F(FollowerTest, TheSnapshotHoldsWhatIsInForce) {
  UseSnapshot();
  Start();
  EXPECT_TRUE(HasMetric("loquat_etcd_snapshot_age_seconds -1"));
  Script script{.range = RangeAnswer{.revision = 7, .keys = {Key("a", "1", 3)}}};
  script.messages = {Created(7), Events({Key("a", "bad", 8)}), Down()};
  Session(std::move(script));
  auto snapshot = ReadSnapshot(options_);
  ASSERT_TRUE(snapshot.has_value()) << snapshot.error().message;
  EXPECT_EQ(snapshot->layer.entries.at("a").text, "1");
  clock_.Advance(std::chrono::seconds(90));
  EXPECT_TRUE(HasMetric("loquat_etcd_snapshot_age_seconds 90"));
  EXPECT_TRUE(HasMetric("loquat_etcd_snapshot_writes_total{result=\"written\"} 1"));
}

TEST_F(FollowerTest, ASnapshotThatCannotBeWrittenStopsNothing) {
  options_.snapshot = (folder_ / "no" / "such").string();
  Start();
  Script script{.range = RangeAnswer{.revision = 7, .keys = {Key("a", "1", 3)}}};
  script.messages = {Created(7), Down()};
  Session(std::move(script));
  EXPECT_EQ(sink_.Text("a"), "1");
  EXPECT_TRUE(HasMetric("loquat_etcd_snapshot_writes_total{result=\"failed\"} 2"));
}

TEST_F(FollowerTest, RunEndsWithStop) {
  Start();
  std::jthread thread([this] { follower_->Run(); });
  follower_->Stop();
}

class BeginningTest : public FollowerTest {
 protected:
  base::Result<Beginning> Run() {
    return Begin(
        client_, options_, clock_, [this](base::Duration wait) { clock_.Advance(wait); }, 1);
  }
  void SaveSnapshot(std::int64_t revision = 50) {
    UseSnapshot();
    Layer layer = KeySpace::EmptyLayer(options_);
    layer.entries["a"] = {.text = "saved", .problem = {}, .revision = 4};
    ASSERT_TRUE(WriteSnapshot({.layer = layer, .revision = revision, .saved = clock_.WallNow()}, options_).has_value());
  }
};

TEST_F(BeginningTest, TakesWhatEtcdHas) {
  SaveSnapshot();
  client_.scripts.push_back({.range = RangeAnswer{.revision = 60, .keys = {Key("a", "now", 55)}}});
  const auto beginning = Run();
  ASSERT_TRUE(beginning.has_value());
  EXPECT_EQ(beginning->wanted->entries.at("a").text, "now");
  EXPECT_EQ(beginning->good->entries.at("a").text, "saved");
  EXPECT_EQ(beginning->revision, 60);
  EXPECT_TRUE(beginning->warnings.empty());
}

TEST_F(BeginningTest, TriesTheMembersInTurnUntilOneAnswers) {
  for (int i = 0; i < 3; ++i) client_.scripts.push_back({.connect = Down()});
  client_.scripts.push_back({.range = RangeAnswer{.revision = 60, .keys = {Key("a", "now", 55)}}});
  EXPECT_TRUE(Run().has_value());
  EXPECT_THAT(client_.asked.endpoints, ElementsAre(0, 1, 0, 1));
}

TEST_F(BeginningTest, StartsFromTheSnapshotWhenNobodyAnswersInTime) {
  SaveSnapshot();
  options_.required = true;
  const base::TimePoint before = clock_.Now();
  const auto beginning = Run();
  ASSERT_TRUE(beginning.has_value()) << beginning.error().message;
  EXPECT_EQ(beginning->wanted->entries.at("a").text, "saved");
  EXPECT_EQ(beginning->revision, 50);
  EXPECT_EQ(clock_.Now() - before, options_.start_timeout);
  EXPECT_THAT(beginning->warnings,
              ElementsAre(HasSubstr("started from the snapshot of 2023-11-14 22:13:20 UTC, revision 50")));
}

TEST_F(BeginningTest, WithNeitherItStartsWithoutUnlessItIsRequired) {
  const auto beginning = Run();
  ASSERT_TRUE(beginning.has_value());
  EXPECT_TRUE(beginning->wanted->entries.empty());
  EXPECT_THAT(beginning->warnings, ElementsAre(HasSubstr("started without what etcd has")));
  options_.required = true;
  const auto refused = Run();
  EXPECT_EQ(refused.error().reason, "etcd_away");
  EXPECT_THAT(refused.error().message, HasSubstr("there is no snapshot to start from"));
}

TEST_F(BeginningTest, ADamagedSnapshotIsNotUsedAndSaidSo) {
  UseSnapshot();
  std::ofstream(options_.snapshot) << "garbage";
  const auto beginning = Run();
  ASSERT_TRUE(beginning.has_value());
  EXPECT_TRUE(beginning->wanted->entries.empty());
  EXPECT_THAT(beginning->warnings[0], HasSubstr("the snapshot is damaged"));
  options_.required = true;
  EXPECT_THAT(Run().error().message, HasSubstr("the snapshot is damaged"));
}

TEST_F(BeginningTest, ALostStoreDoesNotOverruleTheSnapshot) {
  SaveSnapshot();
  client_.scripts.push_back({.range = RangeAnswer{.revision = 2}});
  const auto beginning = Run();
  ASSERT_TRUE(beginning.has_value());
  EXPECT_EQ(beginning->wanted->entries.at("a").text, "saved");
  EXPECT_THAT(beginning->warnings, ElementsAre(HasSubstr("etcd has lost its data")));
  // Emptied by somebody: that is meant.
  client_.scripts.push_back({.range = RangeAnswer{.revision = 51}});
  EXPECT_TRUE(Run()->wanted->entries.empty());
}

TEST_F(BeginningTest, DoesNotWaitForWhatWaitingDoesNotMend) {
  const base::Error denied{.code = base::Code::kPermissionDenied, .message = "permission denied"};
  client_.scripts.push_back({.connect = denied});
  const base::TimePoint before = clock_.Now();
  EXPECT_THAT(Run()->warnings, ElementsAre(HasSubstr("permission denied")));
  EXPECT_EQ(clock_.Now(), before);
}

}  // namespace
}  // namespace loquat::config::etcd
