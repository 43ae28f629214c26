#include "text/normalize.h"

#include <unicode/bytestream.h>
#include <unicode/casemap.h>
#include <unicode/normalizer2.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "base/check.h"
#include "base/utf8.h"
#include "text/decode.h"
#include "text/unicode.h"

namespace loquat::text {
namespace {

// Above this many code points between two boundaries the text is hostile: ICU's reordering is quadratic in them.
constexpr std::size_t kPlainSegmentMax = 64;

struct Nfc {
  static constexpr std::uint8_t kInert = kNfcInert, kBoundary = kNfcBoundary;
  static constexpr bool kFolds = false;
  static const icu::Normalizer2* Get(UErrorCode& error) { return icu::Normalizer2::getNFCInstance(error); }
};
struct Nfkc {
  static constexpr std::uint8_t kInert = kNfkcInert, kBoundary = kNfkcBoundary;
  static constexpr bool kFolds = false;
  static const icu::Normalizer2* Get(UErrorCode& error) { return icu::Normalizer2::getNFKCInstance(error); }
};
struct Matching {
  static constexpr std::uint8_t kInert = kFoldInert, kBoundary = kFoldBoundary;
  static constexpr bool kFolds = true;
  static const icu::Normalizer2* Get(UErrorCode& error) { return icu::Normalizer2::getNFKCCasefoldInstance(error); }
};

// How many bytes from `offset` on are ASCII.
std::size_t AsciiLength(std::string_view text, std::size_t offset) {
  constexpr std::uint64_t kHighBits = 0x8080808080808080u;
  std::size_t at = offset;
  for (std::uint64_t word = 0; at + sizeof word <= text.size(); at += sizeof word) {
    std::memcpy(&word, text.data() + at, sizeof word);
    if ((word & kHighBits) != 0) break;
  }
  while (at < text.size() && static_cast<unsigned char>(text[at]) < 0x80) ++at;
  return at - offset;
}

// How many bytes from `offset` on are well-formed characters of U+4000 to U+9FFF: ideographs and hexagrams, inert in
// every form (proved by unicode_test.cc), and most of any Chinese text.
std::size_t IdeographLength(std::string_view text, std::size_t offset) {
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  std::size_t at = offset;
  while (at + 3 <= text.size() && byte(at) >= 0xE4 && byte(at) <= 0xE9 && (byte(at + 1) & 0xC0) == 0x80 &&
         (byte(at + 2) & 0xC0) == 0x80) {
    at += 3;
  }
  return at - offset;
}

// Bytes of multibyte characters are above 'Z' and stay.
void AppendAsciiLower(std::string_view text, std::string& out) {
  const std::size_t from = out.size();
  out.append(text);
  for (char* c = out.data() + from; c != out.data() + out.size(); ++c) {
    *c = static_cast<char>(*c + (*c >= 'A' && *c <= 'Z' ? 'a' - 'A' : 0));
  }
}

// Applies PlainPunctuation to out[from, end).
void PlainPunctuationFrom(std::size_t from, std::string& out) {
  constexpr char kLead = '\xE2';  // Of every character that it changes.
  if (out.find(kLead, from) == std::string::npos) return;
  const std::string folded = out.substr(from);
  out.resize(from);
  for (std::size_t at = 0; at < folded.size();) {
    const base::DecodedCodePoint c = Decode(folded, at);
    base::AppendUtf8(PlainPunctuation(c.code_point), out);
    at += c.length;
  }
}

// The same text up to canonical order, decomposed and with its marks in order, in n log n: what is left for ICU to do
// is then linear. (The canonical ordering algorithm, Unicode section 3.11, is a stable sort by combining class.)
std::string Presort(std::string_view segment, const icu::Normalizer2& form) {
  icu::UnicodeString decomposed;
  for (std::size_t at = 0; at < segment.size();) {
    const base::DecodedCodePoint c = Decode(segment, at);
    icu::UnicodeString mapping;
    if (form.getDecomposition(static_cast<UChar32>(c.code_point), mapping)) {
      decomposed += mapping;
    } else {
      decomposed += static_cast<UChar32>(c.code_point);
    }
    at += c.length;
  }
  struct Ordered {
    UChar32 code_point;
    std::uint8_t combining_class;
    std::size_t position;  // Keeps the sort stable.
  };
  std::vector<Ordered> characters;
  for (std::int32_t i = 0; i < decomposed.length(); i = decomposed.moveIndex32(i, 1)) {
    const UChar32 c = decomposed.char32At(i);
    characters.push_back({c, form.getCombiningClass(c), characters.size()});
  }
  const auto is_starter = [](const Ordered& c) { return c.combining_class == 0; };
  for (auto begin = characters.begin(); begin != characters.end();) {
    begin = std::find_if_not(begin, characters.end(), is_starter);
    const auto end = std::find_if(begin, characters.end(), is_starter);
    std::sort(begin, end, [](const Ordered& a, const Ordered& b) {
      return std::pair(a.combining_class, a.position) < std::pair(b.combining_class, b.position);
    });
    begin = end;
  }
  std::string sorted;
  for (const Ordered& c : characters) base::AppendUtf8(static_cast<char32_t>(c.code_point), sorted);
  return sorted;
}

// REQUIRES: segment is valid UTF-8 and stands between two boundaries of the form.
template <typename Form>
void AppendByIcu(std::string_view segment, std::string& out) {
  UErrorCode error = U_ZERO_ERROR;
  const icu::Normalizer2* form = Form::Get(error);
  LOQUAT_CHECK(U_SUCCESS(error), "ICU carries the data of the normal forms");
  const std::size_t from = out.size();
  std::string sorted;
  if (segment.size() > kPlainSegmentMax && base::CountCodePoints(segment) > kPlainSegmentMax) {
    segment = sorted = Presort(segment, *form);
  }
  icu::StringByteSink<std::string> sink(&out);
  form->normalizeUTF8(0, icu::StringPiece(segment.data(), static_cast<std::int32_t>(segment.size())), sink, nullptr,
                      error);
  LOQUAT_CHECK(U_SUCCESS(error), "ICU normalises any well-formed text");
  if constexpr (Form::kFolds) PlainPunctuationFrom(from, out);
}

template <typename Form>
class Appender {
 public:
  Appender(std::string_view text, std::string& out, OffsetMap* map)
      : text_(text), out_(out), map_(map), out_begin_(out.size()) {
    LOQUAT_CHECK(map == nullptr || text.size() < std::size_t{1} << 28, "mapped offsets are 32 bits");
    LOQUAT_CHECK(text.size() <= std::numeric_limits<std::int32_t>::max(), "ICU's offsets are 32 bits");
    if (map_ != nullptr) map_->Clear();
  }

