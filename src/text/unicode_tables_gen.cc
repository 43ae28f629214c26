// Writes unicode_tables.cc, the tables behind unicode.h, from the Unicode data of the ICU it is linked with.
// Runs during the build: unicode_tables_gen OUTPUT_FILE. Exit 1: ICU's data is missing or the file cannot be written.

#include <fmt/format.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/uscript.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "text/unicode.h"

namespace loquat::text {
namespace {

constexpr std::size_t kCodePoints = 0x110000;
constexpr std::size_t kBlockSize = std::size_t{1} << tables::kBlockBits;

struct Normalizers {
  const icu::Normalizer2* nfc;
  const icu::Normalizer2* nfkc;
  const icu::Normalizer2* fold;
};

Script ScriptFromIcu(UChar32 c) {
  UErrorCode error = U_ZERO_ERROR;
  switch (uscript_getScript(c, &error)) {
    case USCRIPT_UNKNOWN:
      return Script::kUnknown;
    case USCRIPT_COMMON:
      return Script::kCommon;
    case USCRIPT_INHERITED:
      return Script::kInherited;
    case USCRIPT_LATIN:
      return Script::kLatin;
    case USCRIPT_HAN:
      return Script::kHan;
    case USCRIPT_HIRAGANA:
      return Script::kHiragana;
    case USCRIPT_KATAKANA:
      return Script::kKatakana;
    case USCRIPT_HANGUL:
      return Script::kHangul;
    case USCRIPT_BOPOMOFO:
      return Script::kBopomofo;
    case USCRIPT_CYRILLIC:
      return Script::kCyrillic;
    case USCRIPT_GREEK:
      return Script::kGreek;
    case USCRIPT_ARABIC:
      return Script::kArabic;
    case USCRIPT_HEBREW:
      return Script::kHebrew;
    case USCRIPT_ARMENIAN:
      return Script::kArmenian;
    case USCRIPT_GEORGIAN:
      return Script::kGeorgian;
    case USCRIPT_DEVANAGARI:
      return Script::kDevanagari;
    case USCRIPT_BENGALI:
      return Script::kBengali;
    case USCRIPT_TAMIL:
      return Script::kTamil;
    case USCRIPT_TELUGU:
      return Script::kTelugu;
    case USCRIPT_THAI:
      return Script::kThai;
    case USCRIPT_LAO:
      return Script::kLao;
    case USCRIPT_KHMER:
      return Script::kKhmer;
    case USCRIPT_MYANMAR:
      return Script::kMyanmar;
    case USCRIPT_TIBETAN:
      return Script::kTibetan;
    case USCRIPT_ETHIOPIC:
      return Script::kEthiopic;
    default:
      return Script::kOther;
  }
}

CharClass LetterClass(UChar32 c, Script script) {
  if (uscript_hasScript(c, USCRIPT_KATAKANA) || uscript_hasScript(c, USCRIPT_HIRAGANA)) return CharClass::kKana;
  if (script == Script::kHangul) return CharClass::kHangul;
  const int line_break = u_getIntPropertyValue(c, UCHAR_LINE_BREAK);
  const bool unspaced = line_break == U_LB_COMPLEX_CONTEXT || line_break == U_LB_IDEOGRAPHIC;
  // Full-width Latin letters break lines as ideographs do, and yet form words.
  return unspaced && script != Script::kLatin ? CharClass::kSingle : CharClass::kLetter;
}

CharClass ClassFromIcu(UChar32 c, Script script) {
  constexpr UChar32 kZeroWidthSpace = 0x200B, kByteOrderMark = 0xFEFF, kZeroWidthJoiner = 0x200D;
  if (u_isUWhiteSpace(c) || c == kZeroWidthSpace || c == kByteOrderMark) return CharClass::kSpace;
  if (c == kZeroWidthJoiner) return CharClass::kJoiner;
  if (u_hasBinaryProperty(c, UCHAR_REGIONAL_INDICATOR)) return CharClass::kRegional;
  if (u_hasBinaryProperty(c, UCHAR_EMOJI_MODIFIER)) return CharClass::kModifier;
  if (u_hasBinaryProperty(c, UCHAR_EXTENDED_PICTOGRAPHIC)) return CharClass::kPictograph;
  const int cluster = u_getIntPropertyValue(c, UCHAR_GRAPHEME_CLUSTER_BREAK);
  const std::uint32_t category = U_GET_GC_MASK(c);
  if (cluster == U_GCB_EXTEND || cluster == U_GCB_SPACING_MARK || (category & (U_GC_M_MASK | U_GC_CF_MASK)) != 0) {
    return CharClass::kExtend;
  }
  if ((category & U_GC_ND_MASK) != 0) return CharClass::kDigit;
  if ((category & U_GC_P_MASK) != 0) return CharClass::kPunctuation;
  if (script == Script::kHan) return CharClass::kHan;
  if ((category & U_GC_N_MASK) != 0) return CharClass::kNumeral;
  if ((category & U_GC_S_MASK) != 0) return CharClass::kSymbol;
  if ((category & U_GC_L_MASK) != 0) return LetterClass(c, script);
  return CharClass::kOther;
}

// Whether the code point alone stays as it is.
bool MapsToItself(const icu::Normalizer2& form, UChar32 c) {
  UErrorCode error = U_ZERO_ERROR;
  return form.isNormalized(icu::UnicodeString(c), error) && U_SUCCESS(error);
}

std::uint8_t FormFlags(const icu::Normalizer2& form, UChar32 c, std::uint8_t inert, std::uint8_t boundary) {
  if (!form.hasBoundaryBefore(c)) return 0;
  return MapsToItself(form, c) ? inert | boundary : boundary;
}

CharInfo InfoFromIcu(UChar32 c, const Normalizers& forms) {
  if (U_IS_SURROGATE(c)) return {};  // Never decoded from UTF-8.
  CharInfo info;
  info.script = ScriptFromIcu(c);
  info.char_class = ClassFromIcu(c, info.script);
  info.flags |= FormFlags(*forms.nfc, c, kNfcInert, kNfcBoundary);
  info.flags |= FormFlags(*forms.nfkc, c, kNfkcInert, kNfkcBoundary);
  info.flags |= FormFlags(*forms.fold, c, kFoldInert, kFoldBoundary);
  if (PlainPunctuation(static_cast<char32_t>(c)) != static_cast<char32_t>(c)) info.flags &= ~kFoldInert;
  if (!u_hasBinaryProperty(c, UCHAR_CHANGES_WHEN_LOWERCASED)) info.flags |= kLowerInert;
  if (u_hasBinaryProperty(c, UCHAR_EMOJI_PRESENTATION)) info.flags |= kEmojiDefault;
  return info;
}

// The distance to the one code point that NFKC_Casefold maps `c` to; 0: inert, or not that simple.
std::int32_t FoldDelta(UChar32 c, const icu::Normalizer2& fold) {
  if (U_IS_SURROGATE(c) || !fold.hasBoundaryBefore(c)) return 0;
  UErrorCode error = U_ZERO_ERROR;
  const icu::UnicodeString folded = fold.normalize(icu::UnicodeString(c), error);
  if (U_FAILURE(error) || folded.countChar32() != 1) return 0;
  return static_cast<std::int32_t>(PlainPunctuation(static_cast<char32_t>(folded.char32At(0)))) - c;
}

// Cuts one byte a code point into blocks and keeps each distinct block once.
struct TwoStage {
  std::vector<std::uint8_t> blocks, index;

