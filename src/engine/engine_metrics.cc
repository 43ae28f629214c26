#include "engine/engine_metrics.h"

#include <utility>
#include <vector>

namespace loquat::engine {
namespace {

// From a small encoder's millisecond to a long prompt on a large model.
std::vector<double> StepBounds() {
  return observe::ExponentialBounds(0.0005, 2, 17);
}

std::vector<double> WaitBounds() {
  return observe::ExponentialBounds(0.001, 2, 18);
}

std::vector<double> CountBounds() {
  return observe::ExponentialBounds(1, 2, 14);
}

observe::GaugeFamily& Depth(observe::Registry& registry) {
  return registry.AddGaugeFamily("loquat_engine_queue_requests", "Requests that wait for a model.", {"model", "lane"});
}

observe::HistogramFamily& Wait(observe::Registry& registry) {
  return registry.AddHistogramFamily("loquat_engine_queue_wait_seconds", "Time from acceptance to the first step.",
                                     {"model", "lane"}, WaitBounds());
}

observe::CounterFamily& Tokens(observe::Registry& registry) {
  return registry.AddCounterFamily("loquat_engine_tokens_total", "Tokens computed, of prompts and of answers.",
                                   {"model", "phase"});
}

observe::GaugeFamily& Pages(observe::Registry& registry) {
  return registry.AddGaugeFamily("loquat_engine_kv_pages", "Pages of keys and values.", {"model", "state"});
}

}  // namespace

std::string_view LaneName(base::Priority lane) {
  return lane == base::Priority::kInteractive ? "interactive" : "batch";
}

EngineMetrics::EngineMetrics(observe::Registry& registry, std::string model)
    : model_(std::move(model)),
      refusals_(registry.AddCounterFamily("loquat_engine_refusals_total",
                                          "Requests that a model's queue did not take, by reason.",
                                          {"model", "reason"})),
      ends_(
          registry.AddCounterFamily("loquat_engine_requests_total", "Requests that ended, by how.", {"model", "end"})),
      wasted_(registry.AddCounterFamily("loquat_engine_wasted_tokens_total",
                                        "Tokens computed for requests that ended early, or computed twice.",
                                        {"model", "reason"})),
      depth_interactive_(Depth(registry).With({model_, "interactive"})),
      depth_batch_(Depth(registry).With({model_, "batch"})),
      wait_interactive_(Wait(registry).With({model_, "interactive"})),
      wait_batch_(Wait(registry).With({model_, "batch"})),
      step_seconds(registry
                       .AddHistogramFamily("loquat_engine_step_seconds", "Time of one step of the batch.", {"model"},
                                           StepBounds())
                       .With({model_})),
      batch_sequences(registry
                          .AddHistogramFamily("loquat_engine_batch_sequences", "Sequences or texts in a step.",
                                              {"model"}, CountBounds())
                          .With({model_})),
      batch_tokens(
          registry.AddHistogramFamily("loquat_engine_batch_tokens", "Tokens in a step.", {"model"}, CountBounds())
              .With({model_})) {}

observe::Counter& EncodeTokens(observe::Registry& registry, const std::string& model) {
  return Tokens(registry).With({model, "encode"});
}

DecoderMetrics::DecoderMetrics(observe::Registry& registry, const std::string& model)
    : prefill_tokens(Tokens(registry).With({model, "prefill"})),
      decode_tokens(Tokens(registry).With({model, "decode"})),
      prefix_hit_tokens(registry
                            .AddCounterFamily("loquat_engine_prefix_hit_tokens_total",
                                              "Prompt tokens whose keys and values were cached.", {"model"})
                            .With({model})),
      drafted_tokens(registry
                         .AddCounterFamily("loquat_engine_drafted_tokens_total",
                                           "Tokens of drafts that were computed beside the next one.", {"model"})
                         .With({model})),
      accepted_tokens(registry
                          .AddCounterFamily("loquat_engine_accepted_tokens_total",
                                            "Tokens of drafts that became tokens of answers.", {"model"})
                          .With({model})),
      preemptions(registry
                      .AddCounterFamily("loquat_engine_preemptions_total",
                                        "Sequences that gave up their pages to be computed again.", {"model"})
                      .With({model})),
      running(registry.AddGaugeFamily("loquat_engine_running_sequences", "Sequences in the batch.", {"model"})
                  .With({model})),
      first_token_seconds(registry
                              .AddHistogramFamily("loquat_engine_first_token_seconds",
                                                  "Time from acceptance to the first token.", {"model"}, WaitBounds())
                              .With({model})),
      inter_token_seconds(registry
                              .AddHistogramFamily("loquat_engine_inter_token_seconds",
                                                  "Time between two tokens of an answer.", {"model"}, StepBounds())
                              .With({model})),
      generation_seconds(registry
                             .AddHistogramFamily("loquat_engine_generation_seconds",
                                                 "Time from acceptance to the end of the last answer.", {"model"},
                                                 WaitBounds())
                             .With({model})),
      kv_pages_in_use(Pages(registry).With({model, "in_use"})),
      kv_pages_cached(Pages(registry).With({model, "cached"})),
      kv_pages(Pages(registry).With({model, "total"})) {}

}  // namespace loquat::engine
