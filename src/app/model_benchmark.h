// How fast a model file computes on this machine: prompts, tokens one after another, texts. The model alone, without
// queue, sampling or protocol (what `loquat bench server` measures). Loads the model, uses all threads asked for, and
// returns when done; call it from one thread.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace loquat::app {

struct ModelBenchmarkPlan {
  std::string path;
  std::uint32_t prompt = 512;          // Tokens of a prompt, or of each text of an encoder.
  std::uint32_t generated = 64;        // Tokens after it, of each sequence.
  std::uint32_t sequences = 1;         // Generated side by side, or texts of one batch.
  std::vector<std::uint32_t> lengths;  // Tokens of each text of one batch of an encoder, instead of the two above.
  std::uint32_t rounds = 5;            // One more goes before them and is not counted.
  std::uint32_t threads = 0;           // Zero: one a core.
  bool int8 = false;                   // Encoders: linear layers rounded when they are loaded.
  std::string isa;                     // As kernels::ChooseIsa takes it.
};

// A number a round.
struct ModelBenchmarkResult {
  std::string isa;
  std::uint32_t threads = 0;
  bool encoder = false;
  std::vector<double> prefill_tokens_per_second;  // Of one prompt; empty for encoders.
  std::vector<double> decode_tokens_per_second;   // Of all sequences together; empty for encoders.
  std::vector<double> texts_per_second;           // Encoders alone.
};

// Errors: those of OpenModel and of the loaders; kInvalidArgument where the tokens do not fit the model's context.
base::Result<ModelBenchmarkResult> RunModelBenchmark(const ModelBenchmarkPlan& plan);

}  // namespace loquat::app
