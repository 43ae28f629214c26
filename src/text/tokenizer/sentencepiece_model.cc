#include "text/tokenizer/sentencepiece_model.h"

#include <fmt/format.h>

#include <bit>
#include <cstring>
#include <optional>
#include <utility>

#include "text/tokenizer/vocabulary.h"

namespace loquat::text {
namespace {

// One field of a message (protobuf encoding: https://protobuf.dev/programming-guides/encoding/).
struct Field {
  std::uint64_t number = 0;
  std::uint64_t value = 0;  // Of a varint or a fixed one.
  std::string_view bytes;   // Of a length-delimited one.
  bool is_bytes = false;
};

class Reader {
 public:
  // `base`: where the message stands in the file, for errors.
  Reader(std::string_view message, std::size_t base) : message_(message), base_(base) {}

  // The next field; nothing at the end, or after an error.
  std::optional<Field> Next() {
    if (at_ >= message_.size() || failed_) return std::nullopt;
    Field field;
    const std::uint64_t key = Varint();
    field.number = key >> 3;
    constexpr std::uint64_t kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5;
    switch (key & 7) {
      case kVarint:
        field.value = Varint();
        break;
      case kFixed64:
        field.value = Fixed(8);
        break;
      case kBytes: {
        const std::uint64_t size = Varint();
        if (failed_ || size > message_.size() - at_) {
          failed_ = true;
          break;
        }
        field.bytes = message_.substr(at_, size);
        field.is_bytes = true;
        at_ += size;
        break;
      }
      case kFixed32:
        field.value = Fixed(4);
        break;
      default:
        failed_ = true;
    }
    if (failed_ || field.number == 0) {
      failed_ = true;
      return std::nullopt;
    }
    return field;
  }

  // Where the last field's bytes begin in the file.
  std::size_t BytesAt(const Field& field) const { return base_ + at_ - field.bytes.size(); }

  base::Status status() const {
    if (!failed_) return {};
    return base::InvalidArgument(fmt::format("the SentencePiece model is damaged at byte {}", base_ + at_));
  }

 private:
  std::uint64_t Varint() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (at_ >= message_.size()) break;
      const auto byte = static_cast<unsigned char>(message_[at_++]);
      value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    failed_ = true;
    return 0;
  }

  std::uint64_t Fixed(std::size_t size) {
    if (size > message_.size() - at_) {
      failed_ = true;
      return 0;
    }
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < size; ++i) {
      value |= static_cast<std::uint64_t>(static_cast<unsigned char>(message_[at_ + i])) << (8 * i);
    }
    at_ += size;
    return value;
  }

  std::string_view message_;
  std::size_t base_;
  std::size_t at_ = 0;
  bool failed_ = false;
};

// The field numbers of sentencepiece_model.proto.
namespace piece_field {
constexpr std::uint64_t kPiece = 1, kScore = 2, kType = 3;
}
namespace trainer_field {
constexpr std::uint64_t kModelType = 3, kWhitespaceAsSuffix = 24, kByteFallback = 35;
constexpr std::uint64_t kUnknownId = 40, kBosId = 41, kEosId = 42, kPadId = 43;
}  // namespace trainer_field
namespace normalizer_field {
constexpr std::uint64_t kCharsmap = 2, kDummyPrefix = 3, kRemoveExtraSpaces = 4, kEscapeSpaces = 5;
}
namespace model_field {
constexpr std::uint64_t kPieces = 1, kTrainer = 2, kNormalizer = 3;
}

base::Status ReadPiece(Reader reader, TokenizerSpec& spec) {
  std::string text;
  float score = 0;
  std::uint64_t type = 1;
  while (const std::optional<Field> field = reader.Next()) {
    if (field->number == piece_field::kPiece && field->is_bytes) text = field->bytes;
    if (field->number == piece_field::kScore) score = std::bit_cast<float>(static_cast<std::uint32_t>(field->value));
    if (field->number == piece_field::kType) type = field->value;
  }
  LOQUAT_TRY(reader.status());
  using Kind = TokenKindInVocabulary;
  constexpr Kind kKinds[] = {Kind::kNormal,      Kind::kUnknown, Kind::kControl,
                             Kind::kUserDefined, Kind::kUnused,  Kind::kByte};
  if (type < 1 || type > std::size(kKinds)) {
    return base::InvalidArgument(
        fmt::format("piece {} of the SentencePiece model has no known type", spec.tokens.size()));
  }
  if (spec.tokens.size() >= Vocabulary::kTokensMax) {
    return base::InvalidArgument(
        fmt::format("the SentencePiece model has more than the {} pieces that are allowed", Vocabulary::kTokensMax));
  }
  spec.tokens.push_back(std::move(text));
  spec.scores.push_back(score);
  spec.kinds.push_back(kKinds[type - 1]);
  return {};
}

