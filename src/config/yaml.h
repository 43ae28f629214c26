// Reads YAML 1.2's core into a Value, strictly, and writes a Value back with comments. Built on yaml-cpp, whose
// exceptions stay inside. Pure functions; safe from any thread.
//
// Refused, with file, line and column: duplicate keys, keys that are not single values, tags other than !!str, a second
// document, text that is not UTF-8, and whatever is past a bound of YamlLimits (aliases count each time they are used,
// so that a billion laughs end early).

#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"
#include "config/schema.h"
#include "config/value.h"

namespace loquat::config {

struct YamlLimits {
  std::size_t bytes_max = 1 << 20;
  std::size_t depth_max = 32;       // Lists and sections inside each other.
  std::size_t nodes_max = 100'000;  // Values, with aliases written out.
};

// `source` names the text in errors. An empty text is nothing (null). The error's param is the place.
base::Result<Value> ParseYaml(std::string_view text, std::string_view source, const YamlLimits& limits = {});

// `text` in double quotes, with YAML's escapes (YAML 1.2.2, section 5.7).
std::string QuoteYaml(std::string_view text);

}  // namespace loquat::config
