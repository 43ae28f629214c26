// Reads the body of POST /v1/completions (OpenAI API reference, "Create completion"): a prompt as text, as tokens, or a
// list of either. Every field is checked; one that is not known or not supported is refused by its name.
//
// Pure but for the parser, which one thread uses at a time. The result owns its strings.

#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/json_value.h"
#include "base/result.h"
#include "ingress/openai/generation_body.h"

namespace loquat::ingress::openai {

inline constexpr std::size_t kPromptsMax = 128;           // Of one request.
inline constexpr std::size_t kPromptTokensMax = 1 << 20;  // Of one prompt that is given as tokens.
inline constexpr std::uint32_t kCompletionTokensDefault = 16;

base::Result<GenerationBody> ParseCompletionBody(std::string_view body, base::JsonParser& parser);

// Text, a list of texts, a list of tokens, or a list of lists of tokens; also the input of embeddings.
using TextOrTokens = std::variant<std::string, std::vector<engine::TokenId>>;
void ReadTexts(const base::JsonField& field, std::size_t texts_max, std::vector<TextOrTokens>& texts);

}  // namespace loquat::ingress::openai
