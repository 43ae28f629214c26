// What a file says about itself, for people: arrays and long strings are shortened. A plain value.

#pragma once

#include <string>

namespace loquat::model {

struct MetadataEntry {
  std::string key;
  std::string type;  // "uint32", "array of string".
  std::string value;
};

}  // namespace loquat::model
