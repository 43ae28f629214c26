// A text with named fields, as actions.yml writes it: "{slots.to}", "order {book.number}". A field is
// lower-case words with dots between them. A field that has no value is an error, but for one that is marked as
// optional, "{slots.date?}", which then is nothing. "{{" and "}}" stand for the signs themselves.
//
// Immutable after Compile; safe from any thread.

#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace loquat::response {

inline constexpr std::size_t kActionTemplateBytesMax = 4096;
inline constexpr std::size_t kActionTemplatePartsMax = 64;
inline constexpr std::size_t kFieldNameBytesMax = 128;

// A value that a field stands for.
struct FieldValue {
  std::string text;
  bool literal = false;  // The text is a JSON number or boolean, and is written as one where it stands alone.

  bool operator==(const FieldValue&) const = default;
};
using FieldValues = std::map<std::string, FieldValue, std::less<>>;

class ActionTemplate {
 public:
  struct Field {
    std::string name;
    bool optional = false;
  };

  // Errors: invalid_argument with the byte and what is wrong.
  static base::Result<ActionTemplate> Compile(std::string_view source);

  using Escape = std::string (*)(std::string_view);
  // Each value goes through `escape`, if any. Errors: failed_precondition "action_field_missing" that names the field.
  base::Result<std::string> Render(const FieldValues& values, Escape escape = nullptr) const;
  // As JSON: a text, or the literal that its only field is. Empty: it is made of optional fields alone and none has a
  // value, so that there is nothing to write.
  base::Result<std::string> RenderJson(const FieldValues& values) const;

  const std::vector<Field>& fields() const { return fields_; }
  // The text before the first field.
  std::string_view Prefix() const { return texts_.front(); }

 private:
  struct Compiler;

  std::vector<std::string> texts_{""};  // One more than there are fields: around and between them.
  std::vector<Field> fields_;
};

// For a part of a path or of a query: everything but RFC 3986's unreserved characters is escaped.
std::string PercentEncode(std::string_view text);

}  // namespace loquat::response
