// A prompt of the server's own: text with named fields, {name}, compiled once and rendered often. "{{" and "}}" stand
// for the signs themselves. Values are put in as they are: nothing in them is read as a field.
//
// Immutable after Compile; safe from any thread.

#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace loquat::text {

inline constexpr std::size_t kPromptTemplateBytesMax = std::size_t{64} << 10;

class PromptTemplate {
 public:
  // `fields`: the names that Render will give values for, in that order. kInvalidArgument with the byte position: a
  // field of another name, a name that the text does not use or that stands in `fields` twice, braces that do not
  // match, or more than kPromptTemplateBytesMax.
  static base::Result<PromptTemplate> Compile(std::string_view source, std::span<const std::string_view> fields);

  // Appends the text, with values[i] for fields[i]. Allocates only what `out` needs to grow, at once. Values may not
  // point into `out`. REQUIRES: as many values as fields.
  void Render(std::span<const std::string_view> values, std::string& out) const;

  std::size_t field_count() const { return field_count_; }

 private:
  struct Part {
    std::size_t text_end;  // The text before the field, from the end of the part before, in text_.
    std::size_t field;     // kNoField: the text ends the template.
  };
  static constexpr std::size_t kNoField = static_cast<std::size_t>(-1);

  std::string text_;  // All text between fields, without escapes.
  std::vector<Part> parts_;
  std::size_t field_count_ = 0;
};

}  // namespace loquat::text
