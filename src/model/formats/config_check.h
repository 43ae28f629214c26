// The bounds of a ModelConfig, whatever file it came from, and the names of its enumerations as users see them. After
// Check, sizes derived from the config fit 64 bits and divisions by its counts are safe. Pure functions; any thread.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/model_config.h"

namespace loquat::model {

// Beyond the largest dense transformers in use (Llama 3 405B: 126 layers of 16,384, 128 heads, 53,248 FFN).
inline constexpr std::uint32_t kLayersMax = 512;
inline constexpr std::uint32_t kWidthMax = 65536;
inline constexpr std::uint32_t kFfnWidthMax = 1 << 20;
inline constexpr std::uint32_t kHeadsMax = 1024;
inline constexpr std::uint32_t kHeadWidthMax = 1024;
inline constexpr std::uint32_t kVocabularyMax = 1 << 22;
inline constexpr std::uint32_t kContextMax = 1 << 24;
inline constexpr std::uint32_t kTokenTypesMax = 1024;
inline constexpr std::uint32_t kLabelsMax = 65536;
inline constexpr std::size_t kLabelBytesMax = 1024;
inline constexpr std::size_t kEosTokensMax = 64;
inline constexpr float kNormEpsilonMax = 0.1F;

// kDataLoss naming `file` and the key at fault, in GGUF's words. Labels past a bound are a fault as well.
base::Status CheckConfig(const ModelConfig& config, std::string_view file);

std::string_view ArchitectureName(Architecture architecture);
std::string_view RopeScalingName(RopeScaling scaling);
std::string_view PoolingName(Pooling pooling);
std::string_view BertHeadName(BertHead head);
// "bert, llama, …"
std::string SupportedArchitectures();

}  // namespace loquat::model
