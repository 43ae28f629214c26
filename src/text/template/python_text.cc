#include "text/template/python_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/utf8.h"
#include "text/template/builtins.h"
#include "text/template/characters.h"
#include "text/template/loop.h"
#include "text/template/operators.h"
#include "text/template/syntax.h"

namespace loquat::text::jinja {

using base::Result;
using base::Status;

namespace {

base::Error DepthFault() {
  return LimitFault(fmt::format("values nest more than {} deep", kValueDepthMax));
}

void AppendStringRepr(std::string_view text, std::string& out) {
  const bool single = text.find('\'') == std::string_view::npos || text.find('"') != std::string_view::npos;
  const char quote = single ? '\'' : '"';
  out.push_back(quote);
  for (std::size_t at = 0; at < text.size();) {
    const base::DecodedCodePoint decoded = base::DecodeUtf8(text, at);
    const char32_t c = decoded.code_point;
    if (c == static_cast<unsigned char>(quote) || c == '\\') {
      out.push_back('\\');
      out.push_back(static_cast<char>(c));
    } else if (c == '\n' || c == '\r' || c == '\t') {
      out += c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t";
    } else if (IsPrintable(c)) {
      base::AppendUtf8(c, out);
    } else {
      const auto code = static_cast<std::uint32_t>(c);
      out += code < 0x100     ? fmt::format("\\x{:02x}", code)
             : code < 0x10000 ? fmt::format("\\u{:04x}", code)
                              : fmt::format("\\U{:08x}", code);
    }
    at += decoded.length;
  }
  out.push_back(quote);
}

Status AppendItems(Work& work, std::span<const Value> items, std::string& out, int depth) {
  bool first = true;
  for (const Value& item : items) {
    if (!first) out += ", ";
    first = false;
    LOQUAT_TRY(AppendRepr(work, item, out, depth + 1));
  }
  return {};
}

Status AppendDictRepr(Work& work, const Dict& dict, std::string& out, int depth) {
  out.push_back('{');
  bool first = true;
  for (const Dict::Entry& entry : dict.entries()) {
    if (!first) out += ", ";
    first = false;
    LOQUAT_TRY(AppendRepr(work, entry.key, out, depth + 1));
    out += ": ";
    LOQUAT_TRY(AppendRepr(work, entry.value, out, depth + 1));
  }
  out.push_back('}');
  return {};
}

}  // namespace

void AppendFloat(double value, std::string& out) {
  if (std::isnan(value)) {
    out += "nan";
  } else if (std::isinf(value)) {
    out += value < 0 ? "-inf" : "inf";
  } else {
    const std::string text = fmt::format("{}", value);
    out += text;
    if (text.find_first_of(".e") == std::string::npos) out += ".0";
  }
}

Status AppendRepr(Work& work, const Value& value, std::string& out, int depth) {
  if (depth > kValueDepthMax) return DepthFault();
  LOQUAT_TRY(work.CheckBytes(out.size()));
  LOQUAT_TRY(work.Charge(1));
  switch (value.kind()) {
    case Kind::kUndefined:
      out += "Undefined";
      return {};
    case Kind::kString:
      LOQUAT_TRY(work.ChargeBytes(value.AsString().size()));
      AppendStringRepr(value.AsString(), out);
      return {};
    case Kind::kList:
      out.push_back('[');
      LOQUAT_TRY(AppendItems(work, value.AsList().items, out, depth));
      out.push_back(']');
      return {};
    case Kind::kTuple:
      out.push_back('(');
      LOQUAT_TRY(AppendItems(work, value.AsList().items, out, depth));
      out += value.AsList().items.size() == 1 ? ",)" : ")";
      return {};
    case Kind::kDict:
      return AppendDictRepr(work, value.AsDict(), out, depth);
    case Kind::kNamespace:
      out += "<Namespace ";
      LOQUAT_TRY(AppendDictRepr(work, value.AsDict(), out, depth));
      out.push_back('>');
      return {};
    default:
      return AppendText(work, value, out);
  }
}

Status AppendText(Work& work, const Value& value, std::string& out) {
  switch (value.kind()) {
    case Kind::kUndefined:
      return {};
    case Kind::kNone:
      out += "None";
      return {};
    case Kind::kBool:
      out += value.AsBool() ? "True" : "False";
      return {};
    case Kind::kInt:
      fmt::format_to(std::back_inserter(out), "{}", value.AsInt());
      return {};
    case Kind::kFloat:
      AppendFloat(value.AsDouble(), out);
      return {};
    case Kind::kString:
      LOQUAT_TRY(work.ChargeBytes(value.AsString().size()));
      out += value.AsString();
      return {};
    case Kind::kLoop:
      fmt::format_to(std::back_inserter(out), "<LoopContext {}/{}>", value.AsLoop().index + 1,
                     value.AsLoop().items.size());
      return {};
    case Kind::kMacro:
      fmt::format_to(std::back_inserter(out), "<Macro '{}'>", value.AsMacro().stmt->text);
      return {};
    case Kind::kFunction:
      fmt::format_to(std::back_inserter(out), "<function {}>", value.AsFunction().name);
      return {};
    case Kind::kMethod:
      fmt::format_to(std::back_inserter(out), "<built-in method {}>", value.AsMethod().builtin->name);
      return {};
    default:
      return AppendRepr(work, value, out);
  }
}

Result<Value> ToText(Work& work, const Value& value) {
  if (value.IsString()) return value;
  std::string text;
  LOQUAT_TRY(AppendText(work, value, text));
  return work.Text(text);
}

namespace {

void AppendJsonText(std::string_view text, bool ascii_only, std::string& out) {
  constexpr std::string_view kNamed = "\"\\\n\r\t\f\b";
  constexpr std::string_view kLetters = "\"\\nrtfb";
  out.push_back('"');
  for (std::size_t at = 0; at < text.size();) {
    const base::DecodedCodePoint decoded = base::DecodeUtf8(text, at);
    const char32_t c = decoded.code_point;
    at += decoded.length;
    const std::size_t named = c < 0x80 ? kNamed.find(static_cast<char>(c)) : std::string_view::npos;
    if (named != std::string_view::npos) {
      out.push_back('\\');
      out.push_back(kLetters[named]);
    } else if (c < 0x20 || (ascii_only && c >= 0x7F && c < 0x10000 && c != 0x7F)) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<std::uint32_t>(c));
    } else if (ascii_only && c >= 0x10000) {
      const auto code = static_cast<std::uint32_t>(c) - 0x10000;
      fmt::format_to(std::back_inserter(out), "\\u{:04x}\\u{:04x}", 0xD800 + (code >> 10), 0xDC00 + (code & 0x3FF));
    } else {
      base::AppendUtf8(c, out);
    }
  }
  out.push_back('"');
}

