// What may be configured about answers by callback: section `delivery.callbacks`. Plain values; a reload changes all of
// them but the journal's place and the trust store.

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "config/section.h"

namespace loquat::response {

inline constexpr std::size_t kSecretsMax = 8;
inline constexpr std::uint32_t kAttemptsMax = 1000;

// Who may be called: net::TargetPolicyOptions under the names of the configuration.
struct CallbackTargets {
  bool allow_http = false;
  std::vector<std::string> allow_hosts;
  std::vector<std::string> allow_networks;
  std::vector<std::uint16_t> ports = {443};
};
void Declare(config::Section<CallbackTargets>& section);

struct CallbackRetries {
  std::uint32_t attempts_max = 12;                      // The first one counts.
  std::chrono::milliseconds give_up_after{86'400'000};  // From the acceptance; looked at after a failed attempt.
  std::chrono::milliseconds backoff_first{1'000};       // Ceiling of the first wait; full jitter below it.
  std::chrono::milliseconds backoff_max{3'600'000};
  std::chrono::milliseconds attempt_timeout{15'000};  // Look-up, connection, TLS, request and answer together.
  std::uint32_t redirects_max = 0;                    // 0: a redirect is a failure.
};
void Declare(config::Section<CallbackRetries>& section);

struct CallbackLimits {
  std::size_t works_max = 4;                 // Answers in the making at a time.
  std::size_t queue_max = 1'000;             // Accepted requests whose answer is not made yet.
  std::size_t undelivered_max = 10'000;      // Accepted and not finished, in all.
  std::size_t undelivered_host_max = 2'000;  // The same of one host.
  std::size_t undelivered_bytes_max = std::size_t{64} << 20;
  std::size_t sends_max = 64;  // Calls under way at a time.
  std::size_t sends_host_max = 4;
};
void Declare(config::Section<CallbackLimits>& section);

struct CallbackOptions {
  std::string journal;                                // File; empty: this server answers nothing by callback.
  std::size_t compact_bytes = std::size_t{64} << 20;  // Journal larger than this, and mostly of the past: rewritten.
  std::string ca_file;                                // PEM; empty: the system's trust store.
  std::vector<std::string> secrets;                   // "whsec_…"; each signs.
  CallbackTargets targets;
  CallbackRetries retries;
  CallbackLimits limits;
  std::chrono::milliseconds retention{86'400'000};  // A finished delivery can be looked at for so long.
  std::size_t finished_max = 10'000;                // Of these; the oldest go first.
};
void Declare(config::Section<CallbackOptions>& section);

}  // namespace loquat::response
