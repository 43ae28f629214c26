#include "base/journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <future>
#include <thread>

#include "base/crc32c.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/hex.h"

namespace loquat::base {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

TEST(Crc32c, GivesThePublishedCheckValues) {
  EXPECT_EQ(Crc32c("123456789"), 0xE3069283U);
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8A9136AAU) << "RFC 3720 B.4";
  EXPECT_EQ(Crc32c("456789", Crc32c("123")), Crc32c("123456789"));
}

TEST(HmacSha256, GivesTheVectorOfRfc4231) {
  EXPECT_EQ(EncodeHex(HmacSha256("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

class JournalTest : public testing::Test {
 protected:
  JournalTest() {
    std::string name = testing::TempDir() + "loquat-journal-XXXXXX";
    folder_ = ::mkdtemp(name.data());
    path_ = folder_ + "/j";
  }
  ~JournalTest() override { std::filesystem::remove_all(folder_); }

  Result<std::unique_ptr<Journal>> Open(JournalOptions options = {}) {
    options.path = path_;
    read_.clear();
    recovery_ = {};
    return Journal::Open(
        options, [this](std::string_view payload) { read_.emplace_back(payload); }, recovery_);
  }
  static Status AppendAndWait(Journal& journal, std::string payload) {
    std::promise<Status> promise;
    LOQUAT_TRY(journal.Append(std::move(payload), [&](Status status) { promise.set_value(std::move(status)); }));
    return promise.get_future().get();
  }
  static Status ReplaceAndWait(Journal& journal, std::vector<std::string> live) {
    std::promise<Status> promise;
    journal.Replace(std::move(live), [&](Status status) { promise.set_value(std::move(status)); });
    return promise.get_future().get();
  }

  std::string folder_;
  std::string path_;
  std::vector<std::string> read_;
  JournalRecovery recovery_;
};

TEST_F(JournalTest, WhatWasAppendedIsReadAtTheNextOpen) {
  {
    auto journal = Open().value();
    EXPECT_TRUE(AppendAndWait(*journal, "one").has_value());
    EXPECT_TRUE(journal->Append(std::string("two\0", 4), nullptr).has_value());
  }
  auto journal = Open().value();
  EXPECT_THAT(read_, ElementsAre("one", std::string("two\0", 4)));
  EXPECT_EQ(recovery_.records, 2U);
  EXPECT_EQ(recovery_.cut_bytes, 0U);
}

TEST_F(JournalTest, ManyThreadsLoseNothing) {
  constexpr int kThreads = 4;
  constexpr int kEach = 200;
  {
    auto journal = Open().value();
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&journal, t] {
        for (int i = 0; i < kEach; ++i) {
          EXPECT_TRUE(journal->Append(std::to_string(t) + ":" + std::to_string(i), nullptr).has_value());
        }
      });
    }
  }
  (void)Open().value();
  EXPECT_THAT(read_, SizeIs(kThreads * kEach));
  std::vector<int> next(kThreads, 0);
  for (const std::string& record : read_) EXPECT_EQ(record.substr(2), std::to_string(next[record[0] - '0']++));
}

// Every length that a crash may leave behind.
TEST_F(JournalTest, ATornTailIsCutKeptAsideAndSaid) {
  std::string whole(kJournalMagic);
  AppendJournalRecord("first", whole);
  const std::size_t first = whole.size();
  AppendJournalRecord("second", whole);
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    ASSERT_TRUE(WriteFileAtomically(path_, whole.substr(0, size)).has_value());
    {
      auto journal = Open().value();
      const std::size_t records = size == whole.size() ? 2 : size >= first ? 1 : 0;
      ASSERT_THAT(read_, SizeIs(records)) << size;
      const std::size_t kept = records == 2 ? whole.size() : records == 1 ? first : size < 8 ? 0 : 8;
      EXPECT_EQ(recovery_.cut_bytes, size - kept) << size;
      EXPECT_EQ(recovery_.stop.empty(), size == kept) << size;
      if (size != kept) EXPECT_EQ(ReadFile(recovery_.cut_file).value(), whole.substr(kept, size - kept));
      EXPECT_TRUE(AppendAndWait(*journal, "after").has_value());
    }
    (void)Open().value();
    EXPECT_EQ(read_.back(), "after") << size;
    EXPECT_EQ(recovery_.cut_bytes, 0U) << "the tail was cut off for good";
  }
}

