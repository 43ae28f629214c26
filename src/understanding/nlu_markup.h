// Annotated text as Rasa writes it: "[Berlin](city)", "[Berlin]{"entity": "city", "role": "to"}", "[nyc](city:New
// York)". Pure functions; any thread.
//
// A '[' whose ']' is followed by '(' , '{' or '[' opens an annotation and must be well-formed; any other bracket is
// text. A backslash makes the next of  [ ] ( ) { } \  plain; \n \t \r \b \f mean what they do in Rasa; any other
// backslash is text.

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json_value.h"
#include "base/result.h"
#include "understanding/dataset.h"

namespace loquat::understanding {

class NluMarkup {
 public:
  // Fills `text` and `entities` of the example. The error says what is wrong and what is allowed, without a place.
  base::Status Parse(std::string_view annotated, Example& example);

 private:
  base::Status ParseAnnotation(std::string_view annotated, std::size_t& at, Example& example);
  base::Status ParseObject(std::string_view json, EntityMention& mention);

  base::JsonParser json_;
};

}  // namespace loquat::understanding
