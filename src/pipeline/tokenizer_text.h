// ModelText by the tokenizer and the chat template that came with a model.
//
// Thread-safe; immutable. The clock outlives it.

#pragma once

#include <memory>

#include "base/clock.h"
#include "engine/engine.h"
#include "pipeline/model_text.h"

namespace loquat::pipeline {

// What is null in `info` is refused when it is asked for. The clock tells templates the date, in UTC.
std::shared_ptr<const ModelText> TextOfModel(const engine::ModelInfo& info, const base::Clock& clock);

}  // namespace loquat::pipeline
