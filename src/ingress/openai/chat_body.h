// Reads the body of POST /v1/chat/completions (OpenAI API reference, "Create chat completion"). Every field is checked;
// one that is not known or not supported is refused by its name.
//
// Pure but for the parser, which one thread uses at a time. The result owns its strings.

#pragma once

#include <string_view>

#include "base/json_value.h"
#include "base/result.h"
#include "ingress/openai/generation_body.h"

namespace loquat::ingress::openai {

inline constexpr std::size_t kMessagesMax = 4096;
inline constexpr std::size_t kContentPartsMax = 256;      // Of one message.
inline constexpr std::size_t kTemplateArgumentsMax = 32;  // In chat_template_kwargs.

base::Result<GenerationBody> ParseChatBody(std::string_view body, base::JsonParser& parser);

}  // namespace loquat::ingress::openai
