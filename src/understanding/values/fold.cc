#include "understanding/values/fold.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "base/strings.h"
#include "base/utf8.h"

namespace loquat::understanding {

namespace {

// By code point of the first: characters of values, to their everyday simplified form.
constexpr auto kSimplified = [] {
  std::array table = std::to_array<std::pair<char32_t, char32_t>>({
      {U'點', U'点'}, {U'後', U'后'}, {U'週', U'周'}, {U'兩', U'两'}, {U'萬', U'万'}, {U'億', U'亿'}, {U'號', U'号'},
      {U'個', U'个'}, {U'鐘', U'钟'}, {U'時', U'时'}, {U'間', U'间'}, {U'禮', U'礼'}, {U'從', U'从'}, {U'節', U'节'},
      {U'國', U'国'}, {U'慶', U'庆'}, {U'聖', U'圣'}, {U'誕', U'诞'}, {U'勞', U'劳'}, {U'動', U'动'}, {U'兒', U'儿'},
      {U'過', U'过'}, {U'這', U'这'}, {U'員', U'员'}, {U'圓', U'元'}, {U'圆', U'元'}, {U'塊', U'块'}, {U'錢', U'钱'},
      {U'幣', U'币'}, {U'歐', U'欧'}, {U'鎊', U'镑'}, {U'韓', U'韩'}, {U'臺', U'台'}, {U'雙', U'双'}, {U'負', U'负'},
      {U'攝', U'摄'}, {U'華', U'华'}, {U'裡', U'里'}, {U'裏', U'里'}, {U'釐', U'厘'}, {U'頓', U'顿'}, {U'噸', U'吨'},
      {U'壹', U'一'}, {U'贰', U'二'}, {U'貳', U'二'}, {U'叁', U'三'}, {U'肆', U'四'}, {U'伍', U'五'}, {U'陆', U'六'},
      {U'陸', U'六'}, {U'柒', U'七'}, {U'捌', U'八'}, {U'玖', U'九'}, {U'拾', U'十'}, {U'佰', U'百'}, {U'仟', U'千'},
      {U'〇', U'零'}, {U'張', U'张'}, {U'輛', U'辆'}, {U'斤', U'斤'}, {U'畝', U'亩'}, {U'頃', U'顷'}, {U'盧', U'卢'},
      {U'銖', U'铢'}, {U'內', U'内'}, {U'學', U'学'}, {U'復', U'复'}, {U'業', U'业'}, {U'紀', U'纪'}, {U'陽', U'阳'},
      {U'當', U'当'}, {U'來', U'来'}, {U'陰', U'阴'}, {U'農', U'农'}, {U'曆', U'历'}, {U'歷', U'历'}, {U'剛', U'刚'},
      {U'凈', U'净'}, {U'為', U'为'}, {U'對', U'对'}, {U'條', U'条'}, {U'隻', U'只'}, {U'雲', U'云'}, {U'會', U'会'},
      {U'現', U'现'}, {U'總', U'总'}, {U'達', U'达'}, {U'攔', U'拦'}, {U'無', U'无'}, {U'淩', U'凌'}, {U'每', U'每'},
  });
  std::ranges::sort(table);
  return table;
}();

char32_t Simplified(char32_t c) {
  const auto at = std::ranges::lower_bound(kSimplified, c, {}, &std::pair<char32_t, char32_t>::first);
  return at != kSimplified.end() && at->first == c ? at->second : c;
}

constexpr char32_t kDropped = 0;

// Width, dashes, quotes and space of one character.
char32_t FoldPunctuation(char32_t c) {
  if (c >= 0xFF01 && c <= 0xFF5E) c -= 0xFEE0;
  switch (c) {
    case 0x3000:
    case 0xA0:
    case 0x202F:
    case 0x2009:
    case '\t':
    case '\n':
    case '\r':
      return ' ';
    case 0x2018:
    case 0x2019:
    case '\'':
    case 0xFE0F:
    case 0x200D:
    case 0x200B:
      return kDropped;
    case 0x2010:
    case 0x2011:
    case 0x2012:
    case 0x2013:
    case 0x2014:
    case 0x2212:
    case 0x301C:
    case 0x2015:
    case '~':
      return '-';
    case 0xFFE5:
      return U'¥';
    case 0x3002:
      return '.';
    case 0xBA:
    case 0x2DA:
      return U'°';
    default:
      return c;
  }
}

constexpr bool IsLetter(char c) {
  return c >= 'a' && c <= 'z';
}
constexpr bool IsAscii(char c) {
  return static_cast<unsigned char>(c) < 0x80;
}

}  // namespace

std::optional<FoldedText> FoldedText::From(std::string_view surface) {
  std::array<char32_t, kSurfaceCodePointsMax + 1> folded;
  std::size_t count = 0, seen = 0;
  for (std::size_t at = 0; at < surface.size(); ++seen) {
    const base::DecodedCodePoint next = base::DecodeUtf8(surface, at);
    if (!next.valid || seen == kSurfaceCodePointsMax) return std::nullopt;
    at += next.length;
    const char32_t c = FoldPunctuation(next.code_point);
    if (c == kDropped) continue;
    folded[count++] = c < 0x80 ? static_cast<unsigned char>(base::ToLowerAscii(static_cast<char>(c))) : Simplified(c);
  }
  folded[count] = 0;
  FoldedText text;
  for (std::size_t i = 0; i < count; ++i) {
    if (folded[i] < 0x80) {
      text.AppendAscii(static_cast<char>(folded[i]), folded[i + 1] < 0x80 ? static_cast<char>(folded[i + 1]) : '\x7f');
    } else {
      text.Append(folded[i]);
    }
  }
  text.TrimEnd();
  if (text.size_ == 0) return std::nullopt;
  return text;
}

void FoldedText::AppendAscii(char c, char next) {
  const char last = size_ == 0 ? '\0' : bytes_[size_ - 1];
  const bool after_word = (IsLetter(last) || base::IsAsciiDigit(last)) && !space_pending_;
  if (c == '.' && IsLetter(last) && !space_pending_) {
    if (IsLetter(next) && (size_ < 2 || !IsLetter(bytes_[size_ - 2]))) return;  // "a.m.": the letters join.
    c = ' ';
  }
  if (c == ',' && !(base::IsAsciiDigit(last) && base::IsAsciiDigit(next))) c = ' ';
  if (c == '-' && after_word && IsLetter(next)) c = ' ';
  if (c == ' ') {
    space_pending_ = size_ > 0;
    return;
  }
  if (space_pending_ && IsAscii(last)) bytes_[size_++] = ' ';
  space_pending_ = false;
  bytes_[size_++] = c;
}

void FoldedText::Append(char32_t c) {
  has_han_ = has_han_ || (c >= 0x4E00 && c <= 0x9FFF) || c == U'零';
  space_pending_ = false;
  const auto put = [this](std::uint32_t byte) {
    bytes_[size_++] = static_cast<char>(static_cast<unsigned char>(byte));
  };
  if (c < 0x800) {
    put(0xC0 | c >> 6);
  } else if (c < 0x10000) {
    put(0xE0 | c >> 12);
    put(0x80 | (c >> 6 & 0x3F));
  } else {
    put(0xF0 | c >> 18);
    put(0x80 | (c >> 12 & 0x3F));
    put(0x80 | (c >> 6 & 0x3F));
  }
  put(0x80 | (c & 0x3F));
}

void FoldedText::TrimEnd() {
  while (size_ > 0 && std::string_view(".!?;:, ").find(bytes_[size_ - 1]) != std::string_view::npos) --size_;
}

}  // namespace loquat::understanding
