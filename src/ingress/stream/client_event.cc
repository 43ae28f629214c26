#include "ingress/stream/client_event.h"

#include <utility>

#include "base/json_fields.h"
#include "ingress/http/json_body.h"
#include "ingress/http/understand_body.h"
#include "pipeline/stream/stream_options.h"

namespace loquat::ingress {
namespace {

using base::JsonField;
using base::JsonFields;

enum class EventType : std::uint8_t { kOpen, kPartial, kFinal, kCancel };

std::string Utterance(JsonFields& fields) {
  return std::string(
      fields.Optional("utterance").String({.min_bytes = 1, .max_bytes = pipeline::kUtteranceIdBytesMax}));
}

OpenEvent ReadOpen(JsonFields& fields) {
  OpenEvent event;
  ReadUnderstandFields(fields, {}, event.open.request);
  event.open.ending = fields.Optional("end_of_turn")
                          .Enum<pipeline::TurnEnding>(
                              {{"client", pipeline::TurnEnding::kClient}, {"auto", pipeline::TurnEnding::kServer}},
                              pipeline::TurnEnding::kClient);
  event.open.turn_timeout =
      std::chrono::milliseconds(fields.Optional("turn_timeout_ms").Int({.min = 1, .max = kTurnTimeoutMsMax}));
  event.resume = fields.Optional("resume").Bool(false);
  event.last_event_id = fields.Optional("last_event_id").String({.min_bytes = 1, .max_bytes = kEventIdBytesMax});
  return event;
}

pipeline::TextUpdate ReadPartial(JsonFields& fields) {
  pipeline::TextUpdate update{.utterance = Utterance(fields), .text = {}, .delta = fields.Has("delta")};
  if (update.delta && fields.Has("text")) {
    fields.Optional("delta").Fault("send the text so far as \"text\" or what is new as \"delta\", not both");
  }
  // Both are named, so that neither is an unknown key.
  const JsonField delta = fields.Optional("delta");
  update.text = update.delta ? delta.String({}) : fields.Required("text").String({});
  return update;
}

pipeline::FinalText ReadFinal(JsonFields& fields) {
  pipeline::FinalText final{.utterance = Utterance(fields), .text = {}};
  const JsonField text = fields.Optional("text");
  if (text.present()) final.text = text.String({});
  return final;
}

}  // namespace

base::Result<ClientEvent> ParseClientEvent(std::string_view json, base::JsonParser& parser) {
  LOQUAT_ASSIGN(const base::JsonValue root, ParseJsonBody(json, parser));
  base::JsonFaults faults;
  JsonFields fields(root, faults);
  const auto type = fields.Required("type").Enum<EventType>({{"open", EventType::kOpen},
                                                             {"partial", EventType::kPartial},
                                                             {"final", EventType::kFinal},
                                                             {"cancel", EventType::kCancel}},
                                                            EventType::kCancel);
  // Of an event of no known type, nothing more can be said.
  LOQUAT_TRY(faults.status());
  ClientEvent event;
  switch (type) {
    case EventType::kOpen:
      event = ReadOpen(fields);
      break;
    case EventType::kPartial:
      event = ReadPartial(fields);
      break;
    case EventType::kFinal:
      event = ReadFinal(fields);
      break;
    case EventType::kCancel:
      event = pipeline::StreamCancel{.utterance = Utterance(fields)};
      break;
  }
  fields.Done();
  LOQUAT_TRY(faults.status());
  return event;
}

}  // namespace loquat::ingress