// Ids of -1 are tokens that the model lacks.
struct Ids {
  std::int32_t unknown = 0, bos = 1, eos = 2, pad = -1;
};

base::Status ReadTrainer(Reader reader, TokenizerSpec& spec, Ids& ids) {
  constexpr std::uint64_t kUnigram = 1, kBpe = 2;
  std::uint64_t type = kUnigram, suffix = 0;
  while (const std::optional<Field> field = reader.Next()) {
    const auto id = static_cast<std::int32_t>(field->value);
    switch (field->number) {
      case trainer_field::kModelType:
        type = field->value;
        break;
      case trainer_field::kWhitespaceAsSuffix:
        suffix = field->value;
        break;
      case trainer_field::kByteFallback:
        spec.byte_fallback = field->value != 0;
        break;
      case trainer_field::kUnknownId:
        ids.unknown = id;
        break;
      case trainer_field::kBosId:
        ids.bos = id;
        break;
      case trainer_field::kEosId:
        ids.eos = id;
        break;
      case trainer_field::kPadId:
        ids.pad = id;
        break;
      default:
        break;
    }
  }
  if (type != kUnigram && type != kBpe) {
    return base::InvalidArgument(
        "the SentencePiece model cuts into words or characters; unigram and BPE are supported");
  }
  if (suffix != 0)
    return base::InvalidArgument("the SentencePiece model puts spaces after words, which is not supported");
  spec.kind = type == kBpe ? TokenizerKind::kSentencePieceBpe : TokenizerKind::kUnigram;
  return reader.status();
}

base::Status ReadNormalizer(Reader reader, TokenizerSpec& spec) {
  bool escape = true;
  while (const std::optional<Field> field = reader.Next()) {
    const bool flag = field->value != 0;
    if (field->number == normalizer_field::kCharsmap) spec.precompiled_charsmap = field->bytes;
    if (field->number == normalizer_field::kDummyPrefix) spec.add_prefix_space = flag;
    if (field->number == normalizer_field::kRemoveExtraSpaces) spec.remove_extra_spaces = flag;
    if (field->number == normalizer_field::kEscapeSpaces) escape = flag;
  }
  if (!escape)
    return base::InvalidArgument("the SentencePiece model does not write spaces as ▁, which is not supported");
  return reader.status();
}

// Control tokens are special; their ids are the trainer's if the pieces agree.
void SetSpecials(const Ids& ids, TokenizerSpec& spec) {
  for (std::size_t id = 0; id < spec.tokens.size(); ++id) {
    if (spec.kinds[id] == TokenKindInVocabulary::kUnknown) spec.unknown = static_cast<TokenId>(id);
    if (spec.kinds[id] != TokenKindInVocabulary::kControl || spec.tokens[id].empty()) continue;
    spec.specials.push_back({.content = spec.tokens[id], .id = static_cast<TokenId>(id)});
  }
  const auto control = [&](std::int32_t id) -> std::optional<TokenId> {
    if (id < 0 || static_cast<std::size_t>(id) >= spec.tokens.size()) return std::nullopt;
    return spec.kinds[static_cast<std::size_t>(id)] == TokenKindInVocabulary::kControl ? std::optional(id)
                                                                                       : std::nullopt;
  };
  spec.bos = control(ids.bos);
  spec.eos = control(ids.eos);
  spec.pad = control(ids.pad);
  // What a text begins with is not in the file: Llama begins with bos, T5 and XLM-R end with eos.
  spec.add_bos = spec.kind == TokenizerKind::kSentencePieceBpe;
  spec.add_eos = spec.kind == TokenizerKind::kUnigram;
}

}  // namespace

base::Result<TokenizerSpec> ReadSentencePieceModel(std::string_view bytes) {
  if (bytes.size() > kSentencePieceModelBytesMax) {
    return base::InvalidArgument(fmt::format("the SentencePiece model has {} bytes; at most {} are allowed",
                                             bytes.size(), kSentencePieceModelBytesMax));
  }
  TokenizerSpec spec;
  spec.kind = TokenizerKind::kUnigram;
  spec.add_prefix_space = true;
  spec.remove_extra_spaces = true;
  Ids ids;
  Reader reader(bytes, 0);
  while (const std::optional<Field> field = reader.Next()) {
    if (!field->is_bytes) continue;
    const Reader inner(field->bytes, reader.BytesAt(*field));
    if (field->number == model_field::kPieces) LOQUAT_TRY(ReadPiece(inner, spec));
    if (field->number == model_field::kTrainer) LOQUAT_TRY(ReadTrainer(inner, spec, ids));
    if (field->number == model_field::kNormalizer) LOQUAT_TRY(ReadNormalizer(inner, spec));
  }
  LOQUAT_TRY(reader.status());
  if (spec.tokens.empty()) return base::InvalidArgument("the SentencePiece model has no pieces");
  SetSpecials(ids, spec);
  return spec;
}

}  // namespace loquat::text
