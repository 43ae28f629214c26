#include "config/reconcile.h"

#include <fmt/format.h>

#include <vector>

namespace loquat::config {

Verdict Reconciler::Settle(const Check& check) {
  Verdict verdict;
  base::Status whole = check(wanted_.file, wanted_.layer);
  if (whole.has_value()) {
    good_ = wanted_;
    return verdict;
  }
  const bool layer_settled = wanted_.layer->entries == good_.layer->entries;
  if (layer_settled) {
    verdict.file = std::move(whole);
    return verdict;
  }
  if (wanted_.file != good_.file) {
    verdict.file = check(wanted_.file, good_.layer);
    if (verdict.file.has_value()) good_.file = wanted_.file;
  }
  verdict.layer = TakeSteps(check);
  return verdict;
}

base::Status Reconciler::TakeSteps(const Check& check) {
  base::Status first;
  std::size_t refused = 0;
  for (const LayerStep& step : StepsBetween(*good_.layer, *wanted_.layer)) {
    Layer after = After(*good_.layer, step);
    after.source = wanted_.layer->source;
    after.reserved = wanted_.layer->reserved;
    const LayerPtr next = std::make_shared<const Layer>(std::move(after));
    base::Status status = check(good_.file, next);
    if (status.has_value()) {
      good_.layer = next;
    } else if (++refused == 1) {
      first = std::move(status);
      first.error().message += fmt::format(" (revision {}: nothing of it is taken)", step.revision);
    }
  }
  if (refused > 1) {
    first.error().message += fmt::format("\nand {} more revisions are refused", refused - 1);
  }
  return first;
}

}  // namespace loquat::config
