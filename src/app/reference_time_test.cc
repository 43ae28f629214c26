#include "app/reference_time.h"

#include <gtest/gtest.h>

namespace loquat::app {
namespace {

std::int64_t Unix(std::string_view text) {
  const auto parsed = ParseReferenceTime(text, base::SystemClock());
  if (!parsed.has_value()) return -1;
  return std::chrono::duration_cast<std::chrono::seconds>(parsed->at.time_since_epoch()).count();
}

TEST(ReferenceTime, ReadsRfc3339) {
  EXPECT_EQ(Unix("1970-01-01T00:00:00Z"), 0);
  EXPECT_EQ(Unix("2026-11-21T09:00:00+08:00"), 1795222800);  // date -u -d 2026-11-21T01:00:00 +%s
  EXPECT_EQ(Unix("2026-11-20T20:00:00-05:00"), 1795222800);
  EXPECT_EQ(ParseReferenceTime("2026-11-20T20:00:00-05:30", base::SystemClock())->utc_offset_minutes, -330);
}

TEST(ReferenceTime, RefusesAnythingElse) {
  for (const std::string_view bad :
       {"tomorrow", "2026-11-21", "2026-11-21T09:00:00", "2026-13-21T09:00:00Z", "2026-02-30T09:00:00Z",
        "2026-11-21T24:00:00Z", "2026-11-21T09:60:00Z", "2026-11-21T09:00:00+8:00", "2026-11-21T09:00:00+15:00",
        "2026-11-21T09:00:00Zz", "x026-11-21T09:00:00Z"}) {
    EXPECT_EQ(Unix(bad), -1) << bad;
  }
}

TEST(ReferenceTime, IsNowWhenNothingIsSaid) {
  const base::ManualClock clock(base::WallTime(std::chrono::seconds(1795222800)));
  EXPECT_EQ(ParseReferenceTime("", clock)->at, clock.WallNow());
}

}  // namespace
}  // namespace loquat::app
