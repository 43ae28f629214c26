#include "response/reply_template.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace loquat::response {

struct ReplyTemplate::Compiler {
  std::string_view source;
  ReplyTemplate result;
  std::string text = {};
  std::size_t at = 0;
  std::int32_t group = -1;

  base::Error Fail(std::string_view what) const {
    return base::InvalidArgument(fmt::format("reply template: {} at byte {} of \"{}\"", what, at, source));
  }

  void FlushText() {
    if (text.empty()) return;
    result.parts_.push_back({.kind = Kind::kText, .text = std::exchange(text, {}), .group = group});
  }

  bool Doubled(char sign) const { return at + 1 < source.size() && source[at + 1] == sign; }

  base::Status Placeholder() {
    const std::size_t end = source.find('}', at);
    if (end == std::string_view::npos) return Fail("'{' without '}'; write '{{' for the sign itself");
    const std::string_view name = source.substr(at + 1, end - at - 1);
    const bool good = !name.empty() && std::ranges::all_of(name, [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
    });
    if (!good) return Fail("a placeholder is {name} with lower-case letters, digits, _ and .");
    FlushText();
    result.parts_.push_back({.kind = Kind::kSlot, .text = std::string(name), .group = group});
    at = end + 1;
    return {};
  }

  base::Status Bracket(char sign) {
    if (sign == '[' && group >= 0) return Fail("optional parts do not nest: a second '['");
    if (sign == ']' && group < 0) return Fail("']' without '['; write ']]' for the sign itself");
    FlushText();
    group = sign == '[' ? result.group_count_++ : -1;
    ++at;
    return {};
  }

  base::Status Next() {
    const char c = source[at];
    const bool special = c == '{' || c == '}' || c == '[' || c == ']';
    // Inside an optional part "]]" closes it twice only by mistake, and outside it is the sign: the same reading serves
    // both.
    if (special && Doubled(c)) {
      text += c;
      at += 2;
      return {};
    }
    if (c == '{') return Placeholder();
    if (c == '}') return Fail("'}' without '{'; write '}}' for the sign itself");
    if (special) return Bracket(c);
    text += c;
    ++at;
    return {};
  }

  base::Result<ReplyTemplate> Run() {
    if (source.size() > kTemplateBytesMax) return Fail(fmt::format("longer than {} bytes", kTemplateBytesMax));
    while (at < source.size()) {
      LOQUAT_TRY(Next());
      if (result.parts_.size() > kTemplatePartsMax) return Fail(fmt::format("more than {} parts", kTemplatePartsMax));
    }
    if (group >= 0) return Fail("'[' without ']'");
    FlushText();
    return std::move(result);
  }
};

base::Result<ReplyTemplate> ReplyTemplate::Compile(std::string_view source) {
  return Compiler{.source = source, .result = {}}.Run();
}

void ReplyTemplate::Render(const SlotLookup& lookup, std::string& out) const {
  const auto group_is_empty = [&](std::int32_t group) {
    return std::ranges::any_of(parts_, [&](const Part& part) {
      return part.group == group && part.kind == Kind::kSlot && lookup(part.text).empty();
    });
  };
  std::int32_t checked = -1;
  bool skip = false;
  for (const Part& part : parts_) {
    if (part.group != checked) {
      checked = part.group;
      skip = checked >= 0 && group_is_empty(checked);
    }
    if (skip) continue;
    out += part.kind == Kind::kText ? std::string_view(part.text) : lookup(part.text);
  }
}

std::vector<std::string_view> ReplyTemplate::SlotNames() const {
  std::vector<std::string_view> names;
  for (const Part& part : parts_) {
    if (part.kind == Kind::kSlot) names.emplace_back(part.text);
  }
  return names;
}

}  // namespace loquat::response
