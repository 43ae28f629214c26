#include "config/live.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/file.h"
#include "base/mutex.h"

namespace loquat::config {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

struct Options {
  int level = 1;
  std::string name = "x";
};

void Declare(Section<Options>& s) {
  s.Key("level", &Options::level).Range(1, 100);
  s.Key("name", &Options::name).NeedsRestart();
}

// Waits for conditions that another thread brings about; gives up after a while so that a failure ends.
class Signal {
 public:
  void Notify() {
    const base::MutexLock lock(mutex_);
    ++count_;
    changed_.NotifyAll();
  }
  bool WaitFor(int count) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    const base::MutexLock lock(mutex_);
    while (count_ < count) {
      if (!changed_.WaitUntil(mutex_, until)) return count_ >= count;
    }
    return true;
  }

 private:
  base::Mutex mutex_;
  base::CondVar changed_;
  int count_ LOQUAT_GUARDED_BY(mutex_) = 0;
};

class LiveConfigTest : public ::testing::Test {
 protected:
  LiveConfigTest() {
    folder_ = fs::path(::testing::TempDir()) / ("live_" + std::to_string(::getpid()) + "_" +
                                                ::testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    file_ = (folder_ / "loquat.yaml").string();
  }
  ~LiveConfigTest() override { fs::remove_all(folder_); }

  static void EditInPlace(const std::string& path, std::string_view text) { std::ofstream(path) << text; }

  // `meanwhile` happens after the first load, before anybody watches.
  void Start(const std::function<void()>& meanwhile = [] {}) {
    std::vector<std::unique_ptr<observe::LogSink>> sinks;
    sinks.push_back(std::make_unique<observe::MemorySink>(lines_));
    logger_ = std::make_unique<observe::Logger>(clock_, std::move(sinks));
    const Sources sources{.file = file_, .variables = {}, .overrides = {}};
    auto loaded = Load<Options>(sources);
    ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
    meanwhile();
    const WatchOptions watch{.debounce = std::chrono::milliseconds(5),
                             .debounce_max = std::chrono::milliseconds(50),
                             .poll = std::chrono::milliseconds(200)};
    auto live = LiveConfig<Options>::Start(sources, *std::move(loaded), *logger_, registry_, watch);
    ASSERT_TRUE(live.has_value()) << live.error().message;
    live_ = *std::move(live);
    subscription_ = live_->snapshots().Subscribe([this](const auto&, const auto&) { swapped_.Notify(); });
  }

  int Level() { return live_->snapshots().Get()->level; }
  // Polls what has no event to wait for: the watcher's verdict on a bad file.
  bool Becomes(const std::function<bool()>& condition) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > until) return false;
      std::this_thread::yield();
    }
    return true;
  }

  fs::path folder_;
  std::string file_;
  base::SystemClock clock_;
  observe::LogLines lines_;
  observe::Registry registry_;
  Signal swapped_;
  std::unique_ptr<observe::Logger> logger_;
  std::unique_ptr<LiveConfig<Options>> live_;
  SnapshotHolder<Options>::Subscription subscription_;
};

TEST_F(LiveConfigTest, FollowsAnEditInPlace) {
  EditInPlace(file_, "level: 2\n");
  Start();
  EXPECT_EQ(Level(), 2);
  EditInPlace(file_, "level: 3\n");
  ASSERT_TRUE(swapped_.WaitFor(1));
  EXPECT_EQ(Level(), 3);
  EditInPlace(file_, "level: 4\nname: y\n");
  ASSERT_TRUE(swapped_.WaitFor(2));
  EXPECT_EQ(Level(), 4);
  subscription_ = {};
  live_.reset();
  logger_->Flush();
  EXPECT_EQ(lines_.Count("configuration reloaded"), 2u);
  EXPECT_EQ(lines_.Count("wait for a restart"), 1u);
  EXPECT_THAT(registry_.Text(), HasSubstr("loquat_config_reloads_total{result=\"changed\"} 2\n"));
}

TEST_F(LiveConfigTest, FollowsARenameOver) {
  EditInPlace(file_, "level: 2\n");
  Start();
  ASSERT_TRUE(base::WriteFileAtomically(file_, "level: 5\n").has_value());
  ASSERT_TRUE(swapped_.WaitFor(1));
  EXPECT_EQ(Level(), 5);
  ASSERT_TRUE(base::WriteFileAtomically(file_, "level: 6\n").has_value());
  ASSERT_TRUE(swapped_.WaitFor(2));
  EXPECT_EQ(Level(), 6);
}

