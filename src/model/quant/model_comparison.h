// How far a model's outputs are from another's on a text: decoders by perplexity and by the divergence of what they
// foresee for each next token, encoders by the angle between the embeddings of each line.
// Functions; any thread, each call with a team of its own.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/json_writer.h"
#include "base/result.h"
#include "kernels/isa.h"
#include "kernels/thread_team.h"
#include "model/decoder.h"
#include "model/model_config.h"
#include "model/quant/text_windows.h"
#include "model/tensor/weights.h"

namespace loquat::model {

// Of the decoders P (before) and Q (after), over every token that has one before it.
struct DecoderComparison {
  std::uint64_t tokens = 0;
  double perplexity_before = 0, perplexity_after = 0;
  // Kullback, Leibler, "On information and sufficiency", 1951: sum of P log(P / Q), in nats a token.
  double divergence_mean = 0, divergence_p99 = 0, divergence_max = 0;
  double same_first = 0;  // Share of tokens for which both have the same likeliest one.
};

// Of the pooled embedding of a text, or, where the model pools nothing, of its first token's state.
struct EncoderComparison {
  std::uint64_t texts = 0;
  double cosine_mean = 0, cosine_min = 0;
};

struct ModelComparison {
  std::string isa;  // The tier that computed.
  std::optional<DecoderComparison> decoder;
  std::optional<EncoderComparison> encoder;
};

struct ComparedModel {
  std::string path;
  ModelConfig config;
  std::shared_ptr<const Weights> weights;
  KvType kv_type = KvType::kF16;  // Of decoders.
};

// Called with tokens done and tokens in all; false stops, which is kCancelled.
using ComparisonProgress = std::function<bool(std::uint64_t done, std::uint64_t total)>;

// kInvalidArgument: models of different kinds, vocabularies, widths or contexts too short for the windows.
base::Result<ModelComparison> CompareModels(const ComparedModel& before, const ComparedModel& after,
                                            const TokenWindows& windows, kernels::Isa isa, kernels::ThreadTeam& team,
                                            const ComparisonProgress& progress = {});

// The members of one JSON object that the caller has begun; and a line or two for a terminal.
void WriteComparison(const ModelComparison& comparison, base::JsonWriter& json);
std::string ComparisonText(const ModelComparison& comparison);

}  // namespace loquat::model
