#include "understanding/intent_features.h"

#include "base/hash.h"
#include "base/utf8.h"
#include "text/normalize.h"

namespace loquat::understanding {
namespace {

using base::HashCombine;
using base::HashMix;

constexpr std::uint64_t kBeginWord = 0x5B;  // No hash of a word: words are hashed to all 64 bits.
constexpr std::uint64_t kEndWord = 0x5D;
constexpr char32_t kEdge = 0x20;  // No token holds a space.
constexpr std::uint32_t kGramMin = 2;
constexpr std::uint32_t kWordGramMax = 5;
constexpr std::uint32_t kHanGramMax = 4;
constexpr std::size_t kWordUnitsMax = 64;  // Of one token; longer ones are cut for n-grams, not for the word itself.
constexpr std::uint64_t kGramPrime = 0x9FB21C651E98DF25U;

// Sentence marks say nothing about the intent, and spoken text has none.
bool IsSentenceMark(std::string_view folded) {
  constexpr std::string_view kAscii = ".,!?;:'\"()[]{}<>_~`";
  if (folded.size() == 1) return kAscii.find(folded[0]) != std::string_view::npos;
  for (const std::string_view mark : {"。", "、", "《", "》", "「", "」", "『", "』", "【", "】", "…", "¿", "¡", "·"}) {
    if (folded == mark) return true;
  }
  return false;
}

// Lower-case ASCII is what almost every English token is made of; everything else takes the full road.
void Fold(std::string_view token, std::string& out) {
  out.clear();
  for (const char c : token) {
    if (static_cast<unsigned char>(c) >= 0x80) {
      out.clear();
      text::AppendForMatching(token, out);
      if (out.empty()) base::AppendUtf8Repaired(token, out);
      return;
    }
    out.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c);
  }
}

void FoldToken(std::string_view text, const text::Token& token, std::string& out) {
  Fold(token.Of(text), out);
  if (token.kind != text::TokenKind::kNumber) return;
  for (char& c : out) {
    if (c >= '0' && c <= '9') c = '0';
  }
}

bool IsRunKind(text::TokenKind kind) {
  return kind == text::TokenKind::kHan || kind == text::TokenKind::kKana;
}

void AppendUnits(std::string_view folded, std::vector<char32_t>& units) {
  std::size_t count = 0;
  for (std::size_t at = 0; at < folded.size() && count < kWordUnitsMax; ++count) {
    const auto decoded = base::DecodeUtf8(folded, at);
    units.push_back(decoded.code_point);
    at += decoded.length;
  }
}

// Folds each token into a word hash and cuts the characters into chunks: a word, or a run of Chinese.
void ReadTokens(std::string_view text, std::span<const text::Token> tokens, IntentFeatures& features) {
  features.words.clear();
  features.units.clear();
  features.chunks.clear();
  bool in_run = false;
  for (const text::Token& token : tokens) {
    FoldToken(text, token, features.folded);
    if ((token.kind == text::TokenKind::kPunctuation || token.kind == text::TokenKind::kSymbol) &&
        IsSentenceMark(features.folded)) {
      in_run = false;
      continue;
    }
    features.words.push_back(base::Hash64(features.folded));
    const bool run = IsRunKind(token.kind);
    if (run && in_run && !token.space_before) {
      features.units.pop_back();  // The run goes on: its closing edge moves.
    } else {
      features.chunks.push_back(static_cast<std::uint32_t>(features.units.size()));
      features.chunks.push_back(run ? kHanGramMax : kWordGramMax);
      features.units.push_back(kEdge);
    }
    AppendUnits(features.folded, features.units);
    features.units.push_back(kEdge);
    in_run = run;
  }
}

void AddGrams(IntentFeatures& features) {
  for (std::size_t c = 0; c < features.chunks.size(); c += 2) {
    const std::size_t begin = features.chunks[c];
    const std::size_t end = c + 2 < features.chunks.size() ? features.chunks[c + 2] : features.units.size();
    const std::uint32_t longest = features.chunks[c + 1];
    for (std::size_t i = begin; i + kGramMin <= end; ++i) {
      std::uint64_t hash = kGramPrime;
      for (std::uint32_t n = 1; n <= longest && i + n <= end; ++n) {
        hash = (hash ^ features.units[i + n - 1]) * kGramPrime;
        if (n >= kGramMin) features.keys.push_back(HashMix(hash, n));
      }
    }
  }
}

}  // namespace

void ExtractIntentFeatures(std::string_view text, std::span<const text::Token> tokens, IntentFeatures& features) {
  ReadTokens(text, tokens, features);
  const std::vector<std::uint64_t>& words = features.words;
  std::vector<std::uint64_t>& keys = features.keys;
  const std::size_t count = words.size();
  const auto close = [&](FeatureGroup group) {
    features.begin[static_cast<std::size_t>(group) + 1] = static_cast<std::uint32_t>(keys.size());
  };
  keys.clear();
  for (const std::uint64_t word : words) keys.push_back(HashMix(word, 0x101));
  close(FeatureGroup::kWord);
  for (std::size_t i = 0; count > 0 && i <= count; ++i) {
    const std::uint64_t left = i == 0 ? kBeginWord : words[i - 1];
    keys.push_back(HashMix(HashCombine(left, i == count ? kEndWord : words[i]), 0x102));
  }
  close(FeatureGroup::kPair);
  for (std::size_t gap = 2; gap <= 3; ++gap) {
    for (std::size_t i = 0; i + gap < count; ++i) keys.push_back(HashMix(HashCombine(words[i], words[i + gap]), 0x103));
  }
  close(FeatureGroup::kSkip);
  AddGrams(features);
  close(FeatureGroup::kCharacters);
}

}  // namespace loquat::understanding
