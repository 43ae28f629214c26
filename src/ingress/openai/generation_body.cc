#include "ingress/openai/generation_body.h"

#include <fmt/format.h>

#include <charconv>
#include <string>
#include <utility>

#include "pipeline/sessions.h"

namespace loquat::ingress::openai {
namespace {

using base::JsonFaults;
using base::JsonField;
using base::JsonFields;
using base::JsonType;

float ReadFloat(JsonFields& fields, std::string_view name, float fallback) {
  return static_cast<float>(fields.Optional(name).Number({}, fallback));
}

void ReadSampling(JsonFields& fields, engine::SamplingOptions& sampling) {
  sampling.temperature = ReadFloat(fields, "temperature", sampling.temperature);
  sampling.top_p = ReadFloat(fields, "top_p", sampling.top_p);
  sampling.min_p = ReadFloat(fields, "min_p", sampling.min_p);
  sampling.typical_p = ReadFloat(fields, "typical_p", sampling.typical_p);
  sampling.repetition_penalty = ReadFloat(fields, "repetition_penalty", sampling.repetition_penalty);
  sampling.presence_penalty = ReadFloat(fields, "presence_penalty", sampling.presence_penalty);
  sampling.frequency_penalty = ReadFloat(fields, "frequency_penalty", sampling.frequency_penalty);
  // Other servers write "all of them" as -1 as well.
  const std::int64_t top_k = fields.Optional("top_k").Int({.min = -1, .max = kTokensMax}, 0);
  sampling.top_k = top_k < 0 ? 0 : static_cast<std::uint32_t>(top_k);
  sampling.no_repeat_ngram = static_cast<std::uint32_t>(
      fields.Optional("no_repeat_ngram_size").Int({.min = 0, .max = engine::kNoRepeatNgramMax}, 0));
  const JsonField seed = fields.Optional("seed");
  if (seed.present()) sampling.seed = static_cast<std::uint64_t>(seed.Int({}));
}

// {"50256": -100}: the keys are token ids.
void ReadLogitBias(const JsonField& field, std::vector<engine::LogitBias>& biases) {
  if (!field.present()) return;
  const auto object = field.value().AsObject();
  if (!object.has_value()) {
    field.Fault(fmt::format("{} must be an object of token ids and numbers", field.Pointer()));
    return;
  }
  if (object->size() > engine::kLogitBiasMax) {
    field.Fault(fmt::format("{} names more than {} tokens", field.Pointer(), engine::kLogitBiasMax));
    return;
  }
  for (const base::JsonMember member : *object) {
    engine::LogitBias bias;
    const char* end = member.key.data() + member.key.size();
    const auto parsed = std::from_chars(member.key.data(), end, bias.token);
    const auto number = member.value.AsDouble();
    if (parsed.ec != std::errc() || parsed.ptr != end || !number.has_value()) {
      field.Fault(fmt::format("{} must map token ids to numbers, as {{\"15\": -100}}", field.Pointer()));
      return;
    }
    bias.bias = static_cast<float>(*number);
    biases.push_back(bias);
  }
  const auto twice = object->FindDuplicateKey();
  if (twice.found) field.Fault(fmt::format("{} names the token {} twice", field.Pointer(), twice.key));
}

void ReadStop(const JsonField& field, std::vector<std::string>& stop) {
  if (!field.present()) return;
  constexpr base::StringLimits kLimits{.min_bytes = 1, .max_bytes = kStopStringBytesMax};
  const JsonType type = field.value().type();
  if (type == JsonType::kString) {
    stop.emplace_back(field.String(kLimits));
  } else if (type == JsonType::kArray) {
    field.Each({.max_items = kStopStringsMax}, [&](const JsonField& item) { stop.emplace_back(item.String(kLimits)); });
  } else {
    field.Fault(fmt::format("{} must be a string or a list of strings", field.Pointer()));
  }
}

void ReadStream(JsonFields& fields, GenerationBody& body) {
  body.stream = fields.Optional("stream").Bool(false);
  body.input.bounded = body.stream;
  const JsonField options = fields.Optional("stream_options");
  JsonFields stream_options = options.Fields();
  body.include_usage = stream_options.Optional("include_usage").Bool(false);
  // Padding against eavesdroppers who guess tokens by their sizes; none is added here, as true would ask for.
  const JsonField obfuscation = stream_options.Optional("include_obfuscation");
  if (obfuscation.Bool(false)) obfuscation.Fault("include_obfuscation can only be false: this server adds no padding");
  stream_options.Done();
  if (options.present() && !body.stream) options.Fault("stream_options needs \"stream\": true");
}

// What describes a request without changing the answer: checked for its type and put aside.
void ReadMetadata(JsonFields& fields, JsonFaults& faults) {
  fields.Optional("user").String({});
  fields.Optional("safety_identifier").String({});
  fields.Optional("prompt_cache_key").String({});
  fields.Optional("service_tier").String({});
  const JsonField metadata = fields.Optional("metadata");
  if (metadata.present() && metadata.value().type() != JsonType::kObject) metadata.Fault("metadata must be an object");
  const JsonField store = fields.Optional("store");
  if (store.Bool(false)) AddUnsupported(store, faults, "this server keeps no completions; leave it out");
}

}  // namespace

void AddUnsupported(const JsonField& field, JsonFaults& faults, std::string_view what) {
  const std::string pointer = field.Pointer();
  faults.Add({.code = base::Code::kInvalidArgument,
              .message = fmt::format("{} is not supported{}{}", pointer.substr(1), what.empty() ? "" : ": ", what),
              .reason = "unsupported_parameter",
              .param = pointer});
}

void Refuse(JsonFields& fields, std::string_view name, JsonFaults& faults, std::string_view what) {
  const JsonField field = fields.Optional(name);
  if (field.present()) AddUnsupported(field, faults, what);
}

void ReadGeneration(JsonFields& fields, JsonFaults& faults, GenerationBody& body) {
  engine::GenerateRequest& request = body.input.request;
  body.input.model = fields.Required("model").String({.min_bytes = 1, .max_bytes = kModelNameBytesMax});
  const JsonField choices = fields.Optional("n");
  request.choices = static_cast<std::uint32_t>(choices.Int({.min = 1, .max = kChoicesMax}, 1));
  ReadSampling(fields, request.sampling);
  ReadLogitBias(fields.Optional("logit_bias"), request.sampling.logit_bias);
  ReadStop(fields.Optional("stop"), request.stop);
  ReadStream(fields, body);
  request.ignore_eos = fields.Optional("ignore_eos").Bool(false);
  body.return_token_ids = fields.Optional("return_token_ids").Bool(false);
  const JsonField session = fields.Optional("session");
  if (session.present()) {
    request.session = session.String({});
    const base::Status valid = pipeline::CheckSessionId(request.session, "");
    if (!valid.has_value()) session.Fault(valid.error().message);
    if (request.choices > 1) session.Fault("session contradicts n > 1: one answer goes on in a session");
  }
  ReadMetadata(fields, faults);
}

}  // namespace loquat::ingress::openai
