// A small trained assistant for tests, and coroutines run to their end on the calling thread. Test code only.

#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/file.h"
#include "context/memory_session_store.h"
#include "pipeline/assistant.h"
#include "pipeline/understand.h"
#include "understanding/trainer.h"
#include "understanding/understander_test_data.h"

namespace loquat::pipeline {

// Runs `work` on this thread until it has ended, and gives what it gave.
template <typename T>
T RunNow(boost::asio::awaitable<T> work) {
  boost::asio::io_context loop(1);
  std::optional<T> result;
  boost::asio::co_spawn(loop, std::move(work), [&](const std::exception_ptr& thrown, T value) {
    if (thrown) std::rethrow_exception(thrown);
    result.emplace(std::move(value));
  });
  loop.run();
  return std::move(*result);
}

inline void RunNow(boost::asio::awaitable<void> work) {
  boost::asio::io_context loop(1);
  boost::asio::co_spawn(loop, std::move(work), [](const std::exception_ptr& thrown) {
    if (thrown) std::rethrow_exception(thrown);
  });
  loop.run();
}

// A folder that goes away with the object.
class TempFolder {
 public:
  TempFolder() {
    path_ = (std::filesystem::temp_directory_path() / "loquat_test_XXXXXX").string();
    EXPECT_NE(::mkdtemp(path_.data()), nullptr) << path_;
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string File(std::string_view name) const { return path_ + "/" + std::string(name); }

 private:
  std::string path_;
};

inline constexpr std::string_view kTestDomain = R"(version: "1"
locales: [zh, en]
entities:
  city: {kind: text}
  thing: {kind: time}
intents:
  weather: {slots: [city], required: [city]}
  play_music: {slots: [thing]}
  set_alarm: {slots: [thing]}
replies:
  weather: {zh: ["{city}的天气很好。"], en: ["The weather in {city} is fine."]}
  play_music: {en: ["Playing {thing}.", "Here is {thing}."]}
questions:
  city: {zh: ["哪个城市?"], en: ["In which city?"]}
fallback: {zh: ["没听懂。"], en: ["Pardon?"]}
)";

// Trained once a process, on SmallAssistant() with a domain.yml beside it.
class TestModel {
 public:
  static const std::string& Path() {
    static const TestModel model;
    return model.path_;
  }
  static std::shared_ptr<const Assistant> Load() {
    auto loaded = Assistant::Load("small", Path());
    EXPECT_TRUE(loaded.has_value()) << (loaded.has_value() ? "" : loaded.error().message);
    return loaded.value_or(nullptr);
  }

 private:
  TestModel() : path_(folder_.File("small")) {
    const auto trained = understanding::Train(understanding::SmallAssistant(), path_, {.threads = 2, .progress = {}});
    EXPECT_TRUE(trained.has_value()) << (trained.has_value() ? "" : trained.error().message);
    const base::Status written = base::WriteFileAtomically(path_ + "/domain.yml", kTestDomain);
    EXPECT_TRUE(written.has_value()) << (written.has_value() ? "" : written.error().message);
  }

  const TempFolder folder_;
  const std::string path_;
};

// A pipeline over the model and sessions in memory, on a clock that stands still until it is told to advance.
struct TestPipeline {
  explicit TestPipeline(context::SessionStore* other_store = nullptr)
      : pipeline(Settings(), other_store != nullptr ? *other_store : sessions, clock) {}

  static UnderstandSettings Settings() {
    UnderstandSettings settings;
    settings.assistant = TestModel::Load();
    return settings;
  }
  base::CallContext Call() const {
    return {.request_id = "r-1", .trace = {}, .received_at = clock.Now(), .tenant = {}};
  }

  base::ManualClock clock{base::WallTime(std::chrono::hours(24 * 365 * 50))};
  context::MemorySessionStore sessions{{}, clock};
  UnderstandPipeline pipeline;
};

}  // namespace loquat::pipeline
