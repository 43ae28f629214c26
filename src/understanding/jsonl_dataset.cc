// JSON Lines: one object a line, {"text", "intent", "entities": [{"start", "end", "entity", "role", "group",
// "value"}]}; `start` and `end` count code points, as Rasa's do.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/json_value.h"
#include "base/utf8.h"
#include "understanding/dataset_builder.h"
#include "understanding/dataset_reader.h"

namespace loquat::understanding {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr std::size_t kLineOverhead = 64u << 10;  // Bytes of a line beyond six for each byte of its text.

class JsonLinesReader {
 public:
  JsonLinesReader(std::string_view name, const DatasetLimits& limits, Dataset& dataset)
      : builder_(name, limits, dataset),
        parser_({.max_bytes = 6 * limits.text_bytes_max + kLineOverhead, .max_depth = 8}) {}

  base::Status Read(std::string_view text) {
    if (text.size() > builder_.limits().file_bytes_max) {
      return builder_.TooMany(1, fmt::format("the file has {} bytes", text.size()), "file_bytes_max",
                              builder_.limits().file_bytes_max);
    }
    if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = std::min(text.find('\n', at), text.size());
      ++line_;
      const std::string_view line = Trim(text.substr(at, end - at));
      at = end + 1;
      if (!line.empty()) LOQUAT_TRY(ReadLine(line));
    }
    return {};
  }

 private:
  base::Status ReadLine(std::string_view line);
  base::Status ReadEntity(const base::JsonValue& value);
  base::Status FindBytes();
  base::Result<std::string_view> Text(const base::JsonMember& member) const;
  base::Result<std::uint32_t> Offset(const base::JsonMember& member) const;
  base::Error Bad(std::string_view message) const { return builder_.Bad(line_, message); }

  struct Range {
    std::uint32_t begin = 0, end = 0;  // Code points.
  };

  DatasetBuilder builder_;
  base::JsonParser parser_;
  std::uint32_t line_ = 0;
  Example example_;
  std::vector<std::pair<Range, EntityMention>> entities_;
};

base::Result<std::string_view> JsonLinesReader::Text(const base::JsonMember& member) const {
  if (member.value.is_null()) return std::string_view();
  auto text = member.value.AsString();
  if (!text.has_value()) return Bad(fmt::format("\"{}\": {}", member.key, text.error().message));
  return *text;
}

base::Result<std::uint32_t> JsonLinesReader::Offset(const base::JsonMember& member) const {
  const auto number = member.value.AsInt();
  if (!number.has_value() || *number < 0 || *number > 0x7FFFFFFF) {
    return Bad(fmt::format("\"{}\" must be a whole number of code points from the start of the text", member.key));
  }
  return static_cast<std::uint32_t>(*number);
}

base::Status JsonLinesReader::ReadLine(std::string_view line) {
  const auto value = parser_.Parse(line);
  if (!value.has_value()) {
    base::Error error = Bad(value.error().message);
    error.code = value.error().code;
    return error;
  }
  const auto object = value->AsObject();
  if (!object.has_value()) return Bad("a line must be an object with \"text\" and \"intent\"");
  if (const auto twice = object->FindDuplicateKey(); twice.found) {
    return Bad(fmt::format("the key \"{}\" stands here twice", twice.key));
  }
  example_ = {};
  entities_.clear();
  bool has_text = false;
  for (const base::JsonMember& member : *object) {
    if (member.key == "text") {
      LOQUAT_ASSIGN(const std::string_view text, Text(member));
      example_.text = text;
      has_text = true;
    } else if (member.key == "intent") {
      LOQUAT_ASSIGN(const std::string_view intent, Text(member));
      if (!intent.empty()) LOQUAT_TRY(builder_.CheckName("intent", intent, line_));
      example_.intent = Trim(intent);
    } else if (member.key == "entities") {
      if (member.value.is_null()) continue;
      const auto list = member.value.AsArray();
      if (!list.has_value()) return Bad("\"entities\" must be a list");
      for (const base::JsonValue entity : *list) {
        if (entities_.size() >= builder_.limits().entities_max) {
          return builder_.TooMany(line_, "there are too many entities", "entities_max", builder_.limits().entities_max);
        }
        LOQUAT_TRY(ReadEntity(entity));
      }
    } else if (member.key != "metadata") {
      return Bad(fmt::format("unknown key \"{}\"; allowed are text, intent, entities, metadata", member.key));
    }
  }
  if (!has_text) return Bad("the line has no \"text\"");
  LOQUAT_TRY(builder_.CheckText(example_.text, line_));
  LOQUAT_TRY(FindBytes());
  return builder_.AddExample(std::move(example_), line_);
}

