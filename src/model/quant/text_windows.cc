#include "model/quant/text_windows.h"

#include <fmt/format.h>

#include <algorithm>

#include "text/tokenizer/tokenizer_json.h"

namespace loquat::model {
namespace {

constexpr std::size_t kWindowTokensMin = 2;  // One to see and one to foresee.

base::Status CutLines(const text::Tokenizer& tokenizer, std::uint32_t limit, std::string_view text,
                      TokenWindows& windows) {
  text::EncodeWorkspace workspace;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    std::vector<std::int32_t> ids;
    LOQUAT_TRY(tokenizer.EncodeTruncated(line, {.add_special = true, .parse_special = false}, limit,
                                         text::TruncationPolicy::kTail, workspace, ids));
    if (ids.size() >= kWindowTokensMin) windows.push_back(std::move(ids));
  }
  return {};
}

base::Status CutStream(const text::Tokenizer& tokenizer, std::uint32_t limit, std::string_view text,
                       TokenWindows& windows) {
  constexpr text::EncodeOptions kPlain{.add_special = false, .parse_special = false};
  LOQUAT_ASSIGN(const std::vector<std::int32_t> ids, tokenizer.Encode(text, kPlain));
  // What it puts before a text; what it puts behind one ends it and is left out.
  LOQUAT_ASSIGN(std::vector<std::int32_t> head, tokenizer.Encode(""));
  const bool begins = !head.empty() && tokenizer.bos() && head.front() == *tokenizer.bos();
  head.resize(begins ? 1 : 0);
  const std::size_t step = limit - head.size();
  for (std::size_t at = 0; at < ids.size(); at += step) {
    std::vector<std::int32_t> window = head;
    const auto first = ids.begin() + static_cast<std::ptrdiff_t>(at);
    window.insert(window.end(), first, first + static_cast<std::ptrdiff_t>(std::min(step, ids.size() - at)));
    if (window.size() >= kWindowTokensMin) windows.push_back(std::move(window));
  }
  return {};
}

}  // namespace

base::Result<std::shared_ptr<const text::Tokenizer>> MakeTokenizer(const ModelFiles& files) {
  if (files.tokenizer.spec) return text::Tokenizer::Create(*files.tokenizer.spec);
  if (files.tokenizer.tokenizer_json.empty()) {
    return base::FailedPrecondition(fmt::format("{}: it has no tokenizer to read the text with", files.path));
  }
  LOQUAT_ASSIGN(text::TokenizerSpec spec, text::ReadTokenizerPath(files.path));
  return text::Tokenizer::Create(std::move(spec));
}

base::Result<TokenWindows> CutText(const text::Tokenizer& tokenizer, const ModelConfig& config, std::string_view text) {
  if (text.size() > kSampleTextBytesMax) {
    return base::ResourceExhausted(
        fmt::format("the text has {} bytes; at most {} are allowed", text.size(), kSampleTextBytesMax), "too_large");
  }
  const std::uint32_t limit = std::min(kWindowTokensMax, config.context);
  TokenWindows windows;
  if (limit > kWindowTokensMin) {
    const bool lines = config.architecture == Architecture::kBert;
    LOQUAT_TRY(lines ? CutLines(tokenizer, limit, text, windows) : CutStream(tokenizer, limit, text, windows));
  }
  if (windows.empty()) return base::InvalidArgument("the text has no two tokens");
  return windows;
}

std::uint64_t TokensOf(const TokenWindows& windows) {
  std::uint64_t sum = 0;
  for (const auto& window : windows) sum += window.size();
  return sum;
}

}  // namespace loquat::model
