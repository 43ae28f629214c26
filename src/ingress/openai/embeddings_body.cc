#include "ingress/openai/embeddings_body.h"

#include <utility>

#include "base/json_fields.h"
#include "ingress/http/json_body.h"
#include "ingress/openai/completion_body.h"

namespace loquat::ingress::openai {

base::Result<EmbeddingsBody> ParseEmbeddingsBody(std::string_view body, base::JsonParser& parser) {
  LOQUAT_ASSIGN(const base::JsonValue root, ParseJsonBody(body, parser));
  EmbeddingsBody result;
  base::JsonFaults faults;
  base::JsonFields fields(root, faults);
  result.input.model = fields.Required("model").String({.min_bytes = 1, .max_bytes = kModelNameBytesMax});
  std::vector<TextOrTokens> texts;
  ReadTexts(fields.Required("input"), kEmbedTextsMax, texts);
  result.base64 = fields.Optional("encoding_format").Enum<bool>({{"float", false}, {"base64", true}}, false);
  Refuse(fields, "dimensions", faults, "vectors come in the model's own width");
  using text::TruncationPolicy;
  result.input.truncation = fields.Optional("truncation")
                                .Enum<TruncationPolicy>({{"error", TruncationPolicy::kError},
                                                         {"head", TruncationPolicy::kHead},
                                                         {"tail", TruncationPolicy::kTail},
                                                         {"middle", TruncationPolicy::kMiddle}},
                                                        TruncationPolicy::kError);
  result.input.normalize = fields.Optional("normalize").Bool(true);
  fields.Optional("user").String({});
  fields.Done();
  LOQUAT_TRY(faults.status());
  result.input.texts = std::move(texts);
  return result;
}

}  // namespace loquat::ingress::openai
