// Files appear whole or not at all.

#include "model/formats/new_file.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <filesystem>

#include "base/file.h"
#include "model/formats/gguf_test_data.h"
#include "model/formats/model_test_folder.h"

namespace loquat::model {
namespace {

using testing::HasSubstr;

class NewFileTest : public testing::Test {
 protected:
  std::size_t FilesThere() const {
    return static_cast<std::size_t>(
        std::distance(std::filesystem::directory_iterator(folder_.path()), std::filesystem::directory_iterator()));
  }
  const ModelTestFolder folder_;
  const std::string path_ = folder_.File("out.gguf");
};

TEST_F(NewFileTest, AppearsWhenItIsWhole) {
  {
    auto file = NewFile::Create(path_, NewFile::Existing::kRefuse);
    ASSERT_TRUE(file.has_value()) << file.error().message;
    ASSERT_TRUE(file->Reserve(6).has_value());
    ASSERT_TRUE(file->Append(AsBytes("abc")).has_value());
    EXPECT_FALSE(std::filesystem::exists(path_));
    ASSERT_TRUE(file->Append(AsBytes("def")).has_value());
    ASSERT_TRUE(file->Commit().has_value());
  }
  EXPECT_EQ(base::ReadFile(path_).value(), "abcdef");
  EXPECT_EQ(FilesThere(), 1U);
}

TEST_F(NewFileTest, LeavesNothingBehindWhenItIsGivenUp) {
  {
    auto file = NewFile::Create(path_, NewFile::Existing::kRefuse);
    ASSERT_TRUE(file.has_value());
    ASSERT_TRUE(file->Append(AsBytes("abc")).has_value());
    EXPECT_EQ(FilesThere(), 1U);
  }
  EXPECT_EQ(FilesThere(), 0U);
}

TEST_F(NewFileTest, RefusesOrReplacesWhatIsThere) {
  folder_.Write("out.gguf", "old");
  ASSERT_EQ(::chmod(path_.c_str(), 0600), 0);
  const auto refused = NewFile::Create(path_, NewFile::Existing::kRefuse);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, base::Code::kAlreadyExists);
  EXPECT_THAT(refused.error().message, HasSubstr("--force"));
  auto file = NewFile::Create(path_, NewFile::Existing::kReplace);
  ASSERT_TRUE(file.has_value());
  ASSERT_TRUE(file->Append(AsBytes("new")).has_value());
  EXPECT_EQ(base::ReadFile(path_).value(), "old");
  ASSERT_TRUE(file->Commit().has_value());
  EXPECT_EQ(base::ReadFile(path_).value(), "new");
  struct stat info {};
  ASSERT_EQ(::stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
  const auto folder = NewFile::Create(folder_.path(), NewFile::Existing::kReplace);
  ASSERT_FALSE(folder.has_value());
  EXPECT_THAT(folder.error().message, HasSubstr("no regular file"));
}

TEST_F(NewFileTest, DoesNotReplaceWhatAppearsMeanwhile) {
  auto file = NewFile::Create(path_, NewFile::Existing::kRefuse);
  ASSERT_TRUE(file.has_value());
  folder_.Write("out.gguf", "other");
  const auto committed = file->Commit();
  ASSERT_FALSE(committed.has_value());
  EXPECT_EQ(committed.error().code, base::Code::kAlreadyExists);
  EXPECT_EQ(base::ReadFile(path_).value(), "other");
}

// In a child: the limit holds for a whole process.
int WriteBeyondTheLimit(const std::string& path, bool reserve) {
  constexpr rlim_t kLimit = 4096;
  const rlimit limit{.rlim_cur = kLimit, .rlim_max = kLimit};
  ::signal(SIGXFSZ, SIG_IGN);
  if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return 1;
  auto file = NewFile::Create(path, NewFile::Existing::kRefuse);
  if (!file.has_value()) return 2;
  const base::Status failed = reserve ? file->Reserve(kLimit + 1) : file->Append(std::vector<std::byte>(kLimit + 1));
  if (failed.has_value() || failed.error().code != base::Code::kResourceExhausted) return 3;
  return failed.error().message.find("make room") == std::string::npos ? 4 : 0;
}

TEST_F(NewFileTest, AFullDiskIsSaidAndLeavesNothing) {
  for (const bool reserve : {true, false}) {
    EXPECT_EXIT(::exit(WriteBeyondTheLimit(path_, reserve)), testing::ExitedWithCode(0), "");
    EXPECT_EQ(FilesThere(), 0U);
  }
}

TEST_F(NewFileTest, AFolderThatIsNotThereIsSaid) {
  const auto file = NewFile::Create(folder_.File("none/out.gguf"), NewFile::Existing::kRefuse);
  ASSERT_FALSE(file.has_value());
  EXPECT_EQ(file.error().code, base::Code::kNotFound);
}

}  // namespace
}  // namespace loquat::model
