#include "ingress/http/understand_body.h"

#include <fmt/format.h>

#include <utility>

#include "base/json_fields.h"
#include "ingress/http/json_body.h"
#include "net/url.h"
#include "pipeline/sessions.h"

namespace loquat::ingress {
namespace {

using base::JsonField;
using base::JsonFields;
using pipeline::UnderstandRequest;

enum class Feature : std::uint8_t { kIntent, kSlots, kEmbedding };
enum class DeliveryWord : std::uint8_t { kAuto, kSync, kCallback, kStream };

void ReadFeatures(const JsonField& field, UnderstandRequest& request) {
  if (!field.present()) return;
  request.want_intent = false;
  request.want_slots = false;
  field.Each({.min_items = 1, .max_items = 8}, [&](const JsonField& item) {
    const Feature feature = item.Enum<Feature>(
        {{"intent", Feature::kIntent}, {"slots", Feature::kSlots}, {"embedding", Feature::kEmbedding}},
        Feature::kIntent);
    if (feature == Feature::kIntent) request.want_intent = true;
    if (feature == Feature::kSlots) request.want_slots = true;
    if (feature == Feature::kEmbedding) request.want_embedding = true;
  });
}

void ReadDelivery(JsonFields& fields, UnderstandRequest& request) {
  const auto word = fields.Optional("delivery")
                        .Enum<DeliveryWord>({{"auto", DeliveryWord::kAuto},
                                             {"sync", DeliveryWord::kSync},
                                             {"callback", DeliveryWord::kCallback},
                                             {"stream", DeliveryWord::kStream}},
                                            DeliveryWord::kAuto);
  if (word == DeliveryWord::kSync) request.delivery = domain::DeliveryMode::kSync;
  if (word == DeliveryWord::kCallback) request.delivery = domain::DeliveryMode::kCallback;
  if (word == DeliveryWord::kStream) request.delivery = domain::DeliveryMode::kStream;
  const JsonField url = fields.Optional("callback_url");
  request.callback_url = url.String({.min_bytes = 1, .max_bytes = kCallbackUrlBytesMax});
  if (request.callback_url.empty()) return;
  if (const auto parsed = net::ParseHttpUrl(request.callback_url); !parsed.has_value()) {
    url.Fault(fmt::format("{} must be an http or https URL: {}", url.Pointer(), parsed.error().message));
  }
}

void ReadSession(const JsonField& field, UnderstandRequest& request) {
  if (!field.present()) return;
  request.utterance.session = field.String({});
  const base::Status valid = pipeline::CheckSessionId(request.utterance.session, "");
  if (!valid.has_value()) field.Fault(valid.error().message);
}

void ReadTimeBase(JsonFields& fields, base::WallTime now, UnderstandRequest& request) {
  const JsonField reference = fields.Optional("reference_time_ms");
  request.reference_time = reference.present()
                               ? base::WallTime(std::chrono::duration_cast<base::WallTime::duration>(
                                     std::chrono::milliseconds(reference.Int({.min = 0, .max = kReferenceTimeMsMax}))))
                               : now;
  request.utc_offset_minutes = static_cast<std::int32_t>(
      fields.Optional("utc_offset_minutes").Int({.min = -kUtcOffsetMinutesMax, .max = kUtcOffsetMinutesMax}, 0));
}

// The text is checked for size apart from the other limits, because too much of it has a code of its own.
base::Status ReadInput(JsonFields& fields, base::WallTime now, const UnderstandBodyLimits& limits,
                       UnderstandRequest& request) {
  const JsonField text = fields.Required("text");
  request.utterance.text = text.String({});
  ReadUnderstandFields(fields, now, request);
  ReadDelivery(fields, request);
  return pipeline::CheckTextBytes(request.utterance.text.size(), limits.text_bytes_max, text.Pointer());
}

}  // namespace

void ReadUnderstandFields(JsonFields& fields, base::WallTime now, UnderstandRequest& request) {
  request.utterance.locale = fields.Optional("locale").Enum<domain::Locale>(
      {{"auto", domain::Locale::kAuto}, {"zh", domain::Locale::kChinese}, {"en", domain::Locale::kEnglish}},
      domain::Locale::kAuto);
  ReadSession(fields.Optional("session"), request);
  ReadFeatures(fields.Optional("features"), request);
  request.want_reply = fields.Optional("reply").Bool(false);
  ReadTimeBase(fields, now, request);
}

void Declare(config::Section<UnderstandBodyLimits>& section) {
  section.Key("text_bytes_max", &UnderstandBodyLimits::text_bytes_max)
      .Range(1, std::size_t{1} << 20)
      .Help("Longest text of one request; a longer one is refused with 413.");
  section.Key("batch_max", &UnderstandBodyLimits::batch_max).Range(1, 4096).Help("Most inputs of one batch.");
}

base::Result<UnderstandBody> ParseUnderstandBody(std::string_view body, base::WallTime now,
                                                 const UnderstandBodyLimits& limits, base::JsonParser& parser) {
  LOQUAT_ASSIGN(const base::JsonValue root, ParseJsonBody(body, parser));
  UnderstandBody result;
  base::JsonFaults faults;
  JsonFields fields(root, faults);
  base::Status text_fits;
  result.batch = fields.Has("inputs");
  if (result.batch) {
    fields.Required("inputs").Each({.min_items = 1, .max_items = limits.batch_max}, [&](const JsonField& item) {
      JsonFields input = item.Fields();
      base::Status fits = ReadInput(input, now, limits, result.inputs.emplace_back());
      if (text_fits.has_value()) text_fits = std::move(fits);
      input.Done();
    });
  } else {
    text_fits = ReadInput(fields, now, limits, result.inputs.emplace_back());
    result.resume = fields.Optional("resume").Bool(false);
  }
  fields.Done();
  LOQUAT_TRY(faults.status());
  LOQUAT_TRY(std::move(text_fits));
  return result;
}

}  // namespace loquat::ingress
