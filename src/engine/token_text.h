// Tokens to text as they come: what the engine needs of a tokenizer, so that the two can be tested apart.

#pragma once

#include <memory>
#include <string>

#include "engine/sampling_options.h"

namespace loquat::engine {

// Of one sequence. One thread at a time.
class TokenText {
 public:
  virtual ~TokenText() = default;
  // Appends the whole characters that this token completes; bytes of a character that is not whole yet are kept.
  virtual void Append(TokenId token, std::string& out) = 0;
  // Appends what is still kept, made valid UTF-8. Nothing follows.
  virtual void Finish(std::string& out) = 0;
};

// Of one model; outlives the TokenTexts it made. Thread-safe.
class TokenTextMaker {
 public:
  virtual ~TokenTextMaker() = default;
  virtual std::unique_ptr<TokenText> New() const = 0;
};

}  // namespace loquat::engine
