// One log line before it is written: level, time, message, typed fields, and the ids of the call it belongs to.
// Values. Field views what it was made from: it lives for one Log() call. LogRecord owns its bytes.

#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/call_context.h"
#include "base/clock.h"

namespace loquat::observe {

enum class Level : std::uint8_t { kTrace, kDebug, kInfo, kWarn, kError, kOff };

std::string_view LevelName(Level level);                    // "info"
std::optional<Level> LevelFromName(std::string_view name);  // Exactly those names.

// Bytes of one message or one string value that are kept; the rest is cut at a character and its size said.
inline constexpr std::size_t kLogValueBytesMax = 16 * 1024;
// Fields of one line that are kept.
inline constexpr std::size_t kLogFieldsMax = 64;

class Field {
 public:
  using Value = std::variant<std::string_view, std::int64_t, std::uint64_t, double, bool>;

  Field(std::string_view key, std::string_view value) : key_(key), value_(value) {}
  Field(std::string_view key, const char* value) : key_(key), value_(std::string_view(value)) {}
  Field(std::string_view key, const std::string& value) : key_(key), value_(std::string_view(value)) {}
  Field(std::string_view key, std::same_as<bool> auto value) : key_(key), value_(value) {}
  Field(std::string_view key, std::floating_point auto value) : key_(key), value_(static_cast<double>(value)) {}
  Field(std::string_view key, std::signed_integral auto value) : key_(key), value_(static_cast<std::int64_t>(value)) {}
  template <std::unsigned_integral T>
  requires(!std::same_as<T, bool>) Field(std::string_view key, T value)
      : key_(key), value_(static_cast<std::uint64_t>(value)) {}
  // In seconds.
  template <typename Rep, typename Period>
  Field(std::string_view key, std::chrono::duration<Rep, Period> value)
      : key_(key), value_(std::chrono::duration<double>(value).count()) {}

  std::string_view key() const { return key_; }
  const Value& value() const { return value_; }

 private:
  std::string_view key_;
  Value value_;
};

class LogRecord {
 public:
  LogRecord(Level level, base::WallTime at, std::string_view message, std::span<const Field> fields,
            const base::CallContext* call);

  Level level() const { return level_; }
  base::WallTime at() const { return at_; }
  std::string_view message() const { return View(message_); }
  // Empty where the line belongs to no call.
  std::string_view request_id() const { return View(request_id_); }
  // Lower-case hex; empty where there is none.
  std::string_view trace_id() const { return View(trace_id_); }
  std::string_view span_id() const { return View(span_id_); }
  std::size_t field_count() const { return fields_.size(); }
  Field field(std::size_t i) const;
  // How many earlier lines like this one sampling left out just before it.
  std::uint64_t suppressed() const { return suppressed_; }
  void set_suppressed(std::uint64_t count) { suppressed_ = count; }
  // What it holds in memory, for the queue's bound.
  std::size_t bytes() const { return sizeof *this + text_.size() + fields_.size() * sizeof(Stored); }

 private:
  struct Slice {
    std::uint32_t begin;
    std::uint32_t size;
  };
  struct Stored {
    Slice key;
    std::variant<Slice, std::int64_t, std::uint64_t, double, bool> value;
  };

  std::string_view View(Slice slice) const { return std::string_view(text_).substr(slice.begin, slice.size); }
  Slice Keep(std::string_view text);

  Level level_;
  base::WallTime at_;
  std::string text_;  // Every string of the record, end to end.
  Slice message_{};
  Slice request_id_{};
  Slice trace_id_{};
  Slice span_id_{};
  std::vector<Stored> fields_;
  std::uint64_t suppressed_ = 0;
};

enum class LogFormat : std::uint8_t { kConsole, kJson };

// One JSON object (RFC 8259) and a newline:
//   {"ts":"2026-11-21T08:53:00.123456Z","level":"info","msg":"…","request_id":"…","trace_id":"…","span_id":"…",fields…}
// A field whose key is one of those names gets an underscore after it. Bytes that are not UTF-8 become U+FFFD.
void AppendJsonLine(const LogRecord& record, std::string& out);

// For people: "08:53:00.123 INFO  message key=value key2="two words"", with ANSI colours when asked for. Control
// characters are escaped, so that a value can neither forge a line nor reach the terminal.
void AppendConsoleLine(const LogRecord& record, bool colour, std::string& out);

// "2026-11-21T08:53:00.123456Z", RFC 3339 in UTC.
void AppendTimestamp(base::WallTime at, std::string& out);

}  // namespace loquat::observe
