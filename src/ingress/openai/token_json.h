// How tokens and their log-probabilities are written: the chat form with the bytes of each token, and the older form of
// completions with four lists. Pure functions.

#pragma once

#include <cstdint>
#include <span>

#include "base/json_writer.h"
#include "pipeline/model_text.h"

namespace loquat::ingress::openai {

// What OpenAI writes for a probability of zero: JSON has no infinity.
inline constexpr float kLogprobMin = -9999.0F;

// `row` is the token and then its likeliest alternatives.
void WriteChatLogprob(std::span<const engine::TokenLogprob> row, const pipeline::ModelText& text,
                      base::JsonWriter& json);

// `logprobs` is [tokens, stride]. `offset` is where the first token begins in the answer, in code points, and then
// where the last one ends.
void WriteLegacyLogprobObject(std::span<const engine::TokenLogprob> logprobs, std::size_t stride,
                              const pipeline::ModelText& text, std::uint64_t& offset, base::JsonWriter& json);

}  // namespace loquat::ingress::openai
