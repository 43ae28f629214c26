#include "pipeline/generate.h"

#include <fmt/format.h>

#include <utility>

#include "pipeline/stopping.h"

namespace loquat::pipeline {
namespace {

using engine::TokenId;

constexpr std::size_t kTokenBytesUsual = 4;

std::size_t BytesOf(const Prompt& prompt) {
  if (const auto* text = std::get_if<std::string>(&prompt)) return text->size();
  if (const auto* tokens = std::get_if<std::vector<TokenId>>(&prompt)) return tokens->size() / kTokenBytesUsual;
  std::size_t bytes = 0;
  for (const ChatMessage& message : std::get<ChatPrompt>(prompt).messages) bytes += message.content.size();
  return bytes;
}

std::string ParamOf(const GenerateInput& input, std::size_t index) {
  if (std::holds_alternative<ChatPrompt>(input.prompts[index])) return "/messages";
  return input.prompts.size() == 1 ? "/prompt" : fmt::format("/prompt/{}", index);
}

base::Status CheckTokens(const std::vector<TokenId>& tokens, std::uint32_t vocabulary, const std::string& param) {
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i] >= 0 && static_cast<std::uint32_t>(tokens[i]) < vocabulary) continue;
    return base::InvalidArgument(
        fmt::format("the prompt's token {} is {}; the model's tokens are 0 to {}", i, tokens[i], vocabulary - 1),
        param);
  }
  return {};
}

base::Status CheckLength(std::size_t prompt_tokens, std::uint32_t answer_tokens_max, const engine::ModelInfo& info,
                         const std::string& param) {
  if (prompt_tokens == 0) return base::InvalidArgument("the prompt is empty; give at least one token", param);
  // An answer needs room for one token at least.
  const std::uint64_t wanted = prompt_tokens + std::max<std::uint64_t>(answer_tokens_max, 1);
  if (wanted <= info.context) return {};
  const std::string answer =
      answer_tokens_max == 0 ? "" : fmt::format(" and {} more are asked for as the answer", answer_tokens_max);
  return base::Error{
      .code = base::Code::kInvalidArgument,
      .message = fmt::format("the prompt has {} tokens{}, but a sequence of {} may hold {}; shorten the prompt{}",
                             prompt_tokens, answer, info.name, info.context,
                             answer_tokens_max == 0 ? "" : " or ask for fewer tokens"),
      .reason = "context_length_exceeded",
      .param = param};
}

}  // namespace

Generation::~Generation() {
  // The callbacks point at the stream, and a handle that goes cancels its generation: nobody reads any more.
  client_gone_.reset();
  stopping_.reset();
  stream_->Abort(base::Cancelled("nobody reads this answer any more"));
}

engine::Usage Generation::usage() const {
  engine::Usage usage = stream_->usage();
  usage.prompt_tokens = 0;
  for (const auto& prompt : prompts_) usage.prompt_tokens += static_cast<std::uint32_t>(prompt.size());
  return usage;
}

base::Result<std::vector<TokenId>> GenerateUseCase::Encode(const ServedModel& model, const GenerateInput& input,
                                                           std::size_t index) const {
  const Prompt& prompt = input.prompts[index];
  const std::string param = ParamOf(input, index);
  base::Result<std::vector<TokenId>> tokens;
  if (const auto* chat = std::get_if<ChatPrompt>(&prompt)) {
    tokens = model.text->EncodeChat(*chat);
  } else if (const auto* text = std::get_if<std::string>(&prompt)) {
    tokens = model.text->Encode(*text);
  } else {
    tokens = std::get<std::vector<TokenId>>(prompt);
  }
  if (!tokens.has_value()) {
    if (tokens.error().param.empty()) tokens.error().param = param;
    return tokens;
  }
  LOQUAT_TRY(CheckTokens(*tokens, model.info().vocabulary, param));
  LOQUAT_TRY(CheckLength(tokens->size(), input.request.tokens_max, model.info(), param));
  return tokens;
}

boost::asio::awaitable<base::Result<std::unique_ptr<Generation>>> GenerateUseCase::Start(const base::CallContext& call,
                                                                                         const GenerateInput& input) {
  LOQUAT_CO_ASSIGN(const ServedModel* model, models_.Find(input.model));
  const engine::ModelInfo& info = model->info();
  if (!info.can_generate) {
    co_return base::Error{.code = base::Code::kFailedPrecondition,
                          .message = fmt::format("{} does not generate text; ask it for embeddings", info.name),
                          .reason = "model_cannot_generate",
                          .param = "/model"};
  }
  LOQUAT_CO_TRY(engine::ValidateSampling(input.request.sampling, info.vocabulary));

  auto generation = std::make_unique<Generation>(*model, input.bounded ? kStreamBufferBytesMax : 0);
  std::size_t bytes = 0;
  for (const Prompt& prompt : input.prompts) bytes += BytesOf(prompt);
  base::Status encoded;
  co_await workers_.Run(bytes, [&] {
    for (std::size_t i = 0; i < input.prompts.size() && encoded.has_value(); ++i) {
      auto tokens = Encode(*model, input, i);
      if (!tokens.has_value()) encoded = std::move(tokens).error();
      if (encoded.has_value()) generation->prompts_.push_back(*std::move(tokens));
    }
  });
  LOQUAT_CO_TRY(std::move(encoded));

  GenerationStream& stream = *generation->stream_;
  generation->client_gone_ = std::make_unique<Generation::Watch>(
      call.cancel, [&stream] { stream.Abort(base::Cancelled("the client went away")); });
  generation->stopping_ =
      std::make_unique<Generation::Watch>(stop_.token(), [&stream] { stream.Abort(ServerStopping()); });
  for (std::size_t i = 0; i < generation->prompts_.size(); ++i) {
    engine::GenerateRequest request = input.request;
    request.prompt = generation->prompts_[i];
    // Sessions of one caller are no business of another's.
    if (!request.session.empty()) request.session = call.tenant + "/" + request.session;
    auto sink = stream.AddSource(static_cast<std::uint32_t>(i) * request.choices);
    auto handle = model->engine->Generate(call, std::move(request), std::move(sink));
    if (!handle.has_value()) {
      stream.RemoveSource();
      co_return std::move(handle).error();
    }
    generation->handles_.push_back(*std::move(handle));
  }
  co_return generation;
}

}  // namespace loquat::pipeline
