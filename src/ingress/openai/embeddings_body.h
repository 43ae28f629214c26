// Reads the body of POST /v1/embeddings (OpenAI API reference, "Create embeddings"), with two fields of this server's:
// "truncation" says what is left out of a text that is too long, "normalize" whether vectors get length one.
//
// Pure but for the parser, which one thread uses at a time. The result owns its strings.

#pragma once

#include <cstddef>
#include <string_view>

#include "base/json_value.h"
#include "base/result.h"
#include "pipeline/embed.h"

namespace loquat::ingress::openai {

inline constexpr std::size_t kEmbedTextsMax = 2048;  // As OpenAI.

struct EmbeddingsBody {
  pipeline::EmbedInput input;
  bool base64 = false;  // Of float32, little-endian; else a list of numbers.
};

base::Result<EmbeddingsBody> ParseEmbeddingsBody(std::string_view body, base::JsonParser& parser);

}  // namespace loquat::ingress::openai
