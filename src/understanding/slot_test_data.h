// For tests: a small dataset in two languages, and a tagger trained on it.

#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "domain/frame.h"
#include "understanding/dataset.h"
#include "understanding/slot_tagger.h"
#include "understanding/slot_trainer.h"

namespace loquat::understanding {

// A few hundred sentences about travel and music, from templates; with a synonym, a lookup table and a regex.
Dataset SlotTestData();

// A tagger with the bytes that it reads.
class TrainedTagger {
 public:
  explicit TrainedTagger(const Dataset& dataset, const SlotTrainOptions& options = {});
  TrainedTagger(const TrainedTagger&) = delete;
  TrainedTagger& operator=(const TrainedTagger&) = delete;
  ~TrainedTagger();

  const SlotTagger& operator*() const { return *tagger_; }
  const SlotTraining& training() const { return training_; }
  std::span<const std::byte> bytes() const { return {bytes_, training_.section.size()}; }

  std::vector<domain::Slot> Tag(std::string_view text, std::string_view intent = {}) const;
  // "city:from=Rome date=tomorrow", in order.
  std::string Summary(std::string_view text, std::string_view intent = {}) const;

 private:
  SlotTraining training_;
  std::byte* bytes_ = nullptr;
  std::shared_ptr<const SlotTagger> tagger_;
  SlotTagger::WorkspacePtr workspace_ = SlotTagger::NewWorkspace();
};

}  // namespace loquat::understanding
