#include "model/quant/quantize_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "model/quant/block_quantizer.h"

namespace loquat::model {
namespace {

using kernels::LayoutOf;
using kernels::WeightType;

constexpr WeightType kQuantizedTypes[] = {WeightType::kQ8_0, WeightType::kQ4_0, WeightType::kQ4_1};
constexpr WeightType kKeptTypes[] = {WeightType::kF32,  WeightType::kF16,  WeightType::kBF16,
                                     WeightType::kQ8_0, WeightType::kQ4_0, WeightType::kQ4_1};

std::string NamesOf(std::span<const WeightType> types) {
  std::string names;
  for (const WeightType type : types) {
    if (!names.empty()) names += ", ";
    names += LayoutOf(type).name;
  }
  return names;
}

base::Result<WeightType> ReadType(std::string_view name, std::span<const WeightType> known) {
  for (const WeightType type : known) {
    if (LayoutOf(type).name == name) return type;
  }
  return base::InvalidArgument(fmt::format("'{}' is no type that can be made; known: {}", name, NamesOf(known)));
}

// With one place to come back to, the last star: linear in practice, never worse than the product of the lengths.
bool Matches(std::string_view pattern, std::string_view name) {
  std::size_t p = 0, n = 0;
  std::optional<std::size_t> star;
  std::size_t resume = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = n;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == name[n])) {
      ++p;
      ++n;
    } else if (star) {
      p = *star + 1;
      n = ++resume;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

bool HoldsWholeBlocks(const Tensor& tensor, WeightType type) {
  return tensor.shape.back() % LayoutOf(type).block_weights == 0;
}

// Tables of a few rows that are added to a token's embedding: nothing to save.
bool IsSmallTable(std::string_view name) {
  return name == "position_embd.weight" || name == "token_types.weight";
}

// What each token enters and leaves by: every error in it is an error of every position, and in most models it is a
// small part of the whole.
bool IsEmbeddingOrHead(std::string_view name) {
  return name == "token_embd.weight" || name == "output.weight" || name.starts_with("cls.");
}

// Keys and values that two query heads or more share: small, and what is wrong in them is wrong for all those heads
// (docs/quantization.md has the measurement).
bool IsSharedKeyOrValue(const Tensor& tensor) {
  const bool key_or_value = tensor.name.ends_with(".attn_k.weight") || tensor.name.ends_with(".attn_v.weight");
  return key_or_value && 2 * tensor.shape.front() <= tensor.shape.back();
}

// Why a tensor is kept at eight bits where others get fewer; empty: it is not.
std::string_view WideReason(const Tensor& tensor) {
  if (IsEmbeddingOrHead(tensor.name)) return "embedding or output";
  return IsSharedKeyOrValue(tensor) ? "keys or values of several heads" : "";
}

PlannedTensor Choose(const Tensor& tensor, WeightType type) {
  const WeightType from = tensor.type;
  if (tensor.shape.size() == 1) return {&tensor, WeightType::kF32, "a vector"};
  if (tensor.shape.size() > 2) return {&tensor, from, "no matrix"};
  if (IsSmallTable(tensor.name)) return {&tensor, IsQuantized(from) ? from : WeightType::kF32, "a small table"};
  if (!HoldsWholeBlocks(tensor, type)) {
    return {&tensor, from == WeightType::kF32 ? WeightType::kF16 : from, "rows are no whole number of blocks"};
  }
  const std::string_view reason = BitsOf(type) < BitsOf(WeightType::kQ8_0) ? WideReason(tensor) : "";
  const WeightType to = reason.empty() ? type : WeightType::kQ8_0;
  if (from != to && BitsOf(from) <= BitsOf(to)) return {&tensor, from, "has no more bits than that"};
  return {&tensor, to, reason};
}

}  // namespace

bool IsQuantized(WeightType type) {
  return LayoutOf(type).block_weights > 1;
}

double BitsOf(WeightType type) {
  return 8.0 * LayoutOf(type).block_bytes / LayoutOf(type).block_weights;
}

base::Result<WeightType> ReadQuantizedType(std::string_view name) {
  return ReadType(name, kQuantizedTypes);
}

base::Result<KeepRule> ReadKeepRule(std::string_view text) {
  const std::size_t at = text.rfind('=');
  if (at == std::string_view::npos || at == 0) {
    return base::InvalidArgument(fmt::format("'{}' is not of the form PATTERN=TYPE, as in output.weight=f16", text));
  }
  if (at > kKeepPatternBytesMax) {
    return base::InvalidArgument(fmt::format("a pattern has at most {} bytes", kKeepPatternBytesMax));
  }
  LOQUAT_ASSIGN(const WeightType type, ReadType(text.substr(at + 1), kKeptTypes));
  return KeepRule{.pattern = std::string(text.substr(0, at)), .type = type};
}

base::Result<std::vector<PlannedTensor>> PlanQuantization(std::span<const Tensor> tensors,
                                                          const QuantizePlanOptions& options) {
  if (options.keep.size() > kKeepRulesMax) {
    return base::InvalidArgument(fmt::format("{} rules; at most {} are allowed", options.keep.size(), kKeepRulesMax));
  }
  std::vector<PlannedTensor> plan;
  std::vector<bool> used(options.keep.size());
  for (const Tensor& tensor : tensors) {
    PlannedTensor planned = Choose(tensor, options.type);
    for (std::size_t i = 0; i < options.keep.size(); ++i) {
      const KeepRule& rule = options.keep[i];
      if (!Matches(rule.pattern, tensor.name)) continue;
      used[i] = true;
      if (!HoldsWholeBlocks(tensor, rule.type)) {
        return base::InvalidArgument(fmt::format("{}={}: the rows of '{}' have {} weights, no whole number of blocks",
                                                 rule.pattern, LayoutOf(rule.type).name, tensor.name,
                                                 tensor.shape.back()));
      }
      if (tensor.shape.size() == 1 && IsQuantized(rule.type)) {
        return base::InvalidArgument(fmt::format("{}={}: '{}' is a vector, which is not quantized", rule.pattern,
                                                 LayoutOf(rule.type).name, tensor.name));
      }
      planned = {&tensor, rule.type, "as asked"};
      break;
    }
    plan.push_back(planned);
  }
  for (std::size_t i = 0; i < used.size(); ++i) {
    if (used[i]) continue;
    return base::InvalidArgument(
        fmt::format("no tensor is left for the rule '{}'; loquat model inspect shows the names, and the first rule "
                    "that matches a name has it",
                    options.keep[i].pattern));
  }
  return plan;
}

}  // namespace loquat::model
