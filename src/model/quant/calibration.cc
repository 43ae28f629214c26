#include "model/quant/calibration.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>
#include <utility>

#include "kernels/isa.h"
#include "model/arch/load.h"
#include "model/linear_observer.h"
#include "model/quant/decoder_pass.h"

namespace loquat::model {
namespace {

// Sums of squares by column, for each tensor by where its bytes lie.
class SecondMoments final : public LinearObserver {
 public:
  explicit SecondMoments(const Weights& weights) {
    for (const Tensor& tensor : weights.tensors()) {
      if (tensor.shape.size() == 2) sums_[tensor.bytes.data()].name = tensor.name;
    }
  }

  void BeforeLinear(const kernels::Matrix& weight, const float* x, std::size_t stride, std::size_t tokens) override {
    const auto found = sums_.find(weight.data);
    if (found == sums_.end()) return;  // A copy in another order: it has no name to learn under.
    Sums& sums = found->second;
    sums.squares.resize(weight.cols);
    for (std::size_t t = 0; t < tokens; ++t) {
      for (std::size_t i = 0; i < weight.cols; ++i) {
        const double value = x[t * stride + i];
        sums.squares[i] += value * value;
      }
    }
  }

  base::Result<Importance> Finish() const {
    Importance importance;
    for (const auto& [bytes, sums] : sums_) {
      double mean = 0;
      for (const double square : sums.squares) mean += square / static_cast<double>(sums.squares.size());
      if (!std::isfinite(mean)) {
        return base::DataLoss("the inputs of '" + sums.name + "' are not finite on this text; the model is damaged");
      }
      if (mean == 0) continue;  // Not met, or never with anything.
      std::vector<float>& columns = importance[sums.name];
      columns.reserve(sums.squares.size());
      for (const double square : sums.squares) {
        columns.push_back(std::max(kImportanceMin, static_cast<float>(square / mean)));
      }
    }
    return importance;
  }

 private:
  struct Sums {
    std::string name;
    std::vector<double> squares;  // [cols]; empty: not met yet.
  };
  std::unordered_map<const std::byte*, Sums> sums_;
};

base::Error Stopped() {
  return base::Cancelled("the calibration was stopped; nothing was written");
}

base::Status RunDecoder(const QuantizeSource& source, const TokenWindows& windows, kernels::Isa isa,
                        kernels::ThreadTeam& team, const std::function<bool(std::size_t)>& advance,
                        SecondMoments& moments) {
  LOQUAT_ASSIGN(const auto decoder,
                LoadDecoder(source.files.config, source.weights, isa, KvType::kF16, {}, LinearNumbers::kInPlace));
  DecoderPass pass(*decoder, team);
  pass.workspace().Observe(&moments);
  for (const std::vector<std::int32_t>& window : windows) {
    for (std::size_t at = 0; at < window.size(); at += kPassTokens) {
      const std::size_t count = std::min<std::size_t>(kPassTokens, window.size() - at);
      (void)pass.Next(window, at, count);
      if (!advance(count)) return Stopped();
    }
  }
  return {};
}

base::Status RunEncoder(const QuantizeSource& source, const TokenWindows& windows, kernels::Isa isa,
                        kernels::ThreadTeam& team, const std::function<bool(std::size_t)>& advance,
                        SecondMoments& moments) {
  LOQUAT_ASSIGN(const auto encoder, LoadEncoder(source.files.config, source.weights, isa, LinearNumbers::kInPlace));
  const auto workspace = encoder->NewWorkspace(kWindowTokensMax, team);
  workspace->Observe(&moments);
  for (const std::vector<std::int32_t>& window : windows) {
    const EncoderText text{.tokens = window, .token_types = {}};
    (void)encoder->Forward({&text, 1}, *workspace);
    if (source.files.config.head != BertHead::kNone) (void)encoder->Logits(*workspace);
    if (!advance(window.size())) return Stopped();
  }
  return {};
}

}  // namespace

base::Result<Importance> Calibrate(const QuantizeSource& source, const TokenWindows& windows, kernels::ThreadTeam& team,
                                   const CalibrationProgress& progress) {
  // The best of the tiers that keep activations as they are where weights lie in rows.
  const kernels::Isa isa = kernels::Supports(kernels::Isa::kAvx512)
                               ? kernels::Isa::kAvx512
                               : std::min(kernels::DetectIsa(), kernels::Isa::kAvx2);
  const std::uint64_t total = TokensOf(windows);
  std::uint64_t done = 0;
  const auto advance = [&](std::size_t tokens) {
    done += tokens;
    return !progress || progress(done, total);
  };
  SecondMoments moments(*source.weights);
  if (source.files.config.architecture == Architecture::kBert) {
    LOQUAT_TRY(RunEncoder(source, windows, isa, team, advance, moments));
  } else {
    LOQUAT_TRY(RunDecoder(source, windows, isa, team, advance, moments));
  }
  return moments.Finish();
}

}  // namespace loquat::model
