// Filters whose subject is text. Jinja turns what is no string into one first.

#include <fmt/format.h>

#include <algorithm>

#include "base/utf8.h"
#include "text/template/builtins.h"
#include "text/template/characters.h"
#include "text/template/operators.h"
#include "text/template/text_operations.h"

namespace loquat::text::jinja {

using base::Result;

namespace {

Result<Value> FilterTrim(Work& work, const Value& self, const Arguments& args) {
  LOQUAT_ASSIGN(const Value text, ToText(work, self));
  if (!args.Has(0) || args[0].Is(Kind::kNone)) return Strip(work, text.AsString(), std::nullopt, Side::kBoth);
  LOQUAT_ASSIGN(const std::string_view characters, NeedString(args[0], "trim's argument"));
  return Strip(work, text.AsString(), characters, Side::kBoth);
}

Result<Value> FilterUpper(Work& work, const Value& self, const Arguments&) {
  LOQUAT_ASSIGN(const Value text, ToText(work, self));
  return Upper(work, text.AsString());
}

Result<Value> FilterLower(Work& work, const Value& self, const Arguments&) {
  LOQUAT_ASSIGN(const Value text, ToText(work, self));
  return Lower(work, text.AsString());
}

Result<Value> FilterCapitalize(Work& work, const Value& self, const Arguments&) {
  LOQUAT_ASSIGN(const Value text, ToText(work, self));
  return Capitalize(work, text.AsString());
}

// Unlike str.title(), words start only behind white space, hyphens and opening brackets.
Result<Value> FilterTitle(Work& work, const Value& self, const Arguments&) {
  LOQUAT_ASSIGN(const Value value, ToText(work, self));
  const std::string_view text = value.AsString();
  LOQUAT_TRY(work.ChargeBytes(text.size()));
  const auto separates = [](char32_t c) {
    return c == '-' || c == '(' || c == '{' || c == '[' || c == '<' || IsSpace(c);
  };
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const base::DecodedCodePoint first = base::DecodeUtf8(text, at);
    std::size_t end = at;
    const bool separator = separates(first.code_point);
    while (end < text.size()) {
      const base::DecodedCodePoint next = base::DecodeUtf8(text, end);
      if (separates(next.code_point) != separator) break;
      end += next.length;
    }
    // Separators are unchanged by case.
    out += ToUpper(text.substr(at, first.length));
    out += ToLower(text.substr(at + first.length, end - at - first.length));
    at = end;
  }
  return work.Text(out);
}

Result<Value> FilterReplace(Work& work, const Value& self, const Arguments& args) {
  LOQUAT_ASSIGN(const Value text, ToText(work, self));
  LOQUAT_ASSIGN(const Value from, ToText(work, args[0]));
  LOQUAT_ASSIGN(const Value to, ToText(work, args[1]));
  std::int64_t count = -1;
  if (args.Has(2) && !args[2].Is(Kind::kNone)) {
    LOQUAT_ASSIGN(count, NeedInteger(args[2], "replace's count"));
  }
  return Replace(work, text.AsString(), from.AsString(), to.AsString(), count);
}

Result<Value> FilterString(Work& work, const Value& self, const Arguments&) {
  return ToText(work, self);
}

Result<Value> FilterSafe(Work& work, const Value& self, const Arguments&) {
  return ToText(work, self);
}

Result<Value> FilterIndent(Work& work, const Value& self, const Arguments& args) {
  LOQUAT_ASSIGN(const std::string_view text, NeedString(self, "what indent is applied to"));
  std::string indent(4, ' ');
  if (args.Has(0) && args[0].IsString()) {
    indent = args[0].AsString();
  } else if (args.Has(0)) {
    LOQUAT_ASSIGN(const std::int64_t width, NeedInteger(args[0], "indent's width"));
    const auto spaces = static_cast<std::size_t>(std::max<std::int64_t>(width, 0));
    LOQUAT_TRY(work.CheckBytes(spaces));
    indent.assign(spaces, ' ');
  }
  const bool first = IsTrue(args.Get(1, Value()));
  const bool blank = IsTrue(args.Get(2, Value()));
  LOQUAT_ASSIGN(const Value closed, work.Text(std::string(text) + "\n"));
  LOQUAT_ASSIGN(const List* lines, SplitLines(work, closed.AsString()));
  std::string out = first ? indent : "";
  for (std::size_t i = 0; i < lines->items.size(); ++i) {
    const std::string_view line = lines->items[i].AsString();
    if (i > 0) out.push_back('\n');
    if (i > 0 && (blank || !line.empty())) out += indent;
    out += line;
    LOQUAT_TRY(work.CheckBytes(out.size()));
  }
  return work.Text(out);
}

Result<Value> FilterFormat(Work& work, const Value& self, const Arguments& args) {
  LOQUAT_ASSIGN(const Value format, ToText(work, self));
  if (!args.named().empty()) return Fault("format takes values by place, not by name");
  return FormatPercent(work, format.AsString(), args.values());
}

// The signature that transformers gives it: no HTML escapes, and UTF-8 stays unless ensure_ascii is set.
Result<Value> FilterToJson(Work& work, const Value& self, const Arguments& args) {
  JsonStyle style;
  style.ascii_only = IsTrue(args.Get(0, Value()));
  std::string indent;
  if (args.Has(1) && !args[1].Is(Kind::kNone)) {
    style.indents = true;
    style.item_separator = ",";
    if (args[1].IsString()) {
      indent = args[1].AsString();
    } else {
      LOQUAT_ASSIGN(const std::int64_t width, NeedInteger(args[1], "tojson's indent"));
      constexpr std::int64_t kIndentMax = 64;
      if (width > kIndentMax) return LimitFault(fmt::format("tojson's indent is {}; at most {}", width, kIndentMax));
      indent.assign(static_cast<std::size_t>(std::max<std::int64_t>(width, 0)), ' ');
    }
    style.indent = indent;
  }
  if (args.Has(2) && !args[2].Is(Kind::kNone)) {
    if (!args[2].IsSequence() || args[2].AsList().items.size() != 2)
      return Fault("tojson's separators must be two strings");
    LOQUAT_ASSIGN(style.item_separator, NeedString(args[2].AsList().items[0], "tojson's separator of items"));
    LOQUAT_ASSIGN(style.key_separator, NeedString(args[2].AsList().items[1], "tojson's separator of keys"));
  }
  style.sorts_keys = IsTrue(args.Get(3, Value()));
  std::string out;
  LOQUAT_TRY(AppendJson(work, self, style, out));
  return work.Text(out);
}

// & < > ' " as HTML entities.
Result<Value> FilterEscape(Work& work, const Value& self, const Arguments&) {
  LOQUAT_ASSIGN(const Value text, ToText(work, self));
  std::string out;
  for (const char c : text.AsString()) {
    constexpr std::string_view kSpecial = "&<>'\"";
    constexpr std::array<std::string_view, 5> kEntities = {"&amp;", "&lt;", "&gt;", "&#39;", "&#34;"};
    const std::size_t index = kSpecial.find(c);
    if (index == std::string_view::npos) {
      out.push_back(c);
    } else {
      out += kEntities[index];
    }
  }
  return work.Text(out);
}

constexpr Builtin kFilters[] = {
    {"trim", FilterTrim, {"chars"}},
    {"upper", FilterUpper},
    {"lower", FilterLower},
    {"capitalize", FilterCapitalize},
    {"title", FilterTitle},
    {"replace", FilterReplace, {"old", "new", "count"}, 2},
    {"string", FilterString},
    {"safe", FilterSafe},
    {"indent", FilterIndent, {"width", "first", "blank"}},
    {"format", FilterFormat, {}, 0, true},
    {"tojson", FilterToJson, {"ensure_ascii", "indent", "separators", "sort_keys"}},
    {"escape", FilterEscape},
    {"e", FilterEscape},
};

}  // namespace

std::span<const Builtin> TextFilters() {
  return kFilters;
}

}  // namespace loquat::text::jinja
