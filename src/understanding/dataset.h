// Labelled examples as they come from training files, merged, with spans checked against the text.
// Plain values; any thread may read one that nobody changes. Every string owns its bytes.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace loquat::understanding {

// One annotated span of an example's text; [byte_begin, byte_end) is never empty and cuts no code point.
struct EntityMention {
  std::uint32_t byte_begin = 0, byte_end = 0;
  std::string entity;  // Never empty: "city".
  std::string role;    // What it is for: "from"; may be empty.
  std::string group;   // Which of several it belongs to; may be empty.
  std::string value;   // Canonical value given in the annotation; empty: the text of the span.

  bool operator==(const EntityMention&) const = default;
};

// One utterance with what it means.
struct Example {
  std::string text;    // Valid UTF-8, annotations removed, never blank.
  std::string intent;  // "faq/opening_hours" for a retrieval intent; empty only in JSONL without labels.
  std::vector<EntityMention> entities;  // By position, without overlap.
  std::uint32_t file = 0;               // Index into Dataset::files.
  std::uint32_t line = 0;               // From 1.

  bool operator==(const Example&) const = default;
};

// A pattern (ICU syntax) whose matches are a feature for the slot tagger.
struct NamedRegex {
  std::string name;
  std::string pattern;
  std::uint32_t file = 0, line = 0;

  bool operator==(const NamedRegex&) const = default;
};

// Values that an entity may take.
struct Lookup {
  std::string entity;
  std::vector<std::string> values;

  bool operator==(const Lookup&) const = default;
};

// Another way to say a canonical value: "nyc" is "new york".
struct Synonym {
  std::string surface;
  std::string canonical;

  bool operator==(const Synonym&) const = default;
};

// Something odd that does not stop training.
struct DatasetWarning {
  std::string message;  // What is odd, and what to do.
  std::string where;    // "file:line"; empty: the data as a whole.
};

struct Dataset {
  std::vector<std::string> files;  // Names as given.
  std::vector<Example> examples;   // In file order.
  std::vector<Synonym> synonyms;   // A surface is listed once, the last canonical value wins.
  std::vector<NamedRegex> regexes;
  std::vector<Lookup> lookups;  // One an entity.
  std::vector<DatasetWarning> warnings;

  // "nlu.yml:12", for messages about an example.
  std::string Where(const Example& example) const { return files[example.file] + ':' + std::to_string(example.line); }
};

// Utterances labelled with this intent are examples of what no intent covers: the trainer calibrates the out-of-scope
// verdict with them and evaluation counts them apart. CLINC150's own label.
inline constexpr std::string_view kOutOfScopeIntent = "out_of_scope";

}  // namespace loquat::understanding
