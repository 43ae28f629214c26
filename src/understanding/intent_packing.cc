#include "understanding/intent_packing.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "understanding/feature_index.h"

namespace loquat::understanding {
namespace {

constexpr float kQuantMax = 127.0F;

struct QuantizedRows {
  std::vector<std::int8_t> rows;
  std::vector<float> scales;
};

// Each row by its greatest magnitude; halves round away from zero.
QuantizedRows Quantize(std::span<const float> rows, std::size_t width) {
  QuantizedRows out;
  out.rows.reserve(rows.size());
  for (std::size_t begin = 0; begin < rows.size(); begin += width) {
    const auto row = rows.subspan(begin, width);
    float greatest = 0;
    for (const float value : row) greatest = std::max(greatest, std::abs(value));
    const float scale = greatest / kQuantMax;
    out.scales.push_back(scale);
    for (const float value : row) {
      out.rows.push_back(scale > 0 ? static_cast<std::int8_t>(value / scale + (value < 0 ? -0.5F : 0.5F))
                                   : std::int8_t{0});
    }
  }
  return out;
}

template <typename T>
std::vector<std::byte> Bytes(const std::vector<T>& values) {
  const auto bytes = std::as_bytes(std::span(values));
  return {bytes.begin(), bytes.end()};
}

}  // namespace

std::vector<std::pair<std::string, std::vector<std::byte>>> PackIntentSections(const IntentHeader& header,
                                                                               const IntentCorpus& corpus,
                                                                               const Vocabulary& vocabulary,
                                                                               const LinearLayer& linear,
                                                                               const HiddenLayer& hidden) {
  std::vector<std::uint64_t> keys;
  for (const std::uint32_t feature : vocabulary.features) keys.push_back(corpus.keys[feature]);
  const QuantizedRows linear_rows = Quantize(linear.rows, header.class_width);
  const QuantizedRows hidden_rows = Quantize(hidden.rows, header.hidden_width);
  std::vector<std::pair<std::string, std::vector<std::byte>>> sections;
  const auto add = [&](std::string_view name, std::vector<std::byte> bytes) {
    sections.emplace_back(name, std::move(bytes));
  };
  add(kIntentHeaderSection, Bytes(std::vector<IntentHeader>{header}));
  add(kIntentBucketsSection, Bytes(FeatureIndex::Buckets(keys)));
  add(kIntentFingerprintsSection, Bytes(FeatureIndex::Fingerprints(keys)));
  add(kIntentRaritySection, Bytes(vocabulary.rarity));
  add(kIntentLinearSection, Bytes(linear_rows.rows));
  add(kIntentLinearScaleSection, Bytes(linear_rows.scales));
  add(kIntentLinearBiasSection, Bytes(linear.bias));
  add(kIntentHiddenSection, Bytes(hidden_rows.rows));
  add(kIntentHiddenScaleSection, Bytes(hidden_rows.scales));
  add(kIntentHiddenBiasSection, Bytes(hidden.bias));
  add(kIntentOutputSection, Bytes(hidden.output));
  add(kIntentOutputBiasSection, Bytes(hidden.output_bias));
  return sections;
}

}  // namespace loquat::understanding
