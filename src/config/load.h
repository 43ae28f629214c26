// From sources to a typed configuration and back. Pure but for reading the file; safe from any thread.
//
//   auto loaded = config::Load<AppOptions>({.file = path, .variables = config::VariablesFrom(environ), .overrides =
//   sets});
//
// Each source overrules the one before: defaults of the structs, file, layer, environment, overrides. All that is wrong
// is reported together, one problem a line: "loquat.yaml:3:20: server.connections_max: got "0": out of range; allowed:
// integer from …".

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "config/layer.h"
#include "config/overlay.h"
#include "config/schema.h"
#include "config/section.h"
#include "config/yaml.h"

namespace loquat::config {

struct Sources {
  std::string file;  // Empty: no file. One that is named must be there.
  Variables variables;
  std::vector<std::string> overrides;    // "key.path=value"
  std::optional<std::string> file_text;  // What the file says, where it is known; it is not read then.
  LayerPtr layer;                        // Null: none.
  std::int64_t layer_revision = 0;       // Of the layer's source, as far as it was seen; 0: never.
  // Refuse a file without content: on a reload it is more likely half written than meant.
  bool refuse_empty_file = false;
};

// The place that each key's value came from, by path; keys with default values are not in it.
using Origins = std::map<std::string, std::string, std::less<>>;

template <typename T>
struct Loaded {
  T value;
  Origins origins;
  std::vector<std::string> warnings;
  std::string file_text;  // What the file said; empty without one.
};

// The untyped half of Load and LoadText: reads into the struct at `out`, which holds the defaults.
struct LoadNotes {
  Origins origins;
  std::vector<std::string> warnings;
  std::string file_text;
};
// What the file says; empty without one.
base::Result<std::string> ReadFileOf(const Sources& sources);
base::Result<LoadNotes> LoadInto(const Schema& schema, const Sources& sources, void* out);
base::Status LoadTextInto(const Schema& schema, std::string_view text, std::string_view source, void* out);

template <typename T>
base::Result<Loaded<T>> Load(const Sources& sources, T defaults = {}) {
  const Schema schema = SchemaOf<T>();
  LOQUAT_ASSIGN(LoadNotes notes, LoadInto(schema, sources, &defaults));
  return Loaded<T>{std::move(defaults), std::move(notes.origins), std::move(notes.warnings),
                   std::move(notes.file_text)};
}

// From YAML text alone; `source` names it in errors.
template <typename T>
base::Result<T> LoadText(std::string_view text, std::string_view source, T defaults = {}) {
  LOQUAT_TRY(LoadTextInto(SchemaOf<T>(), text, source, &defaults));
  return defaults;
}

// The effective configuration as YAML, each key under its help, its bounds and the place its value came from. Secrets
// read "<redacted>". Loading it again gives the same configuration, but for secrets.
std::string DumpSchema(const Schema& schema, const void* in, const Origins& origins);

template <typename T>
std::string Dump(const T& value, const Origins& origins = {}) {
  return DumpSchema(SchemaOf<T>(), &value, origins);
}

// One key that differs between two configurations.
struct Change {
  std::string path;
  bool needs_restart;
};
std::vector<Change> ChangesIn(const Schema& schema, const void* before, const void* after);

inline constexpr std::string_view kRedacted = "<redacted>";

}  // namespace loquat::config
