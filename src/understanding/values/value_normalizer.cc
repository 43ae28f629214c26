#include "understanding/values/value_normalizer.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>

namespace loquat::understanding {

namespace {

ValueLanguage LanguageOf(domain::Locale locale) {
  switch (locale) {
    case domain::Locale::kAuto:
      return ValueLanguage::kAuto;
    case domain::Locale::kChinese:
      return ValueLanguage::kChinese;
    case domain::Locale::kEnglish:
      return ValueLanguage::kEnglish;
  }
  return ValueLanguage::kAuto;
}

std::string_view SurfaceOf(std::string_view text, const domain::Slot& slot) {
  const std::size_t begin = slot.span.byte_begin, end = slot.span.byte_end;
  if (begin >= end || end > text.size()) return slot.value;
  return text.substr(begin, end - begin);
}

}  // namespace

ValueNormalizer::ValueNormalizer(const std::vector<std::pair<std::string, ValueKind>>& kinds)
    : kinds_(kinds.begin(), kinds.end()) {}

ValueKind ValueNormalizer::KindOf(std::string_view entity) const {
  const auto at = kinds_.find(entity);
  return at == kinds_.end() ? ValueKind::kText : at->second;
}

void ValueNormalizer::Apply(std::string_view text, const ReferenceTime& reference, domain::Frame& frame) const {
  const ValueLanguage language = LanguageOf(frame.locale);
  std::array<ValueSlot, kTogetherMax> values;
  for (std::size_t start = 0; start < frame.slots.size(); start += kTogetherMax) {
    const std::size_t count = std::min(kTogetherMax, frame.slots.size() - start);
    for (std::size_t i = 0; i < count; ++i) {
      const domain::Slot& slot = frame.slots[start + i];
      values[i] = {.kind = KindOf(slot.entity), .surface = SurfaceOf(text, slot), .value = {}};
    }
    NormalizeTogether(std::span(values).first(count), language, reference);
    for (std::size_t i = 0; i < count; ++i) {
      domain::Slot& slot = frame.slots[start + i];
      if (!values[i].value) values[i].value = Normalize(values[i].kind, slot.value, language, reference);
      slot.normalized.clear();
      slot.kind.clear();
      if (!values[i].value) continue;
      slot.normalized = std::move(values[i].value->text);
      slot.kind = ValueKindName(values[i].kind);
    }
  }
}

}  // namespace loquat::understanding
