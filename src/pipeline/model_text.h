// What the road needs of a model's tokenizer and chat template: prompts to tokens, and what a token says.
//
// Thread-safe; immutable.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"
#include "engine/engine.h"
#include "text/truncation.h"

namespace loquat::pipeline {

struct ChatMessage {
  std::string role;  // "system", "user", "assistant"
  std::string content;
  std::string name;  // Empty: none.
};

// A named value that a chat template may look at: {"enable_thinking": false}.
using TemplateArgument = std::variant<bool, std::int64_t, double, std::string>;

struct ChatPrompt {
  std::vector<ChatMessage> messages;
  std::vector<std::pair<std::string, TemplateArgument>> arguments;
};

struct CutTokens {
  std::vector<engine::TokenId> tokens;
  std::uint32_t cut = 0;  // Left out.
};

class ModelText {
 public:
  virtual ~ModelText() = default;

  // With the special tokens that the model wants around a text. Errors: failed_precondition where the model has no
  // tokenizer.
  virtual base::Result<std::vector<engine::TokenId>> Encode(std::string_view text) const = 0;
  // The same within `limit` tokens: where there are more, the policy says which of the text's own are left out.
  // Errors: besides, invalid_argument "context_length_exceeded" where the policy is kError, and where the special
  // tokens alone are too many.
  virtual base::Result<CutTokens> EncodeWithin(std::string_view text, std::uint32_t limit,
                                               text::TruncationPolicy policy) const = 0;
  // The conversation in the model's own form, up to where its answer begins. Errors: failed_precondition
  // "no_chat_template", and where the template runs into a bound; invalid_argument where it refuses the messages.
  virtual base::Result<std::vector<engine::TokenId>> EncodeChat(const ChatPrompt& chat) const = 0;
  virtual bool has_chat_template() const = 0;
  // The bytes that a token stands for, which may be part of a character; empty where they are not known.
  virtual std::string TokenBytes(engine::TokenId token) const = 0;
};

}  // namespace loquat::pipeline
