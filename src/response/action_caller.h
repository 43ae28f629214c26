// One call of one action: fills the request in, checks the target, looks it up, sends, reads the answer, and says what
// it means.
//
//   a status of `success` (2xx)   done, where every result is found in the answer; else bad_answer
//   408, 409, 425, 429, 5xx       may pass; what they did is unsure for 5xx, 408 and 409, nothing for 425 and 429
//   other statuses                final, without an effect; no redirect is followed
//   no connection, no answer      may pass, unsure
//   no such host                  may pass, without an effect
//   a target that is refused      final, without an effect; so is a request that cannot be filled in
//
// Call belongs to the loop of the clients. Everything referred to outlives it. The rest is pure.

#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/json_value.h"
#include "net/http_client.h"
#include "net/target_policy.h"
#include "net/target_resolver.h"
#include "response/action_set.h"
#include "response/saga_record.h"

namespace loquat::response {

inline constexpr std::size_t kActionUrlBytesMax = 8192;
inline constexpr std::size_t kActionBodyBytesMax = std::size_t{256} * 1024;
inline constexpr std::size_t kResultBytesMax = 4096;  // Of one result.
inline constexpr std::size_t kActionAnswerDepthMax = 32;

// A call filled in.
struct ActionRequest {
  std::string url;
  std::string body;  // Empty: none.
};
// Errors: failed_precondition "action_field_missing", "action_url" (too long, or a field makes it another path),
// "action_body".
base::Result<ActionRequest> FillIn(const CallDefinition& call, const FieldValues& fields);

// The value that a JSON pointer (RFC 6901) leads to. Errors: invalid_argument that says where it ends.
base::Result<base::JsonValue> AtPointer(base::JsonValue root, std::string_view pointer);
// What `take` names, from the text of an answer. Errors: invalid_argument: no JSON, nothing at a pointer, or no text,
// number or boolean there; too long.
base::Result<FieldValues> TakeResults(const CallDefinition& call, std::string_view answer, base::JsonParser& parser);

// What one call led to, before anybody asks whether it is made again.
struct CallResult {
  int status = 0;
  std::string_view outcome;  // "2xx", "3xx", "4xx", "429", "5xx", "timeout", "resolve", "connection", "bad_answer",
                             // "too_large", "refused", "mapping", "no_headers".
  std::string detail;
  bool done = false;
  bool may_pass = false;
  bool unsure = false;
  bool hopeless = false;  // The same call will never be made: not even the class `always` tries again.
  std::chrono::milliseconds retry_after{};
  FieldValues results;
};
CallResult JudgeAnswer(const CallDefinition& call, int status);

// Whether it is made again. `attempt`: from 1. `undo`: attempts are not counted, since it is tried until it is done.
CallVerdict VerdictOf(const CallDefinition& call, const CallResult& result, std::uint32_t attempt, bool undo);
// The wait after so many attempts, the same for the same key: full jitter below a limit that doubles.
std::chrono::milliseconds WaitAfterCall(const CallDefinition& call, const CallResult& result, std::uint32_t attempts,
                                        std::string_view key);

class ActionCaller {
 public:
  // `pooled` keeps connections; `fresh` keeps none: a call that may be made once only is not risked on an old one.
  ActionCaller(net::HttpClient& pooled, net::HttpClient& fresh, net::HostResolver& resolver, const base::Clock& clock,
               std::string user_agent)
      : pooled_(pooled), fresh_(fresh), resolver_(resolver), clock_(clock), user_agent_(std::move(user_agent)) {}

  using Headers = std::vector<std::pair<std::string, std::string>>;
  // `until`: besides the call's own timeout.
  boost::asio::awaitable<CallResult> Call(const net::TargetPolicy& policy, const CallDefinition& call,
                                          const Headers& headers, const FieldValues& fields, std::string key,
                                          std::string traceparent, base::TimePoint until);

 private:
  boost::asio::awaitable<CallResult> Read(const CallDefinition& call, net::HttpClient& client,
                                          net::HttpClient::Stream stream);

  net::HttpClient& pooled_;
  net::HttpClient& fresh_;
  net::HostResolver& resolver_;
  const base::Clock& clock_;
  const std::string user_agent_;
  base::JsonParser parser_{base::JsonLimits{.max_bytes = kActionAnswerBytesMax, .max_depth = kActionAnswerDepthMax}};
};

}  // namespace loquat::response
