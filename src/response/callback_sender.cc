#include "response/callback_sender.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <utility>

#include "base/strings.h"

namespace loquat::response {
namespace {

using boost::asio::awaitable;
using std::chrono::milliseconds;

constexpr std::size_t kLocationBytesMax = 2048;

SendOutcome Failure(const base::Error& error) {
  SendOutcome outcome{.detail = error.message};
  if (error.reason.starts_with("target_")) {
    outcome.verdict = SendVerdict::kFinal;
    outcome.outcome = "refused";
  } else if (error.code == base::Code::kDeadlineExceeded) {
    outcome.outcome = "timeout";
  } else if (error.reason == "host_not_found") {
    outcome.outcome = "resolve";
  } else if (error.code == base::Code::kDataLoss) {
    outcome.outcome = "bad_answer";
  } else {
    outcome.outcome = "connection";
  }
  return outcome;
}

std::string_view HeaderOf(const net::Http1Head& head, std::string_view name) {
  const auto found = std::ranges::find(head.headers, name, [](const net::HttpHeader& header) { return header.name; });
  return found == head.headers.end() ? std::string_view() : found->value;
}

// A target as a redirect names it: absolute, or a path of the same host.
std::string Joined(const net::HttpUrl& base_url, std::string_view location) {
  if (!location.starts_with('/') || location.starts_with("//")) return std::string(location);
  return fmt::format("{}://{}{}", base_url.secure ? "https" : "http", base_url.Authority(), location);
}

}  // namespace

SendOutcome JudgeStatus(int status) {
  SendOutcome outcome{.status = status, .detail = fmt::format("the target answered {}", status)};
  if (status >= 200 && status < 300) {
    outcome.verdict = SendVerdict::kDelivered;
    outcome.outcome = "2xx";
  } else if (status == 410) {
    outcome.verdict = SendVerdict::kFinal;
    outcome.outcome = "410";
  } else if (status == 429) {
    outcome.outcome = "429";
  } else if (status >= 500) {
    outcome.outcome = "5xx";
  } else if (status >= 400) {
    const bool again = status == 408 || status == 409 || status == 425;
    outcome.verdict = again ? SendVerdict::kRetry : SendVerdict::kFinal;
    outcome.outcome = "4xx";
  } else {
    outcome.verdict = SendVerdict::kFinal;
    outcome.outcome = "3xx";
  }
  return outcome;
}

milliseconds ParseRetryAfter(std::string_view value, base::WallTime now) {
  const auto bounded = [](std::int64_t seconds) {
    const std::int64_t most = std::chrono::seconds(kRetryAfterMax).count();
    return milliseconds(std::chrono::seconds(std::clamp<std::int64_t>(seconds, 0, most)));
  };
  value = base::TrimAscii(value);
  if (value.empty()) return {};
  if (std::ranges::all_of(value, base::IsAsciiDigit)) {
    return bounded(base::ParseInt<std::int64_t>(value).value_or(std::chrono::seconds(kRetryAfterMax).count()));
  }
  std::tm date{};
  const std::string text(value);
  const char* end = ::strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &date);
  if (end == nullptr || *end != '\0') return {};
  return bounded(::timegm(&date) - std::chrono::system_clock::to_time_t(now));
}

awaitable<SendOutcome> CallbackSender::Send(const CallbackSettings& settings, CallbackMessage message) {
  const base::TimePoint until = clock_.Now() + settings.options.retries.attempt_timeout;
  std::string url(message.url);
  for (std::uint32_t hops = 0;; ++hops) {
    std::string location;
    SendOutcome outcome = co_await Call(settings, message, url, until, location);
    if (outcome.outcome != "3xx" || hops >= settings.options.retries.redirects_max || location.empty()) {
      co_return outcome;
    }
    url = std::move(location);
  }
}

awaitable<SendOutcome> CallbackSender::Call(const CallbackSettings& settings, const CallbackMessage& message,
                                            const std::string& url, base::TimePoint until, std::string& location) {
  const auto target = settings.policy->CheckUrl(url);
  if (!target.has_value()) co_return Failure(target.error());
  auto pinned = co_await net::PinTarget(*settings.policy, resolver_, *target, until);
  if (!pinned.has_value()) co_return Failure(pinned.error());

  const std::int64_t now = std::chrono::system_clock::to_time_t(clock_.WallNow());
  net::HttpFetch fetch{.method = "POST",
                       .url = url,
                       .headers = {{"Content-Type", "application/json"},
                                   {"User-Agent", user_agent_},
                                   {"webhook-id", std::string(message.id)},
                                   {"webhook-timestamp", std::to_string(now)},
                                   {"webhook-signature", settings.signer.Sign(message.id, now, message.body)}},
                       .body = std::string(message.body),
                       .route = {.addresses = std::move(*pinned), .until = until},
                       .repeatable = true};
  if (!message.traceparent.empty()) fetch.headers.emplace_back("traceparent", message.traceparent);
  auto stream = co_await client_.Open(std::move(fetch));
  if (!stream.has_value()) co_return Failure(stream.error());

  const net::Http1Head& head = *stream->head;
  SendOutcome outcome = JudgeStatus(head.status);
  if (head.status == 429 || head.status == 503) {
    outcome.retry_after = ParseRetryAfter(HeaderOf(head, "retry-after"), clock_.WallNow());
  }
  // 301, 302 and 303 may turn a POST into a GET (RFC 9110 section 15.4): the answer would get lost on the way.
  if (head.status == 307 || head.status == 308) {
    const std::string_view header = HeaderOf(head, "location");
    if (header.size() <= kLocationBytesMax) location = Joined(target->url, header);
  }
  co_await FinishAnswer(std::move(*stream), until);
  co_return outcome;
}

// The verdict stands; what is left of a short answer is read, so that the connection can be used again.
awaitable<void> CallbackSender::FinishAnswer(net::HttpClient::Stream stream, base::TimePoint until) {
  stream.connection->set_until(std::min(until, clock_.Now() + kAnswerTimeMax));
  for (std::size_t bytes = 0; bytes <= kAnswerBytesMax;) {
    const auto piece = co_await stream.connection->ReadBody();
    if (!piece.has_value() || piece->empty()) break;
    bytes += piece->size();
  }
  client_.GiveBack(std::move(stream));
}

}  // namespace loquat::response
