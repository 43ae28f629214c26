#include "text/tokenizer/tokenizer.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/utf8.h"

namespace loquat::text {

namespace {

using PieceKind = TemplatePiece::Kind;

// The tokens of the texts that a limit leaves room for, of `first` and `second` tokens: the longer one gives first.
std::uint32_t RoomOfFirst(std::uint32_t first, std::uint32_t second, std::uint32_t room) {
  const std::uint32_t half = room / 2;
  if (second <= half) return std::min(first, room - second);
  if (first <= room - half) return first;
  return room - half;
}

void AppendExcept(const std::vector<TokenId>& ids, Cut cut, std::vector<TokenId>& out) {
  out.insert(out.end(), ids.begin(), ids.begin() + cut.begin);
  out.insert(out.end(), ids.begin() + cut.end, ids.end());
}

base::Error TemplateTooLong(std::size_t added, std::uint32_t limit) {
  return base::ResourceExhausted(
      fmt::format("the special tokens alone are {}, at most {} tokens are allowed", added, limit), "too_many_tokens");
}

}  // namespace

Tokenizer::~Tokenizer() = default;

base::Status Tokenizer::EncodeWords(std::string_view text, bool first, EncodeWorkspace& workspace,
                                    std::vector<TokenId>& out) const {
  if (const std::optional<ScanRule> rule = pre_tokenizer_.scanner_alone()) {
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = WordEnd(*rule, text, at);
      model_->Encode(text.substr(at, end - at), workspace.model_, out);
      at = end;
    }
    return {};
  }
  LOQUAT_ASSIGN(const PreTokenizer::Words words,
                pre_tokenizer_.Cut(text, first, workspace.pre_tokenizer_, workspace.pattern_));
  for (const Piece& piece : *words.pieces) model_->Encode(piece.Of(words.text), workspace.model_, out);
  return {};
}

base::Status Tokenizer::EncodeSection(std::string_view text, bool first, bool parse_special, EncodeWorkspace& workspace,
                                      std::vector<TokenId>& out) const {
  LOQUAT_ASSIGN(const std::string_view normal,
                normalizer_.Apply(text, first, workspace.normalizer_, workspace.pattern_));
  if (normalized_specials_.empty()) return EncodeWords(normal, first, workspace, out);
  std::vector<SpecialMatcher::Part>& parts = workspace.inner_parts_;
  parts.clear();
  normalized_specials_.Split(normal, parse_special, 0, parts);
  for (const SpecialMatcher::Part& part : parts) {
    if (part.id >= 0) {
      out.push_back(part.id);
    } else {
      LOQUAT_TRY(EncodeWords(part.piece.Of(normal), first && part.piece.begin == 0, workspace, out));
    }
  }
  return {};
}

base::Status Tokenizer::EncodeText(std::string_view text, bool parse_special, EncodeWorkspace& workspace,
                                   std::vector<TokenId>& out) const {
  if (text.size() > kTextBytesMax) {
    return base::ResourceExhausted(
        fmt::format("the text has {} bytes; at most {} can be tokenized", text.size(), kTextBytesMax), "text_too_long");
  }
  if (repairs_text_ && !base::IsValidUtf8(text)) {
    workspace.repaired_.clear();
    base::AppendUtf8Repaired(text, workspace.repaired_);
    text = workspace.repaired_;
  }
  if (specials_.empty()) return EncodeSection(text, true, parse_special, workspace, out);
  std::vector<SpecialMatcher::Part>& parts = workspace.parts_;
  parts.clear();
  specials_.Split(text, parse_special, 0, parts);
  for (const SpecialMatcher::Part& part : parts) {
    if (part.id >= 0) {
      out.push_back(part.id);
    } else {
      LOQUAT_TRY(EncodeSection(part.piece.Of(text), part.piece.begin == 0, parse_special, workspace, out));
    }
  }
  return {};
}

base::Status Tokenizer::Encode(std::string_view text, const EncodeOptions& options, EncodeWorkspace& workspace,
                               std::vector<TokenId>& out) const {
  if (!options.add_special) return EncodeText(text, options.parse_special, workspace, out);
  for (const TemplatePiece& piece : single_) {
    if (piece.kind == PieceKind::kToken) {
      out.push_back(piece.id);
    } else {
      LOQUAT_TRY(EncodeText(text, options.parse_special, workspace, out));
    }
  }
  return {};
}

