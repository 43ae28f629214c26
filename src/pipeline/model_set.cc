#include "pipeline/model_set.h"

#include <fmt/format.h>

namespace loquat::pipeline {

base::Result<const ServedModel*> ModelSet::Find(std::string_view name, std::string_view param) const {
  std::string names;
  for (const ServedModel& model : models_) {
    if (model.info().name == name) return &model;
    names.append(names.empty() ? "" : ", ").append(model.info().name);
  }
  return base::Error{
      .code = base::Code::kNotFound,
      .message = names.empty() ? fmt::format("there is no model \"{}\": this server runs none; start it with --model "
                                             "NAME=PATH of a model file",
                                             name)
                               : fmt::format("there is no model \"{}\"; this server runs {}", name, names),
      .reason = "model_not_found",
      .param = std::string(param)};
}

}  // namespace loquat::pipeline
