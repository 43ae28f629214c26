#include "net/resp.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>
#include <limits>
#include <utility>

namespace loquat::net {
namespace {

using MaybeValue = std::optional<RespValue>;

constexpr std::string_view kLineEnd = "\r\n";
constexpr std::size_t kShownBytesMax = 40;
constexpr std::size_t kVerbatimHeadBytes = 4;  // "txt:"

base::Error Malformed(std::string what) {
  return {.code = base::Code::kDataLoss,
          .message = "the reply is not RESP: " + std::move(what),
          .reason = "malformed_reply"};
}

base::Error TooLarge(std::string_view what, std::size_t limit) {
  return {.code = base::Code::kResourceExhausted,
          .message = fmt::format("the reply has more than {} {}", limit, what),
          .reason = "reply_too_large"};
}

// Bytes of a peer, fit for a message.
std::string Shown(std::string_view bytes) {
  std::string shown;
  for (const char c : bytes.substr(0, kShownBytesMax)) {
    if (c >= ' ' && c <= '~') {
      shown += c;
    } else {
      fmt::format_to(std::back_inserter(shown), "\\x{:02x}", static_cast<unsigned char>(c));
    }
  }
  return shown;
}

std::optional<std::int64_t> ReadInteger(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<double> ReadDouble(std::string_view text) {
  if (text == "inf") return std::numeric_limits<double>::infinity();
  if (text == "-inf") return -std::numeric_limits<double>::infinity();
  if (text == "nan" || text == "-nan") return std::numeric_limits<double>::quiet_NaN();
  if (text.starts_with('+')) text.remove_prefix(1);
  // from_chars knows names of its own for infinities.
  if (!std::ranges::all_of(text,
                           [](char c) { return (c >= '0' && c <= '9') || std::string_view("+-.eE").contains(c); })) {
    return std::nullopt;
  }
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool IsBigNumber(std::string_view text) {
  if (text.starts_with('+') || text.starts_with('-')) text.remove_prefix(1);
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

// The values that are one line; nothing for a kind that is none of them.
base::Result<MaybeValue> ReadSimple(char kind, std::string_view text) {
  RespValue value;
  switch (kind) {
    case '+':
    case '-':
      value.type = kind == '+' ? RespType::kSimpleString : RespType::kSimpleError;
      value.text = text;
      return value;
    case ':': {
      const auto integer = ReadInteger(text);
      if (!integer) return Malformed(fmt::format("\"{}\" is no integer of 64 bits", Shown(text)));
      value.type = RespType::kInteger;
      value.integer = *integer;
      return value;
    }
    case ',': {
      const auto number = ReadDouble(text);
      if (!number) return Malformed(fmt::format("\"{}\" is no double", Shown(text)));
      value.type = RespType::kDouble;
      value.number = *number;
      return value;
    }
    case '(':
      if (!IsBigNumber(text)) return Malformed(fmt::format("\"{}\" is no big number", Shown(text)));
      value.type = RespType::kBigNumber;
      value.text = text;
      return value;
    case '#':
      if (text != "t" && text != "f") return Malformed(fmt::format("\"{}\" is no boolean", Shown(text)));
      value.type = RespType::kBool;
      value.integer = text == "t" ? 1 : 0;
      return value;
    case '_':
      if (!text.empty()) return Malformed("a null with something in it");
      return value;
    default:
      return MaybeValue();
  }
}

void AppendCount(char kind, std::size_t count, std::string& out) {
  fmt::format_to(std::back_inserter(out), "{}{}\r\n", kind, count);
}

void AppendBlob(char kind, std::string_view text, std::string& out) {
  AppendCount(kind, text.size(), out);
  out.append(text).append(kLineEnd);
}

void AppendLine(char kind, char blob_kind, std::string_view text, std::string& out) {
  if (text.find_first_of(kLineEnd) != std::string_view::npos) return AppendBlob(blob_kind, text, out);
  out += kind;
  out.append(text).append(kLineEnd);
}

void AppendDouble(double number, std::string& out) {
  if (std::isnan(number)) {
    out += ",nan";
  } else if (std::isinf(number)) {
    out += number > 0 ? ",inf" : ",-inf";
  } else {
    fmt::format_to(std::back_inserter(out), ",{}", number);
  }
  out += kLineEnd;
}

}  // namespace

std::string_view RespValue::error_code() const {
  if (!is_error()) return {};
  const std::string_view all = text;
  return all.substr(0, all.find(' '));
}

base::Status RespParser::Spend(std::size_t bytes) {
  bytes_ += bytes;
  if (bytes_ > limits_.reply_bytes_max) return TooLarge("bytes", limits_.reply_bytes_max);
  return {};
}

base::Status RespParser::CountValue() {
  if (++values_ > limits_.values_max) return TooLarge("values", limits_.values_max);
  return {};
}

base::Result<bool> RespParser::TakeLine(std::string_view& bytes) {
  const std::size_t end = bytes.find('\n');
  const std::size_t taken = end == std::string_view::npos ? bytes.size() : end + 1;
  if (line_.size() + taken > limits_.line_bytes_max + kLineEnd.size()) {
    return TooLarge("bytes in one line", limits_.line_bytes_max);
  }
  LOQUAT_TRY(Spend(taken));
  line_.append(bytes.substr(0, taken));
  bytes.remove_prefix(taken);
  if (end == std::string_view::npos) return false;
  if (!line_.ends_with(kLineEnd)) return Malformed("a line ends without a carriage return");
  line_.resize(line_.size() - kLineEnd.size());
  return true;
}

base::Result<bool> RespParser::TakeBlob(std::string_view& bytes) {
  const std::size_t taken = std::min(bytes.size(), blob_->left);
  LOQUAT_TRY(Spend(taken));
  blob_->value.text.append(bytes.substr(0, taken));
  blob_->left -= taken;
  bytes.remove_prefix(taken);
  while (blob_->left == 0 && blob_->end < kLineEnd.size() && !bytes.empty()) {
    if (bytes.front() != kLineEnd[blob_->end]) return Malformed("a blob is longer than its length says");
    LOQUAT_TRY(Spend(1));
    ++blob_->end;
    bytes.remove_prefix(1);
  }
  return blob_->end == kLineEnd.size();
}

base::Status RespParser::OpenBlob(RespType type, std::string_view length) {
  const auto size = ReadInteger(length);
  if (!size || *size < 0) return Malformed(fmt::format("\"{}\" is no length", Shown(length)));
  if (std::cmp_greater(*size, limits_.reply_bytes_max)) return TooLarge("bytes", limits_.reply_bytes_max);
  if (type == RespType::kVerbatim && std::cmp_less(*size, kVerbatimHeadBytes)) {
    return Malformed("a verbatim string without its format");
  }
  blob_ = Blob{.value = {}, .left = static_cast<std::size_t>(*size), .end = 0};
  blob_->value.type = type;
  blob_->value.attributes = std::exchange(attributes_, {});
  return {};
}

base::Result<MaybeValue> RespParser::OpenAggregate(char kind, std::string_view count) {
  const auto said = ReadInteger(count);
  const bool in_pairs = kind == '%' || kind == '|';
  if (!said || *said < 0) return Malformed(fmt::format("\"{}\" is no count", Shown(count)));
  if (std::cmp_greater(*said, limits_.values_max / (in_pairs ? 2 : 1))) return TooLarge("values", limits_.values_max);
  Frame frame;
  frame.is_attribute = kind == '|';
  frame.left = static_cast<std::size_t>(*said) * (in_pairs ? 2 : 1);
  switch (kind) {
    case '*':
      frame.value.type = RespType::kArray;
      break;
    case '~':
      frame.value.type = RespType::kSet;
      break;
    case '>':
      if (!stack_.empty()) return Malformed("a push inside another value");
      frame.value.type = RespType::kPush;
      break;
    default:
      frame.value.type = RespType::kMap;
  }
  if (frame.is_attribute) {
    if (!attributes_.empty()) return Malformed("two attributes before one value");
  } else {
    frame.value.attributes = std::exchange(attributes_, {});
  }
  if (frame.left == 0) return frame.is_attribute ? MaybeValue() : Close(std::move(frame.value));
  if (stack_.size() >= limits_.depth_max) return TooLarge("levels", limits_.depth_max);
  stack_.push_back(std::move(frame));
  return MaybeValue();
}

MaybeValue RespParser::Close(RespValue value) {
  while (!stack_.empty()) {
    Frame& frame = stack_.back();
    frame.value.items.push_back(std::move(value));
    if (--frame.left > 0) return std::nullopt;
    Frame done = std::move(frame);
    stack_.pop_back();
    if (done.is_attribute) {
      attributes_ = std::move(done.value.items);
      return std::nullopt;
    }
    value = std::move(done.value);
  }
  values_ = 0;
  bytes_ = 0;
  return value;
}

base::Result<MaybeValue> RespParser::OnLine() {
  const std::string line = std::exchange(line_, {});
  if (line.empty()) return Malformed("an empty line where a value was due");
  const char kind = line.front();
  const std::string_view rest = std::string_view(line).substr(1);
  LOQUAT_TRY(CountValue());
  LOQUAT_ASSIGN(MaybeValue simple, ReadSimple(kind, rest));
  if (simple) {
    simple->attributes = std::exchange(attributes_, {});
    return Close(std::move(*simple));
  }
  const bool blob = kind == '$' || kind == '=' || kind == '!';
  const bool aggregate = std::string_view("*~%>|").contains(kind);
  if ((blob || aggregate) && rest == "?") return Malformed("streamed strings and aggregates are not supported");
  if ((kind == '$' || kind == '*') && rest == "-1") {  // The nulls of RESP2.
    RespValue null;
    null.attributes = std::exchange(attributes_, {});
    return Close(std::move(null));
  }
  if (aggregate) return OpenAggregate(kind, rest);
  if (!blob) return Malformed(fmt::format("no value begins with \"{}\"", Shown(line)));
  const RespType text_type = kind == '$' ? RespType::kBlobString : RespType::kBlobError;
  LOQUAT_TRY(OpenBlob(kind == '=' ? RespType::kVerbatim : text_type, rest));
  return MaybeValue();
}

base::Result<MaybeValue> RespParser::OnBlob() {
  RespValue value = std::move(blob_->value);
  blob_.reset();
  if (value.type == RespType::kVerbatim) {
    if (value.text[kVerbatimHeadBytes - 1] != ':') return Malformed("a verbatim string without its format");
    value.format = value.text.substr(0, kVerbatimHeadBytes - 1);
    value.text.erase(0, kVerbatimHeadBytes);
  }
  return Close(std::move(value));
}

base::Result<MaybeValue> RespParser::NextPart(std::string_view& bytes) {
  while (!bytes.empty()) {
    const bool in_blob = blob_.has_value();
    LOQUAT_ASSIGN(const bool whole, in_blob ? TakeBlob(bytes) : TakeLine(bytes));
    if (!whole) break;
    LOQUAT_ASSIGN(MaybeValue value, in_blob ? OnBlob() : OnLine());
    if (value) return value;
  }
  return MaybeValue();
}

base::Result<MaybeValue> RespParser::Next(std::string_view& bytes) {
  if (failed_) return *failed_;
  base::Result<MaybeValue> part = NextPart(bytes);
  if (!part) failed_ = part.error();
  return part;
}

void AppendRespCommand(std::span<const std::string_view> arguments, std::string& out) {
  AppendCount('*', arguments.size(), out);
  for (const std::string_view argument : arguments) AppendBlob('$', argument, out);
}

void AppendResp(const RespValue& value, std::string& out) {
  const auto append_items = [&out](char kind, std::size_t count, const std::vector<RespValue>& items) {
    AppendCount(kind, count, out);
    for (const RespValue& item : items) AppendResp(item, out);
  };
  if (!value.attributes.empty()) append_items('|', value.attributes.size() / 2, value.attributes);
  switch (value.type) {
    case RespType::kNull:
      out += "_\r\n";
      break;
    case RespType::kBool:
      out += value.integer != 0 ? "#t\r\n" : "#f\r\n";
      break;
    case RespType::kInteger:
      fmt::format_to(std::back_inserter(out), ":{}\r\n", value.integer);
      break;
    case RespType::kDouble:
      AppendDouble(value.number, out);
      break;
    case RespType::kBigNumber:
      out.append("(").append(value.text).append(kLineEnd);
      break;
    case RespType::kSimpleString:
      AppendLine('+', '$', value.text, out);
      break;
    case RespType::kSimpleError:
      AppendLine('-', '!', value.text, out);
      break;
    case RespType::kBlobString:
      AppendBlob('$', value.text, out);
      break;
    case RespType::kBlobError:
      AppendBlob('!', value.text, out);
      break;
    case RespType::kVerbatim:
      AppendBlob('=', value.format + ":" + value.text, out);
      break;
    case RespType::kArray:
      append_items('*', value.items.size(), value.items);
      break;
    case RespType::kSet:
      append_items('~', value.items.size(), value.items);
      break;
    case RespType::kMap:
      append_items('%', value.items.size() / 2, value.items);
      break;
    case RespType::kPush:
      append_items('>', value.items.size(), value.items);
      break;
  }
}

}  // namespace loquat::net
