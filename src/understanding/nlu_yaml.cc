// Rasa's training data format, version 3.1 (https://rasa.com/docs/rasa/training-data-format): the nlu section.
// yaml-cpp reads it; its exceptions end here. It accepts duplicate keys silently, so maps are checked for them.

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <initializer_list>
#include <string>

#include "base/utf8.h"
#include "understanding/dataset_builder.h"
#include "understanding/dataset_reader.h"
#include "understanding/nlu_markup.h"

namespace loquat::understanding {
namespace {

constexpr std::initializer_list<std::string_view> kVersions = {"2.0", "3.0", "3.1"};
// Sections that Rasa allows in the same file; they are not training data for understanding.
constexpr std::initializer_list<std::string_view> kOtherSections = {
    "stories", "rules", "e2e_tests", "responses", "intents", "entities", "slots", "actions", "forms", "session_config"};
constexpr std::initializer_list<std::string_view> kItemKinds = {"intent", "synonym", "regex", "lookup"};
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

bool IsOneOf(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::ranges::find(words, word) != words.end();
}

std::uint32_t LineOf(const YAML::Node& node) {
  const int line = node.Mark().line;
  return line < 0 ? 1 : static_cast<std::uint32_t>(line) + 1;
}

class NluReader {
 public:
  NluReader(std::string_view name, std::string_view text, const DatasetLimits& limits, Dataset& dataset)
      : builder_(name, limits, dataset), text_(text) {}

  base::Status Read() {
    if (text_.size() > builder_.limits().file_bytes_max) {
      return builder_.TooMany(1, fmt::format("the file has {} bytes", text_.size()), "file_bytes_max",
                              builder_.limits().file_bytes_max);
    }
    if (text_.starts_with(kByteOrderMark)) text_.remove_prefix(kByteOrderMark.size());
    LOQUAT_TRY(CheckBytes());
    LOQUAT_TRY(CheckDocuments());
    try {
      // Not LoadAll: yaml-cpp 0.7's never returns on some text that is no YAML (" ,a&*b").
      const YAML::Node root = YAML::Load(std::string(text_));
      if (root.IsNull()) return builder_.Bad(1, "the file is empty; it needs a section \"nlu:\"");
      return ReadRoot(root);
    } catch (const YAML::Exception& error) {
      const std::uint32_t line = error.mark.line < 0 ? 1 : static_cast<std::uint32_t>(error.mark.line) + 1;
      return builder_.Bad(line, fmt::format("this is not valid YAML: {}", error.msg));
    }
  }

 private:
  base::Status CheckBytes() const;
  base::Status CheckDocuments() const;
  base::Status ReadRoot(const YAML::Node& root);
  base::Status ReadVersion(const YAML::Node& version);
  base::Status ReadItem(const YAML::Node& item);
  base::Status ReadIntent(const YAML::Node& item, const std::string& intent);
  base::Status ReadExampleItem(const YAML::Node& node, const std::string& intent);
  base::Status AddExample(std::string_view annotated, const std::string& intent, std::uint32_t line);
  base::Status CheckKeys(const YAML::Node& map, std::initializer_list<std::string_view> allowed) const;
  bool IsLiteralAt(std::size_t position) const;
  template <typename Each>
  base::Status ForEachLine(const YAML::Node& examples, Each&& each);
  template <typename Each>
  base::Status ForEachValue(const YAML::Node& examples, Each&& each);

