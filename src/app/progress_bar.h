// Progress of long work on standard error: a bar that redraws itself on a terminal, a plain line every tenth otherwise.
//
// One thread at a time.

#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"

namespace loquat::app {

class ProgressBar {
 public:
  // Draws to `descriptor` (standard error as a rule).
  ProgressBar(int descriptor, const base::Clock& clock);
  // Ends the line that is being drawn.
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  // `fraction` of the whole, in [0, 1]; `what` is being done now.
  void Show(double fraction, std::string_view what);

  // The text of one bar: "[=====>    ]  52 %  intents  12 s".
  static std::string Draw(double fraction, std::string_view what, double seconds);

 private:
  const int descriptor_;
  const bool terminal_;
  const base::Clock& clock_;
  const base::TimePoint start_;
  base::TimePoint drawn_at_{};
  int last_tenth_ = -1;
  bool line_open_ = false;
};

}  // namespace loquat::app
