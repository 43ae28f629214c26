// Any bytes as tokenizer.json, as the configuration beside other files, or as a tokenizer.model: reading ends with a
// tokenizer or with an error that says something; the tokenizer then encodes any text within its bounds, to ids that it
// has, and the detokenizer gives the same text however it is fed. Input: the file, a zero byte, the text; before the
// file "c" and a zero byte where it is a tokenizer_config.json for a small vocab.json, "s" and a zero byte for a
// tokenizer.model.

#include <string>
#include <vector>

#include "base/check.h"
#include "base/utf8.h"
#include "text/tokenizer/detokenizer.h"
#include "text/tokenizer/sentencepiece_model.h"
#include "text/tokenizer/tiktoken_table.h"
#include "text/tokenizer/tokenizer.h"
#include "text/tokenizer/tokenizer_json.h"

namespace loquat::text {
namespace {

constexpr std::size_t kTextBytesMax = 2048;
constexpr std::string_view kVocab = R"({"a": 0, "b": 1, "ab": 2, "Ġ": 3})";
constexpr std::string_view kUsual =
    " The naïve  café, 你好!\n\t12345 don't \xFF\xE4 👨‍👩‍👧 <s>a b</s> <mask>";

base::Result<TokenizerSpec> Read(std::string_view& input) {
  const char kind = input.size() > 1 && input[1] == '\0' ? input[0] : 't';
  if (kind == 'c' || kind == 's') input.remove_prefix(2);
  if (kind == 's') {
    const std::string_view model = input;
    input = {};
    return IsTiktokenTable(model) ? ReadTiktokenTable(model) : ReadSentencePieceModel(model);
  }
  const std::size_t zero = input.find('\0');
  const std::string_view file = input.substr(0, zero);
  input.remove_prefix(zero == std::string_view::npos ? input.size() : zero + 1);
  if (kind == 'c')
    return ReadVocabAndMerges(kVocab, "a b\n", "", {.tokenizer_json = {}, .tokenizer_config_json = file});
  return ReadTokenizerJson({.tokenizer_json = file, .tokenizer_config_json = R"({"bos_token": "a"})"});
}

void CheckError(const base::Error& error) {
  LOQUAT_CHECK(!error.message.empty(), "an error without a message");
  LOQUAT_CHECK(base::IsValidUtf8(error.message), "an error that is no text");
}

void CheckDecoding(const std::shared_ptr<const Tokenizer>& tokenizer, const std::vector<TokenId>& ids) {
  for (const bool skip : {false, true}) {
    const std::string whole = Decode(tokenizer, ids, {.skip_special = skip});
    LOQUAT_CHECK(base::IsValidUtf8(whole), "the decoded text is not UTF-8");
    Detokenizer detokenizer(tokenizer, {.skip_special = skip});
    std::string text;
    for (const TokenId id : ids) {
      detokenizer.Feed(id, text);
      LOQUAT_CHECK(base::IsValidUtf8(text), "half a code point was given out");
    }
    detokenizer.Flush(text);
    LOQUAT_CHECK(text == whole, "decoding one by one gives another text");
  }
}

void CheckEncoding(const std::shared_ptr<const Tokenizer>& tokenizer, std::string_view text) {
  EncodeWorkspace workspace;
  for (const EncodeOptions& options : {EncodeOptions(), EncodeOptions{.add_special = false, .parse_special = false}}) {
    std::vector<TokenId> ids, again;
    const base::Status once = tokenizer->Encode(text, options, workspace, ids);
    const base::Status twice = tokenizer->Encode(text, options, workspace, again);
    LOQUAT_CHECK(once.has_value() == twice.has_value(), "one text is tokenized and refused");
    if (!once.has_value()) {
      CheckError(once.error());
      continue;
    }
    LOQUAT_CHECK(ids == again, "a warm workspace gives other tokens");
    for (const TokenId id : ids) LOQUAT_CHECK(tokenizer->Has(id), "an id that the tokenizer lacks");
    CheckDecoding(tokenizer, ids);
    again.clear();
    const auto limit = static_cast<std::uint32_t>(ids.size() / 2);
    const auto cut = tokenizer->EncodeTruncated(text, options, limit, TruncationPolicy::kMiddle, workspace, again);
    if (!cut.has_value()) continue;  // The template alone is longer.
    LOQUAT_CHECK(again.size() <= limit && cut->tokens_before == ids.size(), "the limit was not kept");
  }
}

void Check(std::string_view input) {
  base::Result<TokenizerSpec> spec = Read(input);
  if (!spec.has_value()) return CheckError(spec.error());
  const auto tokenizer = Tokenizer::Create(std::move(*spec));
  if (!tokenizer.has_value()) return CheckError(tokenizer.error());
  CheckEncoding(*tokenizer, kUsual);
  CheckEncoding(*tokenizer, input.substr(0, kTextBytesMax));
}

}  // namespace
}  // namespace loquat::text

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  loquat::text::Check(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
