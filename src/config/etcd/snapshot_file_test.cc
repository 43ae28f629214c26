#include "config/etcd/snapshot_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "config/etcd/key_space.h"

namespace loquat::config::etcd {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class SnapshotFileTest : public ::testing::Test {
 protected:
  SnapshotFileTest() {
    folder_ = fs::path(::testing::TempDir()) / ("snapshot_" + std::to_string(::getpid()) + "_" +
                                                ::testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    options_.snapshot = (folder_ / "etcd.snapshot").string();
    snapshot_.layer = KeySpace::EmptyLayer(options_);
    snapshot_.layer.entries = {{"a/b", {.text = "x: \"é\\n\"\n", .problem = {}, .revision = 4}},
                               {"c", {.text = "", .problem = {}, .revision = 9}}};
    snapshot_.revision = 12;
    snapshot_.saved = base::WallTime(std::chrono::milliseconds(1'700'000'000'123));
  }
  ~SnapshotFileTest() override { fs::remove_all(folder_); }

  mode_t Mode() {
    struct stat info {};
    EXPECT_EQ(::stat(options_.snapshot.c_str(), &info), 0);
    return info.st_mode & 07777u;
  }

  fs::path folder_;
  EtcdOptions options_;
  EtcdSnapshot snapshot_;
};

TEST_F(SnapshotFileTest, ReadsWhatItWroteAndOthersMayNot) {
  ASSERT_TRUE(WriteSnapshot(snapshot_, options_).has_value());
  EXPECT_EQ(Mode(), 0600u);
  const auto read = ReadSnapshot(options_);
  ASSERT_TRUE(read.has_value()) << read.error().message;
  EXPECT_EQ(read->layer.entries, snapshot_.layer.entries);
  EXPECT_EQ(read->layer.source, snapshot_.layer.source);
  EXPECT_EQ(read->layer.reserved, "etcd");
  EXPECT_EQ(read->revision, 12);
  EXPECT_EQ(read->saved, snapshot_.saved);
  // Nothing is left beside it.
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 1);
}

TEST_F(SnapshotFileTest, AFileThatOthersMayReadIsTakenFromThem) {
  std::ofstream(options_.snapshot) << "old";
  fs::permissions(options_.snapshot, fs::perms(0644));
  ASSERT_TRUE(WriteSnapshot(snapshot_, options_).has_value());
  EXPECT_EQ(Mode(), 0600u);
}

TEST_F(SnapshotFileTest, NothingWrittenYetIsNotDamage) {
  EXPECT_EQ(ReadSnapshot(options_).error().code, base::Code::kNotFound);
  std::ofstream(options_.snapshot) << "";
  EXPECT_EQ(ReadSnapshot(options_).error().code, base::Code::kNotFound);
}

TEST_F(SnapshotFileTest, EveryChangedByteAndEveryCutIsFound) {
  const std::string good = EncodeSnapshot(snapshot_, options_.prefix);
  ASSERT_TRUE(DecodeSnapshot(good, options_).has_value());
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] ^= 0x20;
    EXPECT_EQ(DecodeSnapshot(bad, options_).error().code, base::Code::kDataLoss) << i;
    EXPECT_EQ(DecodeSnapshot(good.substr(0, i), options_).error().code, base::Code::kDataLoss) << i;
  }
  std::ofstream(options_.snapshot) << good.substr(0, good.size() / 2);
  EXPECT_THAT(ReadSnapshot(options_).error().message,
              HasSubstr("etcd.snapshot: the snapshot is damaged: its checksum does not fit"));
}

TEST_F(SnapshotFileTest, RefusesThatOfAnotherPrefixAndWhatIsPastTheBounds) {
  EXPECT_EQ(DecodeSnapshot(EncodeSnapshot(snapshot_, "/other/"), options_).error().reason,
            "snapshot_of_another_prefix");
  const std::string good = EncodeSnapshot(snapshot_, options_.prefix);
  options_.keys_max = 1;
  EXPECT_EQ(DecodeSnapshot(good, options_).error().reason, "too_many_keys");
  options_.keys_max = 2;
  EXPECT_TRUE(DecodeSnapshot(good, options_).has_value());
  options_.bytes_max = options_.value_bytes_max = 10;
  EXPECT_EQ(DecodeSnapshot(good, options_).error().reason, "too_many_bytes");
  EXPECT_EQ(DecodeSnapshot(std::string(1 << 20, 'x'), options_).error().reason, "snapshot_too_large");
}

TEST_F(SnapshotFileTest, SaysWhyItCannotWrite) {
  options_.snapshot = (folder_ / "no" / "such").string();
  EXPECT_THAT(WriteSnapshot(snapshot_, options_).error().message, HasSubstr("no/such"));
}

}  // namespace
}  // namespace loquat::config::etcd
