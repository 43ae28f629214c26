// The lattice against brute force over every labelling that the BIO rules allow.

#include "understanding/slot_lattice.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <vector>

#include "base/random.h"
#include "understanding/deterministic_math.h"

namespace loquat::understanding {
namespace {

struct Problem {
  SlotLabels labels;
  std::uint32_t tokens = 0;
  TransitionScores transitions;
  std::vector<float> emissions;
  PreparedTransitions prepared;

  Problem(std::uint32_t types, std::uint32_t token_count, float spread, base::Random& random)
      : labels{types}, tokens(token_count) {
    const auto draw = [&] { return spread * (2 * random.Float() - 1); };
    transitions.Resize(labels);
    for (float& score : transitions.enter) score = draw();
    for (float& score : transitions.continue_begin) score = draw();
    for (float& score : transitions.continue_inside) score = draw();
    emissions.assign(tokens * labels.stride(), 0);
    for (std::uint32_t t = 0; t < tokens; ++t) {
      for (std::uint32_t y = 0; y < labels.count(); ++y) emissions[t * labels.stride() + y] = draw();
    }
    prepared.Prepare(transitions, 1.0F);
  }

  // Of a whole labelling; minus infinity when the rules forbid it.
  double Score(const std::vector<std::uint32_t>& path) const {
    double score = 0;
    std::uint32_t source = 0;
    for (std::uint32_t t = 0; t < tokens; ++t) {
      const std::uint32_t y = path[t];
      score += static_cast<double>(emissions[t * labels.stride() + y]);
      if (labels.IsInside(y)) {
        const std::uint32_t type = labels.TypeOf(y);
        if (t == 0 || (path[t - 1] != labels.Begin(type) && path[t - 1] != y)) return -INFINITY;
        score += static_cast<double>(path[t - 1] == y ? transitions.continue_inside[type]
                                                      : transitions.continue_begin[type]);
      } else {
        score += static_cast<double>(transitions.enter[source * labels.type_stride() + y]);
        source = y;
      }
    }
    return score;
  }

  void ForEachPath(const std::function<void(const std::vector<std::uint32_t>&, double)>& visit) const {
    std::vector<std::uint32_t> path(tokens, 0);
    for (;;) {
      const double score = Score(path);
      if (score > -INFINITY) visit(path, score);
      std::uint32_t t = 0;
      while (t < tokens && ++path[t] == labels.count()) path[t++] = 0;
      if (t == tokens) return;
    }
  }