  void Append() {
    out_.reserve(out_.size() + text_.size());
    for (std::size_t at = 0; at < text_.size();) at = Step(at);
    Flush(text_.size());
    if (map_ != nullptr) map_->Finish(OutOffset(), static_cast<std::uint32_t>(text_.size()));
  }

 private:
  // Handles the character at `at` with all that hangs on it; returns where the next one begins.
  std::size_t Step(std::size_t at) {
    if (const std::size_t ascii = AsciiLength(text_, at); ascii != 0) {
      last_ = at + ascii - 1;
      return at + ascii;
    }
    if (const std::size_t ideographs = IdeographLength(text_, at); ideographs != 0) {
      last_ = at + ideographs - 3;
      return at + ideographs;
    }
    const base::DecodedCodePoint c = Decode(text_, at);
    if (!c.valid) {
      Flush(at);
      Changed(at, at + c.length);
      base::AppendUtf8(base::kReplacementCharacter, out_);
      return run_begin_;
    }
    const CharInfo info = InfoOf(c.code_point);
    if (info.Has(Form::kInert)) {
      last_ = at;
      return at + c.length;
    }
    // What does not start a segment of its own reaches back to the character before it, if that is still at hand; if
    // not, the text begins here or what stands before is ill-formed, which combines with nothing.
    const std::size_t begin = info.Has(Form::kBoundary) || run_begin_ == at ? at : last_;
    const std::size_t end = SegmentEnd(at + c.length);
    Flush(begin);
    Changed(begin, end);
    const char32_t folded =
        Form::kFolds && begin == at && end == at + c.length ? SimpleFold(c.code_point) : c.code_point;
    if (folded != c.code_point) {
      base::AppendUtf8(folded, out_);
    } else {
      AppendByIcu<Form>(text_.substr(begin, end - begin), out_);
    }
    return end;
  }

