// One call of one callback: checks the target, looks it up, signs, sends, and says what the answer means.
//
//   2xx                        delivered
//   408, 409, 425, 429, 5xx    try again, at the earliest after Retry-After (429 and 503)
//   410 and other 4xx, 3xx     final; a redirect is followed where the options allow it, each target checked anew
//   no connection, no answer   try again
//   a target that is refused   final
//
// Send belongs to the loop of the client. Everything referred to outlives it.

#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "net/http_client.h"
#include "net/target_policy.h"
#include "net/target_resolver.h"
#include "response/callback_options.h"
#include "response/webhook_signature.h"

namespace loquat::response {

inline constexpr std::size_t kAnswerBytesMax = 64 * 1024;  // Read of an answer, to use the connection again.
inline constexpr std::chrono::milliseconds kAnswerTimeMax{1'000};
inline constexpr std::chrono::hours kRetryAfterMax{24};

// What a call is made with; a reload makes a new one.
struct CallbackSettings {
  CallbackOptions options;
  WebhookSigner signer;
  std::shared_ptr<const net::TargetPolicy> policy;
};

struct CallbackMessage {
  std::string_view id;
  std::string_view url;
  std::string_view traceparent;  // Empty: none.
  std::string_view body;
};

enum class SendVerdict : std::uint8_t { kDelivered, kRetry, kFinal };

struct SendOutcome {
  SendVerdict verdict = SendVerdict::kRetry;
  int status = 0;            // Of the answer; 0: none.
  std::string_view outcome;  // For metrics: "2xx", "3xx", "4xx", "410", "429", "5xx", "timeout", "resolve",
                             // "connection", "bad_answer", "refused".
  std::string detail;
  std::chrono::milliseconds retry_after{};  // Zero: it said nothing.
};

// Of a status alone.
SendOutcome JudgeStatus(int status);
// Seconds, or a date of RFC 9110 section 5.6.7; zero for anything else and for the past, never above kRetryAfterMax.
std::chrono::milliseconds ParseRetryAfter(std::string_view value, base::WallTime now);

class CallbackSender {
 public:
  CallbackSender(net::HttpClient& client, net::HostResolver& resolver, const base::Clock& clock, std::string user_agent)
      : client_(client), resolver_(resolver), clock_(clock), user_agent_(std::move(user_agent)) {}

  boost::asio::awaitable<SendOutcome> Send(const CallbackSettings& settings, CallbackMessage message);

 private:
  boost::asio::awaitable<SendOutcome> Call(const CallbackSettings& settings, const CallbackMessage& message,
                                           const std::string& url, base::TimePoint until, std::string& location);
  boost::asio::awaitable<void> FinishAnswer(net::HttpClient::Stream stream, base::TimePoint until);

  net::HttpClient& client_;
  net::HostResolver& resolver_;
  const base::Clock& clock_;
  const std::string user_agent_;
};

}  // namespace loquat::response