TEST_F(LiveConfigTest, FollowsAKubernetesConfigMap) {
  const auto publish = [this](const std::string& version, std::string_view text) {
    fs::create_directory(folder_ / version);
    EditInPlace((folder_ / version / "loquat.yaml").string(), text);
    fs::create_directory_symlink(version, folder_ / "..data_tmp");
    fs::rename(folder_ / "..data_tmp", folder_ / "..data");
  };
  publish("..2026_11_21", "level: 2\n");
  fs::create_symlink("..data/loquat.yaml", file_);
  Start();
  EXPECT_EQ(Level(), 2);
  publish("..2026_11_22", "level: 7\n");
  ASSERT_TRUE(swapped_.WaitFor(1));
  EXPECT_EQ(Level(), 7);
  fs::remove_all(folder_ / "..2026_11_21");
  publish("..2026_11_23", "level: 8\n");
  ASSERT_TRUE(swapped_.WaitFor(2));
  EXPECT_EQ(Level(), 8);
}

TEST_F(LiveConfigTest, KeepsTheOldSnapshotOnABadFileAndSaysSo) {
  EditInPlace(file_, "level: 2\n");
  Start();
  EditInPlace(file_, "level: 1000\n");
  ASSERT_TRUE(Becomes([this] { return !live_->last_reload().has_value(); }));
  EXPECT_EQ(Level(), 2);
  EXPECT_THAT(live_->last_reload().error().message, HasSubstr("loquat.yaml:1:8: level: got \"1000\": out of range"));
  EXPECT_THAT(registry_.Text(), HasSubstr("loquat_config_last_reload_success 0\n"));
  logger_->Flush();
  EXPECT_GE(lines_.Count("configuration not reloaded, the old one stays"), 1u);

  EditInPlace(file_, "level: 9\n");
  ASSERT_TRUE(swapped_.WaitFor(1));
  EXPECT_EQ(Level(), 9);
  ASSERT_TRUE(Becomes([this] { return live_->last_reload().has_value(); }));
  ASSERT_TRUE(Becomes([this] { return registry_.Text().find("last_reload_success 1\n") != std::string::npos; }));
}

TEST_F(LiveConfigTest, TakesAnEmptyFileForAHalfWrittenOne) {
  EditInPlace(file_, "level: 2\n");
  Start();
  EditInPlace(file_, "");
  EXPECT_THAT(live_->Reload().error().message, HasSubstr("the file is empty"));
  EXPECT_EQ(Level(), 2);
}

TEST_F(LiveConfigTest, SurvivesThatTheFileIsGoneAndComesBack) {
  EditInPlace(file_, "level: 2\n");
  Start();
  fs::remove(file_);
  EXPECT_FALSE(live_->Reload().has_value());
  EXPECT_EQ(Level(), 2);
  EditInPlace(file_, "level: 3\n");
  ASSERT_TRUE(swapped_.WaitFor(1));
  EXPECT_EQ(Level(), 3);
}

TEST_F(LiveConfigTest, ATouchedFileSwapsNothing) {
  EditInPlace(file_, "level: 2\n");
  Start();
  const auto version = live_->snapshots().version();
  EXPECT_TRUE(live_->Reload().has_value());
  EXPECT_EQ(live_->snapshots().version(), version);
  EXPECT_THAT(registry_.Text(), HasSubstr("result=\"unchanged\"} 1\n"));
  EXPECT_THAT(live_->Dump(), HasSubstr("level: 2\n"));
}

TEST_F(LiveConfigTest, CatchesUpWithAChangeSinceTheFirstLoad) {
  EditInPlace(file_, "level: 2\n");
  Start([this] { EditInPlace(file_, "level: 3\n"); });
  EXPECT_EQ(Level(), 2);
  EXPECT_TRUE(live_->CatchUp().has_value());
  EXPECT_EQ(Level(), 3);
  EXPECT_TRUE(live_->CatchUp().has_value());
  EXPECT_THAT(registry_.Text(), HasSubstr("result=\"changed\"} 1\n"));
  EXPECT_THAT(registry_.Text(), HasSubstr("result=\"unchanged\"} 0\n"));
}

LayerPtr LayerOf(const std::vector<std::pair<std::string, std::string>>& texts, std::int64_t revision = 1) {
  auto layer = std::make_shared<Layer>();
  layer->source = "etcd key /p/";
  for (const auto& [path, text] : texts) {
    layer->entries[path] = {.text = text, .problem = {}, .revision = revision};
  }
  return layer;
}

TEST_F(LiveConfigTest, ALayerOverrulesTheFileAndARefusedOneChangesNothing) {
  EditInPlace(file_, "level: 2\n");
  Start();
  EXPECT_TRUE(live_->TakeLayer(LayerOf({{"level", "7"}})).has_value());
  EXPECT_EQ(Level(), 7);
  const base::Status refused = live_->TakeLayer(LayerOf({{"level", "1000"}}, 2));
  EXPECT_THAT(refused.error().message, HasSubstr("etcd key /p/level:1:1: level: got \"1000\""));
  EXPECT_EQ(Level(), 7);
  EXPECT_EQ(live_->layer()->entries.at("level").text, "7");
  EXPECT_EQ(live_->last_reload(), refused);
  EXPECT_THAT(registry_.Text(), HasSubstr("last_reload_success 0\n"));
  // A good file is taken, and does not hide it.
  EditInPlace(file_, "name: y\n");
  EXPECT_TRUE(live_->Reload().has_value());
  EXPECT_EQ(live_->last_reload(), refused);
  EXPECT_TRUE(live_->TakeLayer(LayerOf({})).has_value());
  EXPECT_EQ(Level(), 1);
  EXPECT_TRUE(live_->last_reload().has_value());
  logger_->Flush();
  EXPECT_EQ(lines_.Count("configuration change refused"), 1u);
}

