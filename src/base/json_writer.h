// Writes JSON (RFC 8259) to the end of a string that the caller owns. Allocates nothing but what that string needs to
// grow. One thread at a time. The string outlives the writer; between calls it may be read, not changed.
//
// Commas and colons come by themselves. The caller balances Begin and End and puts one Key before each value in an
// object. Strings that are not UTF-8 are repaired with U+FFFD, so that the output is always valid.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace loquat::base {

class JsonWriter {
 public:
  explicit JsonWriter(std::string& out) : out_(out) {}
  JsonWriter(const JsonWriter&) = delete;
  JsonWriter& operator=(const JsonWriter&) = delete;

  void BeginObject() { Open('{'); }
  void EndObject() { Close('}'); }
  void BeginArray() { Open('['); }
  void EndArray() { Close(']'); }
  void Key(std::string_view key);

  void String(std::string_view value);
  void Int(std::int64_t value);
  void Uint(std::uint64_t value);
  // The shortest digits that read back as the same number. NaN and infinities, which JSON lacks, become null.
  void Double(double value);
  void Float(float value);
  // With this many digits after the point, at most kMaxFixedDigits; as Double from 1e16 on. NaN and infinities become
  // null.
  void Fixed(double value, int digits);
  void Bool(bool value);
  void Null();
  // JSON that is written already: one whole value.
  void Raw(std::string_view json);

  static constexpr int kMaxFixedDigits = 17;

 private:
  void Separate() {
    if (comma_due_) out_.push_back(',');
    comma_due_ = true;
  }
  void Open(char bracket) {
    Separate();
    out_.push_back(bracket);
    comma_due_ = false;
  }
  void Close(char bracket) {
    out_.push_back(bracket);
    comma_due_ = true;
  }

  std::string& out_;
  bool comma_due_ = false;  // The next key or value of the open container is not its first.
};

// Appends `text` as a JSON string, quotes included.
void AppendJsonString(std::string_view text, std::string& out);

}  // namespace loquat::base
