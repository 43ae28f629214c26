#include "understanding/dataset_builder.h"

#include <fmt/format.h>

#include "base/utf8.h"

namespace loquat::understanding {

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n\f\v";
  const std::size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

DatasetBuilder::DatasetBuilder(std::string_view name, const DatasetLimits& limits, Dataset& dataset)
    : limits_(limits), dataset_(dataset), file_(static_cast<std::uint32_t>(dataset.files.size())) {
  dataset.files.emplace_back(name);
  for (const Example& example : dataset.examples) {
    intents_.insert(example.intent);
    for (const EntityMention& mention : example.entities) slots_.emplace(mention.entity, mention.role);
  }
  for (std::size_t i = 0; i < dataset.synonyms.size(); ++i) synonym_at_.emplace(dataset.synonyms[i].surface, i);
  for (std::size_t i = 0; i < dataset.lookups.size(); ++i) {
    lookup_at_.emplace(dataset.lookups[i].entity, i);
    values_ += dataset.lookups[i].values.size();
  }
  values_ += dataset.synonyms.size();
}

std::string DatasetBuilder::Where(std::uint32_t line) const {
  return fmt::format("{}:{}", dataset_.files[file_], line);
}

base::Error DatasetBuilder::Bad(std::uint32_t line, std::string_view message) const {
  return base::InvalidArgument(fmt::format("{}: {}", Where(line), message), Where(line));
}

base::Error DatasetBuilder::TooMany(std::uint32_t line, std::string_view what, std::string_view bound,
                                    std::uint64_t most) const {
  return {.code = base::Code::kResourceExhausted,
          .message = fmt::format("{}: {}; at most {} are allowed ({})", Where(line), what, most, bound),
          .reason = std::string(bound),
          .param = Where(line)};
}

void DatasetBuilder::Warn(std::string message, std::uint32_t line) {
  dataset_.warnings.push_back({std::move(message), Where(line)});
}

base::Status DatasetBuilder::CheckName(std::string_view what, std::string_view name, std::uint32_t line) const {
  if (Trim(name).empty()) return Bad(line, fmt::format("the name of the {} is empty", what));
  if (name.size() > limits_.name_bytes_max) {
    return TooMany(line, fmt::format("the name of the {} has {} bytes", what, name.size()), "name_bytes_max",
                   limits_.name_bytes_max);
  }
  for (const char c : name) {
    if (static_cast<unsigned char>(c) < 0x20)
      return Bad(line, fmt::format("the name of the {} has a control character", what));
  }
  return {};
}

base::Status DatasetBuilder::CheckText(std::string_view text, std::uint32_t line) const {
  if (text.size() > limits_.text_bytes_max) {
    return TooMany(line, fmt::format("the text has {} bytes", text.size()), "text_bytes_max", limits_.text_bytes_max);
  }
  if (Trim(text).empty()) return Bad(line, "the text is empty; write an utterance or remove the line");
  if (!base::IsValidUtf8(text)) return Bad(line, "the text is not valid UTF-8; save the file as UTF-8");
  return {};
}

base::Status DatasetBuilder::AddExample(Example example, std::uint32_t line) {
  LOQUAT_TRY(CheckText(example.text, line));
  if (dataset_.examples.size() >= limits_.examples_max) {
    return TooMany(line, "there are too many examples", "examples_max", limits_.examples_max);
  }
  if (example.entities.size() > limits_.entities_max) {
    return TooMany(line, fmt::format("the example has {} entities", example.entities.size()), "entities_max",
                   limits_.entities_max);
  }
  if (!intents_.contains(example.intent)) {
    if (intents_.size() >= limits_.labels_max)
      return TooMany(line, "there are too many intents", "labels_max", limits_.labels_max);
    intents_.insert(example.intent);
  }
  for (const EntityMention& mention : example.entities) {
    if (slots_.emplace(mention.entity, mention.role).second && slots_.size() > limits_.labels_max) {
      return TooMany(line, "there are too many entities and roles", "labels_max", limits_.labels_max);
    }
    // An annotation that gives a value says how that value may be said: a synonym, unless one is there already.
    const std::string_view surface =
        std::string_view(example.text).substr(mention.byte_begin, mention.byte_end - mention.byte_begin);
    if (!mention.value.empty() && mention.value != surface && !synonym_at_.contains(surface)) {
      LOQUAT_TRY(AddSynonym(surface, mention.value, line));
    }
  }
  example.file = file_;
  example.line = line;
  dataset_.examples.push_back(std::move(example));
  return {};
}

base::Status DatasetBuilder::CountValue(std::uint32_t line) {
  if (++values_ > limits_.values_max) {
    return TooMany(line, "there are too many synonyms and lookup values", "values_max", limits_.values_max);
  }
  return {};
}

base::Status DatasetBuilder::AddSynonym(std::string_view surface, std::string_view canonical, std::uint32_t line) {
  const auto at = synonym_at_.find(surface);
  if (at != synonym_at_.end()) {
    Synonym& known = dataset_.synonyms[at->second];
    if (known.canonical == canonical) return {};
    Warn(fmt::format("\"{}\" is a synonym of both \"{}\" and \"{}\"; the latter is used", surface, known.canonical,
                     canonical),
         line);
    known.canonical = canonical;
    return {};
  }
  LOQUAT_TRY(CountValue(line));
  synonym_at_.emplace(surface, dataset_.synonyms.size());
  dataset_.synonyms.push_back({std::string(surface), std::string(canonical)});
  return {};
}

base::Status DatasetBuilder::AddRegex(std::string_view name, std::string_view pattern, std::uint32_t line) {
  if (dataset_.regexes.size() >= limits_.regexes_max) {
    return TooMany(line, "there are too many regexes", "regexes_max", limits_.regexes_max);
  }
  dataset_.regexes.push_back({std::string(name), std::string(pattern), file_, line});
  return {};
}

base::Status DatasetBuilder::AddLookupValue(std::string_view entity, std::string_view value, std::uint32_t line) {
  LOQUAT_TRY(CountValue(line));
  const auto [at, fresh] = lookup_at_.try_emplace(std::string(entity), dataset_.lookups.size());
  if (fresh) dataset_.lookups.push_back({std::string(entity), {}});
  dataset_.lookups[at->second].values.emplace_back(value);
  return {};
}

}  // namespace loquat::understanding
