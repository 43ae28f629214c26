#include "engine/decoder_loop.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <utility>

#include "base/check.h"

namespace loquat::engine {
namespace {

// Every sequence of this module is a choice of a generation.
Choice& AsChoice(Sequence& sequence) {
  return static_cast<Choice&>(sequence);
}

// A session remembers the first answer to its last prompt.
std::string_view SessionOf(const Choice& choice) {
  return choice.choice == 0 ? std::string_view(choice.generation.request.session) : std::string_view();
}

double Seconds(base::Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

std::string_view EndName(const Generation& generation, const base::Status& status) {
  if (!status.has_value()) return status.error().reason.empty() ? CodeName(status.error().code) : status.error().reason;
  const bool cut = std::any_of(generation.choices.begin(), generation.choices.end(),
                               [](const auto& choice) { return choice->finish == Finish::kLength; });
  return cut ? "length" : "stop";
}

constexpr unsigned kSamplersMax = 8;  // Each has memory for the vocabulary.

}  // namespace

DecoderLoop::DecoderLoop(DecoderParts parts, const LoopOptions& options, Admission& admission, EngineMetrics& metrics,
                         DecoderMetrics& decoder_metrics, const base::Clock& clock)
    : parts_(std::move(parts)),
      options_(options),
      vocabulary_(parts_.model->config().vocabulary),
      admission_(admission),
      metrics_(metrics),
      decoder_metrics_(decoder_metrics),
      clock_(clock),
      index_(*parts_.pages),
      pages_(*parts_.pages, index_),
      scheduler_(options.scheduler, pages_),
      page_tables_(options.scheduler.sequences_max) {
  decoder_metrics_.kv_pages.Set(parts_.pages->size());
  // No step allocates: what it fills is sized here for the longest sequences, as each sequence is when it starts.
  slices_.reserve(options.scheduler.sequences_max);
  const std::uint32_t pages_max = std::min(PagesFor(parts_.model->config().context), parts_.pages->size());
  for (auto& table : page_tables_) table.reserve(pages_max);
  draft_runs_.reserve(options.scheduler.step_tokens_max);
  const unsigned samplers = std::min(parts_.workspace->threads(), kSamplersMax);
  samplers_.reserve(samplers);
  for (unsigned i = 0; i < samplers; ++i) samplers_.emplace_back(vocabulary_);
  first_tokens_.resize(options.scheduler.sequences_max);
  logprobs_.reserve(1 + kTopLogprobsMax);
}

DecoderLoop::~DecoderLoop() {
  LOQUAT_CHECK(generations_.empty(), "a loop is destroyed after EndAll");
  LOQUAT_CHECK(parts_.pages->in_use() == 0, "every page comes back");
}

void DecoderLoop::Take(std::unique_ptr<Generation> generation) {
  Choice& first = *generation->choices.front();
  first.arrival = arrivals_++;
  scheduler_.Enqueue(first);
  generations_.push_back(std::move(generation));
}

void DecoderLoop::Sweep(base::TimePoint now) {
  for (const auto& generation : generations_) {
    if (generation->cancelled()) {
      End(*generation, base::Cancelled("the client went away, or cancelled"), now);
    } else if (generation->deadline.Passed(clock_)) {
      End(*generation,
          base::DeadlineExceeded(generation->started ? "the deadline passed while the answer was made; allow more time"
                                                     : "the deadline passed in the model's queue; allow more time"),
          now);
    }
  }
  DropEnded();
}

void DecoderLoop::OnAdmitted(const StepPlan& plan, base::TimePoint now) {
  for (Sequence* sequence : plan.admitted) {
    Generation& generation = AsChoice(*sequence).generation;
    if (generation.started) continue;  // Comes back after a preemption.
    generation.started = true;
    generation.started_at = now;
    ReserveFor(AsChoice(*sequence));
    admission_.Leave(generation.work);
    metrics_.queue_wait(generation.work.lane).Observe(Seconds(now - generation.received_at));
  }
  decoder_metrics_.preemptions.Increment(plan.preempted.size());
  metrics_.OnWasted("preempted", plan.recomputed);
}

// For all that it may come to hold. Memory that is not written yet costs nothing.
void DecoderLoop::ReserveFor(Choice& choice) {
  const std::uint32_t tokens = choice.prompt_tokens + choice.generation.request.tokens_max;
  choice.tokens.reserve(tokens);
  choice.pages.reserve(PagesFor(tokens) + 1);
  if (options_.speculation.mode == SpeculationMode::kOff) return;
  choice.draft.reserve(options_.speculation.draft_tokens);
  choice.drafter.emplace(tokens);
}

// Of what the plan leaves: every sequence has its own token, and every prompt its chunk, before any has a draft.
void DecoderLoop::GiveDrafts(const StepPlan& plan) {
  if (options_.speculation.mode == SpeculationMode::kOff) return;
  const auto decodes = [](const StepItem& item) {
    const Choice& choice = AsChoice(*item.sequence);
    return choice.pending() == 1 && choice.generated() > 0;
  };
  const auto decoding = static_cast<std::uint32_t>(std::count_if(plan.items.begin(), plan.items.end(), decodes));
  const std::optional<double> token_share = admission_.TokenShare(decoding);
  if (decoding == 0 || !token_share.has_value()) return;
  std::uint32_t spare = plan.spare;
  std::uint32_t waiting = decoding;
  for (const StepItem& item : plan.items) {
    if (!decodes(item)) continue;
    Choice& choice = AsChoice(*item.sequence);
    // An even share of what those before it have left. The last token that it may have follows the draft.
    const std::uint32_t even = (spare + waiting - 1) / waiting;
    const std::uint32_t most = std::min({options_.speculation.draft_tokens, even, choice.tokens_left() - 1});
    choice.drafter->Draft(choice.tokens, most, *token_share, choice.draft);
    pages_.ReserveDraft(choice);
    spare -= static_cast<std::uint32_t>(choice.draft.size());
    --waiting;
  }
}

std::span<const float> DecoderLoop::Compute(const StepPlan& plan) {
  slices_.clear();
  draft_runs_.clear();
  for (std::size_t i = 0; i < plan.items.size(); ++i) {
    const auto [sequence, tokens] = plan.items[i];
    std::vector<std::byte*>& table = page_tables_[i];
    table.clear();
    for (const PageId page : sequence->pages) table.push_back(parts_.pages->data(page));
    auto run = std::span<const TokenId>(sequence->tokens).subspan(sequence->computed, tokens);
    if (!sequence->draft.empty()) {
      const std::size_t first = draft_runs_.size();
      draft_runs_.push_back(run.back());
      draft_runs_.insert(draft_runs_.end(), sequence->draft.begin(), sequence->draft.end());
      run = std::span<const TokenId>(draft_runs_).subspan(first);
    }
    slices_.push_back({.tokens = run,
                       .position = sequence->computed,
                       .pages = table,
                       .all_logits = !sequence->draft.empty(),
                       .no_logits = tokens < sequence->pending()});
  }
  return parts_.model->Forward(slices_, *parts_.workspace);
}

void DecoderLoop::Report(const StepPlan& plan, base::Duration took) {
  Admission::Step step{.took = took, .running = 0};
  for (const Sequence* sequence : scheduler_.running()) {
    step.running += sequence->slots;
    if (sequence->pending() > 1) step.prefill_pending += sequence->pending();
  }
  std::uint32_t answered = 0;  // Tokens of answers; the last token of a prompt costs as much, but is none.
  for (const StepItem& item : plan.items) {
    const bool one = item.sequence->pending() == 1;
    (one ? step.decoded : step.prefilled) += item.tokens;
    answered += one && item.sequence->computed >= item.sequence->prompt_tokens ? 1 : 0;
    step.drafted += static_cast<std::uint32_t>(item.sequence->draft.size());
  }
  step.prefill_pending -= step.prefilled;
  admission_.OnStep(step);
  const std::uint32_t computed = step.prefilled + step.decoded;
  decoder_metrics_.prefill_tokens.Increment(computed - answered);
  decoder_metrics_.decode_tokens.Increment(answered);
  metrics_.step_seconds.Observe(Seconds(took));
  metrics_.batch_sequences.Observe(static_cast<double>(plan.items.size()));
  metrics_.batch_tokens.Observe(static_cast<double>(computed + step.drafted));
  decoder_metrics_.drafted_tokens.Increment(step.drafted);
  decoded_ = step.decoded;
  accepted_ = 0;
}

bool DecoderLoop::Step() {
  const base::TimePoint start = clock_.Now();
  Sweep(start);
  if (scheduler_.idle()) {
    admission_.OnIdle();
    PublishGauges();
    return false;
  }
  // Nothing is computed from weights that are not what their maker wrote.
  if (const base::Status sound = parts_.model->CheckWeights(*parts_.workspace); !sound.has_value()) {
    EndAll(sound.error());
    return false;
  }
  const std::uint32_t most = options_.scheduler.step_tokens_max;
  const StepPlan& plan = scheduler_.Plan(admission_.ChunkWithin(options_.decode_stall_max, most),
                                         admission_.ChunkWithin(options_.prompt_stall_max, most));
  OnAdmitted(plan, start);
  GiveDrafts(plan);
  const std::span<const float> logits = Compute(plan);
  const base::TimePoint now = clock_.Now();
  Report(plan, now - start);

  DrawFirstTokens(plan, logits);
  std::size_t row = 0;
  for (std::size_t i = 0; i < plan.items.size(); ++i) Advance(i, plan, RowsOf(i, logits, row), now);
  decoder_metrics_.accepted_tokens.Increment(accepted_);
  decoder_metrics_.decode_tokens.Increment(accepted_);
  admission_.OnAccepted(decoded_, accepted_);
  DropEnded();
  PublishGauges();
  return true;
}

void DecoderLoop::PublishGauges() {
  const EngineStats stats = Stats();
  decoder_metrics_.running.Set(stats.running);
  decoder_metrics_.kv_pages_in_use.Set(stats.kv_pages_used);
  decoder_metrics_.kv_pages_cached.Set(stats.kv_pages_cached);
}

// The item's rows of the logits, of which those from `row` on are its own and others'.
std::span<const float> DecoderLoop::RowsOf(std::size_t item, std::span<const float> logits, std::size_t& row) const {
  // By the slice, not the sequence: a choice that fails takes the others of its generation along.
  const model::DecoderSlice& slice = slices_[item];
  const std::size_t rows = slice.no_logits ? 0 : slice.all_logits ? slice.tokens.size() : 1;
  const std::size_t first = std::exchange(row, row + rows);
  return logits.subspan(first * vocabulary_, rows * vocabulary_);
}

// A draw looks through the whole vocabulary, and nothing of another sequence: all threads draw at once. Prompts that
// several choices go on from, and what follows a draft's first token, are drawn later.
void DecoderLoop::DrawFirstTokens(const StepPlan& plan, std::span<const float> logits) {
  const std::size_t items = plan.items.size();
  const std::size_t parts = std::min(samplers_.size(), items);
  const auto draw = [&](std::size_t part) {
    std::size_t row = 0;
    for (std::size_t i = 0; i < items; ++i) {
      const std::span<const float> rows = RowsOf(i, logits, row);
      if (i % parts != part) continue;
      first_tokens_[i].reset();
      const Choice& choice = AsChoice(*plan.items[i].sequence);
      if (rows.empty() || choice.slots > 1 || choice.finish.has_value()) continue;
      first_tokens_[i] = Sample(samplers_[part], choice, rows.first(vocabulary_));
    }
  };
  parts_.workspace->RunParts(parts, std::ref(draw));  // By reference: a function of its own would be allocated.
}

base::Result<TokenId> DecoderLoop::Sample(Sampler& sampler, const Choice& choice, std::span<const float> row) const {
  return sampler.Sample(choice.generation.request.sampling, {.logits = row,
                                                             .history = choice.tokens,
                                                             .prompt_tokens = choice.prompt_tokens,
                                                             .seed = choice.generation.seed,
                                                             .choice = choice.choice});
}

void DecoderLoop::Advance(std::size_t index, const StepPlan& plan, std::span<const float> rows, base::TimePoint now) {
  const StepItem& item = plan.items[index];
  Choice& choice = AsChoice(*item.sequence);
  Generation& generation = choice.generation;
  // Ended by another choice in this very step.
  if (choice.finish.has_value()) return;
  choice.computed += item.tokens;
  generation.computed_tokens += item.tokens + choice.draft.size();
  if (rows.empty()) {
    pages_.Publish(choice);
    return;
  }

  base::Status drawn;
  if (choice.slots > 1) {
    Fork(generation);
    for (std::size_t i = 0; i < generation.choices.size() && drawn.has_value(); ++i) {
      Choice& each = *generation.choices[i];
      drawn = Accept(each, Sample(samplers_.front(), each, rows), rows, now);
    }
  } else {
    drawn = DrawEach(choice, *first_tokens_[index], rows, now);
  }
  if (!drawn.has_value()) {
    End(generation, std::move(drawn), now);
  } else if (generation.gone) {
    End(generation, base::Cancelled("the client went away"), now);
  } else if (!choice.finish.has_value()) {
    pages_.Publish(choice);
  } else if (std::all_of(generation.choices.begin(), generation.choices.end(),
                         [](const auto& each) { return each->finish.has_value(); })) {
    End(generation, {}, now);
  }
}

// The prompt is computed: every choice goes on from its pages.
void DecoderLoop::Fork(Generation& generation) {
  Choice& first = *generation.choices.front();
  first.slots = 1;
  for (std::uint32_t i = 1; i < generation.request.choices; ++i) {
    auto made = std::make_unique<Choice>(generation, *parts_.texts, i);
    ReserveFor(*made);
    made->arrival = first.arrival;
    pages_.Fork(first, *made);
    scheduler_.AddRunning(*made);
    generation.choices.push_back(std::move(made));
  }
}

// The next token, and those after it for as long as the draft had them: their keys and values are computed.
base::Status DecoderLoop::DrawEach(Choice& choice, const base::Result<TokenId>& first, std::span<const float> rows,
                                   base::TimePoint now) {
  std::uint32_t verified = 0;
  std::uint32_t accepted = 0;
  base::Status drawn = Accept(choice, first, rows.first(vocabulary_), now);
  while (drawn.has_value() && accepted < choice.draft.size() && !choice.finish.has_value() &&
         !choice.generation.cancelled()) {
    ++verified;
    if (choice.tokens.back() != choice.draft[accepted]) break;
    ++accepted;
    ++choice.computed;
    const std::span<const float> row = rows.subspan(std::size_t{accepted} * vocabulary_, vocabulary_);
    drawn = Accept(choice, Sample(samplers_.front(), choice, row), row, now);
  }
  if (choice.draft.empty()) return drawn;
  choice.drafter->OnVerified(verified, accepted);
  accepted_ += accepted;
  pages_.DropDraft(choice);
  return drawn;
}

base::Status DecoderLoop::Accept(Choice& choice, const base::Result<TokenId>& drawn, std::span<const float> row,
                                 base::TimePoint now) {
  Generation& generation = choice.generation;
  LOQUAT_ASSIGN(const TokenId token, drawn);
  logprobs_.clear();
  if (generation.request.top_logprobs.has_value()) {
    samplers_.front().Logprobs(row, token, *generation.request.top_logprobs, logprobs_);
  }
  if (generation.usage.generated_tokens == 0) {
    generation.first_token_at = now;
    generation.usage.cached_prompt_tokens = std::min(choice.reused, choice.prompt_tokens);
    decoder_metrics_.prefix_hit_tokens.Increment(generation.usage.cached_prompt_tokens);
    admission_.OnPrompt(generation.usage.prompt_tokens, generation.usage.cached_prompt_tokens);
    decoder_metrics_.first_token_seconds.Observe(Seconds(now - generation.received_at));
  } else if (choice.generated() > 0) {
    decoder_metrics_.inter_token_seconds.Observe(Seconds(now - choice.last_token_at));
  }
  if (generation.Emit(choice, token, logprobs_, parts_.model->config().eos_tokens, now)) FinishChoice(choice);
  return {};
}

void DecoderLoop::FinishChoice(Choice& choice) {
  admission_.OnAnswer(choice.generated());
  scheduler_.Remove(choice);
  pages_.Release(choice, SessionOf(choice));
}

void DecoderLoop::End(Generation& generation, base::Status status, base::TimePoint now) {
  const bool cancelled = !status.has_value() && status.error().code == base::Code::kCancelled;
  // What the model computed wrongly is shown to nobody.
  const bool broken = !status.has_value() && status.error().code == base::Code::kInternal;
  for (const auto& choice : generation.choices) {
    if (choice->finish.has_value()) continue;
    generation.EmitFinish(*choice, cancelled ? Finish::kCancelled : Finish::kError);
    scheduler_.Remove(*choice);
    if (broken) {
      pages_.Discard(*choice);
    } else {
      pages_.Release(*choice, SessionOf(*choice));
    }
  }
  if (!generation.started) admission_.Leave(generation.work);
  const std::string_view how = EndName(generation, status);
  metrics_.OnEnd(how);
  if (!status.has_value()) metrics_.OnWasted(how, generation.computed_tokens);
  decoder_metrics_.generation_seconds.Observe(Seconds(now - generation.received_at));
  generation.EmitEnd(std::move(status), now);
  ended_.push_back(&generation);
}

void DecoderLoop::DropEnded() {
  if (ended_.empty()) return;
  std::erase_if(generations_, [this](const auto& generation) {
    return std::find(ended_.begin(), ended_.end(), generation.get()) != ended_.end();
  });
  ended_.clear();
}

void DecoderLoop::EndAll(const base::Error& error) {
  const base::TimePoint now = clock_.Now();
  for (const auto& generation : generations_) End(*generation, error, now);
  DropEnded();
  admission_.OnIdle();
  PublishGauges();
}

EngineStats DecoderLoop::Stats() const {
  std::uint32_t running = 0;
  for (const Sequence* sequence : scheduler_.running()) running += sequence->slots;
  return {.running = running,
          .queued = admission_.queued(),
          .kv_pages_used = parts_.pages->in_use(),
          .kv_pages_cached = parts_.pages->idle(),
          .kv_pages = parts_.pages->size()};
}

}  // namespace loquat::engine
