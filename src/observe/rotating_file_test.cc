#include "observe/rotating_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"

namespace loquat::observe {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::SizeIs;

std::string Gunzip(const std::string& path) {
  gzFile file = ::gzopen(path.c_str(), "rb");
  std::string text(1 << 20, '\0');
  const int size = ::gzread(file, text.data(), static_cast<unsigned>(text.size()));
  ::gzclose(file);
  text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  return text;
}

class RotatingFileTest : public ::testing::Test {
 protected:
  RotatingFileTest() {
    folder_ = fs::path(::testing::TempDir()) / ("rotate_" + std::to_string(::getpid()) + "_" +
                                                ::testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    path_ = (folder_ / "loquat.log").string();
  }
  ~RotatingFileTest() override { fs::remove_all(folder_); }

  std::unique_ptr<RotatingFileSink> Open(RotationOptions options) {
    auto sink = RotatingFileSink::Open(path_, LogFormat::kConsole, options, clock_);
    EXPECT_TRUE(sink.has_value()) << sink.error().message;
    return *std::move(sink);
  }
  // A console line of 21 bytes: "08:53:07.000 INFO  a\n".
  std::size_t Write(RotatingFileSink& sink, const std::string& message, int times = 1) {
    const std::vector<LogRecord> records(static_cast<std::size_t>(times),
                                         LogRecord(Level::kInfo, clock_.WallNow(), message, {}, nullptr));
    return sink.Write(records);
  }
  std::string Current() { return base::ReadFile(path_).value_or("(none)"); }

  base::ManualClock clock_{base::WallTime(std::chrono::sys_days(std::chrono::year(2026) / 11 / 21)) + 8h + 53min + 7s};
  fs::path folder_;
  std::string path_;
};

TEST_F(RotatingFileTest, PutsTheFileAsideBeforeALineThatWouldOverfillIt) {
  const auto sink = Open({.bytes_max = 42});
  EXPECT_EQ(Write(*sink, "a", 2), 0u);
  ASSERT_TRUE(sink->WaitTidy().has_value());
  EXPECT_THAT(ListBackups(path_), SizeIs(0));  // Exactly full is not over.
  EXPECT_EQ(Write(*sink, "b"), 0u);
  ASSERT_TRUE(sink->WaitTidy().has_value());
  const auto backups = ListBackups(path_);
  ASSERT_THAT(backups, SizeIs(1));
  EXPECT_THAT(backups[0], testing::EndsWith("loquat.log.20261121T085307.000000Z.gz"));
  EXPECT_EQ(Gunzip(backups[0]), "08:53:07.000 INFO  a\n08:53:07.000 INFO  a\n");
  EXPECT_EQ(Current(), "08:53:07.000 INFO  b\n");
}

TEST_F(RotatingFileTest, ALineLargerThanTheBoundGetsItsOwnFile) {
  const auto sink = Open({.bytes_max = 30, .gzip = false});
  EXPECT_EQ(Write(*sink, std::string(100, 'x')), 0u);
  EXPECT_EQ(Write(*sink, "a"), 0u);
  ASSERT_TRUE(sink->WaitTidy().has_value());
  EXPECT_THAT(ListBackups(path_), SizeIs(1));
  EXPECT_EQ(Current(), "08:53:07.000 INFO  a\n");
}

TEST_F(RotatingFileTest, KeepsOnlySoManyBackupsTheNewest) {
  const auto sink = Open({.bytes_max = 21, .backups_max = 2});
  for (const char* message : {"a", "b", "c", "d", "e"}) {
    EXPECT_EQ(Write(*sink, message), 0u);
    clock_.Advance(1s);
  }
  ASSERT_TRUE(sink->WaitTidy().has_value());
  const auto backups = ListBackups(path_);
  ASSERT_THAT(backups, SizeIs(2));
  EXPECT_THAT(Gunzip(backups[0]), HasSubstr("INFO  c\n"));
  EXPECT_THAT(Gunzip(backups[1]), HasSubstr("INFO  d\n"));
  EXPECT_THAT(Current(), HasSubstr("INFO  e\n"));
}

TEST_F(RotatingFileTest, BackupsWithinOneMicrosecondGetNamesOfTheirOwn) {
  const auto sink = Open({.bytes_max = 21, .gzip = false});
  EXPECT_EQ(Write(*sink, "a", 4), 0u);
  EXPECT_THAT(ListBackups(path_), SizeIs(3));
}

TEST_F(RotatingFileTest, DeletesByAgeAtTheEdge) {
  const RotationOptions options{.age_max = 24h, .gzip = false};
  const std::string backup = path_ + ".20261121T085307.000000Z";
  std::ofstream(backup) << "x";
  std::ofstream(path_ + ".notes") << "kept";
  std::ofstream(path_ + ".20269921T085307.000000Z") << "no date: kept";
  ASSERT_TRUE(TidyBackups(path_, options, clock_.WallNow() + 24h).has_value());
  EXPECT_TRUE(fs::exists(backup));
  ASSERT_TRUE(TidyBackups(path_, options, clock_.WallNow() + 24h + 1us).has_value());
  EXPECT_FALSE(fs::exists(backup));
  EXPECT_TRUE(fs::exists(path_ + ".notes"));
  EXPECT_TRUE(fs::exists(path_ + ".20269921T085307.000000Z"));
}

TEST_F(RotatingFileTest, AppendsAfterARestartAndCompressesWhatACrashLeft) {
  std::ofstream(path_ + ".20261120T000000.000000Z") << "old";
  std::ofstream(path_) << "08:53:07.000 INFO  z\n";
  const auto sink = Open({.bytes_max = 42});
  ASSERT_TRUE(sink->WaitTidy().has_value());
  EXPECT_EQ(Gunzip(path_ + ".20261120T000000.000000Z.gz"), "old");
  EXPECT_FALSE(fs::exists(path_ + ".20261120T000000.000000Z"));
  EXPECT_EQ(Write(*sink, "a"), 0u);
  EXPECT_THAT(Current(), HasSubstr("INFO  z\n08:53:07.000 INFO  a\n"));
}

TEST_F(RotatingFileTest, SurvivesThatItsFileIsDeleted) {
  const auto sink = Open({.bytes_max = 21});
  EXPECT_EQ(Write(*sink, "a"), 0u);
  fs::remove(path_);
  EXPECT_EQ(Write(*sink, "b"), 0u);
  EXPECT_THAT(Current(), HasSubstr("INFO  b\n"));
}

TEST_F(RotatingFileTest, SaysWhichFileItCannotOpen) {
  const auto sink = RotatingFileSink::Open((folder_ / "none" / "x.log").string(), LogFormat::kJson, {}, clock_);
  ASSERT_FALSE(sink.has_value());
  EXPECT_THAT(sink.error().message, HasSubstr("x.log"));
}

TEST_F(RotatingFileTest, CountsLinesLostWithTheFile) {
  const auto sink = Open({.bytes_max = 21});
  EXPECT_EQ(Write(*sink, "a"), 0u);
  fs::remove_all(folder_);
  EXPECT_EQ(Write(*sink, "b", 2), 2u);
  fs::create_directories(folder_);
  EXPECT_EQ(Write(*sink, "c"), 0u);
  EXPECT_THAT(Current(), HasSubstr("INFO  c\n"));
}

TEST(RotationOptions, AreAsPromised) {
  const RotationOptions options;
  EXPECT_EQ(options.bytes_max, 200'000'000u);
  EXPECT_EQ(options.backups_max, 7u);
  EXPECT_EQ(options.age_max, 30 * 24h);
  EXPECT_TRUE(options.gzip);
}

}  // namespace
}  // namespace loquat::observe
