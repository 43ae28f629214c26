#include "ingress/kafka/intake_gate.h"

#include <gtest/gtest.h>

namespace loquat::ingress::kafka {
namespace {

using std::chrono::milliseconds;

constexpr base::TimePoint kStart{std::chrono::seconds(1000)};

TEST(IntakeGate, ClosesWhereNothingCouldBeTakenForTheWholeGrace) {
  IntakeGate gate;
  EXPECT_FALSE(gate.Update(true, false, kStart));
  EXPECT_FALSE(gate.Update(true, false, kStart + kFullGrace - milliseconds(1)));
  EXPECT_TRUE(gate.Update(true, false, kStart + kFullGrace));
}

TEST(IntakeGate, AServerThatIsFullAndMovesIsNotPaused) {
  IntakeGate gate;
  for (base::TimePoint now = kStart; now < kStart + 100 * kFullGrace; now += kFullGrace / 2) {
    EXPECT_FALSE(gate.Update(true, false, now));
    gate.Polled();  // One has ended, and the next one takes its place.
  }
}

TEST(IntakeGate, OpensAtHalfAndCountsAnew) {
  IntakeGate gate;
  gate.Update(true, false, kStart);
  EXPECT_TRUE(gate.Update(true, false, kStart + kFullGrace));
  EXPECT_TRUE(gate.Update(false, false, kStart + 2 * kFullGrace));
  EXPECT_FALSE(gate.Update(false, true, kStart + 3 * kFullGrace));
  EXPECT_FALSE(gate.Update(true, false, kStart + 4 * kFullGrace));
  EXPECT_FALSE(gate.Update(true, false, kStart + 5 * kFullGrace - milliseconds(1)));
  EXPECT_TRUE(gate.Update(true, false, kStart + 5 * kFullGrace));
}

}  // namespace
}  // namespace loquat::ingress::kafka
