#include "base/file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <thread>

namespace loquat::base {
namespace {

using testing::HasSubstr;

class FileTest : public testing::Test {
 protected:
  FileTest() {
    std::string name = testing::TempDir() + "loquat-file-XXXXXX";
    directory_ = ::mkdtemp(name.data());
  }
  ~FileTest() override { std::filesystem::remove_all(directory_); }

  std::string Path(const std::string& name) const { return directory_ + "/" + name; }
  std::size_t FilesInDirectory() const {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(directory_), {}));
  }

  std::string directory_;
};

TEST_F(FileTest, WhatIsWrittenIsRead) {
  const std::string bytes("a\0b\xFF\n", 5);
  ASSERT_TRUE(WriteFileAtomically(Path("x"), bytes).has_value());
  EXPECT_EQ(ReadFile(Path("x")).value(), bytes);
  EXPECT_EQ(FilesInDirectory(), 1U) << "no temporary file stays";
}

TEST_F(FileTest, ReadStopsAtTheLimit) {
  ASSERT_TRUE(WriteFileAtomically(Path("x"), "12345").has_value());
  EXPECT_EQ(ReadFile(Path("x"), 5).value(), "12345");
  const Error error = ReadFile(Path("x"), 4).error();
  EXPECT_EQ(error.code, Code::kResourceExhausted);
  EXPECT_EQ(error.reason, "too_large");
  EXPECT_THAT(error.message, HasSubstr(Path("x")));
}

TEST_F(FileTest, ReadsPipesWhoseSizeNobodyKnows) {
  const std::string pipe = Path("pipe");
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const std::string bytes(300000, 'p');
  const auto write_all = [&] {
    const int fd = ::open(pipe.c_str(), O_WRONLY | O_CLOEXEC);
    std::string_view left = bytes;
    while (!left.empty()) {
      const ssize_t written = ::write(fd, left.data(), left.size());
      if (written <= 0) break;
      left.remove_prefix(static_cast<std::size_t>(written));
    }
    ::close(fd);
  };
  std::jthread writer(write_all);
  EXPECT_EQ(ReadFile(pipe).value(), bytes);
}

TEST_F(FileTest, MappingAPipeIsRefusedWithoutWaitingForAWriter) {
  ASSERT_EQ(::mkfifo(Path("pipe").c_str(), 0600), 0);
  EXPECT_EQ(MappedFile::Open(Path("pipe")).error().code, Code::kFailedPrecondition);
}

TEST_F(FileTest, ReadRefusesAnEndlessFile) {
  EXPECT_EQ(ReadFile("/dev/zero", 1000).error().code, Code::kResourceExhausted);
}

TEST_F(FileTest, ErrorsNameThePathAndTheCause) {
  const Error missing = ReadFile(Path("none")).error();
  EXPECT_EQ(missing.code, Code::kNotFound);
  EXPECT_THAT(missing.message, HasSubstr(Path("none") + ": No such file"));
  EXPECT_THAT(ReadFile(directory_).error().message, HasSubstr("Is a directory"));
  EXPECT_EQ(MappedFile::Open(Path("none")).error().code, Code::kNotFound);
  EXPECT_EQ(MappedFile::Open("/dev/null").error().code, Code::kFailedPrecondition);
  EXPECT_EQ(WriteFileAtomically(Path("no/such/folder"), "x").error().code, Code::kNotFound);
  EXPECT_EQ(FileError("read", "x", EACCES).code, Code::kPermissionDenied);
  EXPECT_EQ(FileError("write", "x", ENOSPC).code, Code::kResourceExhausted);
  EXPECT_EQ(FileError("write", "x", EIO).code, Code::kInternal);
}