TEST_F(JournalTest, ADamagedRecordEndsTheReading) {
  std::string bytes(kJournalMagic);
  AppendJournalRecord("first", bytes);
  const std::size_t first = bytes.size();
  AppendJournalRecord("second", bytes);
  for (std::size_t at = first; at < bytes.size(); ++at) {
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    ASSERT_TRUE(WriteFileAtomically(path_, damaged).has_value());
    (void)Open().value();
    EXPECT_THAT(read_, ElementsAre("first")) << at;
  }
  ASSERT_TRUE(WriteFileAtomically(path_, bytes.substr(0, first) + std::string(4096, '\0')).has_value());
  (void)Open().value();
  EXPECT_THAT(read_, ElementsAre("first"));
  EXPECT_EQ(recovery_.cut_bytes, 4096U);
}

TEST_F(JournalTest, ForeignFilesAndSecondOwnersAreRefused) {
  ASSERT_TRUE(WriteFileAtomically(path_, "a user's own file").has_value());
  const auto foreign = Open();
  ASSERT_FALSE(foreign.has_value());
  EXPECT_EQ(foreign.error().reason, "not_a_journal");
  EXPECT_EQ(ReadFile(path_).value(), "a user's own file");
  std::filesystem::remove(path_);
  const auto journal = Open().value();
  const auto second = Open();
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().reason, "journal_in_use");
}

TEST_F(JournalTest, ReplaceKeepsTheOrderOfAppends) {
  {
    auto journal = Open().value();
    EXPECT_TRUE(journal->Append("old", nullptr).has_value());
    journal->Replace({"live"}, nullptr);
    EXPECT_TRUE(journal->Append("new", nullptr).has_value());
  }
  {
    auto journal = Open().value();
    EXPECT_THAT(read_, ElementsAre("live", "new"));
    const std::size_t before = journal->size();
    EXPECT_TRUE(ReplaceAndWait(*journal, {}).has_value());
    EXPECT_LT(journal->size(), before);
  }
  (void)Open().value();
  EXPECT_THAT(read_, IsEmpty());
}

TEST_F(JournalTest, RecordsHaveABound) {
  auto journal = Open({.queue_bytes_max = 3 * kJournalRecordBytesMax}).value();
  EXPECT_TRUE(AppendAndWait(*journal, std::string(kJournalRecordBytesMax, 'x')).has_value());
  EXPECT_FALSE(journal->Append(std::string(kJournalRecordBytesMax + 1, 'x'), nullptr).has_value());
  EXPECT_FALSE(journal->Append("", nullptr).has_value());
}

TEST_F(JournalTest, AQueueThatIsFullRefuses) {
  auto journal = Open({.queue_bytes_max = 10}).value();
  const Status refused = journal->Append("eleven byte", nullptr);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().reason, "journal_queue_full");
  EXPECT_TRUE(AppendAndWait(*journal, "ten bytes.").has_value());
}

TEST_F(JournalTest, AFullFileRefusesAndKeepsWhatItHas) {
  {
    auto journal = Open({.file_bytes_max = 8 + 8 + 4}).value();
    EXPECT_TRUE(AppendAndWait(*journal, "four").has_value());
    const Status refused = AppendAndWait(*journal, "x");
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().reason, "journal_full");
  }
  (void)Open().value();
  EXPECT_THAT(read_, ElementsAre("four"));
}

// The file size limit of the process stands for a full disk: a part of the record is written, then no more.
TEST_F(JournalTest, ADiskThatFillsUpLeavesNoHalfRecordBehind) {
  auto journal = Open().value();
  ASSERT_TRUE(AppendAndWait(*journal, "before").has_value());
  rlimit old{};
  ::getrlimit(RLIMIT_FSIZE, &old);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit low{.rlim_cur = 100, .rlim_max = old.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &low);
  const Status refused = AppendAndWait(*journal, std::string(1000, 'x'));
  ::setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, handler);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().reason, "journal_failed");
  EXPECT_EQ(std::filesystem::file_size(path_), journal->size());
  EXPECT_TRUE(AppendAndWait(*journal, "after").has_value());
  journal.reset();
  (void)Open().value();
  EXPECT_THAT(read_, ElementsAre("before", "after"));
  EXPECT_EQ(recovery_.cut_bytes, 0U);
}

TEST_F(JournalTest, TasksRunAfterWhatCameBefore) {
  auto journal = Open().value();
  bool durable = false;
  std::promise<bool> seen;
  ASSERT_TRUE(journal->Append("x", [&](Status status) { durable = status.has_value(); }).has_value());
  journal->Post([&] { seen.set_value(durable); });
  EXPECT_TRUE(seen.get_future().get());
}

TEST_F(JournalTest, AFolderThatIsMissingIsNamed) {
  path_ = folder_ + "/none/j";
  const auto journal = Open();
  ASSERT_FALSE(journal.has_value());
  EXPECT_THAT(journal.error().message, testing::HasSubstr(path_));
}

}  // namespace
}  // namespace loquat::base
