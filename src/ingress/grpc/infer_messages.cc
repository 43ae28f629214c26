#include "ingress/grpc/infer_messages.h"

#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "pipeline/sessions.h"

namespace loquat::ingress::grpc {
namespace {

namespace v1 = loquat::v1;

base::Error Changed(std::string_view field) {
  return {.code = base::Code::kInvalidArgument,
          .message = fmt::format("{} is another one than in the first message; open a call for each", field),
          .reason = "stream_changed",
          .param = fmt::format("/{}", field)};
}

base::Status ReadStop(const v1::GenerationOptions& options, std::vector<std::string>& stop) {
  if (options.stop_size() > kStopStringsMax) {
    return base::InvalidArgument(
        fmt::format("stop lists {} strings; at most {} are allowed", options.stop_size(), kStopStringsMax),
        "/options/stop");
  }
  for (int i = 0; i < options.stop_size(); ++i) {
    const std::string& text = options.stop(i);
    if (text.empty() || text.size() > kStopStringBytesMax) {
      return base::InvalidArgument(
          fmt::format("a stop string has {} bytes; it is 1 to {}", text.size(), kStopStringBytesMax),
          fmt::format("/options/stop/{}", i));
    }
    stop.push_back(text);
  }
  return {};
}

}  // namespace

base::Status CheckFirst(const v1::StreamInferRequest& message) {
  if (message.model().empty() || message.model().size() > kModelNameBytesMax) {
    return base::InvalidArgument(
        fmt::format("model has {} bytes; the first message names one of this server's, of 1 to {} bytes",
                    message.model().size(), kModelNameBytesMax),
        "/model");
  }
  if (!message.session_id().empty()) LOQUAT_TRY(pipeline::CheckSessionId(message.session_id(), "/session_id"));
  if (!message.stream_id().empty()) LOQUAT_TRY(pipeline::CheckSessionId(message.stream_id(), "/stream_id"));
  return {};
}

base::Status CheckLater(const v1::StreamInferRequest& first, const v1::StreamInferRequest& message) {
  const auto differs = [](const std::string& now, const std::string& then) { return !now.empty() && now != then; };
  if (differs(message.session_id(), first.session_id())) return Changed("session_id");
  if (differs(message.stream_id(), first.stream_id())) return Changed("stream_id");
  if (differs(message.model(), first.model())) return Changed("model");
  return {};
}

base::Status ReadOptions(const v1::GenerationOptions& options, engine::GenerateRequest& request) {
  engine::SamplingOptions& sampling = request.sampling;
  if (options.tokens_max() > kInferTokensMax) {
    return base::InvalidArgument(
        fmt::format("tokens_max is {}; it is at most {}", options.tokens_max(), kInferTokensMax),
        "/options/tokens_max");
  }
  request.tokens_max = options.tokens_max();
  request.ignore_eos = options.ignore_eos();
  request.top_logprobs = 0;  // Of each token its own.
  if (options.has_temperature()) sampling.temperature = options.temperature();
  if (options.has_top_p()) sampling.top_p = options.top_p();
  if (options.has_min_p()) sampling.min_p = options.min_p();
  if (options.has_typical_p()) sampling.typical_p = options.typical_p();
  if (options.has_repetition_penalty()) sampling.repetition_penalty = options.repetition_penalty();
  sampling.top_k = options.top_k();
  sampling.presence_penalty = options.presence_penalty();
  sampling.frequency_penalty = options.frequency_penalty();
  sampling.no_repeat_ngram = options.no_repeat_ngram_size();
  if (options.has_seed()) sampling.seed = options.seed();
  if (static_cast<std::size_t>(options.logit_bias_size()) > engine::kLogitBiasMax) {
    return base::InvalidArgument(fmt::format("logit_bias names {} tokens; at most {} are allowed",
                                             options.logit_bias_size(), engine::kLogitBiasMax),
                                 "/options/logit_bias");
  }
  for (const auto& [token, bias] : options.logit_bias()) sampling.logit_bias.push_back({.token = token, .bias = bias});
  return ReadStop(options, request.stop);
}

base::Error AtMessage(base::Error error) {
  if (error.param == "/prompt") {
    error.param = "/input_ids";
  } else if (error.param.starts_with('/') && error.param != "/model") {
    error.param.insert(0, "/options");
  }
  return error;
}

bool WriteDelta(const pipeline::AnswerDelta& delta, v1::StreamInferResponse& message) {
  message.mutable_output_ids()->Add(delta.tokens.begin(), delta.tokens.end());
  for (const engine::TokenLogprob& logprob : delta.logprobs) message.add_probabilities(std::exp(logprob.logprob));
  message.set_text(delta.text);
  return !delta.tokens.empty() || !delta.text.empty();
}

void WriteFinal(engine::Finish finish, const engine::Usage& usage, std::size_t position,
                v1::StreamInferResponse& message) {
  message.set_is_final(true);
  message.set_finish_reason(finish == engine::Finish::kStop ? v1::FINISH_REASON_STOP : v1::FINISH_REASON_LENGTH);
  message.mutable_usage()->set_input_tokens(usage.prompt_tokens);
  message.mutable_usage()->set_cached_tokens(usage.cached_prompt_tokens);
  message.mutable_usage()->set_output_tokens(usage.generated_tokens);
  message.set_position(static_cast<std::uint32_t>(position));
}

}  // namespace loquat::ingress::grpc