TEST_F(FileTest, WhatIsForgottenIsReadAgain) {
  std::string text(20'000, 'a');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>('a' + i % 23);
  ASSERT_TRUE(WriteFileAtomically(Path("x"), text).has_value());
  const MappedFile mapped = MappedFile::Open(Path("x")).value();
  for (const auto& [from, count] :
       {std::pair(0, 20'000), std::pair(1, 19'999), std::pair(4095, 2), std::pair(5000, 0)}) {
    mapped.Forget(mapped.bytes().subspan(static_cast<std::size_t>(from), static_cast<std::size_t>(count)));
    EXPECT_EQ(mapped.text(), text) << from;
  }
}

TEST_F(FileTest, ReplacingKeepsTheModeAndTheOldReadersBytes) {
  ASSERT_TRUE(WriteFileAtomically(Path("x"), "old").has_value());
  ASSERT_EQ(::chmod(Path("x").c_str(), 0600), 0);
  const MappedFile old = MappedFile::Open(Path("x")).value();
  ASSERT_TRUE(WriteFileAtomically(Path("x"), "newer").has_value());
  EXPECT_EQ(old.text(), "old");
  EXPECT_EQ(ReadFile(Path("x")).value(), "newer");
  struct stat info {};
  ASSERT_EQ(::stat(Path("x").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
}

TEST_F(FileTest, AFailedReplaceLeavesNothingBehind) {
  ASSERT_EQ(::mkdir(Path("folder").c_str(), 0700), 0);
  const Status status = WriteFileAtomically(Path("folder"), "x");
  ASSERT_FALSE(status.has_value());
  EXPECT_THAT(status.error().message, HasSubstr("no regular file"));
  EXPECT_EQ(FilesInDirectory(), 1U);
}

TEST_F(FileTest, WritesIntoTheWorkingDirectory) {
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(directory_);
  const Status status = WriteFileAtomically("plain", "x");
  std::filesystem::current_path(before);
  EXPECT_TRUE(status.has_value());
  EXPECT_EQ(ReadFile(Path("plain")).value(), "x");
}

TEST_F(FileTest, MapsReadOnlyWithEveryAdvice) {
  const std::string bytes(10000, 'm');
  ASSERT_TRUE(WriteFileAtomically(Path("x"), bytes).has_value());
  for (const MapAdvice advice :
       {MapAdvice::kNormal, MapAdvice::kSequential, MapAdvice::kRandom, MapAdvice::kWillNeed}) {
    const MappedFile mapped = MappedFile::Open(Path("x"), advice).value();
    EXPECT_EQ(mapped.size(), bytes.size());
    EXPECT_EQ(mapped.text(), bytes);
    EXPECT_EQ(mapped.bytes().size(), bytes.size());
  }
}

TEST_F(FileTest, AnEmptyFileMapsToNothing) {
  ASSERT_TRUE(WriteFileAtomically(Path("x"), "").has_value());
  const MappedFile mapped = MappedFile::Open(Path("x")).value();
  EXPECT_EQ(mapped.size(), 0U);
  mapped.Advise(MapAdvice::kWillNeed);
  EXPECT_EQ(ReadFile(Path("x"), 0).value(), "");
}

TEST_F(FileTest, AMappingMoves) {
  ASSERT_TRUE(WriteFileAtomically(Path("x"), "12").has_value());
  MappedFile first = MappedFile::Open(Path("x")).value();
  MappedFile second = std::move(first);
  MappedFile third;
  third = std::move(second);
  EXPECT_EQ(third.text(), "12");
}

TEST_F(FileTest, PopulatedAndLockedBytesAreThoseOfTheFile) {
  const std::string bytes(100'000, 'y');
  ASSERT_TRUE(WriteFileAtomically(Path("x"), bytes).has_value());
  const auto mapped = MappedFile::Open(Path("x"));
  ASSERT_TRUE(mapped.has_value());
  const auto part = mapped->bytes().subspan(5000, 60'000);
  EXPECT_TRUE(mapped->Populate(part).has_value());
  EXPECT_TRUE(mapped->Populate({}).has_value());
  // What this machine lets a process lock is its own; an answer that is no success says what to do.
  const Status locked = mapped->Lock(part);
  if (!locked.has_value()) {
    EXPECT_EQ(locked.error().reason, "memlock");
  }
  EXPECT_EQ(mapped->text(), bytes);
}

}  // namespace
}  // namespace loquat::base
