// The models that run in this server, by name.
//
// Immutable after construction; safe from any thread. It keeps the engines alive.

#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/engine.h"
#include "pipeline/model_text.h"

namespace loquat::pipeline {

struct ServedModel {
  std::shared_ptr<engine::Engine> engine;
  std::shared_ptr<const ModelText> text;
  std::int64_t created = 0;  // Unix time in seconds, of the file.

  const engine::ModelInfo& info() const { return engine->info(); }
};

class ModelSet {
 public:
  ModelSet() = default;
  // REQUIRES: names differ; no pointer is null.
  explicit ModelSet(std::vector<ServedModel> models) : models_(std::move(models)) {}

  // Errors: not_found "model_not_found" at `param`, with the names there are.
  base::Result<const ServedModel*> Find(std::string_view name, std::string_view param = "/model") const;
  const std::vector<ServedModel>& all() const { return models_; }

 private:
  std::vector<ServedModel> models_;
};

}  // namespace loquat::pipeline
