#include "pipeline/embed.h"

#include <fmt/format.h>

#include <cmath>
#include <functional>
#include <memory>
#include <utility>

#include "pipeline/encode_answer.h"
#include "pipeline/stopping.h"

namespace loquat::pipeline {
namespace {

using engine::TokenId;

void Normalize(std::vector<float>& row) {
  double squares = 0;
  for (const float value : row) squares += static_cast<double>(value) * value;
  if (squares <= 0) return;
  const double scale = 1.0 / std::sqrt(squares);
  for (float& value : row) value = static_cast<float>(value * scale);
}

std::string ParamOf(const EmbedInput& input, std::size_t index) {
  return input.texts.size() == 1 ? "/input" : fmt::format("/input/{}", index);
}

base::Result<CutTokens> EncodeWords(const ServedModel& model, const std::string& words,
                                    text::TruncationPolicy truncation) {
  if (truncation != text::TruncationPolicy::kError) {
    return model.text->EncodeWithin(words, model.info().context, truncation);
  }
  LOQUAT_ASSIGN(std::vector<TokenId> tokens, model.text->Encode(words));
  return CutTokens{.tokens = std::move(tokens)};
}

}  // namespace

base::Result<CutTokens> EmbedUseCase::Encode(const ServedModel& model, const EmbedInput& input, std::size_t index) {
  const engine::ModelInfo& info = model.info();
  base::Result<CutTokens> encoded;
  if (const auto* words = std::get_if<std::string>(&input.texts[index])) {
    encoded = EncodeWords(model, *words, input.truncation);
  } else {
    encoded = CutTokens{.tokens = std::get<std::vector<TokenId>>(input.texts[index])};
  }
  const std::string param = ParamOf(input, index);
  if (!encoded.has_value()) {
    if (encoded.error().param.empty()) encoded.error().param = param;
    return encoded;
  }
  const std::vector<TokenId>& tokens = encoded->tokens;
  if (tokens.empty()) return base::InvalidArgument("the input is empty; give at least one token", param);
  for (const TokenId token : tokens) {
    if (token >= 0 && static_cast<std::uint32_t>(token) < info.vocabulary) continue;
    return base::InvalidArgument(
        fmt::format("the input has the token {}; the model's tokens are 0 to {}", token, info.vocabulary - 1), param);
  }
  if (tokens.size() <= info.context) return encoded;
  return base::Error{.code = base::Code::kInvalidArgument,
                     .message = fmt::format("the input has {} tokens, but {} takes {} at most; split it, or send it as "
                                            "text and choose by \"truncation\" what is left out",
                                            tokens.size(), info.name, info.context),
                     .reason = "context_length_exceeded",
                     .param = param};
}

boost::asio::awaitable<base::Result<engine::EncodeResult>> EmbedUseCase::Ask(const base::CallContext& call,
                                                                             const ServedModel& model,
                                                                             engine::EncodeRequest request) {
  using Watch = base::CancelCallback<std::function<void()>>;
  const auto answer = std::make_shared<EncodeAnswer>();
  const Watch client_gone(call.cancel, [&answer] { answer->Set(base::Cancelled("the client went away")); });
  const Watch stopping(stop_.token(), [&answer] { answer->Set(ServerStopping()); });
  LOQUAT_CO_TRY(model.engine->Encode(call, std::move(request), [answer](base::Result<engine::EncodeResult> result) {
    answer->Set(std::move(result));
  }));
  co_return co_await answer->Get();
}

boost::asio::awaitable<base::Result<EmbedAnswer>> EmbedUseCase::Run(const base::CallContext& call,
                                                                    const EmbedInput& input) {
  LOQUAT_CO_ASSIGN(const ServedModel* model, models_.Find(input.model));
  if (!model->info().can_embed) {
    co_return base::Error{
        .code = base::Code::kFailedPrecondition,
        .message = fmt::format("{} makes no embeddings: it generates text, or its files name no pooling; "
                               "ask an encoder",
                               model->info().name),
        .reason = "model_cannot_embed",
        .param = "/model"};
  }
  std::size_t bytes = 0;
  for (const EmbedText& text : input.texts) {
    if (const auto* words = std::get_if<std::string>(&text)) bytes += words->size();
  }
  engine::EncodeRequest request;
  EmbedAnswer answer;
  base::Status encoded;
  co_await workers_.Run(bytes, [&] {
    for (std::size_t i = 0; i < input.texts.size() && encoded.has_value(); ++i) {
      auto text = Encode(*model, input, i);
      if (!text.has_value()) {
        encoded = std::move(text).error();
      } else {
        request.texts.push_back(std::move(text->tokens));
        answer.cut.push_back(text->cut);
      }
    }
  });
  LOQUAT_CO_TRY(std::move(encoded));

  LOQUAT_CO_ASSIGN(engine::EncodeResult result, co_await Ask(call, *model, std::move(request)));
  answer.rows = std::move(result.rows);
  answer.tokens = result.tokens;
  if (answer.rows.size() != input.texts.size()) co_return base::Internal("the model gave another number of vectors");
  if (input.normalize) {
    for (std::vector<float>& row : answer.rows) Normalize(row);
  }
  co_return answer;
}

}  // namespace loquat::pipeline
