#include "text/template/text_operations.h"

#include <algorithm>
#include <string>

#include "base/utf8.h"
#include "text/template/characters.h"

namespace loquat::text::jinja {

using base::Result;

namespace {

// Whether the character `c`, some bytes of UTF-8, is one of `characters`.
bool IsOneOf(std::string_view c, std::string_view characters) {
  for (std::size_t at = 0; at < characters.size();) {
    const std::size_t length = base::DecodeUtf8(characters, at).length;
    if (characters.substr(at, length) == c) return true;
    at += length;
  }
  return false;
}

bool IsLineEnd(char32_t c) {
  return (c >= '\n' && c <= '\r') || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

}  // namespace

Result<Value> Strip(Work& work, std::string_view text, std::optional<std::string_view> characters, Side side) {
  LOQUAT_TRY(work.ChargeBytes(text.size()));
  if (!characters) {
    if (side != Side::kRight) text.remove_prefix(LeadingSpace(text));
    if (side != Side::kLeft) text.remove_suffix(TrailingSpace(text));
    return Value::String(text);
  }
  std::size_t passed = 0;
  while (side != Side::kRight && !text.empty()) {
    const std::size_t length = base::DecodeUtf8(text, 0).length;
    if (!IsOneOf(text.substr(0, length), *characters)) break;
    text.remove_prefix(length);
    ++passed;
  }
  while (side != Side::kLeft && !text.empty()) {
    const std::size_t length = LastLength(text);
    if (!IsOneOf(text.substr(text.size() - length), *characters)) break;
    text.remove_suffix(length);
    ++passed;
  }
  LOQUAT_TRY(work.Charge((passed + 1) * (1 + characters->size() / kBytesPerStep)));
  return Value::String(text);
}

Result<Value> Replace(Work& work, std::string_view text, std::string_view from, std::string_view to,
                      std::int64_t count) {
  LOQUAT_TRY(work.ChargeBytes(text.size()));
  std::string out;
  std::size_t at = 0;
  while (count != 0) {
    std::size_t found = 0;
    if (from.empty()) {  // Stands before each character and at the end.
      if (at > text.size()) break;
      found = at;
    } else {
      found = text.find(from, at);
      if (found == std::string_view::npos) break;
    }
    out += text.substr(at, found - at);
    out += to;
    LOQUAT_TRY(work.CheckBytes(out.size()));
    at = found + from.size();
    if (from.empty()) {
      if (at == text.size()) return work.Text(out);
      const std::size_t length = base::DecodeUtf8(text, at).length;
      out += text.substr(at, length);
      at += length;
    }
    if (count > 0) --count;
  }
  if (at == 0) return Value::String(text);
  out += text.substr(at);
  return work.Text(out);
}

Result<Value> Capitalize(Work& work, std::string_view text) {
  if (text.empty()) return Value::String({});
  LOQUAT_TRY(work.ChargeBytes(text.size()));
  const base::DecodedCodePoint first = base::DecodeUtf8(text, 0);
  return work.Text(ToTitle(first.code_point) + ToLower(text.substr(first.length)));
}

Result<Value> Upper(Work& work, std::string_view text) {
  LOQUAT_TRY(work.ChargeBytes(text.size()));
  return work.Text(ToUpper(text));
}

Result<Value> Lower(Work& work, std::string_view text) {
  LOQUAT_TRY(work.ChargeBytes(text.size()));
  return work.Text(ToLower(text));
}

Result<List*> SplitLines(Work& work, std::string_view text) {
  LOQUAT_TRY(work.ChargeBytes(text.size()));
  LOQUAT_ASSIGN(List * lines, work.NewList(0));
  std::size_t start = 0;
  for (std::size_t at = 0; at < text.size();) {
    const base::DecodedCodePoint decoded = base::DecodeUtf8(text, at);
    const std::size_t line_end = at;
    at += decoded.length;
    if (!IsLineEnd(decoded.code_point)) continue;
    if (decoded.code_point == '\r' && at < text.size() && text[at] == '\n') ++at;
    lines->items.push_back(Value::String(text.substr(start, line_end - start)));
    LOQUAT_TRY(work.Charge(1));
    start = at;
  }
  if (start < text.size()) lines->items.push_back(Value::String(text.substr(start)));
  LOQUAT_TRY(work.CheckItems(lines->items.size()));
  return lines;
}

Result<Value> Reversed(Work& work, std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = LastLength(text);
    out += text.substr(text.size() - length);
    text.remove_suffix(length);
  }
  return work.Text(out);
}

}  // namespace loquat::text::jinja
