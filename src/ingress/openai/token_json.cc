#include "ingress/openai/token_json.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "base/hex.h"
#include "base/utf8.h"

namespace loquat::ingress::openai {
namespace {

using base::JsonWriter;
using engine::TokenLogprob;

void WriteLogprob(float logprob, JsonWriter& json) {
  // A certain token's may be the negative zero, which readers would wonder about: adding zero takes its sign away.
  json.Float(std::max(logprob, kLogprobMin) + 0.0F);
}

void WriteToken(const TokenLogprob& token, const std::string& bytes, JsonWriter& json) {
  json.Key("token");
  json.String(bytes);
  json.Key("logprob");
  WriteLogprob(token.logprob, json);
  json.Key("bytes");
  json.BeginArray();
  for (const char byte : bytes) json.Uint(static_cast<unsigned char>(byte));
  json.EndArray();
}

// Part of a character is written as OpenAI's older form did: "bytes:\xe4\xb8".
std::string LegacyName(const std::string& bytes) {
  if (base::IsValidUtf8(bytes)) return bytes;
  std::string name = "bytes:";
  for (const char byte : bytes)
    name.append("\\x").append(base::EncodeHex({reinterpret_cast<const unsigned char*>(&byte), 1}));
  return name;
}

std::uint64_t CodePoints(std::string_view bytes) {
  return static_cast<std::uint64_t>(
      std::ranges::count_if(bytes, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

}  // namespace

void WriteChatLogprob(std::span<const TokenLogprob> row, const pipeline::ModelText& text, JsonWriter& json) {
  json.BeginObject();
  WriteToken(row.front(), text.TokenBytes(row.front().token), json);
  json.Key("top_logprobs");
  json.BeginArray();
  for (const TokenLogprob& other : row.subspan(1)) {
    json.BeginObject();
    WriteToken(other, text.TokenBytes(other.token), json);
    json.EndObject();
  }
  json.EndArray();
  json.EndObject();
}

void WriteLegacyLogprobObject(std::span<const TokenLogprob> logprobs, std::size_t stride,
                              const pipeline::ModelText& text, std::uint64_t& offset, JsonWriter& json) {
  const std::size_t tokens = logprobs.size() / stride;
  json.BeginObject();
  json.Key("tokens");
  json.BeginArray();
  for (std::size_t i = 0; i < tokens; ++i) json.String(LegacyName(text.TokenBytes(logprobs[i * stride].token)));
  json.EndArray();
  json.Key("token_logprobs");
  json.BeginArray();
  for (std::size_t i = 0; i < tokens; ++i) WriteLogprob(logprobs[i * stride].logprob, json);
  json.EndArray();
  json.Key("top_logprobs");
  if (stride == 1) {
    json.Null();
  } else {
    json.BeginArray();
    for (std::size_t i = 0; i < tokens; ++i) {
      json.BeginObject();
      std::vector<std::string> written;  // Two tokens may look alike; a key stands once.
      for (const TokenLogprob& other : logprobs.subspan(i * stride + 1, stride - 1)) {
        std::string name = LegacyName(text.TokenBytes(other.token));
        if (std::ranges::find(written, name) != written.end()) continue;
        json.Key(name);
        WriteLogprob(other.logprob, json);
        written.push_back(std::move(name));
      }
      json.EndObject();
    }
    json.EndArray();
  }
  json.Key("text_offset");
  json.BeginArray();
  for (std::size_t i = 0; i < tokens; ++i) {
    json.Uint(offset);
    offset += CodePoints(text.TokenBytes(logprobs[i * stride].token));
  }
  json.EndArray();
  json.EndObject();
}

}  // namespace loquat::ingress::openai
