// TokenText by a model's own tokenizer.

#pragma once

#include <memory>
#include <string>
#include <utility>

#include "engine/token_text.h"
#include "text/tokenizer/detokenizer.h"

namespace loquat::engine {

// Special tokens give no text. An answer continues its prompt, so a space that its first word begins with stays.
class DetokenizerTexts final : public TokenTextMaker {
 public:
  explicit DetokenizerTexts(std::shared_ptr<const text::Tokenizer> tokenizer) : tokenizer_(std::move(tokenizer)) {}

  std::unique_ptr<TokenText> New() const override { return std::make_unique<Text>(tokenizer_); }

 private:
  class Text final : public TokenText {
   public:
    explicit Text(std::shared_ptr<const text::Tokenizer> tokenizer)
        : detokenizer_(std::move(tokenizer), {.skip_special = true, .continues = true}) {}
    void Append(TokenId token, std::string& out) override { detokenizer_.Feed(token, out); }
    void Finish(std::string& out) override { detokenizer_.Flush(out); }

   private:
    text::Detokenizer detokenizer_;
  };

  const std::shared_ptr<const text::Tokenizer> tokenizer_;
};

}  // namespace loquat::engine
