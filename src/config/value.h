// A configuration before it is typed: what the YAML file, the environment and the command line said, and where.
// Plain values; no thread rule beyond that.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace loquat::config {

// Where a value was written: a file with line and column, or the name of a variable or an override.
struct Place {
  std::shared_ptr<const std::string> source;
  int line = 0;  // From 1; 0: the source has no lines.
  int column = 0;

  // "loquat.yaml:3:20", "environment variable LOQUAT_SERVER_LISTEN".
  std::string Text() const;
};

enum class Kind : std::uint8_t { kNull, kScalar, kList, kMap };

// How a scalar was written. Plain YAML words may mean null or a number; quoted ones are text. Raw is the text of a
// variable or an override, which the key's type alone interprets.
enum class Style : std::uint8_t { kPlain, kQuoted, kRaw };

struct Member;

struct Value {
  Kind kind = Kind::kNull;
  Style style = Style::kPlain;
  std::string text;             // kScalar.
  std::vector<Value> items;     // kList.
  std::vector<Member> members;  // kMap, keys all different, in the order written.
  Place place;

  Member* Find(std::string_view key);
  const Member* Find(std::string_view key) const;
  // Same meaning; places do not count.
  bool SameAs(const Value& other) const;
  // "a list", for messages.
  std::string_view KindName() const;

  static Value Scalar(std::string text, Style style = Style::kPlain);
};

struct Member {
  std::string key;
  Place place;
  Value value;
};

}  // namespace loquat::config
