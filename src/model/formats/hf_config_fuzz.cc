// Any text as config.json and the small files beside it: refused or read; a config that was read is within its bounds.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "model/formats/config_check.h"
#include "model/formats/hf_config.h"
#include "model/formats/tensor_table.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace model = loquat::model;
  const std::string_view json(reinterpret_cast<const char*>(data), size);
  (void)model::ReadGenerationEos(json, "generation_config.json");
  (void)model::ReadSentencePooling(json, "1_Pooling/config.json");
  (void)model::CheckSentenceModules(json, "modules.json");
  const auto config = model::ReadHfConfig(json, "config.json");
  if (!config.has_value()) {
    LOQUAT_CHECK(!config.error().message.empty(), "a refusal says why");
    return 0;
  }
  LOQUAT_CHECK(model::CheckConfig(config->model, "config.json").has_value(), "a config is within its bounds");
  LOQUAT_CHECK(!model::ExpectedTensors(config->model).empty(), "every model has tensors");
  return 0;
}
