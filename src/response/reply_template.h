// One reply as written in domain.yml: text with {slot} placeholders and [optional parts], compiled once, rendered
// often.
// "[{date}]的天气" and "The weather in {city}[ on {date}]": a bracketed part vanishes when a slot inside it has no
// value. A slot outside brackets that has no value renders as nothing. "{{", "}}", "[[" and "]]" stand for the sign
// itself. A name with dots is a value that is no slot: a result of an action, "{seat.number}".
//
// Immutable after Compile; safe from any thread.

#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace loquat::response {

inline constexpr std::size_t kTemplateBytesMax = 4096;
inline constexpr std::size_t kTemplatePartsMax = 128;

class ReplyTemplate {
 public:
  // The value of a slot for the reader; empty: it has none.
  using SlotLookup = std::function<std::string_view(std::string_view name)>;

  // Errors: unbalanced or nested brackets, an empty or badly named placeholder, too long; with the byte position.
  static base::Result<ReplyTemplate> Compile(std::string_view source);

  void Render(const SlotLookup& lookup, std::string& out) const;  // Appends.

  // Every slot named, inside brackets or not, in order.
  std::vector<std::string_view> SlotNames() const;

 private:
  enum class Kind : std::uint8_t { kText, kSlot };
  struct Part {
    Kind kind;
    std::string text;         // The words, or the slot's name.
    std::int32_t group = -1;  // The optional part it belongs to; -1: none.
  };
  struct Compiler;

  std::vector<Part> parts_;
  std::int32_t group_count_ = 0;
};

}  // namespace loquat::response
