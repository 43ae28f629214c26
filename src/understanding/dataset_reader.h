// Reads training and evaluation files: Rasa NLU YAML (format 3.1) and JSON Lines; several files merge into one Dataset.
// Free functions without state; any thread. docs/training_data.md describes the formats.

#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "understanding/dataset.h"

namespace loquat::understanding {

// What a file may hold. Past a bound reading stops with kResourceExhausted and the bound's name.
struct DatasetLimits {
  std::size_t file_bytes_max = 256u << 20;  // One file.
  std::size_t examples_max = 2'000'000;     // All files together.
  std::size_t text_bytes_max = 16u << 10;   // One example's text, annotations included.
  std::size_t entities_max = 256;           // One example.
  std::size_t name_bytes_max = 256;         // An intent, entity, role or group.
  std::size_t labels_max = 4096;            // Distinct intents, and distinct entity and role pairs.
  std::size_t values_max = 1'000'000;       // Synonyms and lookup values, all files together.
  std::size_t regexes_max = 256;            // Patterns, all files together.
  std::size_t warnings_max = 100;           // More are counted in one last warning.
};

// Reads each file by its name's end (.yml and .yaml; .jsonl, .ndjson and .json as JSON Lines) and merges them; then
// adds warnings (CheckDataset). A directory stands for the files directly in it with those ends, by name. Errors name
// file and line, and say what is allowed.
base::Result<Dataset> ReadDataset(std::span<const std::string> paths, const DatasetLimits& limits = {});

// Adds what `text`, the content of a file called `name`, says to `*dataset`. On an error `*dataset` is unspecified.
base::Status AddNluYaml(std::string_view name, std::string_view text, const DatasetLimits& limits, Dataset* dataset);
base::Status AddJsonLines(std::string_view name, std::string_view text, const DatasetLimits& limits, Dataset* dataset);

// Warns of: the same text under two intents, an intent with one example, an entity with one example.
void CheckDataset(const DatasetLimits& limits, Dataset* dataset);

}  // namespace loquat::understanding