base::Status JsonLinesReader::ReadEntity(const base::JsonValue& value) {
  const auto object = value.AsObject();
  if (!object.has_value()) return Bad("an entity must be an object with \"start\", \"end\" and \"entity\"");
  Range range;
  EntityMention mention;
  bool has_start = false, has_end = false;
  for (const base::JsonMember& member : *object) {
    if (member.key == "start" || member.key == "end") {
      LOQUAT_ASSIGN(const std::uint32_t offset, Offset(member));
      (member.key == "start" ? range.begin : range.end) = offset;
      (member.key == "start" ? has_start : has_end) = true;
      continue;
    }
    std::string* target = nullptr;
    if (member.key == "entity") target = &mention.entity;
    if (member.key == "role") target = &mention.role;
    if (member.key == "group") target = &mention.group;
    if (member.key == "value") target = &mention.value;
    if (target == nullptr) {
      return Bad(fmt::format("unknown key \"{}\" in an entity; allowed are start, end, entity, role, group, value",
                             member.key));
    }
    LOQUAT_ASSIGN(const std::string_view text, Text(member));
    if (target != &mention.value && !text.empty()) LOQUAT_TRY(builder_.CheckName(member.key, text, line_));
    *target = text;
  }
  if (!has_start || !has_end) return Bad("an entity needs \"start\" and \"end\"");
  if (mention.entity.empty()) return Bad("an entity needs a name: \"entity\"");
  if (range.end <= range.begin) return Bad(fmt::format("the entity \"{}\" ends before it begins", mention.entity));
  entities_.emplace_back(range, std::move(mention));
  return {};
}

// From code points to bytes, by position.
base::Status JsonLinesReader::FindBytes() {
  std::ranges::sort(entities_, {}, [](const auto& entity) { return entity.first.begin; });
  std::uint32_t code_point = 0;
  std::size_t byte = 0;
  const auto advance = [&](std::uint32_t to) {
    while (code_point < to && byte < example_.text.size()) {
      byte += base::DecodeUtf8(example_.text, byte).length;
      ++code_point;
    }
    return code_point == to;
  };
  for (auto& [range, mention] : entities_) {
    if (range.begin < code_point)
      return Bad(fmt::format("the entity \"{}\" overlaps the one before it", mention.entity));
    if (!advance(range.begin)) return Bad(fmt::format("the entity \"{}\" lies outside of the text", mention.entity));
    mention.byte_begin = static_cast<std::uint32_t>(byte);
    if (!advance(range.end)) return Bad(fmt::format("the entity \"{}\" lies outside of the text", mention.entity));
    mention.byte_end = static_cast<std::uint32_t>(byte);
    if (Trim(std::string_view(example_.text).substr(mention.byte_begin, mention.byte_end - mention.byte_begin))
            .empty()) {
      return Bad(fmt::format("the entity \"{}\" marks no text", mention.entity));
    }
    example_.entities.push_back(std::move(mention));
  }
  return {};
}

}  // namespace

base::Status AddJsonLines(std::string_view name, std::string_view text, const DatasetLimits& limits, Dataset* dataset) {
  return JsonLinesReader(name, limits, *dataset).Read(text);
}

}  // namespace loquat::understanding