void BreakLine(const JsonStyle& style, int depth, std::string& out) {
  if (!style.indents) return;
  out.push_back('\n');
  for (int i = 0; i < depth; ++i) out += style.indent;
}

Status AppendJsonKey(Work& work, const Value& key, const JsonStyle& style, std::string& out) {
  if (key.IsString()) {
    AppendJsonText(key.AsString(), style.ascii_only, out);
    return {};
  }
  out.push_back('"');
  LOQUAT_TRY(AppendJson(work, key, style, out));
  out.push_back('"');
  return {};
}

Status AppendJsonDict(Work& work, const Dict& dict, const JsonStyle& style, std::string& out, int depth) {
  if (dict.entries().empty()) {
    out += "{}";
    return {};
  }
  std::vector<Dict::Entry> entries(dict.entries().begin(), dict.entries().end());
  if (style.sorts_keys) {
    const bool strings = std::ranges::all_of(entries, [](const Dict::Entry& e) { return e.key.IsString(); });
    if (!strings) return Fault("only keys that are strings can be sorted");
    LOQUAT_TRY(work.Charge(entries.size() * 16));
    std::ranges::sort(entries, {}, [](const Dict::Entry& e) { return e.key.AsString(); });
  }
  out.push_back('{');
  bool first = true;
  for (const Dict::Entry& entry : entries) {
    if (!first) out += style.item_separator;
    first = false;
    BreakLine(style, depth + 1, out);
    LOQUAT_TRY(AppendJsonKey(work, entry.key, style, out));
    out += style.key_separator;
    LOQUAT_TRY(AppendJson(work, entry.value, style, out, depth + 1));
  }
  BreakLine(style, depth, out);
  out.push_back('}');
  return {};
}

Status AppendJsonList(Work& work, std::span<const Value> items, const JsonStyle& style, std::string& out, int depth) {
  if (items.empty()) {
    out += "[]";
    return {};
  }
  out.push_back('[');
  bool first = true;
  for (const Value& item : items) {
    if (!first) out += style.item_separator;
    first = false;
    BreakLine(style, depth + 1, out);
    LOQUAT_TRY(AppendJson(work, item, style, out, depth + 1));
  }
  BreakLine(style, depth, out);
  out.push_back(']');
  return {};
}

}  // namespace

Status AppendJson(Work& work, const Value& value, const JsonStyle& style, std::string& out, int depth) {
  if (depth > kValueDepthMax) return DepthFault();
  LOQUAT_TRY(work.CheckBytes(out.size()));
  LOQUAT_TRY(work.Charge(1));
  switch (value.kind()) {
    case Kind::kNone:
      out += "null";
      return {};
    case Kind::kBool:
      out += value.AsBool() ? "true" : "false";
      return {};
    case Kind::kFloat:
      if (std::isnan(value.AsDouble())) {
        out += "NaN";
      } else if (std::isinf(value.AsDouble())) {
        out += value.AsDouble() < 0 ? "-Infinity" : "Infinity";
      } else {
        AppendFloat(value.AsDouble(), out);
      }
      return {};
    case Kind::kInt:
      return AppendText(work, value, out);
    case Kind::kString:
      LOQUAT_TRY(work.ChargeBytes(value.AsString().size()));
      AppendJsonText(value.AsString(), style.ascii_only, out);
      return {};
    case Kind::kList:
    case Kind::kTuple:
      return AppendJsonList(work, value.AsList().items, style, out, depth);
    case Kind::kDict:
      return AppendJsonDict(work, value.AsDict(), style, out, depth);
    case Kind::kUndefined:
      return Fault(fmt::format("{}: it cannot be written as JSON", UndefinedMessage(value)));
    default:
      return Fault(fmt::format("{} cannot be written as JSON", KindName(value.kind())));
  }
}

}  // namespace loquat::text::jinja