  DatasetBuilder builder_;
  std::string_view text_;
  NluMarkup markup_;
  Example example_;
};

// yaml-cpp would read other encodings, and put up with bytes that are none.
base::Status NluReader::CheckBytes() const {
  if (!base::IsValidUtf8(text_)) {
    std::uint32_t line = 1;
    for (std::size_t at = 0; at < text_.size();) {
      const base::DecodedCodePoint next = base::DecodeUtf8(text_, at);
      if (!next.valid) break;
      if (next.code_point == '\n') ++line;
      at += next.length;
    }
    return builder_.Bad(line, "this is not valid UTF-8; save the file as UTF-8");
  }
  const std::size_t zero = text_.find('\0');
  if (zero != std::string_view::npos) {
    const auto line = static_cast<std::uint32_t>(
        std::count(text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(zero), '\n') + 1);
    return builder_.Bad(line, "a zero byte stands here; this is not a text file");
  }
  return {};
}

// A second document would go unread. A line of "---" at the left edge begins one wherever it stands (YAML 1.2.2,
// section 9.1.2).
base::Status NluReader::CheckDocuments() const {
  bool content = false;
  std::uint32_t line = 0;
  for (std::size_t at = 0; at < text_.size();) {
    const std::size_t end = std::min(text_.find('\n', at), text_.size());
    const std::string_view raw = text_.substr(at, end - at);
    at = end + 1;
    ++line;
    const bool marker = raw.starts_with("---") && (raw.size() == 3 || Trim(raw.substr(3, 1)).empty());
    if (marker && content) {
      return builder_.Bad(line, "a second YAML document begins here; put each into a file of its own");
    }
    const std::string_view word = Trim(raw);
    content |= marker || (!word.empty() && word[0] != '#' && raw[0] != '%');
  }
  return {};
}

base::Status NluReader::CheckKeys(const YAML::Node& map, std::initializer_list<std::string_view> allowed) const {
  std::vector<std::string> seen;
  for (const auto& entry : map) {
    if (!entry.first.IsScalar()) return builder_.Bad(LineOf(entry.first), "a key must be a plain word");
    const std::string& key = entry.first.Scalar();
    if (!IsOneOf(key, allowed)) {
      return builder_.Bad(LineOf(entry.first),
                          fmt::format("unknown key \"{}\"; allowed are {}", key, fmt::join(allowed, ", ")));
    }
    if (std::ranges::find(seen, key) != seen.end()) {
      return builder_.Bad(LineOf(entry.first), fmt::format("the key \"{}\" stands here for the second time", key));
    }
    seen.push_back(key);
  }
  return {};
}

base::Status NluReader::ReadRoot(const YAML::Node& root) {
  if (!root.IsMap()) return builder_.Bad(LineOf(root), "the file must be a map with \"version\" and \"nlu\"");
  bool has_version = false;
  std::vector<std::string> seen;
  for (const auto& entry : root) {
    const std::uint32_t line = LineOf(entry.first);
    if (!entry.first.IsScalar()) return builder_.Bad(line, "a key must be a plain word");
    const std::string& key = entry.first.Scalar();
    if (std::ranges::find(seen, key) != seen.end()) {
      return builder_.Bad(line, fmt::format("the key \"{}\" stands here for the second time", key));
    }
    seen.push_back(key);
    if (key == "version") {
      has_version = true;
      LOQUAT_TRY(ReadVersion(entry.second));
    } else if (key == "nlu") {
      if (entry.second.IsNull()) continue;
      if (!entry.second.IsSequence()) return builder_.Bad(LineOf(entry.second), "\"nlu\" must be a list of items");
      for (const YAML::Node& item : entry.second) LOQUAT_TRY(ReadItem(item));
    } else if (!IsOneOf(key, kOtherSections)) {
      return builder_.Bad(
          line, fmt::format("unknown key \"{}\"; allowed are version, nlu, and of Rasa's other sections, which "
                            "are passed over, {}",
                            key, fmt::join(kOtherSections, ", ")));
    }
  }
  if (!has_version) builder_.Warn("the file names no version; it is read as version 3.1", 1);
  return {};
}

base::Status NluReader::ReadVersion(const YAML::Node& version) {
  if (version.IsScalar() && IsOneOf(version.Scalar(), kVersions)) return {};
  return builder_.Bad(LineOf(version),
                      fmt::format("unknown version {}; allowed are \"{}\"",
                                  version.IsScalar() ? '"' + version.Scalar() + '"' : "of a wrong type",
                                  fmt::join(kVersions, "\", \"")));
}

base::Status NluReader::ReadItem(const YAML::Node& item) {
  if (!item.IsMap()) {
    return builder_.Bad(LineOf(item), fmt::format("an item must be a map with one of {}", fmt::join(kItemKinds, ", ")));
  }
  std::string kind;
  for (const auto& entry : item) {
    if (!entry.first.IsScalar() || !IsOneOf(entry.first.Scalar(), kItemKinds)) continue;
    if (!kind.empty())
      return builder_.Bad(LineOf(entry.first),
                          fmt::format("an item cannot be both {} and {}", kind, entry.first.Scalar()));
    kind = entry.first.Scalar();
  }
  if (kind.empty()) {
    return builder_.Bad(LineOf(item),
                        fmt::format("the item says not what it is; it needs one of {}", fmt::join(kItemKinds, ", ")));
  }
  LOQUAT_TRY(CheckKeys(item, {std::string_view(kind), "examples", "metadata"}));
  const YAML::Node name_node = item[kind];
  if (!name_node.IsScalar()) return builder_.Bad(LineOf(item), fmt::format("the name of the {} must be text", kind));
  const std::string name(Trim(name_node.Scalar()));
  LOQUAT_TRY(builder_.CheckName(kind, name, LineOf(name_node)));
  if (kind == "intent") return ReadIntent(item, name);
  const YAML::Node examples = item["examples"];
  if (!examples || examples.IsNull()) {
    builder_.Warn(fmt::format("the {} \"{}\" has no examples", kind, name), LineOf(item));
    return {};
  }
  return ForEachValue(examples, [&](std::string_view value, std::uint32_t line) -> base::Status {
    LOQUAT_TRY(builder_.CheckText(value, line));
    if (kind == "synonym") return builder_.AddSynonym(value, name, line);
    if (kind == "regex") return builder_.AddRegex(name, value, line);
    return builder_.AddLookupValue(name, value, line);
  });
}

base::Status NluReader::ReadIntent(const YAML::Node& item, const std::string& intent) {
  const YAML::Node examples = item["examples"];
  if (!examples || examples.IsNull()) {
    builder_.Warn(fmt::format("the intent \"{}\" has no examples", intent), LineOf(item));
    return {};
  }
  if (examples.IsScalar()) {
    return ForEachLine(examples,
                       [&](std::string_view line, std::uint32_t number) { return AddExample(line, intent, number); });
  }
  if (!examples.IsSequence()) {
    return builder_.Bad(LineOf(examples), "\"examples\" must be a block of lines that begin with \"- \", or a list");
  }
  for (const YAML::Node& node : examples) LOQUAT_TRY(ReadExampleItem(node, intent));
  return {};
}

// A list item: plain text, or a map with "text" and "metadata".
base::Status NluReader::ReadExampleItem(const YAML::Node& node, const std::string& intent) {
  if (node.IsScalar()) return AddExample(Trim(node.Scalar()), intent, LineOf(node));
  if (!node.IsMap()) return builder_.Bad(LineOf(node), "an example must be text, or a map with \"text\"");
  LOQUAT_TRY(CheckKeys(node, {"text", "metadata"}));
  const YAML::Node text = node["text"];
  if (!text || !text.IsScalar()) return builder_.Bad(LineOf(node), "the example has no \"text\"");
  std::string_view annotated = Trim(text.Scalar());
  if (annotated.starts_with("- ")) annotated = Trim(annotated.substr(2));
  return AddExample(annotated, intent, LineOf(text));
}

base::Status NluReader::AddExample(std::string_view annotated, const std::string& intent, std::uint32_t line) {
  LOQUAT_TRY(builder_.CheckText(annotated, line));
  auto parsed = markup_.Parse(annotated, example_);
  if (!parsed.has_value()) return builder_.Bad(line, parsed.error().message);
  for (const EntityMention& mention : example_.entities) {
    LOQUAT_TRY(builder_.CheckName("entity", mention.entity, line));
    if (!mention.role.empty()) LOQUAT_TRY(builder_.CheckName("role", mention.role, line));
    if (!mention.group.empty()) LOQUAT_TRY(builder_.CheckName("group", mention.group, line));
  }
  example_.intent = intent;
  return builder_.AddExample(std::move(example_), line);
}

// Whether the scalar at `position` is a literal block, after an anchor and a tag.
bool NluReader::IsLiteralAt(std::size_t position) const {
  while (position < text_.size()) {
    if (text_[position] == '|') return true;
    if (text_[position] != '&' && text_[position] != '!') return false;
    position = text_.find_first_of(" \n", position);
    position = position == std::string_view::npos ? text_.size() : text_.find_first_not_of(' ', position);
  }
  return false;
}

// Lines "- text" of a block. Only a literal block ("|") keeps the file's lines; of other scalars each line is given the
// number of the first.
template <typename Each>
base::Status NluReader::ForEachLine(const YAML::Node& examples, Each&& each) {
  const std::string& block = examples.Scalar();
  const auto position = static_cast<std::size_t>(std::max(examples.Mark().pos, 0));
  const bool literal = IsLiteralAt(position);
  const std::uint32_t first = LineOf(examples);
  std::uint32_t number = first;
  for (std::size_t at = 0; at < block.size();) {
    const std::size_t end = std::min(block.find('\n', at), block.size());
    const std::string_view line = Trim(std::string_view(block).substr(at, end - at));
    at = end + 1;
    if (literal) ++number;
    if (line.empty()) continue;
    if (line != "-" && !line.starts_with("- ") && !line.starts_with("-\t")) {
      return builder_.Bad(number, "each line of \"examples\" must begin with \"- \"");
    }
    LOQUAT_TRY(each(Trim(line.substr(1)), number));
  }
  return {};
}

template <typename Each>
base::Status NluReader::ForEachValue(const YAML::Node& examples, Each&& each) {
  if (examples.IsScalar()) return ForEachLine(examples, each);
  if (!examples.IsSequence()) {
    return builder_.Bad(LineOf(examples), "\"examples\" must be a block of lines that begin with \"- \", or a list");
  }
  for (const YAML::Node& node : examples) {
    if (!node.IsScalar()) return builder_.Bad(LineOf(node), "a value must be text");
    LOQUAT_TRY(each(Trim(node.Scalar()), LineOf(node)));
  }
  return {};
}

}  // namespace

base::Status AddNluYaml(std::string_view name, std::string_view text, const DatasetLimits& limits, Dataset* dataset) {
  return NluReader(name, text, limits, *dataset).Read();
}

}  // namespace loquat::understanding
