// Random edits of a text, and the property that they must not break. For the test and the fuzzer.

#pragma once

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <string>
#include <string_view>

#include "domain/frame.h"

namespace loquat::understanding {

// Whether two frames say the same, bit for bit, but for how long they took.
inline bool SameFrame(const domain::Frame& a, const domain::Frame& b) {
  const auto same_slot = [](const domain::Slot& x, const domain::Slot& y) {
    return x.entity == y.entity && x.role == y.role && x.group == y.group && x.value == y.value &&
           x.normalized == y.normalized && x.kind == y.kind && x.confidence == y.confidence && x.span == y.span;
  };
  if (a.locale != b.locale || a.out_of_scope != b.out_of_scope || a.truncated_tokens != b.truncated_tokens ||
      a.intent_ranking.size() != b.intent_ranking.size() || a.slots.size() != b.slots.size()) {
    return false;
  }
  for (std::size_t i = 0; i < a.intent_ranking.size(); ++i) {
    if (a.intent_ranking[i].name != b.intent_ranking[i].name ||
        a.intent_ranking[i].confidence != b.intent_ranking[i].confidence) {
      return false;
    }
  }
  for (std::size_t s = 0; s < a.slots.size(); ++s) {
    if (!same_slot(a.slots[s], b.slots[s])) return false;
  }
  return true;
}

// One edit, as three bytes say: what, where, and which piece of text. Any bytes are an edit; the text may become
// ill-formed UTF-8, which readers must bear.
inline void EditText(unsigned char what, unsigned char where, unsigned char piece, std::string& text) {
  constexpr std::string_view kPieces[] = {"a",      "s ",    " play", " jazz by adele",
                                          "明天",   "上海",  "天气",  "wake me up at ",
                                          "7:30",   "1,000", "!",     "……",
                                          "，",     "\xE5",  "\xFF",  "👩‍👩‍👧",
                                          "london", "'",     "é",     " tomorrow"};
  const std::string_view added = kPieces[piece % std::size(kPieces)];
  const std::size_t at = text.empty() ? 0 : where * text.size() / 255;
  switch (what % 6) {
    case 0:
    case 1:
      text.append(added);
      break;
    case 2:  // Backspace, byte by byte.
      text.resize(text.size() - std::min<std::size_t>(text.size(), 1 + piece % 4));
      break;
    case 3:
      text.insert(at, added);
      break;
    case 4:
      text.replace(at, std::min<std::size_t>(text.size() - at, 1 + piece % 8), added);
      break;
    default:
      text = piece % 8 == 0 ? std::string(added) : text + " " + std::string(added);
      break;
  }
}

}  // namespace loquat::understanding
