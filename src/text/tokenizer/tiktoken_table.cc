#include "text/tokenizer/tiktoken_table.h"

#include <fmt/format.h>

#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/base64.h"
#include "base/strings.h"
#include "text/tokenizer/byte_level.h"
#include "text/tokenizer/merge_table.h"
#include "text/tokenizer/vocabulary.h"

namespace loquat::text {
namespace {

struct Line {
  std::string bytes;
  TokenId rank = 0;
};

std::optional<Line> ReadLine(std::string_view line) {
  const auto halves = base::SplitOnce(line, ' ');
  if (!halves || halves->before.size() > 2 * kTiktokenTokenBytesMax) return std::nullopt;
  auto bytes = base::DecodeBase64(halves->before);
  const auto rank = base::ParseInt<TokenId>(halves->after);
  if (!bytes || bytes->empty() || bytes->size() > kTiktokenTokenBytesMax) return std::nullopt;
  if (!rank || *rank < 0 || static_cast<std::size_t>(*rank) >= Vocabulary::kTokensMax) return std::nullopt;
  return Line{std::move(*bytes), *rank};
}

base::Result<std::vector<std::string>> ReadRanks(std::string_view text) {
  std::vector<std::string> tokens;  // [rank] -> bytes
  std::size_t number = 0;
  for (std::string_view stored : base::Split(text, '\n')) {
    ++number;
    if (stored.ends_with('\r')) stored.remove_suffix(1);
    if (stored.empty()) continue;
    std::optional<Line> line = ReadLine(stored);
    if (!line) {
      return base::InvalidArgument(fmt::format("line {} is no token of at most {} bytes in base64 and its rank", number,
                                               kTiktokenTokenBytesMax));
    }
    const auto rank = static_cast<std::size_t>(line->rank);
    // As many lines as ranks, give or take: a short file does not get to claim millions.
    if (rank >= 2 * number + 1024) return base::InvalidArgument(fmt::format("line {} has the rank {}", number, rank));
    if (rank >= tokens.size()) tokens.resize(rank + 1);
    if (!tokens[rank].empty()) return base::InvalidArgument(fmt::format("two tokens have the rank {}", rank));
    tokens[rank] = std::move(line->bytes);
  }
  return tokens;
}

}  // namespace

bool IsTiktokenTable(std::string_view text) {
  return ReadLine(text.substr(0, std::min(text.find('\n'), text.size()))).has_value();
}

base::Result<TokenizerSpec> ReadTiktokenTable(std::string_view text) {
  LOQUAT_ASSIGN(const std::vector<std::string> tokens, ReadRanks(text));
  TokenizerSpec spec;
  spec.kind = TokenizerKind::kByteLevelBpe;
  spec.ignore_merges = true;
  std::array<TokenId, 256> byte_tokens{};
  byte_tokens.fill(-1);
  for (std::size_t rank = 0; rank < tokens.size(); ++rank) {
    spec.tokens.emplace_back();
    AppendByteLevelEncoded(tokens[rank], spec.tokens.back());
    spec.kinds.push_back(tokens[rank].empty() ? TokenKindInVocabulary::kUnused : TokenKindInVocabulary::kNormal);
    if (tokens[rank].size() == 1) {
      byte_tokens[static_cast<unsigned char>(tokens[rank].front())] = static_cast<TokenId>(rank);
    }
  }
  MergeTable table(tokens.size());
  MergeScratch scratch;
  for (std::size_t rank = 0; rank < tokens.size(); ++rank) {
    if (tokens[rank].size() < 2) continue;
    scratch.ids.clear();
    for (const char byte : tokens[rank]) scratch.ids.push_back(byte_tokens[static_cast<unsigned char>(byte)]);
    MergeByRank(table, scratch);
    // A token of more parts is never made by merging; it is found whole alone.
    if (scratch.ids.size() != 2 || scratch.ids[0] < 0 || scratch.ids[1] < 0) continue;
    const auto id = static_cast<TokenId>(rank);
    table.Add(scratch.ids[0], scratch.ids[1], {.rank = static_cast<std::uint32_t>(rank), .id = id});
    spec.merges.emplace_back(spec.tokens[static_cast<std::size_t>(scratch.ids[0])],
                             spec.tokens[static_cast<std::size_t>(scratch.ids[1])]);
  }
  return spec;
}

}  // namespace loquat::text
