// What an encoder with a token-classification head says, as slots: BIO labels (Ramshaw and Marcus, 1995) of words to
// spans of the text, in bytes, code points and UTF-16 units.
//
// Immutable once made; safe from any thread.
//
// The first word piece speaks for its word. "I-x" after anything but "B-x" or "I-x" begins a slot of its own, as
// conlleval reads it. A slot is as sure as the least sure of its words: the softmax of the label chosen, with the
// logits divided by `temperature`.

#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "domain/frame.h"
#include "understanding/word_tokens.h"

namespace loquat::understanding {

struct EncoderSlotOptions {
  // Of a label without its "B-" or "I-", the assistant's entity, with a role where it has one ("city.from"). Empty:
  // what the label marks is no slot. A label not in it is named as the entity.
  std::map<std::string, std::string> names;
  double temperature = 1;  // Above zero; larger: less sure.
};

class EncoderSlots {
 public:
  // `known`: whether the assistant has an entity of that name. Errors name the option in Error::param ("labels"): a
  // label that is not "O", "B-x" or "I-x"; an entity that is not known; an option about a label that the model has not.
  static base::Result<EncoderSlots> Create(std::span<const std::string> labels, const EncoderSlotOptions& options,
                                           const std::function<bool(std::string_view)>& known);

  // Appends the slots by position. `logits`: [tokens of `words`, labels]. Errors: internal, where they are not as many,
  // or one is no number.
  base::Status Read(std::string_view text, const WordTokens& words, std::span<const float> logits,
                    std::vector<domain::Slot>& slots) const;

 private:
  enum class Place : std::uint8_t { kOutside, kBegin, kInside };
  struct Label {
    Place place = Place::kOutside;
    std::uint32_t type = 0;  // In types_.
  };
  struct Type {
    std::string entity, role;
  };
  struct Choice {
    Label label;
    float confidence = 0;
  };

  explicit EncoderSlots(double temperature) : temperature_(temperature) {}
  base::Status Add(const std::string& label, const EncoderSlotOptions& options,
                   const std::function<bool(std::string_view)>& known);
  Choice Choose(std::span<const float> row) const;

  std::vector<Label> labels_;
  std::vector<Type> types_;
  double temperature_;
};

// Of slots that overlap, those in `slots` stay; the rest of `more` joins them, by position.
void MergeSlots(std::vector<domain::Slot> more, std::vector<domain::Slot>& slots);

}  // namespace loquat::understanding
