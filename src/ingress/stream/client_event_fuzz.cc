// Any bytes as an event of /v1/stream: it is either taken, and then within every limit, or refused with words that
// help.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "base/utf8.h"
#include "ingress/http/json_body.h"
#include "ingress/stream/client_event.h"
#include "net/http.h"
#include "pipeline/stream/stream_options.h"

namespace loquat::ingress {
namespace {

void Require(bool condition) {
  LOQUAT_CHECK(condition, "a property that holds for any event does not");
}

void CheckName(const std::string& utterance) {
  Require(utterance.size() <= pipeline::kUtteranceIdBytesMax && base::IsValidUtf8(utterance));
}

struct CheckTaken {
  void operator()(const OpenEvent& event) const {
    const pipeline::UnderstandRequest& request = event.open.request;
    Require(request.utterance.session.empty() || context::IsValidSessionId(request.utterance.session));
    Require(request.want_intent || request.want_slots || request.want_embedding);
    Require(request.utterance.text.empty() && !event.open.single);
    Require(event.open.turn_timeout.count() >= 0 && event.open.turn_timeout.count() <= kTurnTimeoutMsMax);
    Require(event.last_event_id.size() <= kEventIdBytesMax);
  }
  void operator()(const pipeline::TextUpdate& event) const {
    CheckName(event.utterance);
    Require(base::IsValidUtf8(event.text));
  }
  void operator()(const pipeline::FinalText& event) const {
    CheckName(event.utterance);
    Require(base::IsValidUtf8(event.text.value_or("")));
  }
  void operator()(const pipeline::StreamCancel& event) const { CheckName(event.utterance); }
};

}  // namespace
}  // namespace loquat::ingress

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace loquat::ingress;  // NOLINT(tidy): the entry point stands outside.
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  static loquat::base::JsonParser parser{loquat::base::JsonLimits{.max_depth = kJsonDepthMax}};
  const auto event = ParseClientEvent(bytes, parser);
  if (event.has_value()) {
    std::visit(CheckTaken{}, *event);
  } else {
    const loquat::base::Error& error = event.error();
    Require(!error.message.empty() && loquat::net::HttpStatusOf(error) == 400);
    Require(error.param.empty() || error.param.starts_with('/'));
  }
  return 0;
}
