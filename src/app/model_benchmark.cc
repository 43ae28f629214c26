#include "app/model_benchmark.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <utility>

#include "engine/logit_scan.h"
#include "kernels/isa.h"
#include "kernels/thread_team.h"
#include "model/arch/load.h"
#include "model/formats/model_files.h"

namespace loquat::app {
namespace {

constexpr std::uint32_t kChunkTokens = 512;  // Of a prompt in one pass, as the engine takes it.

using SteadyClock = std::chrono::steady_clock;

double SecondsSince(SteadyClock::time_point start) {
  return std::chrono::duration<double>(SteadyClock::now() - start).count();
}

// What the tokens are makes no difference to the work; they spread over the vocabulary so that rows of the embedding
// are not all in a cache.
std::vector<std::int32_t> SomeTokens(std::uint32_t count, std::uint32_t vocabulary) {
  std::vector<std::int32_t> tokens(count);
  std::uint32_t state = 1;
  for (std::int32_t& token : tokens) {
    state = state * 1664525U + 1013904223U;  // Knuth, The Art of Computer Programming, volume 2, 3.3.4.
    token = static_cast<std::int32_t>((state >> 8U) % vocabulary);
  }
  return tokens;
}

struct Conversation {
  std::vector<std::vector<std::byte>> memory;
  std::vector<std::byte*> pages;

  Conversation(const model::KvLayout& layout, std::uint32_t tokens)
      : memory(tokens / model::kKvPageTokens + 1, std::vector<std::byte>(layout.page_bytes())) {
    for (auto& page : memory) pages.push_back(page.data());
  }
};

class DecoderBenchmark {
 public:
  DecoderBenchmark(const ModelBenchmarkPlan& plan, const model::DecoderModel& decoder, kernels::ThreadTeam& team)
      : plan_(plan),
        decoder_(decoder),
        workspace_(decoder.NewWorkspace(std::max(kChunkTokens, plan.sequences), team)),
        team_(team),
        prompt_(SomeTokens(plan.prompt, decoder.config().vocabulary)),
        last_(plan.sequences, prompt_.front()) {
    for (std::uint32_t i = 0; i < plan.sequences; ++i) {
      conversations_.emplace_back(decoder.kv_layout(), plan.prompt + plan.generated);
    }
  }

  base::Status CheckWeights() { return decoder_.CheckWeights(*workspace_); }

  double Prefill(Conversation& conversation) {
    const auto start = SteadyClock::now();
    for (std::uint32_t at = 0; at < plan_.prompt; at += kChunkTokens) {
      const std::uint32_t count = std::min(kChunkTokens, plan_.prompt - at);
      const model::DecoderSlice slice{.tokens = std::span(prompt_).subspan(at, count),
                                      .position = at,
                                      .pages = conversation.pages,
                                      .no_logits = at + count < plan_.prompt};
      (void)decoder_.Forward({&slice, 1}, *workspace_);
    }
    return plan_.prompt / SecondsSince(start);
  }

  // As at temperature 0: the token of the greatest logit comes next.
  double Decode() {
    const auto start = SteadyClock::now();
    std::vector<model::DecoderSlice> slices(conversations_.size());
    for (std::uint32_t step = 0; step < plan_.generated; ++step) {
      for (std::size_t i = 0; i < slices.size(); ++i) {
        slices[i] = {.tokens = std::span(last_).subspan(i, 1),
                     .position = plan_.prompt + step,
                     .pages = conversations_[i].pages};
      }
      const auto logits = decoder_.Forward(slices, *workspace_);
      const std::size_t vocabulary = logits.size() / slices.size();
      team_.Run(slices.size(), [&](std::size_t i) {
        const auto row = logits.subspan(i * vocabulary, vocabulary);
        last_[i] = static_cast<std::int32_t>(engine::ArgMax(row));
      });
    }
    return static_cast<double>(plan_.generated) * plan_.sequences / SecondsSince(start);
  }

  void Round(ModelBenchmarkResult* result) {
    const double prefill = Prefill(conversations_.front());
    // The others' keys and values: not measured, the work was the same.
    for (std::size_t i = 1; i < conversations_.size(); ++i) conversations_[i].memory = conversations_.front().memory;
    for (Conversation& conversation : conversations_) {
      conversation.pages.clear();
      for (auto& page : conversation.memory) conversation.pages.push_back(page.data());
    }
    const double decode = plan_.generated == 0 ? 0 : Decode();
    if (result == nullptr) return;
    result->prefill_tokens_per_second.push_back(prefill);
    if (plan_.generated > 0) result->decode_tokens_per_second.push_back(decode);
  }