TEST_F(LiveConfigTest, AFileThatIsGoneStaysToldUntilItIsBack) {
  EditInPlace(file_, "level: 2\n");
  Start();
  fs::remove(file_);
  EXPECT_FALSE(live_->Reload().has_value());
  EXPECT_TRUE(live_->TakeLayer(LayerOf({{"level", "7"}})).has_value());
  EXPECT_EQ(Level(), 7);
  EXPECT_EQ(live_->last_reload().error().code, base::Code::kNotFound);
  EditInPlace(file_, "level: 3\n");
  EXPECT_TRUE(Becomes([this] { return live_->last_reload().has_value(); }));
}

TEST_F(LiveConfigTest, ChangesOfFileAndLayerAtTheSameTimeLoseNeither) {
  EditInPlace(file_, "level: 1\n");
  Start();
  for (int round = 2; round <= 40; ++round) {
    std::jthread layer([&] {
      EXPECT_TRUE(live_->TakeLayer(LayerOf({{"name", "n" + std::to_string(round)}}, round)).has_value());
    });
    ASSERT_TRUE(base::WriteFileAtomically(file_, "level: " + std::to_string(round) + "\n").has_value());
    EXPECT_TRUE(live_->Reload().has_value());
    layer.join();
    EXPECT_EQ(Level(), round);
    EXPECT_EQ(live_->snapshots().Get()->name, "n" + std::to_string(round));
  }
}

TEST_F(LiveConfigTest, WhatTheOwnerDoesNotApproveIsRefused) {
  EditInPlace(file_, "level: 2\n");
  Start();
  live_->RequireApproval([](const Loaded<Options>& fresh) -> base::Status {
    if (fresh.value.level == 50) return base::InvalidArgument("not fifty, at " + fresh.origins.at("level"));
    return {};
  });
  EXPECT_THAT(live_->TakeLayer(LayerOf({{"level", "50"}})).error().message,
              HasSubstr("not fifty, at etcd key /p/level:1:1"));
  EXPECT_EQ(Level(), 2);
  EditInPlace(file_, "level: 50\n");
  EXPECT_FALSE(live_->Reload().has_value());
  EXPECT_EQ(Level(), 2);
}

TEST_F(LiveConfigTest, WithoutAFileThereIsNothingToWatch) {
  file_.clear();
  Start();
  EXPECT_EQ(Level(), 1);
  EXPECT_TRUE(live_->Reload().has_value());
}

TEST(FileWatcher, SaysThatTheFolderIsMissing) {
  const auto watcher = FileWatcher::Start("/no/such/folder/file.yaml", {}, [] {});
  ASSERT_FALSE(watcher.has_value());
  EXPECT_THAT(watcher.error().message, HasSubstr("/no/such/folder"));
}

TEST(Snapshots, ReadersSeeWholeValuesThatNeverGoBack) {
  struct Pair {
    int a, b;
  };
  SnapshotHolder<Pair> holder({0, 0});
  std::atomic<bool> stop{false};
  std::atomic<int> failures{0};
  std::vector<std::jthread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      SnapshotReader<Pair> reader(holder);
      int last = 0;
      while (!stop.load()) {
        const Pair& pair = reader.Get();
        if (pair.a != pair.b || pair.a < last) failures.fetch_add(1);
        last = pair.a;
      }
      if (reader.Get().a != 2000) failures.fetch_add(1);
    });
  }
  for (int i = 1; i <= 2000; ++i) holder.Swap({i, i});
  stop.store(true);
  readers.clear();
  EXPECT_EQ(failures.load(), 0);
}

TEST(Snapshots, SubscribersGetBothValuesUntilTheirHandleEnds) {
  SnapshotHolder<int> holder(1);
  std::vector<std::pair<int, int>> calls;
  {
    auto subscription =
        holder.Subscribe([&](const auto& before, const auto& after) { calls.emplace_back(*before, *after); });
    auto moved = std::move(subscription);
    holder.Swap(2);
  }
  holder.Swap(3);
  EXPECT_THAT(calls, ::testing::ElementsAre(std::pair(1, 2)));
  EXPECT_EQ(*holder.Get(), 3);
}

}  // namespace
}  // namespace loquat::config