  std::vector<LabelledSpan> SpansOf(const std::vector<std::uint32_t>& path) const {
    std::vector<LabelledSpan> spans;
    for (std::uint32_t t = 0; t < tokens; ++t) {
      if (labels.IsBegin(path[t])) spans.push_back({t, t + 1, labels.TypeOf(path[t])});
      if (labels.IsInside(path[t])) spans.back().end = t + 1;
    }
    return spans;
  }
};

constexpr std::uint64_t kSeed = 20240607;

TEST(SlotLattice, DecodesTheBestOfAllLabellings) {
  RecordProperty("seed", std::to_string(kSeed));
  base::Random random(kSeed);
  Lattice lattice;
  for (int round = 0; round < 300; ++round) {
    const Problem problem(static_cast<std::uint32_t>(random.Between(1, 3)),
                          static_cast<std::uint32_t>(random.Between(1, 5)), round % 2 == 0 ? 1.0F : 6.0F, random);
    std::vector<std::uint32_t> best;
    double best_score = -INFINITY;
    problem.ForEachPath([&](const std::vector<std::uint32_t>& path, double score) {
      if (score > best_score) {
        best_score = score;
        best = path;
      }
    });
    const auto found = lattice.Decode(problem.prepared, problem.emissions.data(), problem.tokens);
    EXPECT_EQ(std::vector<LabelledSpan>(found.begin(), found.end()), problem.SpansOf(best)) << "round " << round;
  }
}

TEST(SlotLattice, SumsOverAllLabellings) {
  base::Random random(kSeed + 1);
  Lattice lattice;
  for (int round = 0; round < 100; ++round) {
    const Problem problem(static_cast<std::uint32_t>(random.Between(1, 3)),
                          static_cast<std::uint32_t>(random.Between(1, 4)), 3.0F, random);
    const SlotLabels labels = problem.labels;
    double z = 0;
    std::vector<double> marginals(problem.tokens * labels.count(), 0);
    TransitionScores counts;
    counts.Resize(labels);
    const LabelledSpan asked{static_cast<std::uint32_t>(random.Below(problem.tokens)), problem.tokens,
                             static_cast<std::uint32_t>(random.Below(labels.types))};
    const LabelledSpan shorter{asked.begin, asked.begin + 1, asked.type};
    double asked_mass = 0, shorter_mass = 0;
    problem.ForEachPath([&](const std::vector<std::uint32_t>& path, double score) {
      const double mass = std::exp(score);
      z += mass;
      std::uint32_t source = 0;
      for (std::uint32_t t = 0; t < problem.tokens; ++t) {
        marginals[t * labels.count() + path[t]] += mass;
        if (!labels.IsInside(path[t])) {
          counts.enter[source * labels.type_stride() + path[t]] += static_cast<float>(mass);
          source = path[t];
        } else if (labels.IsBegin(path[t - 1])) {
          counts.continue_begin[labels.TypeOf(path[t])] += static_cast<float>(mass);
        }
      }
      for (const LabelledSpan& span : problem.SpansOf(path)) {
        asked_mass += span == asked ? mass : 0;
        shorter_mass += span == shorter ? mass : 0;
      }
    });
    const float log_z = lattice.ForwardBackward(problem.prepared, problem.emissions.data(), problem.tokens, 1.0F, 0);
    EXPECT_NEAR(static_cast<double>(log_z), std::log(z), 1e-3);
    std::vector<float> row(labels.stride());
    for (std::uint32_t t = 0; t < problem.tokens; ++t) {
      lattice.Marginals(t, row.data());
      for (std::uint32_t y = 0; y < labels.count(); ++y) {
        EXPECT_NEAR(static_cast<double>(row[y]), marginals[t * labels.count() + y] / z, 1e-4);
      }
    }
    EXPECT_NEAR(static_cast<double>(lattice.SpanProbability(problem.prepared, asked)), asked_mass / z, 1e-4);
    EXPECT_NEAR(static_cast<double>(lattice.SpanProbability(problem.prepared, shorter)), shorter_mass / z, 1e-4);
    TransitionScores expected;
    expected.Resize(labels);
    lattice.AddExpectedTransitions(problem.prepared, 0, expected);
    for (std::size_t i = 0; i < counts.enter.size(); ++i) {
      EXPECT_NEAR(static_cast<double>(expected.enter[i]), static_cast<double>(counts.enter[i]) / z, 1e-4);
    }
    for (std::uint32_t x = 0; x < labels.types; ++x) {
      EXPECT_NEAR(static_cast<double>(expected.continue_begin[x]), static_cast<double>(counts.continue_begin[x]) / z,
                  1e-4);
    }
  }
}

TEST(SlotLattice, AppliesTheTemperatureToEveryScore) {
  base::Random random(kSeed + 2);
  Problem problem(2, 4, 2.0F, random);
  Lattice cool, scaled;
  PreparedTransitions halved;
  halved.Prepare(problem.transitions, 0.5F);
  const float direct = cool.ForwardBackward(halved, problem.emissions.data(), problem.tokens, 0.5F, 0);
  for (float& score : problem.transitions.enter) score *= 0.5F;
  for (float& score : problem.transitions.continue_begin) score *= 0.5F;
  for (float& score : problem.transitions.continue_inside) score *= 0.5F;
  for (float& score : problem.emissions) score *= 0.5F;
  problem.prepared.Prepare(problem.transitions, 1.0F);
  EXPECT_NEAR(direct, scaled.ForwardBackward(problem.prepared, problem.emissions.data(), problem.tokens, 1.0F, 0),
              1e-4);
}

TEST(SlotLattice, StaysFiniteWhenScoresLieFarApart) {
  base::Random random(kSeed + 3);
  Lattice lattice;
  const Problem problem(3, 60, 90.0F, random);
  const float log_z = lattice.ForwardBackward(problem.prepared, problem.emissions.data(), problem.tokens, 1.0F, 0);
  EXPECT_TRUE(std::isfinite(log_z));
  std::vector<float> row(problem.labels.stride());
  for (std::uint32_t t = 0; t < problem.tokens; ++t) {
    lattice.Marginals(t, row.data());
    for (std::uint32_t y = 0; y < problem.labels.count(); ++y) EXPECT_TRUE(std::isfinite(row[y]));
  }
  for (const LabelledSpan& span : lattice.Decode(problem.prepared, problem.emissions.data(), problem.tokens)) {
    EXPECT_LT(span.begin, span.end);
    EXPECT_LE(span.end, problem.tokens);
  }
}

TEST(SlotLattice, TakesAnEmptyUtterance) {
  base::Random random(kSeed + 4);
  const Problem problem(2, 0, 1.0F, random);
  Lattice lattice;
  EXPECT_TRUE(lattice.Decode(problem.prepared, problem.emissions.data(), 0).empty());
  EXPECT_EQ(lattice.ForwardBackward(problem.prepared, problem.emissions.data(), 0, 1.0F, 0), 0);
}

TEST(DeterministicMath, IsCloseToTheLibraryOverItsRange) {
  for (float x = -86.5F; x < 87.5F; x += 0.0371F) {
    const double exact = std::exp(static_cast<double>(x));
    EXPECT_NEAR(static_cast<double>(DeterministicExp(x)) / exact, 1.0, 3e-7) << x;
  }
  for (float x = 1e-37F; x < 1e37F; x *= 1.0173F) {
    const double exact = std::log(static_cast<double>(x));
    EXPECT_NEAR(static_cast<double>(DeterministicLog(x)), exact, 2e-7 * std::max(1.0, std::fabs(exact))) << x;
  }
  EXPECT_EQ(DeterministicExp(-1000.0F), DeterministicExp(kExpInputMin));
  EXPECT_EQ(DeterministicExp(1000.0F), DeterministicExp(kExpInputMax));
  EXPECT_EQ(DeterministicExp(0.0F), 1.0F);
  EXPECT_EQ(DeterministicLog(1.0F), 0.0F);
  EXPECT_TRUE(std::isfinite(DeterministicLog(0.0F)));
}

}  // namespace
}  // namespace loquat::understanding