base::Result<std::vector<TokenId>> Tokenizer::Encode(std::string_view text, const EncodeOptions& options) const {
  EncodeWorkspace workspace;
  std::vector<TokenId> ids;
  LOQUAT_TRY(Encode(text, options, workspace, ids));
  return ids;
}

base::Result<TruncationReport> Tokenizer::EncodeTruncated(std::string_view text, const EncodeOptions& options,
                                                          std::uint32_t limit, TruncationPolicy policy,
                                                          EncodeWorkspace& workspace, std::vector<TokenId>& out) const {
  std::vector<TokenId>& ids = workspace.first_;
  ids.clear();
  LOQUAT_TRY(EncodeText(text, options.parse_special, workspace, ids));
  const auto added = static_cast<std::uint32_t>(options.add_special ? added_tokens() : 0);
  if (added > limit) return TemplateTooLong(added, limit);
  const auto count = static_cast<std::uint32_t>(ids.size());
  TruncationReport report{.tokens_before = count + added, .tokens_after = {}, .first = {}, .second = {}};
  // The error of kError speaks of all tokens, as the caller counts them.
  if (policy == TruncationPolicy::kError) LOQUAT_TRY(PlanTruncation(count + added, limit, policy));
  LOQUAT_ASSIGN(report.first, PlanTruncation(count, limit - added, policy));
  report.tokens_after = report.tokens_before - report.first.size();
  for (const TemplatePiece& piece : single_) {
    if (piece.kind != PieceKind::kToken) {
      AppendExcept(ids, report.first, out);
    } else if (options.add_special) {
      out.push_back(piece.id);
    }
  }
  return report;
}

base::Result<TruncationReport> Tokenizer::EncodePair(std::string_view first, std::string_view second,
                                                     const EncodeOptions& options, std::uint32_t limit,
                                                     TruncationPolicy policy, EncodeWorkspace& workspace,
                                                     EncodedPair& out) const {
  out.ids.clear();
  out.types.clear();
  workspace.first_.clear();
  workspace.second_.clear();
  LOQUAT_TRY(EncodeText(first, options.parse_special, workspace, workspace.first_));
  LOQUAT_TRY(EncodeText(second, options.parse_special, workspace, workspace.second_));
  const auto added = static_cast<std::uint32_t>(options.add_special ? pair_.size() - 2 : 0);
  if (added > limit) return TemplateTooLong(added, limit);
  const auto count_first = static_cast<std::uint32_t>(workspace.first_.size());
  const auto count_second = static_cast<std::uint32_t>(workspace.second_.size());
  TruncationReport report{
      .tokens_before = count_first + count_second + added, .tokens_after = {}, .first = {}, .second = {}};
  if (policy == TruncationPolicy::kError) LOQUAT_TRY(PlanTruncation(report.tokens_before, limit, policy));
  const std::uint32_t room = limit - added;
  if (report.tokens_before > limit) {
    const std::uint32_t room_first = RoomOfFirst(count_first, count_second, room);
    LOQUAT_ASSIGN(report.first, PlanTruncation(count_first, room_first, policy));
    LOQUAT_ASSIGN(report.second, PlanTruncation(count_second, room - room_first, policy));
  }
  for (const TemplatePiece& piece : pair_) {
    if (piece.kind == PieceKind::kToken) {
      if (options.add_special) out.ids.push_back(piece.id);
    } else if (piece.kind == PieceKind::kFirst) {
      AppendExcept(workspace.first_, report.first, out.ids);
    } else {
      AppendExcept(workspace.second_, report.second, out.ids);
    }
    out.types.resize(out.ids.size(), piece.type);
  }
  report.tokens_after = static_cast<std::uint32_t>(out.ids.size());
  return report;
}

std::optional<TokenId> Tokenizer::IdOf(std::string_view text) const {
  const TokenId id = vocabulary_.IdOf(text);
  return id == Vocabulary::kNone ? std::nullopt : std::optional(id);
}

}  // namespace loquat::text
