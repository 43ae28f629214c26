#include "observe/log_record.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "base/json_writer.h"
#include "base/utf8.h"
#include "observe/trace.h"

namespace loquat::observe {
namespace {

constexpr std::array<std::string_view, 6> kLevelNames = {"trace", "debug", "info", "warn", "error", "off"};
constexpr std::string_view kReservedKeys[] = {"ts", "level", "msg", "request_id", "trace_id", "span_id", "suppressed"};

struct Calendar {
  std::chrono::year_month_day date;
  std::chrono::hh_mm_ss<std::chrono::microseconds> time;
};

Calendar ToCalendar(base::WallTime at) {
  const auto micros = std::chrono::floor<std::chrono::microseconds>(at);
  const auto day = std::chrono::floor<std::chrono::days>(micros);
  return {std::chrono::year_month_day(day), std::chrono::hh_mm_ss(micros - day)};
}

bool IsZero(std::span<const std::uint8_t> id) {
  return std::ranges::all_of(id, [](std::uint8_t byte) { return byte == 0; });
}

// A string of the console line: bare where that is unambiguous, otherwise in quotes, with every control character
// (C0, DEL, C1) escaped.
void AppendConsoleText(std::string_view text, bool quote, std::string& out) {
  if (quote) out += '"';
  for (std::size_t i = 0; i < text.size();) {
    const base::DecodedCodePoint next = base::DecodeUtf8(text, i);
    const char32_t c = next.code_point;
    if (quote && (c == '"' || c == '\\')) {
      out += '\\';
      out += static_cast<char>(c);
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c < 0x20 || (c >= 0x7F && c < 0xA0)) {
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<unsigned>(c));
    } else if (c == 0x2028 || c == 0x2029 || (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069)) {
      // Line separators and direction overrides would let a value rearrange the line on the screen.
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(c));
    } else {
      base::AppendUtf8(c, out);
    }
    i += next.length;
  }
  if (quote) out += '"';
}

bool NeedsQuotes(std::string_view text) {
  return text.empty() ||
         std::ranges::any_of(text, [](char c) { return c == ' ' || c == '"' || c == '=' || c == '\\'; });
}

void AppendConsoleField(std::string_view key, const Field::Value& value, std::string& out) {
  out += ' ';
  AppendConsoleText(key, false, out);
  out += '=';
  if (const auto* text = std::get_if<std::string_view>(&value)) {
    AppendConsoleText(*text, NeedsQuotes(*text), out);
  } else {
    std::visit(
        [&out](auto v) {
          if constexpr (!std::is_same_v<decltype(v), std::string_view>)
            fmt::format_to(std::back_inserter(out), "{}", v);
        },
        value);
  }
}

void WriteJsonValue(const Field::Value& value, base::JsonWriter& json) {
  if (const auto* text = std::get_if<std::string_view>(&value)) {
    json.String(*text);
  } else if (const auto* i = std::get_if<std::int64_t>(&value)) {
    json.Int(*i);
  } else if (const auto* u = std::get_if<std::uint64_t>(&value)) {
    json.Uint(*u);
  } else if (const auto* d = std::get_if<double>(&value)) {
    json.Double(*d);
  } else {
    json.Bool(std::get<bool>(value));
  }
}

}  // namespace

std::string_view LevelName(Level level) {
  return kLevelNames[static_cast<std::size_t>(level)];
}

std::optional<Level> LevelFromName(std::string_view name) {
  const auto found = std::ranges::find(kLevelNames, name);
  if (found == kLevelNames.end()) return std::nullopt;
  return static_cast<Level>(found - kLevelNames.begin());
}

LogRecord::LogRecord(Level level, base::WallTime at, std::string_view message, std::span<const Field> fields,
                     const base::CallContext* call)
    : level_(level), at_(at) {
  message_ = Keep(message);
  if (call != nullptr) {
    request_id_ = Keep(call->request_id);
    if (!IsZero(call->trace.trace_id)) trace_id_ = Keep(HexId(call->trace.trace_id));
    if (!IsZero(call->trace.span_id)) span_id_ = Keep(HexId(call->trace.span_id));
  }
  fields = fields.first(std::min(fields.size(), kLogFieldsMax));
  fields_.reserve(fields.size());
  for (const Field& field : fields) {
    Stored stored{.key = Keep(field.key()), .value = {}};
    std::visit(
        [&](auto value) {
          if constexpr (std::is_same_v<decltype(value), std::string_view>) {
            stored.value = Keep(value);
          } else {
            stored.value = value;
          }
        },
        field.value());
    fields_.push_back(stored);
  }
}

