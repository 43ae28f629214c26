// Python's operators on template values: truth, order, arithmetic, membership, items and slices.
// Pure but for what they charge to the Work. Errors name the kinds of both sides.

#pragma once

#include "base/result.h"
#include "text/template/syntax.h"
#include "text/template/value.h"
#include "text/template/work.h"

namespace loquat::text::jinja {

bool IsTrue(const Value& value);

base::Result<bool> AreEqual(Work& work, const Value& a, const Value& b, int depth = 0);
// Negative, zero, positive. Only numbers, strings, and lists of these have an order.
base::Result<int> Order(Work& work, const Value& a, const Value& b, int depth = 0);
// a == b, a < b, a in b …
base::Result<bool> Compare(Work& work, Operator op, const Value& a, const Value& b);
// a + b …
base::Result<Value> Calculate(Work& work, Operator op, const Value& a, const Value& b);
base::Result<Value> Negate(const Value& value);

// len(); a fault for what has none.
base::Result<std::int64_t> Length(Work& work, const Value& value);
// value[key], else the method of that name, else undefined. A fault if `value` is undefined itself.
base::Result<Value> GetItem(Work& work, const Value& value, const Value& key);
// value.name: the method, else value[name], else undefined. A fault if `value` is undefined itself.
base::Result<Value> GetAttribute(Work& work, const Value& value, std::string_view name);
// value[first:last:step]; none or undefined: left out.
base::Result<Value> Slice(Work& work, const Value& value, const Value& first, const Value& last, const Value& step);

// "'x' is undefined", for messages.
std::string UndefinedMessage(const Value& value);

}  // namespace loquat::text::jinja
