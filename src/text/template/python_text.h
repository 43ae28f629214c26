// Values as text, the way Python writes them: str(), repr(), json.dumps(), the % operator and str.format().
// Everything appends to `out` and stops with a fault past the bounds of the Work.

#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "text/template/value.h"
#include "text/template/work.h"

namespace loquat::text::jinja {

// str(value); undefined is empty.
base::Status AppendText(Work& work, const Value& value, std::string& out);
base::Status AppendRepr(Work& work, const Value& value, std::string& out, int depth = 0);
// str(value) as a string value; strings stay what they are.
base::Result<Value> ToText(Work& work, const Value& value);

// repr(float): the shortest digits that read back as the same number.
void AppendFloat(double value, std::string& out);

struct JsonStyle {
  bool ascii_only = false;
  bool sorts_keys = false;
  bool indents = false;
  std::string_view indent;  // Of one level, if it indents.
  std::string_view item_separator = ", ";
  std::string_view key_separator = ": ";
};
base::Status AppendJson(Work& work, const Value& value, const JsonStyle& style, std::string& out, int depth = 0);

// "%s and %d" % args: the conversions s r d i u x X o f F e E g G %, flags, width and precision, and no names. A value
// that the format does not name is a fault, unless `lets_rest` is set.
base::Result<Value> FormatPercent(Work& work, std::string_view format, std::span<const Value> args,
                                  bool lets_rest = false);

struct NamedValue {
  std::string_view name;
  Value value;
};
// "{} {0} {name}".format(args, named): without format specifications, conversions or attributes.
base::Result<Value> FormatBraces(Work& work, std::string_view format, std::span<const Value> args,
                                 std::span<const NamedValue> named);

}  // namespace loquat::text::jinja
