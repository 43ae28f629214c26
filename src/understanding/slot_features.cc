#include "understanding/slot_features.h"

#include <algorithm>

#include "base/hash.h"
#include "base/utf8.h"
#include "text/normalize.h"

namespace loquat::understanding {
namespace {

using base::Hash64;
using base::HashCombine;
using base::HashMix;

constexpr std::size_t kAffixMax = 4;

std::uint64_t Key(AtomKind kind, std::uint64_t content) {
  return HashMix(content, static_cast<std::uint64_t>(kind) + 1);
}

// Lower-case ASCII is what almost every English token is made of; everything else takes the full road.
void Fold(std::string_view token, std::string& out) {
  out.clear();
  bool plain = true;
  for (const char c : token) {
    if (static_cast<unsigned char>(c) >= 0x80) {
      plain = false;
      break;
    }
    out.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c);
  }
  if (plain) return;
  out.clear();
  text::AppendForMatching(token, out);
  if (out.empty()) out.assign(token);
}

// Kind, length and digits; case is left out so that an utterance typed in capitals means the same.
std::uint64_t ShapeOf(const text::Token& token, std::string_view folded) {
  const std::size_t length = std::min<std::size_t>(folded.size(), token.kind == text::TokenKind::kNumber ? 6 : 3);
  const bool fraction = token.kind == text::TokenKind::kNumber && folded.find_first_of(".,") != std::string_view::npos;
  return HashMix(static_cast<std::uint64_t>(token.kind) << 16 | length << 1 | (fraction ? 1U : 0U));
}

void AddAffixes(std::string_view folded, std::int32_t anchor, std::vector<Atom>& atoms) {
  std::array<std::size_t, kAffixMax + 1> head{};
  std::size_t code_points = 0;
  for (std::size_t at = 0; at < folded.size(); ++code_points) {
    at += base::DecodeUtf8(folded, at).length;
    if (code_points < kAffixMax) head[code_points + 1] = at;
  }
  const auto add = [&](std::string_view affix, std::uint64_t side) {
    atoms.push_back({Key(AtomKind::kAffix, Hash64(affix, side)), anchor, AtomKind::kAffix});
  };
  for (std::size_t n = 2; n <= kAffixMax && n < code_points; ++n) add(folded.substr(0, head[n]), n);
  std::size_t begin = folded.size();
  for (std::size_t n = 1; n <= kAffixMax && n < code_points; ++n) {
    do --begin;
    while (begin > 0 && (static_cast<unsigned char>(folded[begin]) & 0xC0) == 0x80);
    if (n > 1) add(folded.substr(begin), 16 + n);
  }
}

bool HasAffixes(text::TokenKind kind) {
  return kind == text::TokenKind::kWord || kind == text::TokenKind::kHangul;
}

}  // namespace

std::uint64_t MatchingHash(std::string_view token, std::string& scratch) {
  Fold(token, scratch);
  return Hash64(scratch);
}

std::uint64_t WordKey(std::uint64_t word) {
  return Key(AtomKind::kWord, word);
}

std::uint64_t FrameKey(FrameSide side, std::uint64_t left_word, std::uint64_t right_word) {
  std::uint64_t content = static_cast<std::uint64_t>(side);
  if (side != FrameSide::kRight) content = HashCombine(content, left_word);
  if (side != FrameSide::kLeft) content = HashCombine(content, right_word);
  return Key(AtomKind::kFrame, content);
}

std::uint64_t GazetteerKey(std::uint32_t entity, SpanPart part) {
  return Key(AtomKind::kGazetteer, std::uint64_t{entity} << 8 | static_cast<std::uint64_t>(part));
}

std::uint64_t RegexKey(std::uint32_t regex, SpanPart part) {
  return Key(AtomKind::kRegex, std::uint64_t{regex} << 8 | static_cast<std::uint64_t>(part));
}

std::uint64_t IntentKey(std::string_view intent) {
  return Key(AtomKind::kIntent, Hash64(intent));
}

void AddIntent(std::uint64_t key, std::uint32_t tokens, std::vector<Atom>& atoms) {
  for (std::uint32_t t = 0; t < tokens; ++t) atoms.push_back({key, static_cast<std::int32_t>(t), AtomKind::kIntent});
}

std::pair<std::uint32_t, std::uint32_t> TokensWithin(std::span<const text::Token> tokens, std::uint32_t byte_begin,
                                                     std::uint32_t byte_end) {
  const auto first = std::ranges::lower_bound(tokens, byte_begin, {}, &text::Token::byte_begin);
  auto last = first;
  while (last != tokens.end() && last->byte_end <= byte_end) ++last;
  return {static_cast<std::uint32_t>(first - tokens.begin()), static_cast<std::uint32_t>(last - tokens.begin())};
}

void ExtractAtoms(std::string_view text, std::span<const text::Token> tokens, FeatureBuffer& buffer,
                  std::uint32_t from) {
  std::vector<TokenForm>& forms = buffer.forms;
  std::vector<Atom>& atoms = buffer.atoms;
  forms.resize(from);
  atoms.clear();
  const auto count = static_cast<std::int32_t>(tokens.size());
  const auto first = static_cast<std::int32_t>(from);
  for (std::int32_t i = first; i < count; ++i) {
    const text::Token& token = tokens[static_cast<std::size_t>(i)];
    Fold(token.Of(text), buffer.folded);
    const std::uint64_t shape = ShapeOf(token, buffer.folded);
    forms.push_back({Hash64(buffer.folded), shape, Key(AtomKind::kUnknown, shape)});
    if (HasAffixes(token.kind)) AddAffixes(buffer.folded, i, atoms);
    atoms.push_back({Key(AtomKind::kShape, shape), i, AtomKind::kShape});
    atoms.push_back({Key(AtomKind::kBias, 0), i, AtomKind::kBias});
  }
  const auto word = [&](std::int32_t i) {
    if (i < 0) return kBeginWord;
    return i < count ? forms[static_cast<std::size_t>(i)].word : kEndWord;
  };
  for (std::int32_t i = first == 0 ? -1 : first; i <= count; ++i) {
    atoms.push_back({WordKey(word(i)), i, AtomKind::kWord});
    if (i == count) break;
    atoms.push_back({Key(AtomKind::kBigram, HashCombine(word(i), word(i + 1))), i, AtomKind::kBigram});
    if (i < 0 || i + 1 == count) continue;
    const std::uint64_t shapes =
        HashCombine(forms[static_cast<std::size_t>(i)].shape, forms[static_cast<std::size_t>(i) + 1].shape);
    atoms.push_back({Key(AtomKind::kShapePair, shapes), i, AtomKind::kShapePair});
  }
}

}  // namespace loquat::understanding
