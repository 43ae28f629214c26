// Cuts a template into text and the tokens of its tags, as Jinja 3 does with trim_blocks and lstrip_blocks set: the
// line end after a block tag goes, and so does the white space before one on its line; "-" strips more, "+" keeps.
// See https://jinja.palletsprojects.com/en/3.1.x/templates/#whitespace-control.
//
// A Lexer reads one source, which outlives it and the views in its tokens; string tokens with escapes point into
// `strings`. One thread at a time.

#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace loquat::text::jinja {

enum class TokenKind : std::uint8_t {
  kText,  // Outside tags.
  kBlockBegin,
  kBlockEnd,
  kPrintBegin,
  kPrintEnd,
  kName,
  kString,
  kInteger,
  kFloat,
  kOperator,  // One of + - * / // % ** ~ == != < <= > >= = . : , | ( ) [ ] { }
  kEnd,
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::uint32_t line = 1;
  std::string_view text;  // The text, name, operator, or what a string literal stands for.
  std::int64_t integer = 0;
  double number = 0;
};

// Errors are kInvalidArgument and name the line.
base::Error TemplateError(std::uint32_t line, std::string what);
// Adds the line to an error that names none yet.
base::Error LocatedError(base::Error error, std::uint32_t line);

// REQUIRES: line ends of `source` are "\n". Past `tokens_max` tokens: kResourceExhausted.
base::Result<std::vector<Token>> Tokenize(std::string_view source, std::size_t tokens_max,
                                          std::deque<std::string>& strings);

}  // namespace loquat::text::jinja
