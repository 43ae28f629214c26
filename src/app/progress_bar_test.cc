#include "app/progress_bar.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>

namespace loquat::app {
namespace {

TEST(ProgressBar, DrawsItsShare) {
  EXPECT_EQ(ProgressBar::Draw(0, "features", 0), "[>                             ]   0 %  features  0 s");
  EXPECT_EQ(ProgressBar::Draw(0.5, "intents", 12.2), "[===============>              ]  50 %  intents  12 s");
  EXPECT_EQ(ProgressBar::Draw(1, "done", 60), "[==============================] 100 %  done  60 s");
  EXPECT_EQ(ProgressBar::Draw(7, "x", 0), ProgressBar::Draw(1, "x", 0));
}

TEST(ProgressBar, WritesALineEveryTenthWhereThereIsNoTerminal) {
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe(ends.data()), 0);
  {
    const base::ManualClock clock;
    ProgressBar bar(ends[1], clock);
    for (const double fraction : {0.0, 0.01, 0.05, 0.11, 0.12, 1.0}) bar.Show(fraction, "work");
  }
  close(ends[1]);
  std::string text(4096, '\0');
  text.resize(static_cast<std::size_t>(read(ends[0], text.data(), text.size())));
  close(ends[0]);
  EXPECT_EQ(text, "  0 %  work  0 s\n 10 %  work  0 s\n100 %  work  0 s\n");
}

}  // namespace
}  // namespace loquat::app
