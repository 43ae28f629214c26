// From the tensor names of Hugging Face checkpoints to those of GGUF (docs/model_files.md has the table).
// Pure; any thread.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "model/formats/hf_config.h"

namespace loquat::model {

struct MappedName {
  enum class Kind : std::uint8_t {
    kTensor,   // `name` is set.
    kIgnored,  // A buffer, or part of a head that is not computed here (masked words, next sentence).
    kUnknown,
  };
  Kind kind = Kind::kUnknown;
  std::string name = {};
};

// `head` decides whether BERT's pooler belongs to a classifier.
MappedName MapHfTensorName(std::string_view name, HfFamily family, BertHead head);

}  // namespace loquat::model
