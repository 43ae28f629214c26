// The methods of strings, as Python's str has them.

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/utf8.h"
#include "text/template/builtins.h"
#include "text/template/characters.h"
#include "text/template/operators.h"
#include "text/template/text_operations.h"

namespace loquat::text::jinja {

using base::Result;

namespace {

template <Side side>
Result<Value> MethodStrip(Work& work, const Value& self, const Arguments& args) {
  if (!args.Has(0) || args[0].Is(Kind::kNone)) return Strip(work, self.AsString(), std::nullopt, side);
  LOQUAT_ASSIGN(const std::string_view characters, NeedString(args[0], "strip's argument"));
  return Strip(work, self.AsString(), characters, side);
}

// Pieces between separators (or runs of white space), at most `splits` cuts; negative: any number.
Result<Value> SplitForward(Work& work, std::string_view text, std::optional<std::string_view> separator,
                           std::int64_t splits) {
  LOQUAT_ASSIGN(List * pieces, work.NewList(0));
  const auto add = [&](std::string_view piece) { pieces->items.push_back(Value::String(piece)); };
  while (true) {
    if (!separator) {
      text.remove_prefix(LeadingSpace(text));
      if (text.empty()) break;
    }
    std::size_t cut = text.size();
    std::size_t skip = 0;
    if (splits != 0 && separator) {
      const std::size_t found = text.find(*separator);
      if (found != std::string_view::npos) cut = found;
      skip = separator->size();
    } else if (splits != 0) {
      for (cut = 0; cut < text.size(); cut += base::DecodeUtf8(text, cut).length) {
        if (IsSpace(base::DecodeUtf8(text, cut).code_point)) break;
      }
    }
    if (cut == text.size()) {
      add(text);  // With the white space behind it, if the cuts ran out.
      break;
    }
    add(text.substr(0, cut));
    text.remove_prefix(cut + skip);
    if (splits > 0) --splits;
    LOQUAT_TRY(work.Charge(1));
    LOQUAT_TRY(work.CheckItems(pieces->items.size()));
  }
  return Value::Of(pieces);
}

Result<Value> SplitBackward(Work& work, std::string_view text, std::optional<std::string_view> separator,
                            std::int64_t splits) {
  LOQUAT_ASSIGN(List * pieces, work.NewList(0));
  const auto add = [&](std::string_view piece) { pieces->items.push_back(Value::String(piece)); };
  while (true) {
    if (!separator) {
      text.remove_suffix(TrailingSpace(text));
      if (text.empty()) break;
    }
    std::size_t start = 0;  // Of the last piece.
    std::size_t skip = 0;
    bool found = false;
    if (splits != 0 && separator) {
      const std::size_t at = text.rfind(*separator);
      found = at != std::string_view::npos;
      if (found) start = at + separator->size();
      skip = separator->size();
    } else if (splits != 0) {
      start = text.size();
      while (start > 0 && !found) {
        const std::size_t length = LastLength(text.substr(0, start));
        found = IsSpace(base::DecodeUtf8(text, start - length).code_point);
        if (!found) start -= length;
      }
    }
    add(text.substr(found ? start : 0));
    if (!found) break;
    text = text.substr(0, start - skip);
    if (splits > 0) --splits;
    LOQUAT_TRY(work.Charge(1));
    LOQUAT_TRY(work.CheckItems(pieces->items.size()));
  }
  std::ranges::reverse(pieces->items);
  return Value::Of(pieces);
}

template <bool forward>
Result<Value> MethodSplit(Work& work, const Value& self, const Arguments& args) {
  LOQUAT_TRY(work.ChargeBytes(self.AsString().size()));
  std::int64_t splits = -1;
  if (args.Has(1)) {
    LOQUAT_ASSIGN(splits, NeedInteger(args[1], "split's maxsplit"));
  }
  std::optional<std::string_view> separator;
  if (args.Has(0) && !args[0].Is(Kind::kNone)) {
    LOQUAT_ASSIGN(separator, NeedString(args[0], "split's separator"));
    if (separator->empty()) return Fault("split's separator is empty");
  }
  return forward ? SplitForward(work, self.AsString(), separator, splits)
                 : SplitBackward(work, self.AsString(), separator, splits);
}

Result<Value> MethodSplitLines(Work& work, const Value& self, const Arguments& args) {
  if (IsTrue(args.Get(0, Value()))) return Fault("splitlines: keepends is not supported");
  LOQUAT_ASSIGN(List * lines, SplitLines(work, self.AsString()));
  return Value::Of(lines);
}

// The part of the subject from code point `start` up to `end`, as startswith, find and count take them.
struct Part {
  std::string_view text;
  std::size_t offset = 0;  // In the subject, in bytes.
  bool valid = true;       // False: starts past the end.
};

Result<Part> PartOf(Work& work, std::string_view text, const Arguments& args) {
  LOQUAT_TRY(work.ChargeBytes(text.size()));
  if (!args.Has(1) && !args.Has(2)) return Part{text};
  const auto size = static_cast<std::int64_t>(base::CountCodePoints(text));
  const auto bound = [&](std::size_t index, std::int64_t fallback) -> Result<std::int64_t> {
    if (!args.Has(index) || args[index].Is(Kind::kNone)) return fallback;
    LOQUAT_ASSIGN(const std::int64_t at, NeedInteger(args[index], "a place in a string"));
    return at < 0 ? std::max<std::int64_t>(at + size, 0) : at;
  };
  LOQUAT_ASSIGN(const std::int64_t start, bound(1, 0));
  LOQUAT_ASSIGN(const std::int64_t end, bound(2, size));
  if (start > size || end < start) return Part{.valid = false};
  const std::size_t from = OffsetOf(text, static_cast<std::size_t>(start));
  const std::size_t to = OffsetOf(text, static_cast<std::size_t>(std::min(end, size)));
  return Part{text.substr(from, to - from), from};
}

template <bool front>
Result<Value> MethodHasEnd(Work& work, const Value& self, const Arguments& args) {
  LOQUAT_ASSIGN(const Part part, PartOf(work, self.AsString(), args));
  const std::span<const Value> choices =
      args[0].Is(Kind::kTuple) ? std::span<const Value>(args[0].AsList().items) : std::span(&args[0], 1);
  for (const Value& choice : choices) {
    LOQUAT_ASSIGN(const std::string_view wanted,
                  NeedString(choice, front ? "startswith's argument" : "endswith's argument"));
    LOQUAT_TRY(work.ChargeBytes(wanted.size()));
    if (part.valid && (front ? part.text.starts_with(wanted) : part.text.ends_with(wanted))) return Value::Bool(true);
  }
  return Value::Bool(false);
}

template <bool forward>
Result<Value> MethodFind(Work& work, const Value& self, const Arguments& args) {
  LOQUAT_ASSIGN(const Part part, PartOf(work, self.AsString(), args));
  LOQUAT_ASSIGN(const std::string_view wanted, NeedString(args[0], "what find looks for"));
  const std::size_t at = forward ? part.text.find(wanted) : part.text.rfind(wanted);
  if (!part.valid || at == std::string_view::npos) return Value::Int(-1);
  return Value::Int(static_cast<std::int64_t>(base::CountCodePoints(self.AsString().substr(0, part.offset + at))));
}

Result<Value> MethodIndex(Work& work, const Value& self, const Arguments& args) {
  LOQUAT_ASSIGN(const Value at, MethodFind<true>(work, self, args));
  if (at.AsInt() < 0) return Fault("index: the text is not found");
  return at;
}

Result<Value> MethodCount(Work& work, const Value& self, const Arguments& args) {
  LOQUAT_ASSIGN(const Part part, PartOf(work, self.AsString(), args));
  LOQUAT_ASSIGN(const std::string_view wanted, NeedString(args[0], "what count looks for"));
  if (!part.valid) return Value::Int(0);
  if (wanted.empty()) return Value::Int(static_cast<std::int64_t>(base::CountCodePoints(part.text)) + 1);
  std::int64_t count = 0;
  for (std::size_t at = part.text.find(wanted); at != std::string_view::npos;
       at = part.text.find(wanted, at + wanted.size()))
    ++count;
  return Value::Int(count);
}

Result<Value> MethodReplace(Work& work, const Value& self, const Arguments& args) {
  LOQUAT_ASSIGN(const std::string_view from, NeedString(args[0], "what replace looks for"));
  LOQUAT_ASSIGN(const std::string_view to, NeedString(args[1], "what replace puts there"));
  std::int64_t count = -1;
  if (args.Has(2)) {
    LOQUAT_ASSIGN(count, NeedInteger(args[2], "replace's count"));
  }
  return Replace(work, self.AsString(), from, to, count);
}

Result<Value> MethodUpper(Work& work, const Value& self, const Arguments&) {
  return Upper(work, self.AsString());
}
Result<Value> MethodLower(Work& work, const Value& self, const Arguments&) {
  return Lower(work, self.AsString());
}
Result<Value> MethodCapitalize(Work& work, const Value& self, const Arguments&) {
  return Capitalize(work, self.AsString());
}

// A word is a run of cased characters.
Result<Value> MethodTitle(Work& work, const Value& self, const Arguments&) {
  const std::string_view text = self.AsString();
  LOQUAT_TRY(work.ChargeBytes(text.size()));
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const base::DecodedCodePoint first = base::DecodeUtf8(text, at);
    out += ToTitle(first.code_point);
    at += first.length;
    std::size_t end = at;
    while (IsCased(first.code_point) && end < text.size()) {
      const base::DecodedCodePoint next = base::DecodeUtf8(text, end);
      if (!IsCased(next.code_point)) break;
      end += next.length;
    }
    out += ToLower(text.substr(at, end - at));
    at = end;
  }
  return work.Text(out);
}

Result<Value> MethodJoin(Work& work, const Value& self, const Arguments& args) {
  LOQUAT_ASSIGN(const std::span<const Value> items, work.Items(args[0]));
  std::string out;
  for (std::size_t i = 0; i < items.size(); ++i) {
    LOQUAT_ASSIGN(const std::string_view item, NeedString(items[i], "what join joins"));
    if (i > 0) out += self.AsString();
    out += item;
    LOQUAT_TRY(work.CheckBytes(out.size()));
  }
  return work.Text(out);
}

Result<Value> MethodRemovePrefix(Work&, const Value& self, const Arguments& args) {
  LOQUAT_ASSIGN(const std::string_view prefix, NeedString(args[0], "removeprefix's argument"));
  const std::string_view text = self.AsString();
  return Value::String(text.starts_with(prefix) ? text.substr(prefix.size()) : text);
}

Result<Value> MethodRemoveSuffix(Work&, const Value& self, const Arguments& args) {
  LOQUAT_ASSIGN(const std::string_view suffix, NeedString(args[0], "removesuffix's argument"));
  const std::string_view text = self.AsString();
  return Value::String(text.ends_with(suffix) ? text.substr(0, text.size() - suffix.size()) : text);
}

Result<Value> MethodFormat(Work& work, const Value& self, const Arguments& args) {
  LOQUAT_TRY(work.ChargeBytes(self.AsString().size()));
  return FormatBraces(work, self.AsString(), args.values(), args.named());
}

template <CharTest test>
Result<Value> MethodIsAll(Work& work, const Value& self, const Arguments&) {
  const std::string_view text = self.AsString();
  LOQUAT_TRY(work.ChargeBytes(text.size()));
  for (std::size_t at = 0; at < text.size();) {
    const base::DecodedCodePoint decoded = base::DecodeUtf8(text, at);
    if (!Passes(decoded.code_point, test)) return Value::Bool(false);
    at += decoded.length;
  }
  return Value::Bool(!text.empty());
}

template <bool upper>
Result<Value> MethodIsCase(Work& work, const Value& self, const Arguments&) {
  return CallBuiltin(work, *FindTest(upper ? "upper" : "lower"), self, {}, {});
}

constexpr Builtin kMethods[] = {
    {"strip", MethodStrip<Side::kBoth>, {"chars"}},
    {"lstrip", MethodStrip<Side::kLeft>, {"chars"}},
    {"rstrip", MethodStrip<Side::kRight>, {"chars"}},
    {"split", MethodSplit<true>, {"sep", "maxsplit"}},
    {"rsplit", MethodSplit<false>, {"sep", "maxsplit"}},
    {"splitlines", MethodSplitLines, {"keepends"}},
    {"startswith", MethodHasEnd<true>, {"prefix", "start", "end"}, 1},
    {"endswith", MethodHasEnd<false>, {"suffix", "start", "end"}, 1},
    {"find", MethodFind<true>, {"sub", "start", "end"}, 1},
    {"rfind", MethodFind<false>, {"sub", "start", "end"}, 1},
    {"index", MethodIndex, {"sub", "start", "end"}, 1},
    {"count", MethodCount, {"sub", "start", "end"}, 1},
    {"replace", MethodReplace, {"old", "new", "count"}, 2},
    {"upper", MethodUpper},
    {"lower", MethodLower},
    {"capitalize", MethodCapitalize},
    {"title", MethodTitle},
    {"join", MethodJoin, {"iterable"}, 1},
    {"removeprefix", MethodRemovePrefix, {"prefix"}, 1},
    {"removesuffix", MethodRemoveSuffix, {"suffix"}, 1},
    {"format", MethodFormat, {}, 0, true},
    {"isalpha", MethodIsAll<CharTest::kAlpha>},
    {"isdigit", MethodIsAll<CharTest::kDigit>},
    {"isdecimal", MethodIsAll<CharTest::kDecimal>},
    {"isalnum", MethodIsAll<CharTest::kAlnum>},
    {"isspace", MethodIsAll<CharTest::kSpace>},
    {"isupper", MethodIsCase<true>},
    {"islower", MethodIsCase<false>},
};

}  // namespace

std::span<const Builtin> StringMethods() {
  return kMethods;
}

}  // namespace loquat::text::jinja
