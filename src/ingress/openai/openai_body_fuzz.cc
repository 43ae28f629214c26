// Any bytes as the body of the three endpoints: it is either taken, and then within every limit, or refused with words
// that help.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "base/utf8.h"
#include "ingress/openai/body_parser.h"
#include "ingress/openai/chat_body.h"
#include "ingress/openai/completion_body.h"
#include "ingress/openai/embeddings_body.h"
#include "ingress/openai/error_form.h"
#include "net/http.h"

namespace loquat::ingress::openai {
namespace {

void Require(bool condition) {
  LOQUAT_CHECK(condition, "a property that holds for any body does not");
}

void CheckRefused(const base::Error& error) {
  Require(!error.message.empty());
  const int status = net::HttpStatusOf(error);
  Require(status == 400 || status == 413);
  Require(error.param.empty() || error.param.starts_with('/'));
  Require(base::IsValidUtf8(ErrorBody(error, "")));
}

void CheckGeneration(const base::Result<GenerationBody>& body) {
  if (!body.has_value()) return CheckRefused(body.error());
  const engine::GenerateRequest& request = body->input.request;
  Require(!body->input.model.empty() && body->input.model.size() <= kModelNameBytesMax);
  Require(!body->input.prompts.empty() && body->input.prompts.size() * request.choices <= kChoicesMax);
  Require(request.choices >= 1 && request.tokens_max <= kTokensMax);
  Require(request.stop.size() <= kStopStringsMax);
  for (const std::string& stop : request.stop) Require(!stop.empty() && stop.size() <= kStopStringBytesMax);
  Require(request.sampling.logit_bias.size() <= engine::kLogitBiasMax);
  Require(request.top_logprobs.value_or(0) <= engine::kTopLogprobsMax);
  Require(request.session.empty() || (request.choices == 1 && body->input.prompts.size() == 1));
  Require(body->stream == body->input.bounded && (!body->include_usage || body->stream));
}

}  // namespace
}  // namespace loquat::ingress::openai

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace loquat::ingress::openai;  // NOLINT(tidy): the entry point stands outside.
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  CheckGeneration(ParseBody(bytes, ParseChatBody));
  CheckGeneration(ParseBody(bytes, ParseCompletionBody));
  const auto embeddings = ParseBody(bytes, ParseEmbeddingsBody);
  if (embeddings.has_value()) {
    Require(!embeddings->input.texts.empty() && embeddings->input.texts.size() <= kEmbedTextsMax);
  } else {
    CheckRefused(embeddings.error());
  }
  return 0;
}
