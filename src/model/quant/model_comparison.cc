#include "model/quant/model_comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "model/arch/load.h"
#include "model/quant/decoder_pass.h"

namespace loquat::model {
namespace {

// log of the sum of e^x, in doubles.
double LogSumExp(const float* x, std::size_t n) {
  const double most = *std::max_element(x, x + n);
  double sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += std::exp(x[i] - most);
  return most + std::log(sum);
}

// What one token adds.
struct TokenFigures {
  double log_before = 0, log_after = 0;  // Of the probability of the token that follows.
  double divergence = 0;
  bool same_first = false;
};

TokenFigures Compare(const float* before, const float* after, std::size_t n, std::int32_t next) {
  const double total_before = LogSumExp(before, n), total_after = LogSumExp(after, n);
  double divergence = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const double log_before = before[i] - total_before;
    divergence += std::exp(log_before) * (log_before - (after[i] - total_after));
  }
  const auto place = static_cast<std::size_t>(next);
  return {.log_before = before[place] - total_before,
          .log_after = after[place] - total_after,
          .divergence = std::max(divergence, 0.0),  // Below zero by rounding alone.
          .same_first = std::max_element(before, before + n) - before == std::max_element(after, after + n) - after};
}

class DecoderSums {
 public:
  void Add(const TokenFigures& figures) {
    log_before_ += figures.log_before;
    log_after_ += figures.log_after;
    same_ += figures.same_first ? 1 : 0;
    divergences_.push_back(static_cast<float>(figures.divergence));
  }

  DecoderComparison Finish() {
    const auto count = static_cast<double>(divergences_.size());
    double sum = 0;
    for (const float divergence : divergences_) sum += static_cast<double>(divergence);
    std::ranges::sort(divergences_);
    const std::size_t p99 = std::min(divergences_.size() - 1, divergences_.size() * 99 / 100);
    return {.tokens = divergences_.size(),
            .perplexity_before = std::exp(-log_before_ / count),
            .perplexity_after = std::exp(-log_after_ / count),
            .divergence_mean = sum / count,
            .divergence_p99 = divergences_[p99],
            .divergence_max = divergences_.back(),
            .same_first = static_cast<double>(same_) / count};
  }

 private:
  double log_before_ = 0, log_after_ = 0;
  std::uint64_t same_ = 0;
  std::vector<float> divergences_;  // One a token.
};

using Advance = std::function<bool(std::size_t)>;

base::Error Stopped() {
  return base::Cancelled("the comparison was stopped");
}

base::Result<DecoderComparison> CompareDecoders(const ComparedModel& before, const ComparedModel& after,
                                                const TokenWindows& windows, kernels::Isa isa,
                                                kernels::ThreadTeam& team, const Advance& advance) {
  LOQUAT_ASSIGN(const auto first, LoadDecoder(before.config, before.weights, isa, before.kv_type));
  LOQUAT_ASSIGN(const auto second, LoadDecoder(after.config, after.weights, isa, after.kv_type));
  DecoderPass first_pass(*first, team), second_pass(*second, team);
  const std::size_t vocabulary = before.config.vocabulary;
  DecoderSums sums;
  std::vector<TokenFigures> figures(kPassTokens);
  for (const std::vector<std::int32_t>& window : windows) {
    for (std::size_t at = 0; at < window.size(); at += kPassTokens) {
      const std::size_t count = std::min<std::size_t>(kPassTokens, window.size() - at);
      const std::span<const float> p = first_pass.Next(window, at, count), q = second_pass.Next(window, at, count);
      const std::size_t judged = std::min(count, window.size() - 1 - at);  // The last has nothing after it.
      team.Run(judged, [&](std::size_t t) {
        figures[t] = Compare(p.data() + t * vocabulary, q.data() + t * vocabulary, vocabulary, window[at + t + 1]);
      });
      for (std::size_t t = 0; t < judged; ++t) sums.Add(figures[t]);
      if (!advance(count)) return Stopped();
    }
  }
  return sums.Finish();
}

// [width]
std::span<const float> EmbeddingOf(const EncoderModel& model, const EncoderText& text,
                                   EncoderModel::Workspace& workspace) {
  const std::span<const float> hidden = model.Forward({&text, 1}, workspace);
  if (model.config().pooling == Pooling::kNone) return hidden.first(model.config().width);
  return model.Pooled(workspace);
}

double Cosine(std::span<const float> x, std::span<const float> y) {
  double xx = 0, yy = 0, xy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    xx += static_cast<double>(x[i]) * static_cast<double>(x[i]);
    yy += static_cast<double>(y[i]) * static_cast<double>(y[i]);
    xy += static_cast<double>(x[i]) * static_cast<double>(y[i]);
  }
  return xx == 0 || yy == 0 ? 0 : xy / std::sqrt(xx * yy);
}

