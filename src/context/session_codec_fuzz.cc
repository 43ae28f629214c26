// Any bytes as a stored session: they are read or refused with a reason, and what was read is written and read back as
// the same session. A session made of the input's own strings survives the trip.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/utf8.h"
#include "context/session_codec.h"

namespace {

using loquat::context::DecodeSession;
using loquat::context::EncodeSession;

constexpr std::string_view kId = "s";

void RoundTrip(const loquat::domain::Session& session, loquat::base::JsonParser& parser) {
  const auto encoded = EncodeSession(session);
  LOQUAT_CHECK(encoded.has_value(), "small sessions fit");
  const auto again = DecodeSession(*encoded, kId, parser);
  LOQUAT_CHECK(again.has_value(), "what was written can be read");
  const auto twice = EncodeSession(*again);
  LOQUAT_CHECK(twice.has_value() && *twice == *encoded, "what was written reads as the same session");
  LOQUAT_CHECK(again->state == session.state && again->turns.size() == session.turns.size() &&
                   again->taken_by == session.taken_by,
               "nothing is lost");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  auto parser = loquat::context::SessionParser();
  const auto session = DecodeSession(bytes, kId, parser);
  if (session.has_value()) {
    RoundTrip(*session, parser);
  } else {
    LOQUAT_CHECK(session.error().reason == "session_unreadable" && !session.error().message.empty(),
                 "a refusal says why");
  }
  if (!loquat::base::IsValidUtf8(bytes)) return 0;
  loquat::domain::Session made;
  made.id = kId;
  made.version = 1 + size;
  made.turn_count = size;
  const std::string text(bytes);
  made.taken_by[text] = size;
  made.turns.push_back({.number = size, .text = text, .intent = text, .confidence = 0.5F, .reply = text});
  made.state.active_intent = text;
  made.state.filled[text] = {.entity = text, .role = text, .value = text, .normalized = text, .turn = 1};
  made.state.missing = {text, "x"};
  made.state.suspended.push_back({.intent = text, .filled = made.state.filled});
  RoundTrip(made, parser);
  return 0;
}
