// Parses a body with a parser of its own, which goes as soon as the fields are read: an answer may take minutes, and
// the parsed text of its prompt is not kept for so long. Pure.

#pragma once

#include <string_view>

#include "base/json_value.h"
#include "ingress/openai/generation_body.h"

namespace loquat::ingress::openai {

template <typename Parse>
auto ParseBody(std::string_view body, Parse parse) {
  base::JsonParser parser({.max_bytes = kBodyBytesMax, .max_depth = kBodyDepthMax});
  return parse(body, parser);
}

}  // namespace loquat::ingress::openai
