// Encodes what node tests send: tokenizer_probe PATH [--special] [--plain] [--pair] [--bytes]
// PATH is what ReadTokenizerPath takes. Each line of the standard input is a JSON string (with --pair an array of two),
// each line of the output an array of ids and the text they decode to: [[ids], "text"] (with --pair [[ids], [types]]).
// --special: with what the template adds. --plain: special tokens in the text are text. --bytes: each character of the
// string, which is at most U+00FF, stands for a byte. --time: instead, one line with the tokens of all texts and the
// seconds of processor time that encoding them took.

#include <fmt/format.h>

#include <cstdio>
#include <ctime>
#include <iostream>
#include <string>
#include <vector>

#include "base/json_value.h"
#include "base/json_writer.h"
#include "base/utf8.h"
#include "text/tokenizer/detokenizer.h"
#include "text/tokenizer/tokenizer.h"
#include "text/tokenizer/tokenizer_json.h"

namespace loquat::text {
namespace {

constexpr std::uint32_t kNoLimit = 1U << 30;

template <typename Ids>
void WriteIds(const Ids& ids, base::JsonWriter& writer) {
  writer.BeginArray();
  for (const auto id : ids) writer.Int(id);
  writer.EndArray();
}

std::string BytesOf(std::string_view latin1) {
  std::string bytes;
  for (std::size_t at = 0; at < latin1.size();) {
    const base::DecodedCodePoint c = base::DecodeUtf8(latin1, at);
    bytes.push_back(static_cast<char>(c.code_point));
    at += c.length;
  }
  return bytes;
}

struct Asked {
  EncodeOptions options{.add_special = false};
  bool pair = false, bytes = false, time = false;
};

base::Status TimeAll(const Tokenizer& tokenizer, const EncodeOptions& options) {
  std::vector<std::string> texts;
  std::string line;
  while (std::getline(std::cin, line)) {
    base::JsonParser parser({.max_bytes = std::size_t{64} << 20});
    LOQUAT_ASSIGN(const base::JsonValue root, parser.Parse(line));
    LOQUAT_ASSIGN(const std::string_view text, root.AsString());
    texts.emplace_back(text);
  }
  EncodeWorkspace workspace;
  std::vector<TokenId> ids;
  const std::clock_t begin = std::clock();
  for (const std::string& text : texts) LOQUAT_TRY(tokenizer.Encode(text, options, workspace, ids));
  fmt::print("[{}, {}]\n", ids.size(), static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC);
  return {};
}

base::Result<std::string> Answer(const std::shared_ptr<const Tokenizer>& tokenizer, const Asked& asked,
                                 std::string_view line, EncodeWorkspace& workspace) {
  const EncodeOptions& options = asked.options;
  base::JsonParser parser({.max_bytes = std::size_t{64} << 20});
  LOQUAT_ASSIGN(const base::JsonValue root, parser.Parse(line));
  std::string out;
  base::JsonWriter writer(out);
  writer.BeginArray();
  if (asked.pair) {
    LOQUAT_ASSIGN(const base::JsonArray texts, root.AsArray());
    std::vector<std::string> both;
    for (const base::JsonValue text : texts) both.emplace_back(text.AsString().value_or(""));
    both.resize(2);
    EncodedPair encoded;
    LOQUAT_TRY(
        tokenizer->EncodePair(both[0], both[1], options, kNoLimit, TruncationPolicy::kError, workspace, encoded));
    WriteIds(encoded.ids, writer);
    WriteIds(encoded.types, writer);
  } else {
    LOQUAT_ASSIGN(const std::string_view text, root.AsString());
    std::vector<TokenId> ids;
    LOQUAT_TRY(tokenizer->Encode(asked.bytes ? BytesOf(text) : std::string(text), options, workspace, ids));
    WriteIds(ids, writer);
    writer.String(Decode(tokenizer, ids, {.skip_special = !options.add_special}));
  }
  writer.EndArray();
  return out;
}

int Run(const std::vector<std::string>& arguments) {
  Asked asked;
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    asked.options.add_special |= arguments[i] == "--special";
    asked.options.parse_special &= arguments[i] != "--plain";
    asked.pair |= arguments[i] == "--pair";
    asked.bytes |= arguments[i] == "--bytes";
    asked.time |= arguments[i] == "--time";
  }
  auto spec = ReadTokenizerPath(arguments[0]);
  if (!spec.has_value()) {
    fmt::print(stderr, "{}\n", spec.error().message);
    return 1;
  }
  const auto tokenizer = Tokenizer::Create(std::move(*spec));
  if (!tokenizer.has_value()) {
    fmt::print(stderr, "{}\n", tokenizer.error().message);
    return 1;
  }
  if (asked.time) return TimeAll(**tokenizer, asked.options).has_value() ? 0 : 1;
  EncodeWorkspace workspace;
  std::string line;
  while (std::getline(std::cin, line)) {
    const auto answer = Answer(*tokenizer, asked, line, workspace);
    if (!answer.has_value()) {
      fmt::print(stderr, "{}\n", answer.error().message);
      return 1;
    }
    fmt::print("{}\n", *answer);
  }
  return 0;
}

}  // namespace
}  // namespace loquat::text

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  return loquat::text::Run({argv + 1, argv + argc});
}
