// A file appears whole or not at all: under its name, beside others, and when the disk does not hold it.

#include "base/atomic_file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <iterator>
#include <thread>
#include <vector>

#include "base/file.h"

namespace loquat::base {
namespace {

using Existing = AtomicFile::Existing;

class AtomicFileTest : public testing::Test {
 protected:
  AtomicFileTest() {
    std::string name = testing::TempDir() + "loquat-atomic-XXXXXX";
    folder_ = ::mkdtemp(name.data());
  }
  ~AtomicFileTest() override { std::filesystem::remove_all(folder_); }

  std::string Path() const { return folder_ + "/file"; }
  std::ptrdiff_t Files() const { return std::distance(std::filesystem::directory_iterator(folder_), {}); }
  Status Write(std::string_view text, Existing existing) const {
    LOQUAT_ASSIGN(AtomicFile file, AtomicFile::Create(Path(), existing));
    const auto bytes = std::as_bytes(std::span(text));
    LOQUAT_TRY(file.WriteAt(bytes.size() / 2, bytes.subspan(bytes.size() / 2)));
    LOQUAT_TRY(file.WriteAt(0, bytes.first(bytes.size() / 2)));
    EXPECT_EQ(std::filesystem::exists(Path()), std::filesystem::exists(Path() + ".old")) << "not before it is whole";
    return file.Commit();
  }

  std::string folder_;
};

TEST_F(AtomicFileTest, AppearsWholeWhenItIsCommitted) {
  ASSERT_TRUE(Write("what was written", Existing::kRefuse).has_value());
  EXPECT_EQ(ReadFile(Path()).value(), "what was written");
  EXPECT_EQ(Files(), 1);
}

TEST_F(AtomicFileTest, AnExistingFileIsRefusedOrReplaced) {
  ASSERT_TRUE(WriteFileAtomically(Path(), "old").has_value());
  ASSERT_TRUE(WriteFileAtomically(Path() + ".old", "").has_value());
  const Status refused = Write("new", Existing::kRefuse);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, Code::kAlreadyExists);
  EXPECT_NE(refused.error().message.find(Path()), std::string::npos);
  EXPECT_EQ(ReadFile(Path()).value(), "old");
  ASSERT_TRUE(Write("new", Existing::kReplace).has_value());
  EXPECT_EQ(ReadFile(Path()).value(), "new");
  EXPECT_EQ(Files(), 2) << "no temporary file stays";
}

TEST_F(AtomicFileTest, AFileThatIsReplacedLeavesItsMode) {
  ASSERT_TRUE(Write("old", Existing::kRefuse).has_value());
  ASSERT_EQ(::chmod(Path().c_str(), 0640), 0);
  ASSERT_TRUE(WriteFileAtomically(Path(), "new").has_value());
  struct stat info {};
  ASSERT_EQ(::stat(Path().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0640U);
}

TEST_F(AtomicFileTest, WhatAppearsMeanwhileStays) {
  auto file = AtomicFile::Create(Path(), Existing::kRefuse);
  ASSERT_TRUE(file.has_value());
  ASSERT_TRUE(WriteFileAtomically(Path(), "other").has_value());
  const Status committed = file->Commit();
  ASSERT_FALSE(committed.has_value());
  EXPECT_EQ(committed.error().code, Code::kAlreadyExists);
  EXPECT_EQ(ReadFile(Path()).value(), "other");
}

TEST_F(AtomicFileTest, OnlyRegularFilesAreReplaced) {
  const Status checked = AtomicFile::Check(folder_, Existing::kReplace);
  ASSERT_FALSE(checked.has_value());
  EXPECT_EQ(checked.error().code, Code::kInvalidArgument);
  EXPECT_NE(checked.error().message.find("no regular file"), std::string::npos);
}

TEST_F(AtomicFileTest, PiecesAreAppendedInTurn) {
  auto file = AtomicFile::Create(Path(), Existing::kRefuse);
  ASSERT_TRUE(file.has_value());
  for (const std::string_view piece : {"one, ", "", "two"}) {
    ASSERT_TRUE(file->Append(std::as_bytes(std::span(piece))).has_value());
  }
  ASSERT_TRUE(file->Commit().has_value());
  EXPECT_EQ(ReadFile(Path()).value(), "one, two");
}

// Many at once, as threads of one process do.
TEST_F(AtomicFileTest, OneOfSeveralReplacementsStays) {
  const std::string long_text(100'000, 'x');
  std::vector<std::jthread> threads;
  for (std::size_t i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      for (std::size_t round = 0; round < 20; ++round) {
        const Status written = WriteFileAtomically(Path(), long_text.substr(i));
        EXPECT_TRUE(written.has_value()) << written.error().message;
      }
    });
  }
  threads.clear();
  const std::string last = ReadFile(Path()).value();
  EXPECT_TRUE(last.size() > 99'990 && last.find_first_not_of('x') == std::string::npos) << last.size();
  EXPECT_EQ(Files(), 1);
}

TEST_F(AtomicFileTest, WhatIsNotCommittedLeavesNothing) {
  {
    auto file = AtomicFile::Create(Path(), Existing::kRefuse);
    ASSERT_TRUE(file.has_value());
    ASSERT_TRUE(file->WriteAt(0, std::as_bytes(std::span("half"))).has_value());
  }
  EXPECT_EQ(Files(), 0);
  const auto nowhere = AtomicFile::Create(folder_ + "/none/file", Existing::kRefuse);
  ASSERT_FALSE(nowhere.has_value());
  EXPECT_EQ(nowhere.error().code, Code::kNotFound);
}

TEST_F(AtomicFileTest, FilesThatTheLimitDoesNotHoldAreRefusedByName) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{.rlim_cur = 4096, .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::string bytes(200, 'x');
  auto file = AtomicFile::Create(Path(), Existing::kRefuse);
  Status reserved, written;
  if (file.has_value()) {
    reserved = file->Reserve(8192);
    written = file->WriteAt(4000, std::as_bytes(std::span(bytes)));
  }
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  for (const Status& status : {reserved, written}) {
    ASSERT_FALSE(status.has_value());
    EXPECT_EQ(status.error().code, Code::kResourceExhausted);
    EXPECT_EQ(status.error().reason, "disk_full");
    EXPECT_NE(status.error().message.find(Path()), std::string::npos) << status.error().message;
  }
}

}  // namespace
}  // namespace loquat::base