  explicit TwoStage(const std::vector<std::uint8_t>& values) {
    std::map<std::vector<std::uint8_t>, std::uint8_t> known;
    for (std::size_t begin = 0; begin < values.size(); begin += kBlockSize) {
      const std::vector<std::uint8_t> block(values.begin() + begin, values.begin() + begin + kBlockSize);
      const auto [it, fresh] = known.try_emplace(block, static_cast<std::uint8_t>(known.size()));
      if (fresh) index.insert(index.end(), block.begin(), block.end());
      blocks.push_back(it->second);
    }
    fits = known.size() <= 256;
  }
  bool fits = false;
};

std::string ByteArray(std::string_view declaration, const std::vector<std::uint8_t>& bytes) {
  return fmt::format("const std::uint8_t {} = {{{}}};\n", declaration, fmt::join(bytes, ","));
}

struct Tables {
  std::vector<CharInfo> infos;
  std::vector<std::uint8_t> info_of = std::vector<std::uint8_t>(kCodePoints);
  std::vector<std::int32_t> deltas = {0};
  std::vector<std::uint8_t> delta_of = std::vector<std::uint8_t>(kCodePoints);
  bool fits = true;
};

Tables Collect(const Normalizers& forms) {
  Tables tables;
  std::map<std::int32_t, int> delta_counts;
  for (std::size_t c = 0; c < kCodePoints; ++c) {
    const CharInfo info = InfoFromIcu(static_cast<UChar32>(c), forms);
    const auto at = std::ranges::find(tables.infos, info);
    tables.info_of[c] = static_cast<std::uint8_t>(at - tables.infos.begin());
    if (at == tables.infos.end()) tables.infos.push_back(info);
    if (const std::int32_t delta = FoldDelta(static_cast<UChar32>(c), *forms.fold); delta != 0) ++delta_counts[delta];
  }
  tables.fits = tables.infos.size() <= 256;
  // The most frequent distances; the rest are rare compatibility characters, which the caller leaves to ICU.
  std::vector<std::pair<std::int32_t, int>> by_count(delta_counts.begin(), delta_counts.end());
  std::ranges::sort(by_count, [](const auto& a, const auto& b) {
    return std::pair(-a.second, a.first) < std::pair(-b.second, b.first);
  });
  by_count.resize(std::min<std::size_t>(by_count.size(), 255));
  for (const auto& [delta, count] : by_count) tables.deltas.push_back(delta);
  for (std::size_t c = 0; c < kCodePoints; ++c) {
    const std::int32_t delta = FoldDelta(static_cast<UChar32>(c), *forms.fold);
    if (delta == 0) continue;
    const auto at = std::ranges::find(tables.deltas, delta);
    if (at != tables.deltas.end()) tables.delta_of[c] = static_cast<std::uint8_t>(at - tables.deltas.begin());
  }
  return tables;
}

std::string Source(const Tables& all, const TwoStage& info, const TwoStage& fold) {
  std::string out = "// Made by unicode_tables_gen.cc. Not to be edited.\n#include \"text/unicode.h\"\n\n";
  out += "namespace loquat::text::tables {\nconst CharInfo kInfos[] = {";
  for (const CharInfo& entry : all.infos) {
    out += fmt::format("{{CharClass{{{}}},Script{{{}}},{}}},", static_cast<int>(entry.char_class),
                       static_cast<int>(entry.script), entry.flags);
  }
  out += "};\n" + ByteArray("kInfoBlocks[kBlocks]", info.blocks) + ByteArray("kInfoIndex[]", info.index);
  out += fmt::format("const std::int32_t kFoldDeltas[] = {{{}}};\n", fmt::join(all.deltas, ","));
  out += ByteArray("kFoldBlocks[kBlocks]", fold.blocks) + ByteArray("kFoldIndex[]", fold.index);
  out +=
      "const std::size_t kTableBytes = sizeof(kInfos) + sizeof(kInfoBlocks) + sizeof(kInfoIndex) + "
      "sizeof(kFoldDeltas) + sizeof(kFoldBlocks) + sizeof(kFoldIndex);\n}  // namespace loquat::text::tables\n";
  return out;
}

int Generate(const char* path) {
  UErrorCode error = U_ZERO_ERROR;
  const Normalizers forms = {.nfc = icu::Normalizer2::getNFCInstance(error),
                             .nfkc = icu::Normalizer2::getNFKCInstance(error),
                             .fold = icu::Normalizer2::getNFKCCasefoldInstance(error)};
  if (U_FAILURE(error)) return 1;
  const Tables all = Collect(forms);
  const TwoStage info(all.info_of), fold(all.delta_of);
  if (!all.fits || !info.fits || !fold.fits) return 1;
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << Source(all, info, fold);
  file.close();
  return file.good() ? 0 : 1;
}

}  // namespace
}  // namespace loquat::text

int main(int argc, char** argv) {
  return argc == 2 ? loquat::text::Generate(argv[1]) : 1;
}
