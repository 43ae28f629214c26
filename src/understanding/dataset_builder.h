// What the readers of training files share: adding to a Dataset under its limits, with errors that name file and line.
// One thread; lives within one call.

#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/hash.h"
#include "base/result.h"
#include "understanding/dataset.h"
#include "understanding/dataset_reader.h"

namespace loquat::understanding {

// Without the spaces, tabs and line ends around it.
std::string_view Trim(std::string_view text);

class DatasetBuilder {
 public:
  // Adds the file `name` to the dataset.
  DatasetBuilder(std::string_view name, const DatasetLimits& limits, Dataset& dataset);

  base::Status AddExample(Example example, std::uint32_t line);
  base::Status AddSynonym(std::string_view surface, std::string_view canonical, std::uint32_t line);
  base::Status AddRegex(std::string_view name, std::string_view pattern, std::uint32_t line);
  base::Status AddLookupValue(std::string_view entity, std::string_view value, std::uint32_t line);
  // Names of intents, entities, roles and so on: not blank, not too long.
  base::Status CheckName(std::string_view what, std::string_view name, std::uint32_t line) const;
  base::Status CheckText(std::string_view text, std::uint32_t line) const;
  void Warn(std::string message, std::uint32_t line);

  std::string Where(std::uint32_t line) const;
  base::Error Bad(std::uint32_t line, std::string_view message) const;
  base::Error TooMany(std::uint32_t line, std::string_view what, std::string_view bound, std::uint64_t most) const;
  const DatasetLimits& limits() const { return limits_; }

 private:
  base::Status CountValue(std::uint32_t line);

  const DatasetLimits& limits_;
  Dataset& dataset_;
  const std::uint32_t file_;
  std::uint64_t values_ = 0;
  std::set<std::string, std::less<>> intents_;
  std::set<std::pair<std::string, std::string>> slots_;
  std::unordered_map<std::string, std::size_t, base::StringHash, std::equal_to<>> synonym_at_;
  std::unordered_map<std::string, std::size_t, base::StringHash, std::equal_to<>> lookup_at_;
};

}  // namespace loquat::understanding
