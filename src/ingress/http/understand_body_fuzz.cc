// Any bytes as the body of POST /v1/understand: it is either taken, and then within every limit, or refused with words
// that help.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "base/utf8.h"
#include "ingress/http/json_body.h"
#include "ingress/http/understand_body.h"
#include "net/http.h"

namespace loquat::ingress {
namespace {

constexpr UnderstandBodyLimits kSmall{.text_bytes_max = 24, .batch_max = 3};
constexpr base::WallTime kNow{std::chrono::seconds(1'763'715'600)};

void Require(bool condition) {
  LOQUAT_CHECK(condition, "a property that holds for any body does not");
}

void CheckTaken(const UnderstandBody& body) {
  Require(!body.inputs.empty());
  Require(body.batch ? body.inputs.size() <= kSmall.batch_max : body.inputs.size() == 1);
  for (const pipeline::UnderstandRequest& input : body.inputs) {
    Require(input.utterance.text.size() <= kSmall.text_bytes_max);
    Require(base::IsValidUtf8(input.utterance.text));
    Require(input.utterance.session.empty() || context::IsValidSessionId(input.utterance.session));
    Require(input.want_intent || input.want_slots || input.want_embedding);
    Require(input.callback_url.size() <= kCallbackUrlBytesMax);
    Require(input.utc_offset_minutes >= -kUtcOffsetMinutesMax && input.utc_offset_minutes <= kUtcOffsetMinutesMax);
    const auto reference = input.reference_time.time_since_epoch();
    Require(reference.count() >= 0 && reference <= std::chrono::milliseconds(kReferenceTimeMsMax));
    Require(!input.wants_events && input.utterance.final);
  }
}

void CheckRefused(const base::Error& error) {
  Require(!error.message.empty());
  const int status = net::HttpStatusOf(error);
  Require(status == 400 || status == 413);
  Require(error.param.empty() || error.param.starts_with('/'));
}

}  // namespace
}  // namespace loquat::ingress

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace loquat::ingress;  // NOLINT(tidy): the entry point stands outside.
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  static loquat::base::JsonParser parser{loquat::base::JsonLimits{.max_depth = kJsonDepthMax}};
  const auto body = ParseUnderstandBody(bytes, kNow, kSmall, parser);
  if (body.has_value()) {
    CheckTaken(*body);
  } else {
    CheckRefused(body.error());
  }
  return 0;
}
