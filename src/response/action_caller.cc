#include "response/action_caller.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/backoff.h"
#include "base/hash.h"
#include "base/json_writer.h"
#include "base/strings.h"
#include "response/callback_sender.h"

namespace loquat::response {
namespace {

using boost::asio::awaitable;
using std::chrono::milliseconds;

base::Error Unfillable(std::string_view reason, std::string message) {
  return {.code = base::Code::kFailedPrecondition, .message = std::move(message), .reason = std::string(reason)};
}

// "..", "." and nothing between two slashes would make it another path.
bool HasOddSegment(std::string_view url) {
  const std::size_t host = url.find("://") + 3;
  const std::size_t begin = url.find('/', host);
  const std::string_view path = url.substr(begin + 1, url.find('?', begin) - begin - 1);
  const auto segments = base::Split(path, '/');
  return std::ranges::any_of(segments, [&](std::string_view segment) {
    const bool last = segment.data() + segment.size() == path.data() + path.size();
    return segment == "." || segment == ".." || (segment.empty() && !last);
  });
}

CallResult Failure(const base::Error& error) {
  CallResult result{.detail = error.message, .results = {}};
  if (error.reason.starts_with("target_")) {
    result.outcome = "refused";
    result.hopeless = true;
  } else if (error.code == base::Code::kInvalidArgument) {
    result.outcome = "mapping";
    result.hopeless = true;
  } else if (error.reason == "host_not_found" || error.reason == "resolve_timeout") {
    result.outcome = "resolve";
    result.may_pass = true;
  } else if (error.code == base::Code::kDeadlineExceeded) {
    result.outcome = "timeout";
    result.may_pass = result.unsure = true;
  } else if (error.code == base::Code::kDataLoss) {
    result.outcome = "bad_answer";
    result.may_pass = result.unsure = true;
  } else {
    result.outcome = "connection";
    result.may_pass = result.unsure = true;
  }
  return result;
}

CallResult BadAnswer(int status, std::string_view outcome, std::string detail) {
  return {.status = status, .outcome = outcome, .detail = std::move(detail), .unsure = true, .results = {}};
}

std::string_view HeaderOf(const net::Http1Head& head, std::string_view name) {
  const auto found = std::ranges::find(head.headers, name, [](const net::HttpHeader& header) { return header.name; });
  return found == head.headers.end() ? std::string_view() : found->value;
}

// One part of a pointer, with its "~1" and "~0" written out.
std::string Unescaped(std::string_view part) {
  std::string out;
  for (std::size_t i = 0; i < part.size(); ++i) {
    const bool escape = part[i] == '~' && i + 1 < part.size();
    out += escape ? (part[++i] == '1' ? '/' : '~') : part[i];
  }
  return out;
}

base::Result<FieldValue> ValueOf(base::JsonValue value) {
  FieldValue result;
  switch (value.type()) {
    case base::JsonType::kString:
      result.text = value.AsString().value();
      break;
    case base::JsonType::kBool:
    case base::JsonType::kInt:
    case base::JsonType::kUint:
    case base::JsonType::kDouble: {
      base::JsonWriter json(result.text);
      result.literal = true;
      if (value.type() == base::JsonType::kBool) json.Bool(value.AsBool().value());
      if (value.type() == base::JsonType::kInt) json.Int(value.AsInt().value());
      if (value.type() == base::JsonType::kUint) json.Uint(value.AsUint().value());
      if (value.type() == base::JsonType::kDouble) json.Double(value.AsDouble().value());
      break;
    }
    case base::JsonType::kNull:
    case base::JsonType::kArray:
    case base::JsonType::kObject:
      return base::InvalidArgument(
          fmt::format("{} where a text, a number or a boolean is needed", base::JsonTypeName(value.type())));
  }
  if (result.text.size() > kResultBytesMax) {
    return base::InvalidArgument(fmt::format("a value of more than {} bytes", kResultBytesMax));
  }
  return result;
}

}  // namespace

base::Result<ActionRequest> FillIn(const CallDefinition& call, const FieldValues& fields) {
  ActionRequest request;
  LOQUAT_ASSIGN(request.url, call.url.Render(fields, PercentEncode));
  if (HasOddSegment(request.url)) {
    return Unfillable("action_url", fmt::format("a field makes another path of the URL of {}", call.action));
  }
  char separator = request.url.contains('?') ? '&' : '?';
  for (const auto& [name, value] : call.query) {
    LOQUAT_ASSIGN(const std::string text, value.Render(fields));
    if (text.empty() && !value.fields().empty()) continue;
    request.url += fmt::format("{}{}={}", separator, PercentEncode(name), PercentEncode(text));
    separator = '&';
  }
  if (request.url.size() > kActionUrlBytesMax) {
    return Unfillable("action_url",
                      fmt::format("the URL of {} has more than {} bytes", call.action, kActionUrlBytesMax));
  }
  if (call.body.empty()) return request;
  base::JsonWriter json(request.body);
  json.BeginObject();
  for (const auto& [name, value] : call.body) {
    LOQUAT_ASSIGN(const std::string text, value.RenderJson(fields));
    if (text.empty()) continue;
    json.Key(name);
    json.Raw(text);
  }
  json.EndObject();
  if (request.body.size() > kActionBodyBytesMax) {
    return Unfillable("action_body",
                      fmt::format("the body of {} has more than {} bytes", call.action, kActionBodyBytesMax));
  }
  return request;
}

base::Result<base::JsonValue> AtPointer(base::JsonValue root, std::string_view pointer) {
  base::JsonValue value = root;
  for (std::size_t at = 0; at < pointer.size();) {
    const std::size_t end = std::min(pointer.find('/', at + 1), pointer.size());
    const std::string part = Unescaped(pointer.substr(at + 1, end - at - 1));
    const base::Error nothing = base::InvalidArgument(fmt::format("there is nothing at {}", pointer.substr(0, end)));
    if (value.type() == base::JsonType::kObject) {
      const base::JsonObject object = value.AsObject().value();
      if (!object.Has(part)) return nothing;
      value = object.Find(part);
    } else if (value.type() == base::JsonType::kArray) {
      const auto index = base::ParseInt<std::size_t>(part);
      const bool canonical = index && (part == "0" || part.front() != '0');
      const base::JsonArray array = value.AsArray().value();
      if (!canonical || *index >= array.size()) return nothing;
      auto item = array.begin();
      for (std::size_t i = 0; i < *index; ++i) ++item;
      value = *item;
    } else {
      return nothing;
    }
    at = end;
  }
  return value;
}

base::Result<FieldValues> TakeResults(const CallDefinition& call, std::string_view answer, base::JsonParser& parser) {
  FieldValues results;
  if (call.take.empty()) return results;
  LOQUAT_ASSIGN(const base::JsonValue root, parser.Parse(answer));
  for (const auto& [name, pointer] : call.take) {
    LOQUAT_ASSIGN(const base::JsonValue value, AtPointer(root, pointer));
    auto result = ValueOf(value);
    if (!result.has_value()) {
      return base::InvalidArgument(fmt::format("at \"{}\": {}", pointer, result.error().message));
    }
    results.emplace(name, std::move(*result));
  }
  return results;
}

CallResult JudgeAnswer(const CallDefinition& call, int status) {
  CallResult result{.status = status, .detail = fmt::format("{} answered {}", call.action, status), .results = {}};
  if (status >= 200 && status < 300) {
    result.outcome = "2xx";
  } else if (status == 429) {
    result.outcome = "429";
  } else if (status >= 500) {
    result.outcome = "5xx";
  } else {
    result.outcome = status >= 400 ? "4xx" : "3xx";
  }
  result.done =
      call.success.empty() ? result.outcome == "2xx" : std::ranges::find(call.success, status) != call.success.end();
  if (result.done) return result;
  result.unsure = status >= 500 || status == 408 || status == 409 || result.outcome == "2xx";
  result.may_pass = status >= 500 || status == 408 || status == 409 || status == 425 || status == 429;
  return result;
}

CallVerdict VerdictOf(const CallDefinition& call, const CallResult& result, std::uint32_t attempt, bool undo) {
  if (result.done) return CallVerdict::kDone;
  if (result.hopeless || call.retry == RetryClass::kNever) return CallVerdict::kFailed;
  if (!undo && attempt >= call.attempts_max) return CallVerdict::kFailed;
  return result.may_pass || call.retry == RetryClass::kAlways ? CallVerdict::kRetry : CallVerdict::kFailed;
}

milliseconds WaitAfterCall(const CallDefinition& call, const CallResult& result, std::uint32_t attempts,
                           std::string_view key) {
  // Past this many doublings the limit has long been reached.
  constexpr std::uint32_t kDoublingsMax = 64;
  base::Backoff backoff({.first = call.backoff_first, .ceiling = call.backoff_max}, base::Hash64(key) + attempts);
  base::Duration wait{};
  for (std::uint32_t i = 0; i < std::min(attempts, kDoublingsMax); ++i) wait = backoff.Next();
  return std::max(std::chrono::duration_cast<milliseconds>(wait), result.retry_after);
}

awaitable<CallResult> ActionCaller::Call(const net::TargetPolicy& policy, const CallDefinition& call,
                                         const Headers& headers, const FieldValues& fields, std::string key,
                                         std::string traceparent, base::TimePoint until) {
  until = std::min(until, clock_.Now() + call.timeout);
  auto request = FillIn(call, fields);
  if (!request.has_value()) {
    co_return CallResult{.outcome = "mapping", .detail = request.error().message, .hopeless = true, .results = {}};
  }
  const auto target = policy.CheckUrl(request->url);
  if (!target.has_value()) co_return Failure(target.error());
  auto pinned = co_await net::PinTarget(policy, resolver_, *target, until);
  if (!pinned.has_value()) co_return Failure(pinned.error());

  const bool once = call.retry == RetryClass::kNever;
  net::HttpFetch fetch{.method = call.method,
                       .url = std::move(request->url),
                       .headers = {{"Accept", "application/json"},
                                   {"User-Agent", user_agent_},
                                   {std::string(kIdempotencyHeader), std::move(key)}},
                       .body = std::move(request->body),
                       .route = {.addresses = std::move(*pinned), .until = until},
                       .repeatable = !once};
  if (!fetch.body.empty()) fetch.headers.emplace_back("Content-Type", "application/json");
  if (!traceparent.empty()) fetch.headers.emplace_back("traceparent", std::move(traceparent));
  for (const auto& header : headers) fetch.headers.push_back(header);
  net::HttpClient& client = once ? fresh_ : pooled_;
  auto stream = co_await client.Open(std::move(fetch));
  if (!stream.has_value()) co_return Failure(stream.error());
  co_return co_await Read(call, client, std::move(*stream));
}

awaitable<CallResult> ActionCaller::Read(const CallDefinition& call, net::HttpClient& client,
                                         net::HttpClient::Stream stream) {
  const int status = stream.head->status;
  CallResult result = JudgeAnswer(call, status);
  if (status == 429 || status == 503) {
    result.retry_after = ParseRetryAfter(HeaderOf(*stream.head, "retry-after"), clock_.WallNow());
  }
  std::string body;
  base::Status read;
  for (;;) {
    const auto piece = co_await stream.connection->ReadBody();
    if (!piece.has_value()) {
      read = piece.error();
      break;
    }
    if (piece->empty()) break;
    if (body.size() + piece->size() > call.answer_bytes_max) {
      read = base::ResourceExhausted(fmt::format("the answer has more than {} bytes", call.answer_bytes_max));
      break;
    }
    body += *piece;
  }
  client.GiveBack(std::move(stream));
  // Nobody needs the words of a refusal, nor those of a success without results.
  if (!result.done || call.take.empty()) co_return result;
  if (!read.has_value()) {
    if (read.error().code == base::Code::kResourceExhausted) {
      co_return BadAnswer(status, "too_large", read.error().message);
    }
    CallResult failure = Failure(read.error());
    failure.status = status;
    failure.may_pass = failure.unsure = true;
    co_return failure;
  }
  auto results = TakeResults(call, body, parser_);
  if (!results.has_value()) co_return BadAnswer(status, "bad_answer", results.error().message);
  result.results = std::move(*results);
  co_return result;
}

}  // namespace loquat::response