LogRecord::Slice LogRecord::Keep(std::string_view text) {
  const auto begin = static_cast<std::uint32_t>(text_.size());
  if (text.size() <= kLogValueBytesMax) {
    text_ += text;
  } else {
    std::size_t end = kLogValueBytesMax;
    // Back to the start of a character; at most 3 bytes, whatever the bytes are.
    for (int i = 0; i < 3 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80; ++i) --end;
    text_ += text.substr(0, end);
    fmt::format_to(std::back_inserter(text_), "…[{} bytes cut]", text.size() - end);
  }
  return {begin, static_cast<std::uint32_t>(text_.size() - begin)};
}

Field LogRecord::field(std::size_t i) const {
  const Stored& stored = fields_[i];
  const std::string_view key = View(stored.key);
  return std::visit(
      [&](auto value) {
        if constexpr (std::is_same_v<decltype(value), Slice>) {
          return Field(key, View(value));
        } else {
          return Field(key, value);
        }
      },
      stored.value);
}

void AppendTimestamp(base::WallTime at, std::string& out) {
  const auto [date, time] = ToCalendar(at);
  fmt::format_to(std::back_inserter(out), "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", static_cast<int>(date.year()),
                 static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), time.hours().count(),
                 time.minutes().count(), time.seconds().count(), time.subseconds().count());
}

void AppendJsonLine(const LogRecord& record, std::string& out) {
  base::JsonWriter json(out);
  json.BeginObject();
  std::string scratch;
  AppendTimestamp(record.at(), scratch);
  json.Key("ts");
  json.String(scratch);
  json.Key("level");
  json.String(LevelName(record.level()));
  json.Key("msg");
  json.String(record.message());
  const std::pair<std::string_view, std::string_view> ids[] = {
      {"request_id", record.request_id()}, {"trace_id", record.trace_id()}, {"span_id", record.span_id()}};
  for (const auto& [key, id] : ids) {
    if (id.empty()) continue;
    json.Key(key);
    json.String(id);
  }
  for (std::size_t i = 0; i < record.field_count(); ++i) {
    const Field field = record.field(i);
    if (std::ranges::find(kReservedKeys, field.key()) != std::end(kReservedKeys)) {
      scratch.assign(field.key());
      scratch += '_';
      json.Key(scratch);
    } else {
      json.Key(field.key());
    }
    WriteJsonValue(field.value(), json);
  }
  if (record.suppressed() > 0) {
    json.Key("suppressed");
    json.Uint(record.suppressed());
  }
  json.EndObject();
  out += '\n';
}

void AppendConsoleLine(const LogRecord& record, bool colour, std::string& out) {
  constexpr std::string_view kLabels[] = {"TRACE", "DEBUG", "INFO ", "WARN ", "ERROR", "OFF  "};
  constexpr std::string_view kColours[] = {"\x1b[90m", "\x1b[36m", "\x1b[32m", "\x1b[33m", "\x1b[31m", ""};
  const auto level = static_cast<std::size_t>(record.level());
  const auto time = ToCalendar(record.at()).time;
  fmt::format_to(std::back_inserter(out), "{:02}:{:02}:{:02}.{:03} ", time.hours().count(), time.minutes().count(),
                 time.seconds().count(), time.subseconds().count() / 1000);
  if (colour) out += kColours[level];
  out += kLabels[level];
  if (colour) out += "\x1b[0m";
  out += ' ';
  AppendConsoleText(record.message(), false, out);
  for (std::size_t i = 0; i < record.field_count(); ++i) {
    const Field field = record.field(i);
    AppendConsoleField(field.key(), field.value(), out);
  }
  if (!record.request_id().empty()) AppendConsoleField("request_id", record.request_id(), out);
  if (!record.trace_id().empty()) AppendConsoleField("trace_id", record.trace_id(), out);
  if (record.suppressed() > 0) AppendConsoleField("suppressed", record.suppressed(), out);
  out += '\n';
}

}  // namespace loquat::observe
