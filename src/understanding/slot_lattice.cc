#include "understanding/slot_lattice.h"

#include <algorithm>
#include <limits>

#include "understanding/deterministic_math.h"
#include "understanding/slot_math.h"

namespace loquat::understanding {
namespace {

constexpr float kImpossible = -1e30F;
constexpr float kWeightMin = 1e-26F;  // Keeps a token's mass above zero however far its labels lie apart.
constexpr float kMassMin = 1e-34F;

}  // namespace

void TransitionScores::Resize(SlotLabels new_labels) {
  labels = new_labels;
  enter.assign(std::size_t{labels.types + 1} * labels.type_stride(), 0);
  continue_begin.assign(labels.types, 0);
  continue_inside.assign(labels.types, 0);
}

void PreparedTransitions::PrepareExp(const TransitionScores& scores, float inverse_temperature) {
  labels = scores.labels;
  const std::size_t stride = labels.type_stride();
  enter_exp.resize(scores.enter.size());
  continue_begin_exp.resize(labels.types);
  continue_inside_exp.resize(labels.types);
  ExpRow(scores.enter.data(), 0, inverse_temperature, enter_exp.data(), enter_exp.size());
  ExpRow(scores.continue_begin.data(), 0, inverse_temperature, continue_begin_exp.data(), labels.types);
  ExpRow(scores.continue_inside.data(), 0, inverse_temperature, continue_inside_exp.data(), labels.types);
  for (std::size_t p = 0; p <= labels.types; ++p)
    std::fill_n(&enter_exp[p * stride + labels.types + 1], stride - labels.types - 1, 0.0F);
  enter_exp_by_target.assign(enter_exp.size(), 0);
  for (std::size_t p = 0; p <= labels.types; ++p) {
    for (std::size_t q = 0; q <= labels.types; ++q) enter_exp_by_target[q * stride + p] = enter_exp[p * stride + q];
  }
}

void PreparedTransitions::Prepare(const TransitionScores& scores, float inverse_temperature) {
  PrepareExp(scores, inverse_temperature);
  enter = scores.enter;
  continue_begin = scores.continue_begin;
  continue_inside = scores.continue_inside;
  const std::size_t stride = labels.type_stride();
  const std::size_t sources = labels.types + 1;
  margin.assign(sources * sources, 0);
  for (std::size_t leader = 0; leader < sources; ++leader) {
    for (std::size_t p = 0; p < sources; ++p) {
      float least = std::numeric_limits<float>::max();
      for (std::size_t q = 0; q < sources; ++q) {
        least = std::min(least, enter[leader * stride + q] - enter[p * stride + q]);
      }
      margin[leader * sources + p] = least;
    }
  }
}

std::span<const LabelledSpan> Lattice::Decode(const PreparedTransitions& transitions, const float* emissions,
                                              std::uint32_t tokens, std::uint32_t same) {
  labels_ = transitions.labels;
  tokens_ = tokens;
  weighed_ = std::min(weighed_, same);
  decoded_ = true;
  spans_.clear();
  if (tokens == 0) return spans_;
  const std::size_t types = labels_.types;
  const std::size_t sources = types + 1;
  const std::size_t stride = labels_.stride();
  previous_.resize(tokens * stride);
  best_.resize(tokens * stride);
  from_.resize(labels_.type_stride());
  leaving_.resize(labels_.type_stride());
  other_row_.resize(std::max<std::size_t>(stride, labels_.type_stride()));
  if (same == 0) {
    for (std::size_t q = 0; q < sources; ++q) best_[q] = transitions.enter[q] + emissions[q];
    for (std::size_t x = 0; x < types; ++x) best_[sources + x] = kImpossible;
  }
  for (std::uint32_t t = std::max(same, 1U); t < tokens; ++t) Step(transitions, emissions, t);
  Trace(transitions);
  return spans_;
}

// From the best paths that end at the token before to those that end at this one.
void Lattice::Step(const PreparedTransitions& transitions, const float* emissions, std::uint32_t token) {
  const std::size_t types = labels_.types;
  const std::size_t sources = types + 1;
  const std::size_t stride = labels_.stride();
  const std::size_t type_stride = labels_.type_stride();
  const float* emission = emissions + token * stride;
  const float* before = &best_[(token - 1) * stride];
  float* row = &best_[token * stride];
  std::uint32_t* previous = &previous_[token * stride];
  float* leave = leaving_.data();
  leave[0] = before[0];
  std::size_t leader = 0;
  for (std::size_t p = 1; p < sources; ++p) {
    leave[p] = before[p] >= before[types + p] ? before[p] : before[types + p];
    if (leave[p] > leave[leader]) leader = p;
  }
  const auto label_of = [&](std::size_t p) {
    return static_cast<std::uint32_t>(p > 0 && before[p] < before[types + p] ? types + p : p);
  };
  float* best = other_row_.data();
  std::fill_n(best, type_stride, -std::numeric_limits<float>::max());
  TakeBetter(&transitions.enter[leader * type_stride], leave[leader], label_of(leader), best, from_.data(), sources);
  const float* margin = &transitions.margin[leader * sources];
  for (std::size_t p = 0; p < sources; ++p) {
    if (p == leader || !(leave[p] - leave[leader] > margin[p])) continue;
    TakeBetter(&transitions.enter[p * type_stride], leave[p], label_of(p), best, from_.data(), sources);
  }
  for (std::size_t p = 1; p < sources; ++p) {
    const float begun = before[p] + transitions.continue_begin[p - 1];
    const float inside = before[types + p] + transitions.continue_inside[p - 1];
    row[types + p] = (begun >= inside ? begun : inside) + emission[types + p];
    previous[types + p] = static_cast<std::uint32_t>(begun >= inside ? p : types + p);
  }
  for (std::size_t q = 0; q < sources; ++q) {
    row[q] = best[q] + emission[q];
    previous[q] = from_[q];
  }
}

// Walks back from the best last label.
void Lattice::Trace(const PreparedTransitions& transitions) {
  const std::size_t stride = transitions.labels.stride();
  const float* last = &best_[(tokens_ - 1) * stride];
  std::uint32_t label = 0;
  for (std::uint32_t y = 1; y < labels_.count(); ++y) {
    if (last[y] > last[label]) label = y;
  }
  std::uint32_t end = tokens_;
  for (std::uint32_t t = tokens_; t-- > 0;) {
    if (label == SlotLabels::kOutside) {
      end = t;
    } else if (labels_.IsBegin(label)) {
      spans_.push_back({t, end, labels_.TypeOf(label)});
      end = t;
    }
    if (t > 0) label = previous_[t * stride + label];
  }
  std::reverse(spans_.begin(), spans_.end());
}

std::size_t Lattice::bytes() const {
  std::size_t floats = from_.capacity() + previous_.capacity();
  for (const std::vector<float>* part :
       {&weight_, &forward_, &backward_, &leave_, &scale_, &largest_, &best_, &leaving_, &row_, &other_row_}) {
    floats += part->capacity();
  }
  return sizeof *this + floats * sizeof(float) + spans_.capacity() * sizeof(LabelledSpan);
}

float Lattice::ForwardBackward(const PreparedTransitions& transitions, const float* emissions, std::uint32_t tokens,
                               float inverse_temperature, float floor) {
  labels_ = transitions.labels;
  tokens_ = tokens;
  const std::size_t stride = labels_.stride();
  weight_.resize(tokens * stride);
  forward_.resize(tokens * stride);
  backward_.resize(tokens * stride);
  leave_.resize(std::max<std::size_t>(leave_.size(), std::size_t{tokens} * labels_.type_stride()));
  scale_.resize(tokens);
  largest_.resize(tokens);
  row_.resize(stride);
  other_row_.resize(std::max<std::size_t>(stride, labels_.type_stride()));
  const std::uint32_t first = decoded_ ? std::min(weighed_, tokens) : 0;
  weighed_ = 0;
  for (std::uint32_t t = first; t < tokens; ++t) {
    const float* emission = emissions + t * stride;
    largest_[t] = MaxOf(emission, labels_.count());
    ExpRow(emission, largest_[t], inverse_temperature, &weight_[t * stride], labels_.count());
    for (std::uint32_t y = 0; y < labels_.count(); ++y) {
      weight_[t * stride + y] = std::max(weight_[t * stride + y], kWeightMin);
    }
  }
  float log_z = 0;
  for (std::uint32_t t = 0; t < tokens; ++t) log_z += largest_[t] * inverse_temperature;
  Forward(transitions, floor, first);
  Backward(transitions, floor);
  for (std::uint32_t t = 0; t < tokens; ++t) log_z -= DeterministicLog(scale_[t]);
  if (decoded_) weighed_ = tokens;
  decoded_ = false;
  return log_z;
}

void Lattice::Forward(const PreparedTransitions& transitions, float floor, std::uint32_t first) {
  const std::size_t types = labels_.types;
  const std::size_t sources = types + 1;
  const std::size_t stride = labels_.stride();
  const std::size_t type_stride = labels_.type_stride();
  for (std::uint32_t t = first; t < tokens_; ++t) {
    float* now = &forward_[t * stride];
    const float* weight = &weight_[t * stride];
    if (t == 0) {
      std::copy_n(transitions.enter_exp.data(), sources, now);
      std::fill_n(now + sources, types, 0.0F);
    } else {
      const float* before = now - stride;
      const float* leave = &leave_[(t - 1) * type_stride];
      float* entering = other_row_.data();
      std::fill_n(entering, type_stride, 0.0F);
      for (std::size_t p = 0; p < sources; ++p) {
        if (leave[p] > floor) AddScaled(leave[p], &transitions.enter_exp[p * type_stride], entering, sources);
      }
      std::copy_n(entering, sources, now);
      for (std::size_t x = 0; x < types; ++x) {
        now[sources + x] = before[1 + x] * transitions.continue_begin_exp[x] +
                           before[sources + x] * transitions.continue_inside_exp[x];
      }
    }
    MultiplyRow(1.0F, weight, now, labels_.count());
    const float mass = std::max(SumOf(now, labels_.count()), kMassMin);
    scale_[t] = 1.0F / mass;
    float* leave = &leave_[t * type_stride];
    for (std::size_t y = 0; y < labels_.count(); ++y) now[y] *= scale_[t];
    leave[0] = now[0];
    for (std::size_t p = 1; p < sources; ++p) leave[p] = now[p] + now[types + p];
  }
}

void Lattice::Backward(const PreparedTransitions& transitions, float floor) {
  const std::size_t types = labels_.types;
  const std::size_t sources = types + 1;
  const std::size_t stride = labels_.stride();
  const std::size_t type_stride = labels_.type_stride();
  if (tokens_ == 0) return;
  std::fill_n(&backward_[(tokens_ - 1) * stride], labels_.count(), 1.0F);
  for (std::uint32_t t = tokens_ - 1; t-- > 0;) {
    float* now = &backward_[t * stride];
    // What may come next, weighed: row_[label].
    std::copy_n(&backward_[(t + 1) * stride], labels_.count(), row_.data());
    MultiplyRow(scale_[t + 1], &weight_[(t + 1) * stride], row_.data(), labels_.count());
    const float least = floor * MaxOf(row_.data(), sources);
    float* entering = other_row_.data();
    std::fill_n(entering, type_stride, 0.0F);
    for (std::size_t q = 0; q < sources; ++q) {
      if (row_[q] > least) AddScaled(row_[q], &transitions.enter_exp_by_target[q * type_stride], entering, sources);
    }
    now[0] = entering[0];
    for (std::size_t x = 0; x < types; ++x) {
      now[1 + x] = entering[1 + x] + transitions.continue_begin_exp[x] * row_[sources + x];
      now[sources + x] = entering[1 + x] + transitions.continue_inside_exp[x] * row_[sources + x];
    }
  }
}

float Lattice::SpanProbability(const PreparedTransitions& transitions, const LabelledSpan& span) const {
  const std::size_t stride = labels_.stride();
  const std::uint32_t begin = labels_.Begin(span.type);
  const std::uint32_t inside = labels_.Inside(span.type);
  float probability = forward_[span.begin * stride + begin];
  for (std::uint32_t t = span.begin + 1; t < span.end; ++t) {
    const float go_on =
        t == span.begin + 1 ? transitions.continue_begin_exp[span.type] : transitions.continue_inside_exp[span.type];
    probability *= go_on * weight_[t * stride + inside] * scale_[t];
  }
  if (span.end < tokens_) {
    const float* enter = &transitions.enter_exp[std::size_t{span.type + 1} * labels_.type_stride()];
    const float* weight = &weight_[span.end * stride];
    const float* backward = &backward_[span.end * stride];
    float leaving = 0;
    for (std::size_t q = 0; q <= labels_.types; ++q) leaving += enter[q] * weight[q] * backward[q];
    probability *= leaving * scale_[span.end];
  }
  return std::clamp(probability, 0.0F, 1.0F);
}

void Lattice::Marginals(std::uint32_t token, float* out) const {
  std::copy_n(&forward_[token * labels_.stride()], labels_.count(), out);
  MultiplyRow(1.0F, &backward_[token * labels_.stride()], out, labels_.count());
}

void Lattice::AddExpectedTransitions(const PreparedTransitions& transitions, float floor,
                                     TransitionScores& counts) const {
  const std::size_t types = labels_.types;
  const std::size_t sources = types + 1;
  const std::size_t stride = labels_.stride();
  const std::size_t type_stride = labels_.type_stride();
  std::vector<float> after(stride);
  for (std::uint32_t t = 0; t < tokens_; ++t) {
    std::copy_n(&backward_[t * stride], labels_.count(), after.data());
    MultiplyRow(scale_[t], &weight_[t * stride], after.data(), labels_.count());
    for (std::size_t p = 0; p < sources; ++p) {
      const float leave = t == 0 ? (p == 0 ? 1.0F : 0.0F) : leave_[(t - 1) * type_stride + p];
      if (!(leave > floor)) continue;
      const float* enter = &transitions.enter_exp[p * type_stride];
      float* count = &counts.enter[p * type_stride];
      for (std::size_t q = 0; q < sources; ++q) count[q] += leave * enter[q] * after[q];
    }
    if (t == 0) continue;
    const float* before = &forward_[(t - 1) * stride];
    for (std::size_t x = 0; x < types; ++x) {
      counts.continue_begin[x] += before[1 + x] * transitions.continue_begin_exp[x] * after[sources + x];
      counts.continue_inside[x] += before[sources + x] * transitions.continue_inside_exp[x] * after[sources + x];
    }
  }
}

}  // namespace loquat::understanding
