#include "response/callback_options.h"

#include <algorithm>

#include "net/target_policy.h"
#include "response/webhook_signature.h"

namespace loquat::response {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

void Declare(config::Section<CallbackTargets>& section) {
  section.Key("allow_http", &CallbackTargets::allow_http).Help("Call http:// too; else https:// alone.");
  section.Key("allow_hosts", &CallbackTargets::allow_hosts)
      .Help("Hosts that may be called: \"example.com\" itself, \".example.com\" all below it; empty: any.");
  section.Key("allow_networks", &CallbackTargets::allow_networks)
      .Help(
          "Networks that are not public and may be called all the same (\"10.1.0.0/16\"); a metadata service only "
          "where "
          "its single address is listed.");
  section.Key("ports", &CallbackTargets::ports).Range(1, 65'535).Help("Ports that may be called; empty: any.");
  section.Check([](const CallbackTargets& targets) -> base::Status {
    LOQUAT_TRY(
        net::TargetPolicy::Create({.allow_hosts = targets.allow_hosts, .allow_networks = targets.allow_networks}, {}));
    return {};
  });
}

void Declare(config::Section<CallbackRetries>& section) {
  const auto low = milliseconds(1);
  section.Key("attempts_max", &CallbackRetries::attempts_max)
      .Range(1, kAttemptsMax)
      .Help("Calls of one delivery, the first included; then it is a dead letter.");
  section.Key("give_up_after", &CallbackRetries::give_up_after)
      .Range(low, milliseconds(hours(24 * 30)))
      .Help("A delivery that fails so long after its acceptance is a dead letter.");
  section.Key("backoff_first", &CallbackRetries::backoff_first)
      .Range(low, milliseconds(hours(1)))
      .Help("The first wait is a random time up to this; the limit doubles from try to try.");
  section.Key("backoff_max", &CallbackRetries::backoff_max)
      .Range(low, milliseconds(hours(24)))
      .Help("The limit grows no further.");
  section.Key("attempt_timeout", &CallbackRetries::attempt_timeout)
      .Range(milliseconds(10), milliseconds(hours(1)))
      .Help("Longest time of one call, from the look-up of the name to the answer.");
  section.Key("redirects_max", &CallbackRetries::redirects_max)
      .Range(0, 10)
      .Help("Redirects (307, 308) followed, each target checked anew; 0: none.");
  section.Check([](const CallbackRetries& retries) -> base::Status {
    if (retries.backoff_first <= retries.backoff_max) return {};
    return base::InvalidArgument("must not be longer than backoff_max", "/backoff_first");
  });
}

void Declare(config::Section<CallbackLimits>& section) {
  section.Key("works_max", &CallbackLimits::works_max).Range(1, 1024).Help("Answers in the making at a time.");
  section.Key("queue_max", &CallbackLimits::queue_max)
      .Range(1, 1'000'000)
      .Help("Accepted requests whose answer is not made yet; one more is refused with 429.");
  section.Key("undelivered_max", &CallbackLimits::undelivered_max)
      .Range(1, 1'000'000)
      .Help("Accepted requests that are not delivered yet; one more is refused with 429.");
  section.Key("undelivered_host_max", &CallbackLimits::undelivered_host_max)
      .Range(1, 1'000'000)
      .Help("The same of one host, so that one that is down does not fill the whole.");
  section.Key("undelivered_bytes_max", &CallbackLimits::undelivered_bytes_max)
      .Bytes()
      .Range(64 * 1024, std::int64_t{1} << 31)
      .Help("Memory for requests and answers that are not delivered yet.");
  section.Key("sends_max", &CallbackLimits::sends_max).Range(1, 10'000).Help("Calls under way at a time.");
  section.Key("sends_host_max", &CallbackLimits::sends_host_max).Range(1, 10'000).Help("Calls to one host at a time.");
}

void Declare(config::Section<CallbackOptions>& section) {
  section.Key("journal", &CallbackOptions::journal)
      .NeedsRestart()
      .Help("File that keeps what was accepted and is not delivered; empty: this server answers nothing by callback.");
  section.Key("compact_bytes", &CallbackOptions::compact_bytes)
      .Bytes()
      .Range(4096, std::int64_t{1} << 31)
      .Help("The journal is written anew when it is larger than this and than twice what is still open.");
  section.Key("ca_file", &CallbackOptions::ca_file)
      .NeedsRestart()
      .Help("PEM file of the authorities that targets are trusted by; empty: the system's.");
  section.Key("secrets", &CallbackOptions::secrets)
      .Secret()
      .Check([](const std::vector<std::string>& secrets) -> base::Status {
        LOQUAT_TRY(WebhookSigner::Create(secrets));
        return {};
      })
      .Help(
          "What callbacks are signed with (Standard Webhooks, \"whsec_\" and base64 of 24 to 64 bytes); with several, "
          "each signs, so that receivers may change from one to the next.");
  section.Sub("targets", &CallbackOptions::targets).Help("Who may be called.");
  section.Sub("retries", &CallbackOptions::retries).Help("How often and how long a delivery is tried.");
  section.Sub("limits", &CallbackOptions::limits).Help("Bounds of what waits and of what is under way.");
  section.Key("retention", &CallbackOptions::retention)
      .Range(milliseconds(seconds(1)), milliseconds(hours(24 * 30)))
      .Help("How long a finished delivery can still be looked at.");
  section.Key("finished_max", &CallbackOptions::finished_max)
      .Range(1, 1'000'000)
      .Help("Finished deliveries that can be looked at; the oldest go first.");
  section.Check([](const CallbackOptions& options) -> base::Status {
    if (options.journal.empty() || !options.secrets.empty()) return {};
    return base::InvalidArgument(
        "callbacks need a secret to be signed with; make one: echo whsec_$(openssl rand -base64 24)", "/secrets");
  });
}

}  // namespace loquat::response
