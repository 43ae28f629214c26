#include "config/etcd/etcd_options.h"

#include <algorithm>
#include <cstdint>

#include "base/result.h"
#include "base/strings.h"

namespace loquat::config::etcd {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::string_view kUnix = "unix:/";

bool IsVisible(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
}

bool IsEndpoint(std::string_view text) {
  if (text.starts_with(kUnix)) return text.size() > kUnix.size() && IsVisible(text);
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0 || !IsVisible(text)) return false;
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.contains(':') || host.contains('/')) {
    return false;
  }
  const auto port = base::ParseInt<std::uint16_t>(text.substr(colon + 1));
  return !host.empty() && port.has_value() && *port != 0;
}

bool IsPrefix(std::string_view text) {
  return text.size() >= 2 && text.size() <= kPrefixBytesMax && text.ends_with('/') && IsVisible(text);
}

base::Status CheckOptions(const EtcdOptions& options) {
  if (options.endpoints.size() > kEndpointsMax) {
    return base::InvalidArgument("at most 16 endpoints", "/endpoints");
  }
  if (options.username.empty() != options.password.empty()) {
    return base::InvalidArgument("a user and its password go together; give both or neither",
                                 options.username.empty() ? "/password" : "/username");
  }
  if (options.retry_first > options.retry_max) {
    return base::InvalidArgument("retry_first is longer than retry_max", "/retry_first");
  }
  if (options.value_bytes_max > options.bytes_max) {
    return base::InvalidArgument("value_bytes_max is more than bytes_max, that of all values", "/value_bytes_max");
  }
  return {};
}

void DeclareBounds(config::Section<EtcdOptions>& section) {
  section.Key("start_timeout", &EtcdOptions::start_timeout)
      .Range(milliseconds(100), milliseconds(minutes(10)))
      .NeedsRestart()
      .Help("How long a start may wait for etcd.");
  section.Key("call_timeout", &EtcdOptions::call_timeout)
      .Range(milliseconds(50), milliseconds(minutes(1)))
      .NeedsRestart()
      .Help("One call may take so long, the connection with it.");
  section.Key("keepalive", &EtcdOptions::keepalive)
      .Range(milliseconds(100), milliseconds(minutes(10)))
      .NeedsRestart()
      .Help("An etcd that is silent for so long is asked for a sign of life; after as long again it counts as away.");
  section.Key("retry_first", &EtcdOptions::retry_first)
      .Range(milliseconds(1), milliseconds(minutes(1)))
      .NeedsRestart()
      .Help("Longest wait before the first new try; each wait is drawn at random up to a limit that doubles.");
  section.Key("retry_max", &EtcdOptions::retry_max)
      .Range(milliseconds(10), milliseconds(minutes(10)))
      .NeedsRestart()
      .Help("No wait before a new try is longer.");
  section.Key("keys_max", &EtcdOptions::keys_max)
      .Range(1, 100'000)
      .NeedsRestart()
      .Help("Keys below the prefix; with more, nothing is taken.");
  section.Key("value_bytes_max", &EtcdOptions::value_bytes_max)
      .Bytes()
      .Range(16, 1 << 20)
      .NeedsRestart()
      .Help("The value of one key; a larger one is refused.");
  section.Key("bytes_max", &EtcdOptions::bytes_max)
      .Bytes()
      .Range(1024, 256 << 20)
      .NeedsRestart()
      .Help("Keys and values together; with more, nothing is taken.");
}

}  // namespace

void Declare(config::Section<EtcdTlsOptions>& section) {
  section.Key("ca_file", &EtcdTlsOptions::ca_file)
      .NeedsRestart()
      .Help("PEM file of the authorities that etcd's certificate is checked against; empty: the system's.");
  section.Key("certificate", &EtcdTlsOptions::certificate)
      .NeedsRestart()
      .Help("PEM file: the certificate to show to etcd, then its chain; empty: none.");
  section.Key("key", &EtcdTlsOptions::key).NeedsRestart().Help("PEM file of its private key, unencrypted.");
  section.Check([](const EtcdTlsOptions& options) -> base::Status {
    if (options.certificate.empty() == options.key.empty()) return {};
    return base::InvalidArgument("a certificate and its key go together; give both or neither",
                                 options.key.empty() ? "/key" : "/certificate");
  });
}

void Declare(config::Section<EtcdOptions>& section) {
  section.Key("endpoints", &EtcdOptions::endpoints)
      .Match(IsEndpoint, "HOST:PORT, [IPV6]:PORT or unix:/PATH")
      .NeedsRestart()
      .Help("Members of the etcd cluster (3.4 or later) that configuration is read from; empty: none.");
  section.Key("prefix", &EtcdOptions::prefix)
      .Match(IsPrefix, "2 to 256 visible ASCII characters that end with /")
      .NeedsRestart()
      .Help("The keys below it are configuration: PREFIXunderstand/ranking_max is understand.ranking_max.");
  section.Key("username", &EtcdOptions::username).NeedsRestart().Help("User of etcd; empty: no login.");
  section.Key("password", &EtcdOptions::password).Secret().NeedsRestart().Help("Its password.");
  section.Sub("tls", &EtcdOptions::tls).NeedsRestart().Help("Connect by TLS.");
  section.Key("snapshot", &EtcdOptions::snapshot)
      .NeedsRestart()
      .Help("File that keeps what was taken from etcd last, for a start without etcd; empty: none.");
  section.Key("required", &EtcdOptions::required)
      .NeedsRestart()
      .Help("Refuse to start with neither etcd nor a snapshot; off: start with the other sources.");
  DeclareBounds(section);
  section.Check(CheckOptions);
}

}  // namespace loquat::config::etcd
