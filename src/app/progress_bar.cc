#include "app/progress_bar.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "observe/log_sink.h"

namespace loquat::app {
namespace {

constexpr int kBarWidth = 30;
constexpr std::chrono::milliseconds kRedrawEvery{100};

void WriteText(int descriptor, std::string_view text) {
  // Progress is a courtesy: where it cannot be written the work goes on.
  static_cast<void>(observe::WriteAll(descriptor, text, "progress").has_value());
}

}  // namespace

ProgressBar::ProgressBar(int descriptor, const base::Clock& clock)
    : descriptor_(descriptor), terminal_(isatty(descriptor) == 1), clock_(clock), start_(clock.Now()) {}

ProgressBar::~ProgressBar() {
  if (line_open_) WriteText(descriptor_, "\n");
}

std::string ProgressBar::Draw(double fraction, std::string_view what, double seconds) {
  fraction = std::clamp(fraction, 0.0, 1.0);
  const int done = static_cast<int>(fraction * kBarWidth);
  std::string bar(static_cast<std::size_t>(done), '=');
  if (done < kBarWidth) bar += '>';
  return fmt::format("[{:<{}}] {:3.0f} %  {}  {:.0f} s", bar, kBarWidth, 100 * fraction, what, seconds);
}

void ProgressBar::Show(double fraction, std::string_view what) {
  const base::TimePoint now = clock_.Now();
  const double seconds = std::chrono::duration<double>(now - start_).count();
  if (terminal_) {
    if (line_open_ && fraction < 1 && now - drawn_at_ < kRedrawEvery) return;
    drawn_at_ = now;
    line_open_ = true;
    WriteText(descriptor_, "\r\x1b[K" + Draw(fraction, what, seconds));
    return;
  }
  const int tenth = static_cast<int>(std::clamp(fraction, 0.0, 1.0) * 10);
  if (tenth == last_tenth_) return;
  last_tenth_ = tenth;
  WriteText(descriptor_, fmt::format("{:3d} %  {}  {:.0f} s\n", 10 * tenth, what, seconds));
}

}  // namespace loquat::app
