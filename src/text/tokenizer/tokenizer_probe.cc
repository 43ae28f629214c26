// Encodes what node tests send: tokenizer_probe PATH [--special] [--plain] [--pair]
// PATH is what ReadTokenizerPath takes. Each line of the standard input is a JSON string (with --pair an array of two),
// each line of the output an array of ids and the text they decode to: [[ids], "text"] (with --pair [[ids], [types]]).
// --special: with what the template adds. --plain: special tokens in the text are text.

#include <fmt/format.h>

#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

#include "base/json_value.h"
#include "base/json_writer.h"
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

base::Result<std::string> Answer(const std::shared_ptr<const Tokenizer>& tokenizer, const EncodeOptions& options,
                                 bool pair, std::string_view line, EncodeWorkspace& workspace) {
  base::JsonParser parser({.max_bytes = std::size_t{64} << 20});
  LOQUAT_ASSIGN(const base::JsonValue root, parser.Parse(line));
  std::string out;
  base::JsonWriter writer(out);
  writer.BeginArray();
  if (pair) {
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
    LOQUAT_TRY(tokenizer->Encode(text, options, workspace, ids));
    WriteIds(ids, writer);
    writer.String(Decode(tokenizer, ids, {.skip_special = !options.add_special}));
  }
  writer.EndArray();
  return out;
}

int Run(const std::vector<std::string>& arguments) {
  EncodeOptions options{.add_special = false};
  bool pair = false;
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    options.add_special |= arguments[i] == "--special";
    options.parse_special &= arguments[i] != "--plain";
    pair |= arguments[i] == "--pair";
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
  EncodeWorkspace workspace;
  std::string line;
  while (std::getline(std::cin, line)) {
    const auto answer = Answer(*tokenizer, options, pair, line, workspace);
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
