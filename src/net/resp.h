// RESP, the protocol of Redis, in both its versions (https://redis.io/docs/latest/develop/reference/protocol-spec/):
// a value, an incremental parser without I/O, and a writer.
// Values are plain. A parser belongs to one connection and one thread at a time.
//
// Nothing is allocated because a peer announced it: what an aggregate or a blob reserves grows with the bytes that
// came. Streamed aggregates and strings ("$?", "*?"), which no Redis sends, are refused with an error that says so.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace loquat::net {

struct RespLimits {
  std::size_t depth_max = 16;                          // Aggregates inside one another, attributes included.
  std::size_t values_max = 65'536;                     // Values of one reply, nested ones and attributes included.
  std::size_t line_bytes_max = 64 * 1024;              // A simple string, an error, a number or a length.
  std::size_t reply_bytes_max = std::size_t{8} << 20;  // Bytes of one reply on the wire.
};

enum class RespType : std::uint8_t {
  kNull,
  kBool,
  kInteger,
  kDouble,
  kBigNumber,
  kSimpleString,
  kBlobString,
  kVerbatim,
  kSimpleError,
  kBlobError,
  kArray,
  kSet,
  kMap,
  kPush,
};

struct RespValue {
  RespType type = RespType::kNull;
  std::int64_t integer = 0;           // kInteger; kBool: 0 or 1.
  double number = 0;                  // kDouble.
  std::string text;                   // Strings, errors and big numbers (their digits); kVerbatim: without its format.
  std::string format;                 // kVerbatim: three bytes, "txt" or "mkd".
  std::vector<RespValue> items;       // Aggregates; kMap: key, value, key, value...
  std::vector<RespValue> attributes;  // Said about this value: key, value... Most values have none.

  bool is_null() const { return type == RespType::kNull; }
  bool is_error() const { return type == RespType::kSimpleError || type == RespType::kBlobError; }
  bool is_text() const {
    return type == RespType::kSimpleString || type == RespType::kBlobString || type == RespType::kVerbatim;
  }
  // The first word of an error, by which programs tell them apart: "WRONGTYPE".
  std::string_view error_code() const;
  bool operator==(const RespValue&) const = default;
};

class RespParser {
 public:
  explicit RespParser(RespLimits limits = {}) : limits_(limits) {}

  // Takes bytes off the front of `bytes`. A value once one is whole; nothing when all bytes are used and more are
  // needed. Errors: data_loss "malformed_reply", resource_exhausted "reply_too_large"; the stream cannot be read on
  // then, and every further call gives the same error.
  base::Result<std::optional<RespValue>> Next(std::string_view& bytes);

  // Nothing of a further value has been taken yet.
  bool at_boundary() const { return stack_.empty() && line_.empty() && !blob_ && attributes_.empty(); }

 private:
  struct Frame {
    RespValue value;
    std::size_t left = 0;       // Items still to come.
    bool is_attribute = false;  // What it holds is said about the value that comes next.
  };
  struct Blob {
    RespValue value;
    std::size_t left;  // Bytes still to come, without the line end.
    std::size_t end;   // Bytes of the line end that have come.
  };

  // Whether a line or a blob is whole.
  base::Result<bool> TakeLine(std::string_view& bytes);
  base::Result<bool> TakeBlob(std::string_view& bytes);
  base::Result<std::optional<RespValue>> OnLine();
  base::Result<std::optional<RespValue>> OnBlob();
  base::Status OpenBlob(RespType type, std::string_view length);
  base::Result<std::optional<RespValue>> OpenAggregate(char kind, std::string_view count);
  base::Status Spend(std::size_t bytes);
  base::Status CountValue();
  // A finished value goes into the aggregate around it; what that finishes goes further out.
  std::optional<RespValue> Close(RespValue value);
  base::Result<std::optional<RespValue>> NextPart(std::string_view& bytes);

  const RespLimits limits_;
  std::string line_;
  std::optional<Blob> blob_;
  std::vector<Frame> stack_;
  std::vector<RespValue> attributes_;  // Of the next value that begins.
  std::size_t values_ = 0;             // Of the present reply.
  std::size_t bytes_ = 0;
  std::optional<base::Error> failed_;
};

// A command as every Redis takes it: an array of blob strings.
void AppendRespCommand(std::span<const std::string_view> arguments, std::string& out);
// Any value as RESP3 has it. Simple strings and errors must be without line ends; they are written as blobs otherwise.
void AppendResp(const RespValue& value, std::string& out);

}  // namespace loquat::net