  // The first boundary at or after `at`.
  std::size_t SegmentEnd(std::size_t at) const {
    while (at < text_.size()) {
      const base::DecodedCodePoint c = Decode(text_, at);
      if (!c.valid || InfoOf(c.code_point).Has(Form::kBoundary)) break;
      at += c.length;
    }
    return at;
  }

  std::uint32_t OutOffset() const { return static_cast<std::uint32_t>(out_.size() - out_begin_); }

  // Copies the inert text before `end`.
  void Flush(std::size_t end) {
    if (run_begin_ == end) return;
    if (map_ != nullptr) map_->AddRun(OutOffset(), static_cast<std::uint32_t>(run_begin_), true);
    const std::string_view run = text_.substr(run_begin_, end - run_begin_);
    if constexpr (Form::kFolds) {
      AppendAsciiLower(run, out_);
    } else {
      out_.append(run);
    }
    run_begin_ = end;
  }

  // Notes that [begin, end) is about to be appended in another form.
  void Changed(std::size_t begin, std::size_t end) {
    if (map_ != nullptr) map_->AddRun(OutOffset(), static_cast<std::uint32_t>(begin), false);
    run_begin_ = end;
  }

  std::string_view text_;
  std::string& out_;
  OffsetMap* map_;
  std::size_t out_begin_;
  std::size_t run_begin_ = 0;  // From here to the current character the text is inert and not yet copied.
  std::size_t last_ = 0;       // Where the last character of that run begins.
};

// Whether only ASCII letters change in lower case.
bool IsLowerInert(std::string_view text) {
  for (std::size_t at = AsciiLength(text, 0); at < text.size(); at += AsciiLength(text, at)) {
    const base::DecodedCodePoint c = Decode(text, at);
    if (!c.valid || !InfoOf(c.code_point).Has(kLowerInert)) return false;
    at += c.length;
  }
  return true;
}

template <typename Append>
std::string Collect(std::string_view text, Append append) {
  std::string out;
  append(text, out);
  return out;
}

}  // namespace

void AppendNfc(std::string_view text, std::string& out, OffsetMap* map) {
  Appender<Nfc>(text, out, map).Append();
}

void AppendNfkc(std::string_view text, std::string& out, OffsetMap* map) {
  Appender<Nfkc>(text, out, map).Append();
}

void AppendForMatching(std::string_view text, std::string& out, OffsetMap* map) {
  if (map == nullptr && IdeographLength(text, 0) == text.size()) {  // Above all the one-character tokens of segment.h.
    out.append(text);
    return;
  }
  Appender<Matching>(text, out, map).Append();
}

void AppendLowerCase(std::string_view text, std::string& out) {
  if (IsLowerInert(text)) return AppendAsciiLower(text, out);
  std::string repaired;
  base::AppendUtf8Repaired(text, repaired);
  UErrorCode error = U_ZERO_ERROR;
  icu::StringByteSink<std::string> sink(&out);
  icu::CaseMap::utf8ToLower("", 0, icu::StringPiece(repaired.data(), static_cast<std::int32_t>(repaired.size())), sink,
                            nullptr, error);
  LOQUAT_CHECK(U_SUCCESS(error), "ICU lowers any well-formed text");
}

std::string ToNfc(std::string_view text) {
  return Collect(text, [](std::string_view from, std::string& out) { AppendNfc(from, out); });
}

std::string ToNfkc(std::string_view text) {
  return Collect(text, [](std::string_view from, std::string& out) { AppendNfkc(from, out); });
}

std::string ToLowerCase(std::string_view text) {
  return Collect(text, [](std::string_view from, std::string& out) { AppendLowerCase(from, out); });
}

std::string NormalizeForMatching(std::string_view text) {
  return Collect(text, [](std::string_view from, std::string& out) { AppendForMatching(from, out); });
}

bool IsNfc(std::string_view text) {
  std::string normal;
  AppendNfc(text, normal);
  return normal == text;
}

}  // namespace loquat::text
