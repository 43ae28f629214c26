// Byte pair encoding with a list of merges, over bytes (GPT-2) or over characters with byte fallback (Llama 2 as
// Hugging Face stores it).

#include <fmt/format.h>

#include "base/check.h"
#include "text/decode.h"
#include "text/tokenizer/byte_level.h"
#include "text/tokenizer/word_model.h"

namespace loquat::text {
namespace {

constexpr std::size_t kMergesMax = WordTables::kMergesMax;

base::Result<MergeTable> ReadMerges(const TokenizerSpec& spec, const Vocabulary& vocabulary) {
  if (spec.merges.size() > kMergesMax) {
    return base::InvalidArgument(
        fmt::format("the tokenizer has {} merges; at most {} are allowed", spec.merges.size(), kMergesMax));
  }
  const bool byte_level = spec.kind == TokenizerKind::kByteLevelBpe;
  MergeTable table(spec.merges.size());
  std::string text;
  for (std::size_t rank = 0; rank < spec.merges.size(); ++rank) {
    const auto& [left, right] = spec.merges[rank];
    TokenId ids[3];
    const std::string_view parts[] = {left, right};
    text.clear();
    std::string whole;
    for (int i = 0; i < 3; ++i) {
      text.clear();
      if (i < 2) whole += parts[i];
      const std::string_view stored = i < 2 ? parts[i] : std::string_view(whole);
      const bool decoded = !byte_level || AppendByteLevelDecoded(stored, text);
      ids[i] = decoded ? vocabulary.FindText(byte_level ? std::string_view(text) : stored) : Vocabulary::kNone;
      if (ids[i] == Vocabulary::kNone) {
        return base::InvalidArgument(fmt::format(
            "merge {} ('{}' and '{}') needs the token '{}', which the tokenizer lacks", rank, left, right, stored));
      }
    }
    table.Add(ids[0], ids[1], {.rank = static_cast<std::uint32_t>(rank), .id = ids[2]});
  }
  return table;
}

class MergeModel final : public WordModel {
 public:
  MergeModel(const TokenizerSpec& spec, const Vocabulary& vocabulary, WordTables tables)
      : vocabulary_(vocabulary),
        table_(std::move(tables.merges)),
        byte_level_(spec.kind == TokenizerKind::kByteLevelBpe),
        ignore_merges_(spec.ignore_merges),
        words_stand_apart_(tables.words_stand_apart),
        unknown_{.byte_fallback = spec.byte_fallback, .fuse = spec.fuse_unknown} {}

  void Encode(std::string_view word, ModelScratch& scratch, std::vector<TokenId>& out) const override {
    if (ignore_merges_) {
      if (const TokenId id = vocabulary_.FindText(word); id != Vocabulary::kNone) return out.push_back(id);
    }
    if (byte_level_) return EncodeBytes(word, scratch.merge, out);
    UnknownAppender appender(vocabulary_, unknown_, out);
    while (!word.empty()) {
      const std::size_t end = words_stand_apart_ ? SpacedWordEnd(word) : word.size();
      EncodeCharacters(word.substr(0, end), scratch.merge, appender);
      word.remove_prefix(end);
    }
  }

 private:
  void EncodeBytes(std::string_view word, MergeScratch& scratch, std::vector<TokenId>& out) const {
    scratch.ids.clear();
    for (const char byte : word) scratch.ids.push_back(vocabulary_.ByteToken(static_cast<unsigned char>(byte)));
    MergeByRank(table_, scratch);
    for (const TokenId id : scratch.ids) {
      if (id >= 0) {
        out.push_back(id);
      } else if (vocabulary_.unknown() != Vocabulary::kNone) {
        out.push_back(vocabulary_.unknown());
      }
    }
  }

  // A character that is no token takes part as -1 - its offset, which merges with nothing.
  void EncodeCharacters(std::string_view word, MergeScratch& scratch, UnknownAppender& appender) const {
    scratch.ids.clear();
    for (std::size_t at = 0; at < word.size();) {
      const std::size_t length = Decode(word, at).length;
      const TokenId id = vocabulary_.FindText(word.substr(at, length));
      scratch.ids.push_back(id != Vocabulary::kNone ? id : -1 - static_cast<TokenId>(at));
      at += length;
    }
    MergeByRank(table_, scratch);
    for (const TokenId id : scratch.ids) {
      if (id >= 0) {
        appender.Known(id);
      } else {
        const auto at = static_cast<std::size_t>(-1 - id);
        appender.Unknown(word.substr(at, Decode(word, at).length));
      }
    }
  }

  const Vocabulary& vocabulary_;
  const MergeTable table_;
  const bool byte_level_, ignore_merges_, words_stand_apart_;
  const UnknownRule unknown_;
};

}  // namespace

base::Status BuildMergeTables(const TokenizerSpec& spec, const Vocabulary& vocabulary, WordTables& tables) {
  LOQUAT_ASSIGN(tables.merges, ReadMerges(spec, vocabulary));
  const bool byte_level = spec.kind == TokenizerKind::kByteLevelBpe;
  tables.words_stand_apart = !byte_level && !spec.ignore_merges && WordsStandApart(vocabulary);
  return {};
}

std::unique_ptr<const WordModel> MakeMergeModel(const TokenizerSpec& spec, const Vocabulary& vocabulary,
                                                WordTables tables) {
  return std::make_unique<MergeModel>(spec, vocabulary, std::move(tables));
}

}  // namespace loquat::text