 private:
  const ModelBenchmarkPlan& plan_;
  const model::DecoderModel& decoder_;
  const std::unique_ptr<model::DecoderModel::Workspace> workspace_;
  kernels::ThreadTeam& team_;
  const std::vector<std::int32_t> prompt_;
  std::vector<std::int32_t> last_;  // Token of each sequence.
  std::vector<Conversation> conversations_;
};

base::Status CheckFits(const ModelBenchmarkPlan& plan, const model::ModelConfig& config, std::uint64_t tokens) {
  if (tokens <= config.context) return {};
  return base::InvalidArgument(fmt::format("{} tokens do not fit the context of {}, which is {}; ask for fewer", tokens,
                                           plan.path, config.context));
}

base::Status RunDecoder(const ModelBenchmarkPlan& plan, model::ModelFiles files, kernels::Isa isa,
                        kernels::ThreadTeam& team, ModelBenchmarkResult& result) {
  if (plan.int8 || !plan.lengths.empty()) {
    return base::InvalidArgument("--int8 and --lengths are for encoders, and this model generates text");
  }
  LOQUAT_TRY(CheckFits(plan, files.config, std::uint64_t{plan.prompt} + plan.generated));
  LOQUAT_ASSIGN(const auto decoder, model::LoadDecoder(std::move(files.config), std::move(files.weights), isa));
  DecoderBenchmark benchmark(plan, *decoder, team);
  LOQUAT_TRY(benchmark.CheckWeights());
  benchmark.Round(nullptr);
  for (std::uint32_t round = 0; round < plan.rounds; ++round) benchmark.Round(&result);
  return {};
}

base::Status RunEncoder(const ModelBenchmarkPlan& plan, model::ModelFiles files, kernels::Isa isa,
                        kernels::ThreadTeam& team, ModelBenchmarkResult& result) {
  const auto lengths = plan.lengths.empty() ? std::vector<std::uint32_t>(plan.sequences, plan.prompt) : plan.lengths;
  const std::uint32_t longest = std::ranges::max(lengths);
  LOQUAT_TRY(CheckFits(plan, files.config, longest));
  LOQUAT_ASSIGN(const auto encoder,
                model::LoadEncoder(std::move(files.config), std::move(files.weights), isa,
                                   plan.int8 ? model::LinearNumbers::kInt8 : model::LinearNumbers::kStored));
  const auto tokens = SomeTokens(longest, encoder->config().vocabulary);
  std::vector<model::EncoderText> texts;
  std::uint32_t total = 0;
  for (const std::uint32_t length : lengths) {
    texts.push_back({.tokens = std::span(tokens).first(length), .token_types = {}});
    total += length;
  }
  const auto workspace = encoder->NewWorkspace(total, team);
  LOQUAT_TRY(encoder->CheckWeights(*workspace));
  (void)encoder->Forward(texts, *workspace);
  for (std::uint32_t round = 0; round < plan.rounds; ++round) {
    // A batch of short texts is over too soon to be timed alone.
    constexpr double kSecondsMin = 0.2;
    const auto start = SteadyClock::now();
    std::uint64_t done = 0;
    do {
      (void)encoder->Forward(texts, *workspace);
      done += texts.size();
    } while (SecondsSince(start) < kSecondsMin);
    result.texts_per_second.push_back(static_cast<double>(done) / SecondsSince(start));
  }
  return {};
}

}  // namespace

base::Result<ModelBenchmarkResult> RunModelBenchmark(const ModelBenchmarkPlan& plan) {
  LOQUAT_ASSIGN(const kernels::Isa isa, kernels::ChooseIsa(plan.isa));
  LOQUAT_ASSIGN(model::ModelFiles files, model::OpenModel(plan.path));
  kernels::ThreadTeam team({.threads = plan.threads});
  ModelBenchmarkResult result{.isa = std::string(kernels::IsaName(isa)), .threads = team.size()};
  result.encoder = files.config.architecture == model::Architecture::kBert;
  if (result.encoder) {
    LOQUAT_TRY(RunEncoder(plan, std::move(files), isa, team, result));
  } else {
    LOQUAT_TRY(RunDecoder(plan, std::move(files), isa, team, result));
  }
  return result;
}

}  // namespace loquat::app
