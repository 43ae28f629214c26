// What a source of single keys (etcd) says: laid between the file and the environment. Plain values.

#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "config/schema.h"
#include "config/type.h"
#include "config/value.h"

namespace loquat::config {

struct LayerEntry {
  std::string text;           // YAML of the key, or of the section.
  std::string problem;        // Why the text is not to be looked at; empty: it is.
  std::int64_t revision = 0;  // Of the transaction that wrote it.
  bool operator==(const LayerEntry&) const = default;
};

struct Layer {
  std::string source;    // What stands before the path where an error names the place: "etcd key /loquat/config/".
  std::string reserved;  // The section that this source may not set: its own; empty: none.
  // By path, the steps divided by slashes: "understand/ranking_max", "delivery". Deeper paths overrule the sections
  // around them.
  std::map<std::string, LayerEntry, std::less<>> entries;
  std::map<std::string, std::int64_t, std::less<>> gone;  // Which transaction took a path away, where that is known.
};
using LayerPtr = std::shared_ptr<const Layer>;

// A section is laid over what is there key by key; a list, or a map of named entries, takes its place. What is wrong
// goes to the reader, with the entry's path, and line and column inside of its text.
void ApplyLayer(const Schema& schema, const Layer& layer, Value& root, Reader& reader);

// What one transaction makes of the entries before it.
struct LayerStep {
  std::int64_t revision = 0;              // 0: nobody knows; these are paths that went.
  std::map<std::string, LayerEntry> put;  // By path.
  std::vector<std::string> gone;          // Paths.
};
// What leads from the entries of one layer to those of the other, in the order of the revisions.
std::vector<LayerStep> StepsBetween(const Layer& before, const Layer& after);
Layer After(const Layer& layer, const LayerStep& step);

}  // namespace loquat::config
