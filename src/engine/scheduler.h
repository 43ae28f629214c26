// Decides what the next step computes: who leaves the queue, how many tokens of whom go into the batch, and who gives
// up pages when they run short. Pure policy: it touches no model and no clock, and its decisions depend only on the
// calls made. Engine thread only; sequences and pages outlive it.
//
// The rules:
// - Every running sequence that is decoding gets its token in every step: a long prompt cannot stall it. While anybody
//   decodes, prompts get at most the caller's prefill budget.
// - Of the prefill budget the oldest prompt is sure of half, so that prompts finish in turn; the others share the rest
//   evenly, and what the short ones leave of their shares goes on to the long ones.
// - Drafts come last: they get of the same budget what no prompt wants.
// - Two lanes. Interactive goes first, but the batch lane is owed one admission in kBatchAdmissionEvery and
//   1/kBatchPrefillShare of the prefill budget. It never holds more than batch_sequences_max sequences.
// - When pages run short, the lowest rank gives up its own and is computed again later (its tokens are kept). Rank is
//   lane, then arrival; who was preempted kPreemptionsMax times ranks as interactive. The first in rank always
//   proceeds, for no sequence is accepted that would not fit alone: there is no deadlock.

#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "engine/sequence.h"
#include "engine/sequence_pages.h"

namespace loquat::engine {

inline constexpr std::uint32_t kBatchAdmissionEvery = 8;
inline constexpr std::uint32_t kBatchPrefillShare = 8;
// Interactive admissions after which the queue waits until the first of the batch lane finds its pages.
inline constexpr std::uint32_t kBatchYieldsMax = 64;
inline constexpr std::uint32_t kPreemptionsMax = 3;

struct SchedulerOptions {
  std::uint32_t step_tokens_max = 512;     // Tokens that one step may compute, of all sequences together.
  std::uint32_t sequences_max = 64;        // Running at once; at most step_tokens_max.
  std::uint32_t batch_sequences_max = 48;  // Of them, from the batch lane.
};

struct StepItem {
  Sequence* sequence = nullptr;
  std::uint32_t tokens = 0;  // The first so many of its pending ones.
};

struct StepPlan {
  std::vector<StepItem> items;
  std::vector<Sequence*> admitted;   // Left the queue for this step; their computed prefix came from the cache.
  std::vector<Sequence*> preempted;  // Back in the queue. May be among the admitted as well.
  std::uint32_t recomputed = 0;      // Tokens that the preempted had computed.
  std::uint32_t spare = 0;           // Tokens that the limits leave when everybody has theirs: room for drafts.
};

class Scheduler {
 public:
  Scheduler(const SchedulerOptions& options, SequencePages& pages);

  // At the end of its lane's queue. REQUIRES: pages for all its tokens to come exist in the pool.
  void Enqueue(Sequence& sequence);
  // A fork of a running sequence goes on beside it at once.
  void AddRunning(Sequence& sequence);
  // Out of queue or batch, for good; its pages are the caller's to release.
  void Remove(Sequence& sequence);

  // What the next step computes. At most `beside` tokens of prompts while anybody decodes, and `alone` while nobody
  // does; zero: no limit but the step's. The plan is valid until the next call; pages for it are reserved.
  const StepPlan& Plan(std::uint32_t beside, std::uint32_t alone = 0);

  std::span<Sequence* const> running() const { return running_; }
  const std::deque<Sequence*>& queued(base::Priority lane) const { return queues_[static_cast<std::size_t>(lane)]; }
  bool idle() const { return running_.empty() && queues_[0].empty() && queues_[1].empty(); }

 private:
  void Admit();
  base::Priority NextLane(bool batch_yields) const;
  bool MayRun(const Sequence& sequence) const;
  bool TryAdmit(Sequence& sequence);
  void ShareTokens(std::uint32_t beside, std::uint32_t alone);
  void ShareFairly(std::span<StepItem*> prompts, std::uint32_t budget);
  void ReservePages();
  void Preempt(Sequence& victim);
  void InsertByRank(Sequence& sequence);

  // Constant after construction.
  const SchedulerOptions options_;
  SequencePages& pages_;

  std::deque<Sequence*> queues_[2];  // [Priority]
  std::vector<Sequence*> running_;   // Highest rank first.
  std::uint32_t interactive_in_a_row_ = 0;
  StepPlan plan_;
  std::vector<StepItem*> prompts_;  // Scratch.
};

}  // namespace loquat::engine
