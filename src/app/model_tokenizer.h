// What a model's tokenizer is made from, whichever of its files say it. Pure but for reading files; any thread.

#pragma once

#include <optional>

#include "base/result.h"
#include "model/formats/model_files.h"
#include "text/tokenizer/tokenizer_spec.h"

namespace loquat::app {

// Nothing: the model has no tokenizer, or one that is ready (packed files). Takes the spec out of `files`. Errors name
// the file.
base::Result<std::optional<text::TokenizerSpec>> TakeTokenizerSpec(model::ModelFiles& files);

}  // namespace loquat::app
