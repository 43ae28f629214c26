// Token ids to text, one at a time: gives what is certain as soon as it is certain, and never a part of a code point.
// One thread at a time; the tokenizer is kept alive.
//
// All that was fed, then Flush, gives the same text as Decode of all ids at once, however it is split.

#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "text/tokenizer/tokenizer.h"

namespace loquat::text {

struct DecodeOptions {
  bool skip_special = true;  // Leaves special tokens out; else they stand as they are stored.
  // Text stands before: the space that a SentencePiece or WordPiece word begins with stays, also at the very beginning.
  bool continues = false;
};

class Detokenizer {
 public:
  explicit Detokenizer(std::shared_ptr<const Tokenizer> tokenizer, DecodeOptions options = {})
      : tokenizer_(std::move(tokenizer)), options_(options), at_start_(!options.continues) {}

  // Appends to `out` what is certain now: well-formed UTF-8, whole code points. Bytes that can no longer become one are
  // U+FFFD each maximal subpart. An id that is none of the tokens adds nothing.
  void Feed(TokenId id, std::string& out);

  // Appends what was held back, a cut code point as U+FFFD, and starts anew.
  void Flush(std::string& out);

  // Forgets everything.
  void Reset();

  // Bytes held back: at most 3, the beginning of a code point.
  std::string_view pending() const { return pending_; }

 private:
  void AppendBytes(std::string_view bytes, std::string& out);

  std::shared_ptr<const Tokenizer> tokenizer_;
  DecodeOptions options_;
  std::string pending_;
  bool at_start_;  // Nothing was given out yet.
};

// All at once.
std::string Decode(const std::shared_ptr<const Tokenizer>& tokenizer, std::span<const TokenId> ids,
                   DecodeOptions options = {});

}  // namespace loquat::text