base::Result<EncoderComparison> CompareEncoders(const ComparedModel& before, const ComparedModel& after,
                                                const TokenWindows& windows, kernels::Isa isa,
                                                kernels::ThreadTeam& team, const Advance& advance) {
  LOQUAT_ASSIGN(const auto first, LoadEncoder(before.config, before.weights, isa));
  LOQUAT_ASSIGN(const auto second, LoadEncoder(after.config, after.weights, isa));
  const auto first_workspace = first->NewWorkspace(kWindowTokensMax, team);
  const auto second_workspace = second->NewWorkspace(kWindowTokensMax, team);
  EncoderComparison sums{.texts = windows.size(), .cosine_mean = 0, .cosine_min = 1};
  for (const std::vector<std::int32_t>& window : windows) {
    const EncoderText text{.tokens = window, .token_types = {}};
    const double cosine =
        Cosine(EmbeddingOf(*first, text, *first_workspace), EmbeddingOf(*second, text, *second_workspace));
    sums.cosine_mean += cosine / static_cast<double>(windows.size());
    sums.cosine_min = std::min(sums.cosine_min, cosine);
    if (!advance(window.size())) return Stopped();
  }
  return sums;
}

base::Status CheckComparable(const ComparedModel& before, const ComparedModel& after, const TokenWindows& windows) {
  const auto differ = [&](std::string_view what) {
    return base::InvalidArgument(fmt::format("{} and {} cannot be compared: {}", before.path, after.path, what));
  };
  const bool encoder = before.config.architecture == Architecture::kBert;
  if (encoder != (after.config.architecture == Architecture::kBert)) return differ("one generates text, one embeds it");
  if (before.config.vocabulary != after.config.vocabulary) return differ("their vocabularies differ");
  if (encoder && (before.config.width != after.config.width || before.config.pooling != after.config.pooling)) {
    return differ("their embeddings are of different kinds");
  }
  const std::uint32_t context = std::min(before.config.context, after.config.context);
  for (const std::vector<std::int32_t>& window : windows) {
    if (window.size() > context) return differ("the second one's context is shorter");
    const auto outside = [&](std::int32_t id) { return static_cast<std::uint32_t>(id) >= before.config.vocabulary; };
    if (std::ranges::any_of(window, outside)) return differ("the tokenizer has tokens that the models lack");
  }
  return {};
}

}  // namespace

base::Result<ModelComparison> CompareModels(const ComparedModel& before, const ComparedModel& after,
                                            const TokenWindows& windows, kernels::Isa isa, kernels::ThreadTeam& team,
                                            const ComparisonProgress& progress) {
  LOQUAT_TRY(CheckComparable(before, after, windows));
  const std::uint64_t total = TokensOf(windows);
  std::uint64_t done = 0;
  const Advance advance = [&](std::size_t tokens) {
    done += tokens;
    return !progress || progress(done, total);
  };
  ModelComparison comparison{.isa = std::string(kernels::IsaName(isa)), .decoder = {}, .encoder = {}};
  if (before.config.architecture == Architecture::kBert) {
    LOQUAT_ASSIGN(comparison.encoder, CompareEncoders(before, after, windows, isa, team, advance));
  } else {
    LOQUAT_ASSIGN(comparison.decoder, CompareDecoders(before, after, windows, isa, team, advance));
  }
  return comparison;
}

void WriteComparison(const ModelComparison& comparison, base::JsonWriter& json) {
  const auto number = [&](std::string_view key, double value) {
    json.Key(key);
    json.Double(value);
  };
  const auto count = [&](std::string_view key, std::uint64_t value) {
    json.Key(key);
    json.Uint(value);
  };
  json.Key("isa");
  json.String(comparison.isa);
  if (comparison.decoder) {
    const DecoderComparison& decoder = *comparison.decoder;
    count("tokens", decoder.tokens);
    number("perplexity_before", decoder.perplexity_before);
    number("perplexity_after", decoder.perplexity_after);
    number("divergence_mean", decoder.divergence_mean);
    number("divergence_p99", decoder.divergence_p99);
    number("divergence_max", decoder.divergence_max);
    number("same_first", decoder.same_first);
  }
  if (comparison.encoder) {
    count("texts", comparison.encoder->texts);
    number("cosine_mean", comparison.encoder->cosine_mean);
    number("cosine_min", comparison.encoder->cosine_min);
  }
}

std::string ComparisonText(const ModelComparison& comparison) {
  std::string out;
  if (comparison.decoder) {
    const DecoderComparison& decoder = *comparison.decoder;
    out += fmt::format(
        "{} tokens ({}): perplexity {:.4f} before, {:.4f} after; divergence of the next token {:.6f} nats "
        "(p99 {:.6f}, most {:.6f}); the same likeliest token for {:.2f} %\n",
        decoder.tokens, comparison.isa, decoder.perplexity_before, decoder.perplexity_after, decoder.divergence_mean,
        decoder.divergence_p99, decoder.divergence_max, 100 * decoder.same_first);
  }
  if (comparison.encoder) {
    out += fmt::format("{} texts ({}): cosine of the embeddings {:.6f} (least {:.6f})\n", comparison.encoder->texts,
                       comparison.isa, comparison.encoder->cosine_mean, comparison.encoder->cosine_min);
  }
  return out;
}

}  // namespace loquat::model
