#include "observe/trace.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>
#include <vector>

#include "base/check.h"
#include "base/random.h"

namespace loquat::observe {
namespace {

using base::InvalidArgument;

constexpr std::size_t kTracestateKeyMax = 256;
constexpr std::size_t kTracestateTenantMax = 241;
constexpr std::size_t kTracestateSystemMax = 14;
constexpr std::size_t kTracestateValueMax = 256;

bool IsLower(char c) {
  return c >= 'a' && c <= 'z';
}
bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

// Lower-case hex only, as the standard asks; -1 for anything else.
int HexDigit(char c) {
  if (IsDigit(c)) return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

template <std::size_t kBytes>
bool ReadHex(std::string_view digits, std::array<std::uint8_t, kBytes>& out) {
  for (std::size_t i = 0; i < kBytes; ++i) {
    const int high = HexDigit(digits[2 * i]);
    const int low = HexDigit(digits[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    out[i] = static_cast<std::uint8_t>(high << 4 | low);
  }
  return true;
}

bool IsZero(std::span<const std::uint8_t> id) {
  return std::ranges::all_of(id, [](std::uint8_t byte) { return byte == 0; });
}

bool IsKeyTail(std::string_view text) {
  return std::ranges::all_of(
      text, [](char c) { return IsLower(c) || IsDigit(c) || c == '_' || c == '-' || c == '*' || c == '/'; });
}

// Section 3.3.1.3.1: a simple key starts with a letter; "tenant@system" has a tenant of at most 241 characters that may
// start with a digit, and a system of at most 14 that starts with a letter.
bool IsTracestateKey(std::string_view key) {
  if (key.empty() || !IsKeyTail(key.substr(0, key.find('@')))) return false;
  const std::size_t at = key.find('@');
  if (at == std::string_view::npos) return IsLower(key[0]) && key.size() <= kTracestateKeyMax;
  const std::string_view tenant = key.substr(0, at);
  const std::string_view system = key.substr(at + 1);
  return !tenant.empty() && (IsLower(tenant[0]) || IsDigit(tenant[0])) && tenant.size() <= kTracestateTenantMax &&
         !system.empty() && IsLower(system[0]) && system.size() <= kTracestateSystemMax && IsKeyTail(system);
}

// Section 3.3.1.3.2: 1 to 256 printable ASCII characters without comma and equals sign, not ending in a space.
bool IsTracestateValue(std::string_view value) {
  return !value.empty() && value.size() <= kTracestateValueMax && value.back() != ' ' &&
         std::ranges::all_of(value, [](char c) { return c >= 0x20 && c <= 0x7E && c != ',' && c != '='; });
}

std::string_view Trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

}  // namespace

std::string HexId(std::span<const std::uint8_t> id) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(2 * id.size());
  for (const std::uint8_t byte : id) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

base::Result<Traceparent> ParseTraceparent(std::string_view header) {
  const auto bad = [](std::string_view why) {
    return InvalidArgument(fmt::format("traceparent: {}", why), "traceparent");
  };
  if (header.size() < kTraceparentBytes) return bad("shorter than 55 characters");
  std::array<std::uint8_t, 1> version{};
  std::array<std::uint8_t, 1> flags{};
  Traceparent parent;
  if (header[2] != '-' || header[35] != '-' || header[52] != '-') return bad("dashes are not where they belong");
  if (!ReadHex(header.substr(0, 2), version) || !ReadHex(header.substr(3, 32), parent.trace_id) ||
      !ReadHex(header.substr(36, 16), parent.parent_id) || !ReadHex(header.substr(53, 2), flags)) {
    return bad("a field is not lower-case hexadecimal");
  }
  if (version[0] == 0xFF) return bad("version ff is invalid");
  if (version[0] == 0 && header.size() != kTraceparentBytes) return bad("version 00 has 55 characters");
  if (header.size() > kTraceparentBytes && header[kTraceparentBytes] != '-') return bad("no dash after the flags");
  if (IsZero(parent.trace_id)) return bad("the trace id is all zero");
  if (IsZero(parent.parent_id)) return bad("the parent id is all zero");
  parent.sampled = (flags[0] & 1) != 0;
  return parent;
}

base::Result<std::string> ParseTracestate(std::string_view header) {
  const auto bad = [](std::string_view why) {
    return InvalidArgument(fmt::format("tracestate: {}", why), "tracestate");
  };
  if (header.size() > kTracestateBytesMax) return bad("too long");
  std::string state;
  std::vector<std::string_view> keys;
  for (std::size_t begin = 0; begin <= header.size();) {
    const std::size_t end = std::min(header.find(',', begin), header.size());
    const std::string_view member = Trim(header.substr(begin, end - begin));
    begin = end + 1;
    if (member.empty()) continue;
    const std::size_t equals = member.find('=');
    if (equals == std::string_view::npos) return bad("a member has no equals sign");
    const std::string_view key = member.substr(0, equals);
    if (!IsTracestateKey(key)) return bad("a key is malformed");
    if (!IsTracestateValue(member.substr(equals + 1))) return bad("a value is malformed");
    if (std::ranges::find(keys, key) != keys.end()) return bad("a key occurs twice");
    if (keys.size() == kTracestateMembersMax) return bad("more than 32 members");
    keys.push_back(key);
    if (!state.empty()) state += ',';
    state += member;
  }
  return state;
}

std::string FormatTraceparent(const base::TraceContext& trace) {
  return fmt::format("00-{}-{}-0{}", HexId(trace.trace_id), HexId(trace.span_id), trace.sampled ? 1 : 0);
}

IdGenerator::IdGenerator() {
  const ssize_t got = ::getrandom(secret_.data(), sizeof secret_, 0);
  LOQUAT_CHECK(got == static_cast<ssize_t>(sizeof secret_), "the kernel gives 16 random bytes");
}

IdGenerator::IdGenerator(std::uint64_t seed) {
  base::SplitMix64 words(seed);
  for (std::uint64_t& word : secret_) word = words.Next();
}

std::array<std::uint64_t, 2> IdGenerator::Next() {
  const std::uint64_t n = counter_.fetch_add(1, std::memory_order_relaxed);
  // SplitMix64's output is a bijection of its state, so that no two calls of one generator agree in either half.
  return {base::SplitMix64(n ^ secret_[0]).Next(), base::SplitMix64(n ^ secret_[1]).Next()};
}

std::array<std::uint8_t, 16> IdGenerator::TraceId() {
  std::array<std::uint64_t, 2> words = Next();
  while (words[0] == 0 && words[1] == 0) words = Next();
  return std::bit_cast<std::array<std::uint8_t, 16>>(words);
}

std::array<std::uint8_t, 8> IdGenerator::SpanId() {
  std::uint64_t word = Next()[0];
  while (word == 0) word = Next()[0];
  return std::bit_cast<std::array<std::uint8_t, 8>>(word);
}

std::string IdGenerator::RequestId() {
  constexpr std::string_view kAlphabet = "0123456789abcdefghjkmnpqrstvwxyz";
  const auto [high, low] = Next();
  __extension__ using Wide = unsigned __int128;
  Wide bits = static_cast<Wide>(high) << 64 | low;
  std::string id(kRequestIdBytes, '0');
  for (std::size_t i = kRequestIdBytes; i-- > 0; bits >>= 5) id[i] = kAlphabet[static_cast<std::size_t>(bits & 31)];
  return id;
}

base::TraceContext StartTrace(std::string_view traceparent, std::string_view tracestate, bool sample_new,
                              IdGenerator& ids) {
  base::TraceContext trace;
  trace.span_id = ids.SpanId();
  const auto parent = ParseTraceparent(traceparent);
  if (!parent.has_value()) {
    trace.trace_id = ids.TraceId();
    trace.sampled = sample_new;
    return trace;
  }
  trace.trace_id = parent->trace_id;
  trace.parent_span_id = parent->parent_id;
  trace.sampled = parent->sampled;
  if (auto state = ParseTracestate(tracestate); state.has_value()) trace.state = *std::move(state);
  return trace;
}

bool IsValidRequestId(std::string_view id) {
  static constexpr std::string_view kMarks = "-_.:/+=@~";
  return !id.empty() && id.size() <= kRequestIdBytesMax && std::ranges::all_of(id, [](char c) {
    return IsLower(c) || IsDigit(c) || (c >= 'A' && c <= 'Z') || kMarks.find(c) != std::string_view::npos;
  });
}

}  // namespace loquat::observe
