// Fills Slot::normalized and Slot::kind of a finished frame: entities to kinds, as domain.yml's `entities: kind` says.
// Immutable after construction: any thread may call Apply. Holds no reference to anything.

#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "domain/frame.h"
#include "understanding/values/values.h"

namespace loquat::understanding {

class ValueNormalizer {
 public:
  // Entities whose kind is kText need no entry. Of entries with the same name the first counts.
  explicit ValueNormalizer(const std::vector<std::pair<std::string, ValueKind>>& kinds = {});

  // kText for an entity without an entry.
  ValueKind KindOf(std::string_view entity) const;

  // `text` is the utterance that the spans of `frame.slots` slice. A slot is read from its span; where that has no
  // normal form, from `value`, which may be a synonym's canonical word. `normalized` and `kind` are both set or both
  // empty after.
  void Apply(std::string_view text, const ReferenceTime& reference, domain::Frame& frame) const;

 private:
  std::map<std::string, ValueKind, std::less<>> kinds_;
};

}  // namespace loquat::understanding
