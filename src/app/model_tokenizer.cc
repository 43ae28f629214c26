#include "app/model_tokenizer.h"

#include <utility>

#include "text/tokenizer/tokenizer_json.h"

namespace loquat::app {

base::Result<std::optional<text::TokenizerSpec>> TakeTokenizerSpec(model::ModelFiles& files) {
  if (files.tokenizer.spec) return std::exchange(files.tokenizer.spec, std::nullopt);
  if (files.tokenizer.tokenizer_json.empty()) return std::nullopt;
  LOQUAT_ASSIGN(text::TokenizerSpec spec, text::ReadTokenizerPath(files.path));
  return std::optional(std::move(spec));
}

}  // namespace loquat::app
