#include "understanding/nlu_markup.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "understanding/dataset_builder.h"

namespace loquat::understanding {
namespace {

constexpr std::string_view kAllowed =
    "allowed are [text](entity), [text](entity:value) and [text]{\"entity\": \"…\", \"role\": \"…\", \"group\": \"…\", "
    "\"value\": \"…\"}";
constexpr std::size_t kQuotedMax = 60;  // Bytes of the culprit in a message.

base::Error Bad(std::string_view why, std::string_view culprit) {
  std::size_t size = std::min(culprit.size(), kQuotedMax);
  while (size > 0 && size < culprit.size() && (static_cast<unsigned char>(culprit[size]) & 0xC0) == 0x80) --size;
  return base::InvalidArgument(fmt::format("bad annotation \"{}{}\": {}; {}", culprit.substr(0, size),
                                           size < culprit.size() ? "…" : "", why, kAllowed));
}

// Appends the character at `at`, or what an escape there stands for, and returns where the next one begins.
std::size_t AppendCharacter(std::string_view text, std::size_t at, std::string& out) {
  if (text[at] == '\\' && at + 1 < text.size()) {
    constexpr std::string_view kPlain = "[](){}\\";
    constexpr std::string_view kLetters = "ntrbf";
    constexpr std::string_view kControls = "\n\t\r\b\f";
    const char next = text[at + 1];
    const std::size_t control = kLetters.find(next);
    if (control != std::string_view::npos || kPlain.find(next) != std::string_view::npos) {
      out.push_back(control != std::string_view::npos ? kControls[control] : next);
      return at + 2;
    }
  }
  out.push_back(text[at]);
  return at + 1;
}

// The first unescaped `close` from `at` on; npos if there is none, or if `stop` comes first.
std::size_t FindClosing(std::string_view text, std::size_t at, char close, char stop = '\0') {
  for (; at < text.size(); ++at) {
    if (text[at] == '\\') {
      ++at;
    } else if (text[at] == close) {
      return at;
    } else if (text[at] == stop) {
      return std::string_view::npos;
    }
  }
  return std::string_view::npos;
}

// The brace that closes the object opened at `at`, strings skipped; npos if there is none.
std::size_t FindObjectEnd(std::string_view text, std::size_t at) {
  int depth = 0;
  bool quoted = false;
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (quoted) {
      if (c == '\\') {
        ++at;
      } else if (c == '"') {
        quoted = false;
      }
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{') {
      ++depth;
    } else if (c == '}' && --depth == 0) {
      return at;
    }
  }
  return std::string_view::npos;
}

std::string Unescape(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) at = AppendCharacter(text, at, out);
  return out;
}

}  // namespace

base::Status NluMarkup::Parse(std::string_view annotated, Example& example) {
  example.text.clear();
  example.entities.clear();
  for (std::size_t at = 0; at < annotated.size();) {
    if (annotated[at] != '[') {
      const char next = annotated[at] == ']' && at + 1 < annotated.size() ? annotated[at + 1] : '\0';
      if (next == '(' || next == '{') {
        return Bad("its [ is missing, or it stands around another annotation", annotated.substr(at));
      }
      at = AppendCharacter(annotated, at, example.text);
      continue;
    }
    LOQUAT_TRY(ParseAnnotation(annotated, at, example));
  }
  return {};
}

// REQUIRES: annotated[at] == '['. Moves `at` past what was read.
base::Status NluMarkup::ParseAnnotation(std::string_view annotated, std::size_t& at, Example& example) {
  const std::size_t close = FindClosing(annotated, at + 1, ']', '[');
  const char opening = close != std::string_view::npos && close + 1 < annotated.size() ? annotated[close + 1] : '\0';
  if (opening != '(' && opening != '{' && opening != '[') {
    example.text.push_back('[');
    ++at;
    return {};
  }
  const std::string_view culprit = annotated.substr(at);
  const std::string_view marked = annotated.substr(at + 1, close - at - 1);
  if (opening == '[') {
    if (close + 2 < annotated.size() && annotated[close + 2] == '{')
      return Bad("a text can have one entity, not a list", culprit);
    example.text.push_back('[');
    ++at;
    return {};
  }
  EntityMention mention;
  std::size_t end = 0;
  if (opening == '(') {
    end = FindClosing(annotated, close + 2, ')');
    if (end == std::string_view::npos) return Bad("its ) is missing", culprit);
    const std::string_view inside = annotated.substr(close + 2, end - close - 2);
    const std::size_t colon = inside.find(':');
    mention.entity = Unescape(Trim(inside.substr(0, colon)));
    if (colon != std::string_view::npos) mention.value = Unescape(Trim(inside.substr(colon + 1)));
  } else {
    end = FindObjectEnd(annotated, close + 1);
    if (end == std::string_view::npos) return Bad("its } is missing", culprit);
    auto parsed = ParseObject(annotated.substr(close + 1, end - close), mention);
    if (!parsed.has_value()) return Bad(parsed.error().message, culprit);
  }
  if (Trim(mention.entity).empty()) return Bad("the entity has no name", culprit);
  // Blanks at the rim are text, not part of what is meant.
  const std::string surface = Unescape(marked);
  const std::string_view core = Trim(surface);
  if (core.empty()) return Bad("it marks no text", culprit);
  const std::size_t base = example.text.size();
  mention.byte_begin = static_cast<std::uint32_t>(base + static_cast<std::size_t>(core.data() - surface.data()));
  mention.byte_end = static_cast<std::uint32_t>(mention.byte_begin + core.size());
  example.text += surface;
  example.entities.push_back(std::move(mention));
  at = end + 1;
  return {};
}

base::Status NluMarkup::ParseObject(std::string_view json, EntityMention& mention) {
  LOQUAT_ASSIGN(const base::JsonValue value, json_.Parse(json));
  LOQUAT_ASSIGN(const base::JsonObject object, value.AsObject());
  if (object.FindDuplicateKey().found) return base::InvalidArgument("a key stands there twice");
  for (const base::JsonMember& member : object) {
    std::string* target = nullptr;
    if (member.key == "entity") target = &mention.entity;
    if (member.key == "role") target = &mention.role;
    if (member.key == "group") target = &mention.group;
    if (member.key == "value") target = &mention.value;
    if (target == nullptr) return base::InvalidArgument(fmt::format("unknown key \"{}\"", member.key));
    if (member.value.is_null()) continue;
    if (member.value.type() == base::JsonType::kInt) {
      *target = std::to_string(*member.value.AsInt());
      continue;
    }
    const auto text = member.value.AsString();
    if (!text.has_value()) return base::InvalidArgument(fmt::format("\"{}\": {}", member.key, text.error().message));
    *target = *text;
  }
  return {};
}

}  // namespace loquat::understanding
