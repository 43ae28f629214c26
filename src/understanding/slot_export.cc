#include "understanding/slot_export.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>

namespace loquat::understanding {
namespace {

constexpr std::int32_t kWeightMax = 127;
constexpr double kFeatureLoadMax = 0.7;
constexpr std::size_t kFeatureCellsMin = 16;
constexpr std::size_t kGazetteerShare = 4;  // At most one part in so many is for listed values.

// [row, stride], in steps.
std::vector<std::int8_t> Quantize(const SlotWeights& weights, float& step) {
  float largest = 0;
  for (const float weight : weights.rows) largest = std::max(largest, std::fabs(weight));
  step = largest > 0 ? largest / kWeightMax : 1.0F;
  std::vector<std::int8_t> small(weights.rows.size());
  for (std::size_t i = 0; i < small.size(); ++i) {
    const float scaled = weights.rows[i] / step;
    const auto nearest = static_cast<std::int32_t>(scaled + (scaled < 0 ? -0.5F : 0.5F));
    small[i] = static_cast<std::int8_t>(std::clamp(nearest, -kWeightMax, kWeightMax));
  }
  return small;
}

class Exporter {
 public:
  Exporter(const SlotCorpus& corpus, const SlotWeights& weights) : corpus_(corpus), labels_(weights.labels) {
    small_ = Quantize(weights, step_);
    cell_units_ = labels_.count() > kNarrowLabelsMax ? 2 : 1;
  }
  float step() const { return step_; }

  // Writes the blocks with weights of at least `least`; false when they take more than `bytes_max`.
  bool Write(std::int32_t least, std::size_t bytes_max, SlotModelData& out) const {
    std::vector<std::pair<std::uint64_t, std::uint32_t>> keys;
    out.blocks.clear();
    for (const BlockInfo& block : corpus_.blocks) {
      const std::size_t at = out.blocks.size();
      if (WriteBlock(block, least, out.blocks)) keys.emplace_back(block.key, static_cast<std::uint32_t>(at));
      if (out.blocks.size() * sizeof(std::uint16_t) > bytes_max) return false;
    }
    std::size_t cells = kFeatureCellsMin;
    while (static_cast<double>(cells) * kFeatureLoadMax < static_cast<double>(keys.size())) cells *= 2;
    if (out.blocks.size() * sizeof(std::uint16_t) + cells * sizeof(FeatureCell) > bytes_max) return false;
    out.features.assign(cells, {});
    for (const auto& [key, at] : keys) InsertFeature(out.features, key, at);
    return true;
  }

 private:
  bool WriteBlock(const BlockInfo& block, std::int32_t least, std::vector<std::uint16_t>& units) const {
    const std::size_t begin = units.size();
    units.push_back(block.context ? kContextWordBit : 0);
    const std::uint32_t rows = PlacesOf(block.kind).rows();
    for (std::uint32_t r = 0; r < rows; ++r) {
      const std::int8_t* row = &small_[std::size_t{block.first_row + r} * labels_.stride()];
      const std::size_t count_at = units.size();
      units.push_back(0);
      for (std::uint32_t label = 0; label < labels_.count(); ++label) {
        if (std::abs(row[label]) < least) continue;
        ++units[count_at];
        if (cell_units_ == 2) {
          units.push_back(static_cast<std::uint16_t>(label));
          units.push_back(static_cast<std::uint16_t>(static_cast<std::int16_t>(row[label])));
        } else {
          units.push_back(static_cast<std::uint16_t>(label << 8 | static_cast<std::uint8_t>(row[label])));
        }
      }
      if (units[count_at] == 0) {
        units.pop_back();
      } else {
        units[begin] = static_cast<std::uint16_t>(units[begin] | 1U << r);
      }
    }
    // Context words are known as such even without weights, and any kept word is not unknown.
    if (units[begin] != 0 || block.kind == AtomKind::kWord) return true;
    units.resize(begin);
    return false;
  }

  const SlotCorpus& corpus_;
  const SlotLabels labels_;
  std::vector<std::int8_t> small_;
  float step_ = 1;
  std::uint32_t cell_units_ = 1;
};

}  // namespace

SlotModelData ExportSlotModel(const SlotCorpus& corpus, const SlotWeights& weights, std::size_t bytes_max) {
  SlotModelData out;
  out.types = corpus.types;
  out.entities = corpus.entities;
  out.transitions = weights.transitions;
  out.regexes = corpus.regexes.regexes();
  out.gazetteer = BuildGazetteer(corpus.phrases, bytes_max / kGazetteerShare);
  const std::size_t taken = out.gazetteer.cells.size() * sizeof(GazetteerCell);
  const std::size_t left = bytes_max > taken ? bytes_max - taken : 0;
  const Exporter exporter(corpus, weights);
  out.step = exporter.step();
  for (std::int32_t least = 1; !exporter.Write(least, left, out) && least <= kWeightMax; ++least) {
  }
  return out;
}

}  // namespace loquat::understanding
