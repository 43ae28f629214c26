#include "ingress/http/understand_work.h"

#include <fmt/format.h>

#include <chrono>
#include <exception>
#include <utility>

#include "base/json_writer.h"
#include "ingress/http/error_body.h"
#include "ingress/http/frame_json.h"

namespace loquat::ingress {
namespace {

using boost::asio::awaitable;
using std::chrono::milliseconds;

constexpr std::size_t kWorkDepthMax = 4;

std::string_view LocaleWord(domain::Locale locale) {
  switch (locale) {
    case domain::Locale::kChinese:
      return "zh";
    case domain::Locale::kEnglish:
      return "en";
    case domain::Locale::kAuto:
      break;
  }
  return "auto";
}

std::string Rfc3339(base::WallTime time) {
  const auto ms = std::chrono::floor<milliseconds>(time);
  const auto day = std::chrono::floor<std::chrono::days>(ms);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(ms - day);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), clock.hours().count(),
                     clock.minutes().count(), clock.seconds().count(), clock.subseconds().count());
}

void WriteFeatures(const pipeline::UnderstandRequest& request, base::JsonWriter& json) {
  json.Key("features");
  json.BeginArray();
  if (request.want_intent) json.String("intent");
  if (request.want_slots) json.String("slots");
  if (request.want_embedding) json.String("embedding");
  json.EndArray();
}

}  // namespace

std::string EncodeUnderstandWork(const pipeline::UnderstandRequest& request) {
  std::string out;
  base::JsonWriter json(out);
  json.BeginObject();
  json.Key("text");
  json.String(request.utterance.text);
  json.Key("locale");
  json.String(LocaleWord(request.utterance.locale));
  if (!request.utterance.session.empty()) {
    json.Key("session");
    json.String(request.utterance.session);
  }
  WriteFeatures(request, json);
  json.Key("reply");
  json.Bool(request.want_reply);
  json.Key("reference_time_ms");
  json.Int(std::chrono::duration_cast<milliseconds>(request.reference_time.time_since_epoch()).count());
  json.Key("utc_offset_minutes");
  json.Int(request.utc_offset_minutes);
  json.EndObject();
  return out;
}

awaitable<base::Status> UnderstandWork::Run(const response::CallbackWork& work, pipeline::UnderstandRequest& request,
                                            pipeline::UnderstandAnswer& answer) {
  base::JsonParser parser{base::JsonLimits{.max_depth = kWorkDepthMax}};
  auto body = ParseUnderstandBody(work.work, clock_.WallNow(), limits_, parser);
  if (!body.has_value()) co_return std::move(body).error();
  request = std::move(body->inputs.front());
  request.callback_accepted = true;
  request.work_id = work.id;
  base::CallContext call;
  call.request_id = work.request_id;
  call.trace = observe::StartTrace(work.traceparent, {}, false, ids_);
  call.received_at = clock_.Now();
  call.tenant = work.tenant;
  call.deadline = base::Deadline::After(clock_, pipeline_.settings()->delivery.callback_timeout);
  call.priority = base::Priority::kBatch;
  co_return co_await pipeline_.Run(call, request, answer);
}

awaitable<std::string> UnderstandWork::MakeBody(const response::CallbackWork& work) {
  pipeline::UnderstandRequest request;
  pipeline::UnderstandAnswer answer;
  base::Status done;
  try {
    done = co_await Run(work, request, answer);
  } catch (const std::exception&) {
    // As the HTTP server answers 500: one request never hurts another, and a promise is kept.
    done = base::Internal("the answer could not be made");
  }
  std::string out;
  base::JsonWriter json(out);
  json.BeginObject();
  json.Key("type");
  json.String(done.has_value() ? "understand.completed" : "understand.failed");
  json.Key("id");
  json.String(work.id);
  json.Key("timestamp");
  json.String(Rfc3339(clock_.WallNow()));
  json.Key("data");
  json.BeginObject();
  if (done.has_value()) {
    WriteAnswer(work.request_id, request, answer, json);
  } else {
    json.Key("id");
    json.String(work.request_id);
    json.Key("error");
    WriteError(done.error(), work.request_id, json);
  }
  json.EndObject();
  json.EndObject();
  co_return out;
}

}  // namespace loquat::ingress
