#include "understanding/encoder_intents.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace loquat::understanding {
namespace {

bool Has(std::span<const std::string> labels, std::string_view label) {
  return std::ranges::find(labels, label) != labels.end();
}

base::Error NoLabel(std::string_view label, std::span<const std::string> labels, std::string key) {
  return base::InvalidArgument(fmt::format("the model has no label \"{}\"; it has {}", label, fmt::join(labels, ", ")),
                               std::move(key));
}

}  // namespace

base::Status EncoderIntents::Map(std::span<const std::string> labels, const EncoderIntentOptions& options) {
  for (const auto& [label, intent] : options.names) {
    if (!Has(labels, label)) return NoLabel(label, labels, "labels");
  }
  for (const std::string& label : options.out_of_scope_labels) {
    if (!Has(labels, label)) return NoLabel(label, labels, "out_of_scope_labels");
    if (options.names.contains(label)) {
      return base::InvalidArgument(fmt::format("the label \"{}\" is out of scope and an intent", label), "labels");
    }
  }
  for (const std::string& label : labels) {
    if (Has(options.out_of_scope_labels, label)) {
      intent_of_.push_back(kOutOfScope);
      continue;
    }
    const auto named = options.names.find(label);
    const std::string& intent = named == options.names.end() ? label : named->second;
    const auto found = std::ranges::find(intents_, intent);
    intent_of_.push_back(static_cast<std::uint32_t>(found - intents_.begin()));
    if (found == intents_.end()) intents_.push_back(intent);
  }
  if (intents_.empty()) {
    return base::InvalidArgument("no label of the model is an intent: all are out of scope", "out_of_scope_labels");
  }
  return {};
}

base::Result<EncoderIntents> EncoderIntents::Create(std::span<const std::string> labels,
                                                    const EncoderIntentOptions& options,
                                                    const std::function<bool(std::string_view)>& known) {
  EncoderIntents made(options);
  LOQUAT_TRY(made.Map(labels, options));
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (made.intent_of_[i] == kOutOfScope || known(made.intents_[made.intent_of_[i]])) continue;
    return base::InvalidArgument(
        fmt::format("the label \"{}\" stands for \"{}\", which is no intent of the assistant; name its intent under "
                    "labels, or list it under out_of_scope_labels",
                    labels[i], made.intents_[made.intent_of_[i]]),
        "labels");
  }
  return made;
}

base::Status EncoderIntents::Read(std::span<const float> logits, std::uint32_t ranking_max,
                                  domain::Frame& frame) const {
  if (logits.size() != intent_of_.size()) {
    return base::Internal(fmt::format("the model gave {} logits for {} labels", logits.size(), intent_of_.size()));
  }
  if (!std::ranges::all_of(logits, [](float logit) { return std::isfinite(logit); })) {
    return base::Internal("the model gave a logit that is no number");
  }
  const double largest = std::ranges::max(logits);
  std::vector<double> likely(intents_.size(), 0.0);
  double foreign = 0;
  double sum = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const double weight = std::exp((logits[i] - largest) / temperature_);
    (intent_of_[i] == kOutOfScope ? foreign : likely[intent_of_[i]]) += weight;
    sum += weight;
  }
  std::vector<std::uint32_t> order(intents_.size());
  std::iota(order.begin(), order.end(), 0U);
  std::ranges::sort(
      order, [&](std::uint32_t a, std::uint32_t b) { return likely[a] != likely[b] ? likely[a] > likely[b] : a < b; });
  const double best = likely[order.front()] / sum;
  frame.out_of_scope = foreign / sum > best || best < out_of_scope_below_;
  if (ranking_max > 0) order.resize(std::min<std::size_t>(order.size(), ranking_max));
  frame.intent_ranking.resize(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    frame.intent_ranking[i].name = intents_[order[i]];
    frame.intent_ranking[i].confidence = static_cast<float>(likely[order[i]] / sum);
  }
  return {};
}

}  // namespace loquat::understanding
