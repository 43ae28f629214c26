#include "text/tokenizer/tokenizer_tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#include "base/flat.h"

namespace loquat::text {
namespace {

constexpr std::size_t kTextBytesMax = std::size_t{1} << 20;  // Patterns, contents, names.
constexpr std::size_t kStepsMax = 64;

void PieceFields(auto& flat, auto& piece) {
  flat.Choice(piece.kind, TemplatePiece::Kind::kToken);
  flat.Number(piece.id);
  flat.Number(piece.type);
}

void SpecialFields(auto& flat, auto& special) {
  flat.Text(special.content, Tokenizer::kSpecialBytesMax);
  flat.Number(special.id);
  for (auto* flag :
       {&special.special, &special.strip_left, &special.strip_right, &special.single_word, &special.normalized}) {
    flat.Flag(*flag);
  }
}

void NormalizerFields(auto& flat, auto& step) {
  flat.Choice(step.kind, NormalizerStep::Kind::kBert);
  flat.Text(step.pattern, kTextBytesMax);
  flat.Text(step.content, kTextBytesMax);
  for (auto* flag : {&step.left, &step.right, &step.clean_text}) flat.Flag(*flag);
}

void PreTokenizerFields(auto& flat, auto& step) {
  flat.Choice(step.kind, PreTokenizerStep::Kind::kBert);
  flat.Text(step.pattern, kTextBytesMax);
  flat.Choice(step.behavior, PreTokenizerStep::Behavior::kContiguous);
  flat.Choice(step.prefix, PreTokenizerStep::Prefix::kAlways);
  for (auto* flag : {&step.literal, &step.invert, &step.split, &step.individual_digits}) flat.Flag(*flag);
}

// All of a spec but its lists of tokens, scores, kinds and merges, and the chat template.
void SpecFields(auto& flat, auto& spec) {
  flat.Choice(spec.kind, TokenizerKind::kWordPiece);
  flat.Items(spec.specials, Tokenizer::kSpecialsMax, [&](auto& special) { SpecialFields(flat, special); });
  flat.Text(spec.pre_tokenizer, kTextBytesMax);
  flat.Text(spec.pre_tokenizer_pattern, kTextBytesMax);
  flat.Maybe(spec.pre_tokenizers,
             [&](auto& steps) { flat.Items(steps, kStepsMax, [&](auto& step) { PreTokenizerFields(flat, step); }); });
  flat.Maybe(spec.normalizers,
             [&](auto& steps) { flat.Items(steps, kStepsMax, [&](auto& step) { NormalizerFields(flat, step); }); });
  for (auto* flag : {&spec.ignore_merges, &spec.add_prefix_space, &spec.prefix_first_only, &spec.remove_extra_spaces,
                     &spec.nfc, &spec.nfkc, &spec.lowercase, &spec.handle_chinese, &spec.byte_fallback,
                     &spec.fuse_unknown, &spec.add_bos, &spec.add_eos, &spec.clean_up_decoded}) {
    flat.Flag(*flag);
  }
  for (auto* flag : {&spec.strip_accents, &spec.strip_decoded_space}) {
    flat.Maybe(*flag, [&](auto& value) { flat.Flag(value); });
  }
  flat.Text(spec.precompiled_charsmap, Charsmap::kBytesMax);
  flat.Text(spec.continuing_prefix, kTextBytesMax);
  flat.Number(spec.word_characters_max);
  for (auto* id : {&spec.bos, &spec.eos, &spec.unknown, &spec.pad, &spec.cls, &spec.sep, &spec.mask}) {
    flat.Maybe(*id, [&](auto& value) { flat.Number(value); });
  }
  for (auto* pieces : {&spec.single_template, &spec.pair_template}) {
    flat.Items(*pieces, Tokenizer::kTemplatePiecesMax, [&](auto& piece) { PieceFields(flat, piece); });
  }
}

void SummaryFields(auto& flat, auto& summary) {
  flat.Number(summary.tokens);
  flat.Number(summary.merges);
}

// The ids that Vocabulary::Build checks, and that do not lie in its tables.
base::Status CheckIds(const TokenizerSpec& spec, const Vocabulary& vocabulary) {
  const auto named = {spec.bos, spec.eos, spec.unknown, spec.pad, spec.cls, spec.sep, spec.mask};
  const bool inside =
      std::ranges::all_of(named, [&](const auto& id) { return !id || vocabulary.Has(*id); }) &&
      std::ranges::all_of(spec.specials, [&](const SpecialToken& token) { return vocabulary.Has(token.id); });
  if (inside) return {};
  return base::InvalidArgument("a special token's id is none of the vocabulary's");
}

base::Error Fault(const base::FlatReader& reader) {
  return base::InvalidArgument(fmt::format("the tokenizer's tables, {}", reader.fault()));
}

// A copy of the bytes at the alignment of tables, to look at what was written.
std::shared_ptr<const void> AlignedCopy(std::string_view bytes, std::span<const std::byte>& view) {
  constexpr std::size_t kAlignment = base::kFlatTableAlignment;
  void* const memory = std::aligned_alloc(kAlignment, (bytes.size() + kAlignment) / kAlignment * kAlignment);
  std::memcpy(memory, bytes.data(), bytes.size());
  view = {static_cast<const std::byte*>(memory), bytes.size()};
  return {memory, [](void* p) { std::free(p); }};
}

}  // namespace

TokenizerSummary SummaryOf(const TokenizerSpec& spec) {
  return {.kind = spec.kind,
          .pre_tokenizer = spec.pre_tokenizer,
          .tokens = spec.tokens.size(),
          .merges = spec.merges.size(),
          .specials = spec.specials.size(),
          .add_bos = spec.add_bos,
          .add_eos = spec.add_eos};
}

base::Result<std::string> WriteTokenizerTables(const TokenizerSpec& spec) {
  LOQUAT_ASSIGN(const Vocabulary vocabulary, Vocabulary::Build(spec));
  LOQUAT_ASSIGN(const WordTables tables, BuildWordTables(spec, vocabulary));
  base::FlatWriter writer;
  const TokenizerSummary summary = SummaryOf(spec);
  SummaryFields(writer, summary);
  SpecFields(writer, spec);
  Vocabulary::Fields(writer, vocabulary);
  WordTables::Fields(writer, tables);
  if (!writer.ok()) return base::InvalidArgument(fmt::format("the tokenizer's tables: {}", writer.fault()));
  // Patterns that do not compile show here and not where the file is opened.
  std::span<const std::byte> view;
  auto copy = AlignedCopy(writer.bytes(), view);
  LOQUAT_TRY(ReadTokenizerTables(view, std::move(copy)));
  return writer.bytes();
}

base::Result<TableTokenizer> ReadTokenizerTables(std::span<const std::byte> bytes, std::shared_ptr<const void> owner) {
  base::FlatReader reader(bytes);
  TokenizerSummary counts;
  TokenizerSpec spec;
  Vocabulary vocabulary;
  WordTables tables;
  SummaryFields(reader, counts);
  SpecFields(reader, spec);
  Vocabulary::Fields(reader, vocabulary);
  WordTables::Fields(reader, tables);
  if (reader.ok() && reader.left() > 0) reader.Fail("more bytes than belong there");
  if (!reader.ok()) return Fault(reader);
  LOQUAT_TRY(vocabulary.Finish());
  LOQUAT_TRY(CheckWordTables(spec, vocabulary, tables));
  LOQUAT_TRY(CheckIds(spec, vocabulary));
  TableTokenizer read{.tokenizer = {}, .summary = SummaryOf(spec)};
  read.summary.tokens = counts.tokens;
  read.summary.merges = counts.merges;
  LOQUAT_ASSIGN(read.tokenizer,
                Tokenizer::Assemble(std::move(spec), std::move(vocabulary), std::move(tables), std::move(owner)));
  return read;
}

}  // namespace loquat::text
