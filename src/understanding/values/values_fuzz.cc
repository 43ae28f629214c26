// Any bytes as a surface of every kind, and as several slots of one utterance.

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "understanding/values/values.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using loquat::understanding::NormalizeTogether, loquat::understanding::ReferenceTime;
  using loquat::understanding::ValueKind, loquat::understanding::ValueLanguage, loquat::understanding::ValueSlot;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const ReferenceTime reference{.utc = std::chrono::sys_days(std::chrono::year(2026) / 11 / 21),
                                .utc_offset_minutes = static_cast<std::int32_t>(size % 48) * 60 - 24 * 60};
  const auto language = static_cast<ValueLanguage>(size % 3);
  for (int kind = 0; kind <= static_cast<int>(ValueKind::kCode); ++kind) {
    const auto value = loquat::understanding::Normalize(static_cast<ValueKind>(kind), bytes, language, reference);
    LOQUAT_CHECK(!value || !value->text.empty(), "a normal form is never empty");
  }
  const std::size_t third = size / 3;
  std::array<ValueSlot, 3> slots = {{{.kind = ValueKind::kDate, .surface = bytes.substr(0, third), .value = {}},
                                     {.kind = ValueKind::kTime, .surface = bytes.substr(third, third), .value = {}},
                                     {.kind = ValueKind::kTime, .surface = bytes.substr(2 * third), .value = {}}}};
  NormalizeTogether(slots, language, reference);
  return 0;
}
