#include "app/open_files.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

namespace loquat::app {
namespace {

class OpenFiles : public testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before_), 0); }
  void TearDown() override { ::setrlimit(RLIMIT_NOFILE, &before_); }

  static void SetSoft(rlim_t soft) {
    rlimit limit{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = soft;
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  }
  static rlim_t Soft() {
    rlimit limit{};
    return ::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : 0;
  }

  rlimit before_{};
};

TEST_F(OpenFiles, RaisesTheSoftLimitToWhatIsWanted) {
  SetSoft(100);
  EXPECT_EQ(RaiseOpenFilesLimit(200), 200u);
  EXPECT_EQ(Soft(), 200u);
}

TEST_F(OpenFiles, NeverLowersIt) {
  SetSoft(200);
  EXPECT_EQ(RaiseOpenFilesLimit(100), 200u);
  EXPECT_EQ(Soft(), 200u);
}

TEST_F(OpenFiles, StopsAtTheHardLimit) {
  if (before_.rlim_max == RLIM_INFINITY) GTEST_SKIP() << "there is no hard limit here";
  SetSoft(100);
  EXPECT_EQ(RaiseOpenFilesLimit(before_.rlim_max + 1), before_.rlim_max);
}

}  // namespace
}  // namespace loquat::app
