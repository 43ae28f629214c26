#include "understanding/dataset_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <system_error>
#include <unordered_map>
#include <vector>

#include "base/hash.h"

namespace loquat::understanding {
namespace {

namespace fs = std::filesystem;

bool EndsIn(std::string_view path, std::initializer_list<std::string_view> ends) {
  return std::ranges::any_of(ends, [&](std::string_view end) { return path.ends_with(end); });
}
bool IsYaml(std::string_view path) {
  return EndsIn(path, {".yml", ".yaml"});
}
bool IsJsonLines(std::string_view path) {
  return EndsIn(path, {".jsonl", ".ndjson", ".json"});
}

base::Result<std::string> ReadFile(const std::string& path, std::size_t bytes_max) {
  const auto close = [](std::FILE* file) { std::fclose(file); };
  const std::unique_ptr<std::FILE, decltype(close)> file(std::fopen(path.c_str(), "rb"), close);
  if (file == nullptr) {
    const int error = errno;
    const std::string message = fmt::format("{}: cannot be opened: {}", path, std::generic_category().message(error));
    return error == ENOENT ? base::NotFound(message) : base::FailedPrecondition(message);
  }
  std::string text;
  char buffer[1 << 16];
  while (const std::size_t size = std::fread(buffer, 1, sizeof buffer, file.get())) {
    text.append(buffer, size);
    if (text.size() > bytes_max) break;  // The reader says so, with the bound's name.
  }
  if (std::ferror(file.get()) != 0) return base::FailedPrecondition(fmt::format("{}: cannot be read", path));
  return text;
}

// Files stand for themselves, a folder for the training files in it.
base::Result<std::vector<std::string>> ListFiles(std::span<const std::string> paths) {
  std::vector<std::string> files;
  for (const std::string& path : paths) {
    std::error_code error;
    if (!fs::is_directory(path, error)) {
      files.push_back(path);
      continue;
    }
    std::vector<std::string> inside;
    for (fs::directory_iterator at(path, error), end; !error && at != end; at.increment(error)) {
      const std::string file = at->path().string();
      if (IsYaml(file) || IsJsonLines(file)) inside.push_back(file);
    }
    if (error) return base::FailedPrecondition(fmt::format("{}: cannot be listed: {}", path, error.message()));
    if (inside.empty()) {
      return base::NotFound(
          fmt::format("{}: no file in this folder ends in .yml, .yaml, .jsonl, .ndjson or .json", path));
    }
    std::ranges::sort(inside);
    files.insert(files.end(), inside.begin(), inside.end());
  }
  return files;
}

// Keeps the first warnings and counts the others in one more.
class Warnings {
 public:
  Warnings(const DatasetLimits& limits, Dataset& dataset) : limits_(limits), dataset_(dataset) { Trim(); }
  ~Warnings() {
    if (left_out_ > 0) dataset_.warnings.push_back({fmt::format("{} more warnings are not shown", left_out_), ""});
  }
  Warnings(const Warnings&) = delete;
  Warnings& operator=(const Warnings&) = delete;

  void Add(std::string message, std::string where) {
    dataset_.warnings.push_back({std::move(message), std::move(where)});
    Trim();
  }

 private:
  void Trim() {
    while (dataset_.warnings.size() > limits_.warnings_max) {
      dataset_.warnings.pop_back();
      ++left_out_;
    }
  }

  const DatasetLimits& limits_;
  Dataset& dataset_;
  std::size_t left_out_ = 0;
};

}  // namespace

base::Result<Dataset> ReadDataset(std::span<const std::string> paths, const DatasetLimits& limits) {
  LOQUAT_ASSIGN(const std::vector<std::string> files, ListFiles(paths));
  Dataset dataset;
  for (const std::string& path : files) {
    if (!IsYaml(path) && !IsJsonLines(path)) {
      return base::InvalidArgument(
          fmt::format(
              "{}: unknown kind of file; allowed are .yml and .yaml (Rasa NLU), .jsonl, .ndjson and .json (JSON Lines)",
              path),
          path);
    }
    LOQUAT_ASSIGN(const std::string text, ReadFile(path, limits.file_bytes_max));
    LOQUAT_TRY(IsYaml(path) ? AddNluYaml(path, text, limits, &dataset) : AddJsonLines(path, text, limits, &dataset));
  }
  CheckDataset(limits, &dataset);
  return dataset;
}

void CheckDataset(const DatasetLimits& limits, Dataset* dataset) {
  Warnings warnings(limits, *dataset);
  std::unordered_map<std::string_view, const Example*> by_text;
  std::vector<std::pair<std::string_view, const Example*>> intents;  // First examples, in file order.
  std::vector<std::pair<std::string_view, const Example*>> entities;
  std::unordered_map<std::string_view, std::size_t> intent_counts, entity_counts;
  for (const Example& example : dataset->examples) {
    const auto [at, fresh] = by_text.try_emplace(example.text, &example);
    if (!fresh && at->second->intent != example.intent) {
      warnings.Add(fmt::format("\"{}\" is an example of both \"{}\" ({}) and \"{}\"; keep one of them", example.text,
                               at->second->intent, dataset->Where(*at->second), example.intent),
                   dataset->Where(example));
    }
    if (++intent_counts[example.intent] == 1) intents.emplace_back(example.intent, &example);
    for (const EntityMention& mention : example.entities) {
      if (++entity_counts[mention.entity] == 1) entities.emplace_back(mention.entity, &example);
    }
  }
  for (const auto& [intent, first] : intents) {
    if (intent_counts[intent] > 1 || intent.empty()) continue;
    warnings.Add(fmt::format("the intent \"{}\" has one example; write at least two", intent), dataset->Where(*first));
  }
  for (const auto& [entity, first] : entities) {
    if (entity_counts[entity] > 1) continue;
    warnings.Add(fmt::format("the entity \"{}\" has one example; write at least two", entity), dataset->Where(*first));
  }
}

}  // namespace loquat::understanding
