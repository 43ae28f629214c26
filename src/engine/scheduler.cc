#include "engine/scheduler.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "base/check.h"

namespace loquat::engine {
namespace {

bool RanksAsBatch(const Sequence& sequence) {
  return sequence.priority == base::Priority::kBatch && sequence.preemptions < kPreemptionsMax;
}

bool RanksAbove(const Sequence& a, const Sequence& b) {
  const auto key = [](const Sequence& s) { return std::tuple(RanksAsBatch(s), s.arrival, s.choice); };
  return key(a) < key(b);
}

// For the tokens that it has, the next one, and the copy of a page that may be shared.
std::uint32_t PagesToCome(const Sequence& sequence) {
  const auto have = static_cast<std::uint32_t>(sequence.pages.size());
  const std::uint32_t all = PagesFor(std::uint64_t{sequence.length()} + 1) + (sequence.computed % kPageTokens != 0);
  return all > have ? all - have : 0;
}

}  // namespace

Scheduler::Scheduler(const SchedulerOptions& options, SequencePages& pages) : options_(options), pages_(pages) {
  LOQUAT_CHECK(options.sequences_max > 0 && options.sequences_max <= options.step_tokens_max,
               "every running sequence needs its token in a step");
  LOQUAT_CHECK(options.batch_sequences_max > 0 && options.batch_sequences_max <= options.sequences_max,
               "the batch lane has part of the sequences");
}

void Scheduler::Enqueue(Sequence& sequence) {
  queues_[static_cast<std::size_t>(sequence.priority)].push_back(&sequence);
}

void Scheduler::AddRunning(Sequence& sequence) {
  InsertByRank(sequence);
}

void Scheduler::InsertByRank(Sequence& sequence) {
  const auto at = std::upper_bound(running_.begin(), running_.end(), &sequence,
                                   [](const Sequence* a, const Sequence* b) { return RanksAbove(*a, *b); });
  running_.insert(at, &sequence);
}

void Scheduler::Remove(Sequence& sequence) {
  if (std::erase(running_, &sequence) == 0) std::erase(queues_[static_cast<std::size_t>(sequence.priority)], &sequence);
}

base::Priority Scheduler::NextLane(bool batch_yields) const {
  const auto& interactive = queues_[static_cast<std::size_t>(base::Priority::kInteractive)];
  const auto& batch = queues_[static_cast<std::size_t>(base::Priority::kBatch)];
  const bool owed = interactive_in_a_row_ + 1 >= kBatchAdmissionEvery && !batch_yields;
  const bool batch_goes = !batch.empty() && (interactive.empty() || (owed && MayRun(*batch.front())));
  return batch_goes ? base::Priority::kBatch : base::Priority::kInteractive;
}

bool Scheduler::MayRun(const Sequence& sequence) const {
  std::uint32_t all = 0;
  std::uint32_t batch = 0;
  for (const Sequence* other : running_) {
    all += other->slots;
    if (other->priority == base::Priority::kBatch) batch += other->slots;
  }
  if (all + sequence.slots > options_.sequences_max) return false;
  // With more choices than the lane may hold, it waits until the lane is empty.
  return sequence.priority != base::Priority::kBatch || batch == 0 ||
         batch + sequence.slots <= options_.batch_sequences_max;
}

// Needs the pages that all its tokens will take, beside those that the running ones will take, and one more for each of
// these: else it would be preempted as soon as it came.
bool Scheduler::TryAdmit(Sequence& sequence) {
  pages_.Attach(sequence);
  while (true) {
    std::uint64_t need = PagesToCome(sequence) + running_.size();
    for (const Sequence* other : running_) need += PagesToCome(*other);
    if (running_.empty() || need <= pages_.available()) return true;
    Sequence* lowest = running_.back();
    // Who waits may push out only the other lane: within a lane the older goes on.
    if (!RanksAsBatch(*lowest) || RanksAsBatch(sequence)) break;
    Preempt(*lowest);
  }
  pages_.Discard(sequence);
  return false;
}

void Scheduler::Admit() {
  bool batch_yields = false;
  while (!queues_[0].empty() || !queues_[1].empty()) {
    const base::Priority lane = NextLane(batch_yields);
    auto& queue = queues_[static_cast<std::size_t>(lane)];
    Sequence& first = *queue.front();
    if (!MayRun(first)) return;
    // Out of the queue before others are pushed back into it.
    queue.pop_front();
    if (!TryAdmit(first)) {
      queue.push_front(&first);
      // One that finds no pages lets others pass, but not for ever.
      const bool others = lane == base::Priority::kBatch && !queues_[0].empty();
      if (!others || interactive_in_a_row_ >= kBatchYieldsMax) return;
      batch_yields = true;
      continue;
    }
    if (lane == base::Priority::kBatch) {
      interactive_in_a_row_ = 0;
    } else if (!queues_[static_cast<std::size_t>(base::Priority::kBatch)].empty()) {
      ++interactive_in_a_row_;
    }
    InsertByRank(first);
    plan_.admitted.push_back(&first);
  }
}

void Scheduler::ShareFairly(std::span<StepItem*> prompts, std::uint32_t budget) {
  if (prompts.empty()) return;
  // They come in rank order: the first is the oldest of its lane, and gets what the others leave.
  StepItem& oldest = *prompts.front();
  const std::span<StepItem*> others = prompts.subspan(1);
  const std::uint32_t half = std::min(oldest.sequence->pending(), (budget + 1) / 2);
  std::uint32_t rest = budget - half;
  // Of equals the higher rank first: the items lie in rank order.
  std::sort(others.begin(), others.end(), [](StepItem* a, StepItem* b) {
    return std::pair(a->sequence->pending(), a) < std::pair(b->sequence->pending(), b);
  });
  for (std::size_t i = 0; i < others.size(); ++i) {
    const auto left = static_cast<std::uint32_t>(others.size() - i);
    // Rounded up: with fewer tokens than prompts some get one, rather than none any.
    others[i]->tokens = std::min(others[i]->sequence->pending(), (rest + left - 1) / left);
    rest -= others[i]->tokens;
  }
  oldest.tokens = std::min(oldest.sequence->pending(), half + rest);
}

void Scheduler::ShareTokens(std::uint32_t beside, std::uint32_t alone) {
  plan_.items.clear();
  std::uint32_t decoding = 0;
  for (Sequence* sequence : running_) {
    pages_.CatchUp(*sequence);
    const bool decodes = sequence->pending() == 1;
    plan_.items.push_back({sequence, decodes ? 1U : 0U});
    decoding += decodes ? 1 : 0;
  }
  std::uint32_t budget = options_.step_tokens_max - decoding;
  const std::uint32_t limit = decoding > 0 ? beside : alone;
  if (limit > 0) budget = std::min(budget, limit);

  prompts_.clear();
  std::uint32_t batch_pending = 0;
  for (StepItem& item : plan_.items) {
    if (item.tokens > 0) continue;
    prompts_.push_back(&item);
    if (RanksAsBatch(*item.sequence)) batch_pending += item.sequence->pending();
  }
  // Rank order: interactive first.
  const auto border = std::find_if(prompts_.begin(), prompts_.end(),
                                   [](const StepItem* item) { return RanksAsBatch(*item->sequence); });
  const std::span interactive(prompts_.begin(), border);
  const std::span batch(border, prompts_.end());
  const std::uint32_t owed = std::min(batch_pending, (budget + kBatchPrefillShare - 1) / kBatchPrefillShare);
  ShareFairly(interactive, batch.empty() ? budget : budget - owed);
  for (const StepItem* item : interactive) budget -= item->tokens;
  ShareFairly(batch, budget);
  for (const StepItem* item : batch) budget -= item->tokens;
  plan_.spare = budget;
}

void Scheduler::Preempt(Sequence& victim) {
  plan_.recomputed += victim.computed;
  plan_.preempted.push_back(&victim);
  ++victim.preemptions;
  pages_.Release(victim, {});
  std::erase(running_, &victim);
  queues_[static_cast<std::size_t>(victim.priority)].push_front(&victim);
}

void Scheduler::ReservePages() {
  // Victims come from the end of the rank order, so they never have reserved anything in this step.
  std::size_t kept = 0;
  for (std::size_t i = 0; i < plan_.items.size(); ++i) {
    StepItem item = plan_.items[i];
    if (kept >= running_.size() || running_[kept] != item.sequence) continue;  // Was preempted.
    ++kept;
    if (item.tokens == 0) continue;
    bool reserved = pages_.Reserve(*item.sequence, item.tokens);
    while (!reserved && running_.back() != item.sequence) {
      Preempt(*running_.back());
      reserved = pages_.Reserve(*item.sequence, item.tokens);
    }
    if (!reserved) {
      LOQUAT_CHECK(running_.size() > 1, "a sequence that was accepted fits into the pool alone");
      Preempt(*item.sequence);
      break;
    }
  }
  std::erase_if(plan_.items, [this](const StepItem& item) {
    return item.tokens == 0 || std::find(running_.begin(), running_.end(), item.sequence) == running_.end();
  });
}

const StepPlan& Scheduler::Plan(std::uint32_t beside, std::uint32_t alone) {
  plan_.admitted.clear();
  plan_.preempted.clear();
  plan_.recomputed = 0;
  Admit();
  ShareTokens(beside, alone);
  ReservePages();
  return plan_;
}

}  // namespace loquat::engine
