#include "understanding/slot_optimizer.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/hash.h"
#include "base/random.h"
#include "understanding/slot_math.h"

namespace loquat::understanding {
namespace {

constexpr float kSquaresStart = 0.1F;      // Keeps the first steps of a row from being whole ones.
constexpr float kGradientIgnored = 1e-6F;  // A token whose squared gradient is below it is learnt already.
constexpr float kTransitionFloor = 1e-7F;
constexpr double kHeavyTouches = 2.0;  // Expected touches of a block in a batch that make it heavy.
constexpr std::uint32_t kListedBits = 64;

bool IsActive(const CorpusAtom& atom, std::span<const std::uint8_t> dropped, std::uint64_t unlisted, bool intent_told) {
  const auto is_dropped = [&](std::int32_t token) {
    return token >= 0 && token < static_cast<std::int32_t>(dropped.size()) &&
           dropped[static_cast<std::size_t>(token)] != 0;
  };
  switch (atom.use) {
    case AtomUse::kAlways:
      return true;
    case AtomUse::kWhenDropped:
      return is_dropped(atom.anchor);
    case AtomUse::kIntent:
      return intent_told;
    case AtomUse::kListed:
      return (unlisted >> (atom.match % kListedBits) & 1) == 0;
    case AtomUse::kUnlessDropped:
      break;
  }
  return !is_dropped(atom.anchor) && !(atom.kind == AtomKind::kBigram && is_dropped(atom.anchor + 1));
}

// Whose a block is; multiplicative hashing spreads neighbouring blocks over the parts.
bool IsPart(std::uint32_t block, unsigned part, unsigned parts) {
  return (std::uint64_t{block * 2654435769U} * parts) >> 32 == part;
}

// Calls near(row, token) for the window and side(row, first, last) for the rows that speak for all tokens on one side.
template <typename Near, typename Before, typename After>
void ForEachRow(const CorpusAtom& atom, std::int32_t tokens, Near&& near, Before&& before, After&& after) {
  const AtomPlaces& places = PlacesOf(atom.kind);
  const std::int32_t first = atom.anchor + places.first;
  const std::int32_t from = std::max(0, -first);
  const std::int32_t to = std::min<std::int32_t>(places.places, tokens - first);
  for (std::int32_t place = from; place < to; ++place) {
    near(atom.block + static_cast<std::uint32_t>(place), static_cast<std::uint32_t>(first + place));
  }
  if (!places.sides) return;
  if (atom.anchor + 1 < tokens) before(atom.block + std::uint32_t{places.places});
  if (atom.anchor > 0) after(atom.block + std::uint32_t{places.places} + 1);
}

void AddScores(const SlotWeights& weights, std::uint32_t tokens, std::span<const CorpusAtom> atoms,
               std::span<const std::uint8_t> active, std::vector<float>& emissions, std::vector<float>& sides) {
  const std::size_t stride = weights.labels.stride();
  emissions.assign(tokens * stride, 0);
  sides.assign((2 * tokens + 1) * stride, 0);
  float* from_left = sides.data();
  float* from_right = from_left + tokens * stride;
  for (std::size_t a = 0; a < atoms.size(); ++a) {
    if (!active.empty() && active[a] == 0) continue;
    const CorpusAtom& atom = atoms[a];
    ForEachRow(
        atom, static_cast<std::int32_t>(tokens),
        [&](std::uint32_t row, std::uint32_t token) { AddRow(weights.Row(row), &emissions[token * stride], stride); },
        [&](std::uint32_t row) {
          AddRow(weights.Row(row), from_left + static_cast<std::size_t>(atom.anchor + 1) * stride, stride);
        },
        [&](std::uint32_t row) {
          AddRow(weights.Row(row), from_right + static_cast<std::size_t>(atom.anchor - 1) * stride, stride);
        });
  }
  float* running = from_right + tokens * stride;
  for (std::size_t t = 0; t < tokens; ++t) {
    AddRow(from_left + t * stride, running, stride);
    AddRow(running, &emissions[t * stride], stride);
  }
  std::fill_n(running, stride, 0.0F);
  for (std::size_t t = tokens; t-- > 0;) {
    AddRow(from_right + t * stride, running, stride);
    AddRow(running, &emissions[t * stride], stride);
  }
}

}  // namespace

void ScoreSentence(const SlotCorpus& corpus, const SlotWeights& weights, const CorpusSentence& sentence,
                   std::vector<float>& emissions) {
  std::vector<std::uint8_t> active;
  for (const CorpusAtom& atom : corpus.AtomsOf(sentence)) active.push_back(atom.use != AtomUse::kWhenDropped);
  std::vector<float> sides;
  AddScores(weights, sentence.tokens, corpus.AtomsOf(sentence), active, emissions, sides);
}

// The gradient of one utterance.
struct SlotOptimizer::Work {
  std::span<const CorpusAtom> atoms;
  std::uint32_t tokens = 0;
  std::vector<std::uint8_t> active;   // [atom]
  std::vector<std::uint8_t> dropped;  // [token]
  std::uint64_t unlisted = 0;
  bool intent_told = true;
  std::vector<float> emissions, sides;
  std::vector<float> gradient;       // [token, stride]
  std::vector<float> norm;           // [token]: squared
  std::vector<float> after, before;  // [anchor + 1, stride]: sum over the tokens after (before) the anchor.
  std::vector<float> after_norm, before_norm;
  TransitionScores transitions;
  Lattice lattice;
};

SlotOptimizer::~SlotOptimizer() = default;

SlotOptimizer::SlotOptimizer(const SlotCorpus& corpus, const OptimizerOptions& options)
    : corpus_(corpus), options_(options), works_(options.batch), team_(options.threads) {
  const SlotLabels labels = corpus.labels();
  weights_.labels = labels;
  weights_.rows.assign(corpus.rows * labels.stride(), 0);
  weights_.transitions.Resize(labels);
  squares_.assign(corpus.rows, kSquaresStart);
  transition_squares_.Resize(labels);
  transition_gradient_.Resize(labels);
  for (Work& work : works_) work.transitions.Resize(labels);
  heavy_of_row_.assign(corpus.rows, kNoBlock);
  const double batches = std::max(1.0, static_cast<double>(corpus.sentences.size()) / options.batch);
  for (const BlockInfo& block : corpus.blocks) {
    if (block.count < kHeavyTouches * batches) continue;
    for (std::uint32_t r = 0; r < PlacesOf(block.kind).rows(); ++r) {
      heavy_of_row_[block.first_row + r] = static_cast<std::uint32_t>(heavy_rows_.size());
      heavy_rows_.push_back(block.first_row + r);
      heavy_blocks_.push_back(block.first_row);
    }
  }
  heavy_gradient_.assign(heavy_rows_.size() * labels.stride(), 0);
  heavy_touched_.assign(heavy_rows_.size(), 0);
}

bool SlotOptimizer::Epoch(std::span<const std::uint32_t> sentences, std::uint32_t epoch, float rate, float rate_end,
                          const std::function<bool(double)>& tick) {
  std::vector<std::uint32_t> order(sentences.begin(), sentences.end());
  base::Random random(base::HashMix(options_.seed, epoch + 1));
  random.Shuffle(std::span(order));
  for (std::size_t first = 0; first < order.size(); first += options_.batch) {
    const auto works = static_cast<std::uint32_t>(std::min<std::size_t>(options_.batch, order.size() - first));
    const double part_done = static_cast<double>(first) / static_cast<double>(order.size());
    const float now = rate + (rate_end - rate) * static_cast<float>(part_done);
    prepared_.PrepareExp(weights_.transitions, 1.0F);
    team_.Run(works, [&](std::uint32_t i) { Gradient(order[first + i], epoch, works_[i]); });
    const unsigned parts = team_.size();
    team_.Run(parts, [&](std::uint32_t part) {
      Apply(works, part, parts, now);
      ApplyHeavy(part, parts, now);
      if (part == 0) ApplyTransitions(works, now);
    });
    if (tick && !tick(part_done)) return false;
  }
  return true;
}

// Chance decides by utterance and epoch, whatever thread asks.
void SlotOptimizer::Drop(const CorpusSentence& sentence, std::uint64_t seed, Work& work) const {
  base::Random random(seed);
  work.dropped.assign(sentence.tokens, 0);
  for (std::uint32_t t = 0; t < sentence.tokens; ++t) work.dropped[t] = random.Chance(options_.drop_words) ? 1 : 0;
  for (const LabelledSpan& span : corpus_.SpansOf(sentence)) {
    if (!random.Chance(options_.drop_mentions)) continue;
    std::fill(work.dropped.begin() + span.begin, work.dropped.begin() + span.end, 1);
  }
  work.intent_told = !random.Chance(options_.drop_intents);
  work.unlisted = 0;
  for (std::uint32_t bit = 0; bit < kListedBits; ++bit) {
    if (random.Chance(options_.drop_lists)) work.unlisted |= std::uint64_t{1} << bit;
  }
}

void SlotOptimizer::Gradient(std::uint32_t index, std::uint32_t epoch, Work& work) const {
  const CorpusSentence& sentence = corpus_.sentences[index];
  const std::size_t stride = weights_.labels.stride();
  const SlotLabels labels = weights_.labels;
  work.atoms = corpus_.AtomsOf(sentence);
  work.tokens = sentence.tokens;
  Drop(sentence, base::HashMix(base::HashMix(options_.seed, index), epoch), work);
  work.active.resize(work.atoms.size());
  for (std::size_t a = 0; a < work.atoms.size(); ++a) {
    work.active[a] = IsActive(work.atoms[a], work.dropped, work.unlisted, work.intent_told) ? 1 : 0;
  }
  AddScores(weights_, sentence.tokens, work.atoms, work.active, work.emissions, work.sides);
  work.lattice.ForwardBackward(prepared_, work.emissions.data(), sentence.tokens, 1.0F, kTransitionFloor);

  // Expected minus observed.
  work.gradient.assign(sentence.tokens * stride, 0);
  for (std::uint32_t t = 0; t < sentence.tokens; ++t) work.lattice.Marginals(t, &work.gradient[t * stride]);
  TransitionScores& counts = work.transitions;
  counts.Resize(labels);
  work.lattice.AddExpectedTransitions(prepared_, kTransitionFloor, counts);
  const auto spans = corpus_.SpansOf(sentence);
  std::size_t next = 0;
  std::uint32_t source = 0;  // O, or the type before plus one.
  for (std::uint32_t t = 0; t < sentence.tokens; ++t) {
    while (next < spans.size() && spans[next].end <= t) ++next;
    const bool outside = next == spans.size() || t < spans[next].begin;
    float* gradient = &work.gradient[t * stride];
    if (outside || t == spans[next].begin) {
      const std::uint32_t target = outside ? 0 : spans[next].type + 1;
      gradient[target] -= 1;
      counts.enter[source * std::size_t{labels.type_stride()} + target] -= 1;
      source = target;
    } else {
      gradient[labels.Inside(spans[next].type)] -= 1;
      (t == spans[next].begin + 1 ? counts.continue_begin : counts.continue_inside)[spans[next].type] -= 1;
    }
  }
  SumSides(work);
}

void SlotOptimizer::SumSides(Work& work) const {
  const std::size_t stride = weights_.labels.stride();
  const std::size_t tokens = work.tokens;
  work.norm.resize(tokens);
  for (std::size_t t = 0; t < tokens; ++t) work.norm[t] = SquaredNorm(&work.gradient[t * stride], stride);
  // after[a + 1] for the anchors a = -1 ... tokens.
  work.after.assign((tokens + 2) * stride, 0);
  work.before.assign((tokens + 2) * stride, 0);
  work.after_norm.assign(tokens + 2, 0);
  work.before_norm.assign(tokens + 2, 0);
  for (std::size_t a = tokens; a-- > 0;) {  // Anchor a - 1: all after it begin at token a.
    std::copy_n(&work.after[(a + 1) * stride], stride, &work.after[a * stride]);
    AddRow(&work.gradient[a * stride], &work.after[a * stride], stride);
    work.after_norm[a] = SquaredNorm(&work.after[a * stride], stride);
  }
  for (std::size_t a = 2; a < tokens + 2; ++a) {  // Anchor a - 1: all before it end with token a - 2.
    std::copy_n(&work.before[(a - 1) * stride], stride, &work.before[a * stride]);
    AddRow(&work.gradient[(a - 2) * stride], &work.before[a * stride], stride);
    work.before_norm[a] = SquaredNorm(&work.before[a * stride], stride);
  }
}

void SlotOptimizer::Step(std::uint64_t row, const float* gradient, float norm, float rate) {
  if (norm < kGradientIgnored) return;
  const std::size_t stride = weights_.labels.stride();
  const std::uint32_t heavy = heavy_of_row_[row];
  if (heavy != kNoBlock) {
    AddRow(gradient, &heavy_gradient_[heavy * stride], stride);
    heavy_touched_[heavy] = 1;
    return;
  }
  squares_[row] += norm;
  const float step = rate / std::sqrt(squares_[row]);
  StepRow(1.0F - options_.decay * step, step, gradient, &weights_.rows[row * stride], stride);
}

void SlotOptimizer::ApplyAtom(const Work& work, const CorpusAtom& atom, float rate) {
  const std::size_t stride = weights_.labels.stride();
  const auto place = static_cast<std::size_t>(atom.anchor + 1);
  ForEachRow(
      atom, static_cast<std::int32_t>(work.tokens),
      [&](std::uint32_t row, std::uint32_t token) {
        Step(row, &work.gradient[token * stride], work.norm[token], rate);
      },
      [&](std::uint32_t row) { Step(row, &work.after[place * stride], work.after_norm[place], rate); },
      [&](std::uint32_t row) { Step(row, &work.before[place * stride], work.before_norm[place], rate); });
}

void SlotOptimizer::Apply(std::uint32_t works, unsigned part, unsigned parts, float rate) {
  for (std::uint32_t w = 0; w < works; ++w) {
    const Work& work = works_[w];
    for (std::size_t a = 0; a < work.atoms.size(); ++a) {
      const CorpusAtom& atom = work.atoms[a];
      if (work.active[a] == 0 || !IsPart(atom.block, part, parts)) continue;
      ApplyAtom(work, atom, rate);
    }
  }
}

void SlotOptimizer::ApplyHeavy(unsigned part, unsigned parts, float rate) {
  const std::size_t stride = weights_.labels.stride();
  for (std::size_t h = 0; h < heavy_rows_.size(); ++h) {
    if (!IsPart(heavy_blocks_[h], part, parts) || heavy_touched_[h] == 0) continue;
    float* gradient = &heavy_gradient_[h * stride];
    const std::uint64_t row = heavy_rows_[h];
    squares_[row] += SquaredNorm(gradient, stride);
    const float step = rate / std::sqrt(squares_[row]);
    StepRow(1.0F - options_.decay * step, step, gradient, &weights_.rows[row * stride], stride);
    std::fill_n(gradient, stride, 0.0F);
    heavy_touched_[h] = 0;
  }
}

void SlotOptimizer::ApplyTransitions(std::uint32_t works, float rate) {
  TransitionScores& sum = transition_gradient_;
  sum.Resize(weights_.labels);
  for (std::uint32_t w = 0; w < works; ++w) {
    const TransitionScores& one = works_[w].transitions;
    AddRow(one.enter.data(), sum.enter.data(), sum.enter.size());
    AddRow(one.continue_begin.data(), sum.continue_begin.data(), sum.continue_begin.size());
    AddRow(one.continue_inside.data(), sum.continue_inside.data(), sum.continue_inside.size());
  }
  const auto step = [&](const std::vector<float>& gradient, std::vector<float>& squares, std::vector<float>& scores) {
    for (std::size_t i = 0; i < scores.size(); ++i) {
      squares[i] += gradient[i] * gradient[i];
      scores[i] -= rate * gradient[i] / std::sqrt(squares[i] + 1.0F);
    }
  };
  step(sum.enter, transition_squares_.enter, weights_.transitions.enter);
  step(sum.continue_begin, transition_squares_.continue_begin, weights_.transitions.continue_begin);
  step(sum.continue_inside, transition_squares_.continue_inside, weights_.transitions.continue_inside);
}

}  // namespace loquat::understanding
