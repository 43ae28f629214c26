// What the bodies of POST /v1/chat/completions and /v1/completions have in common: how the next token is chosen, when
// an answer ends, how it is sent. The fields are OpenAI's, and a few that self-hosted servers have agreed on.
//
// Pure functions over a parsed body; faults go to JsonFaults.

#pragma once

#include <cstddef>
#include <cstdint>

#include "base/json_fields.h"
#include "pipeline/generate.h"

namespace loquat::ingress::openai {

inline constexpr std::size_t kBodyDepthMax = 16;
inline constexpr std::size_t kBodyBytesMax = std::size_t{64} << 20;  // Past what server.body_bytes_max allows.
inline constexpr std::size_t kModelNameBytesMax = 256;
inline constexpr std::uint32_t kChoicesMax = 128;
inline constexpr std::size_t kStopStringsMax = 64;
inline constexpr std::size_t kStopStringBytesMax = 512;
inline constexpr std::int64_t kTokensMax = 1 << 30;
inline constexpr std::size_t kMetadataMax = 16;

struct GenerationBody {
  pipeline::GenerateInput input;
  bool stream = false;
  bool include_usage = false;     // A last event with the numbers of tokens.
  bool return_token_ids = false;  // Of the prompt and of each choice.
};

// Reads every field that both bodies may have, but for prompt, answer length and logprobs.
void ReadGeneration(base::JsonFields& fields, base::JsonFaults& faults, GenerationBody& body);

// A field that OpenAI has and this server does not: a fault where it is present, for nothing that was asked for is
// ignored in silence. `what` completes "NAME is not supported".
void Refuse(base::JsonFields& fields, std::string_view name, base::JsonFaults& faults, std::string_view what = {});
void AddUnsupported(const base::JsonField& field, base::JsonFaults& faults, std::string_view what = {});

}  // namespace loquat::ingress::openai
