// How to reach the etcd that holds configuration, and what it may send: the section `etcd`. Plain values; the file, the
// environment and the command line alone may set them.

#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/section.h"

namespace loquat::config::etcd {

// The name of the section, which etcd itself may not set.
inline constexpr std::string_view kSectionName = "etcd";
inline constexpr std::size_t kEndpointsMax = 16;
inline constexpr std::size_t kPrefixBytesMax = 256;

struct EtcdTlsOptions {
  std::string ca_file;      // PEM; empty: the system's trust store.
  std::string certificate;  // PEM, of this client; empty: none.
  std::string key;          // PEM, unencrypted; of the certificate.
};
void Declare(config::Section<EtcdTlsOptions>& section);

struct EtcdOptions {
  std::vector<std::string> endpoints;  // HOST:PORT. Empty: no etcd.
  std::string prefix = "/loquat/config/";
  std::string username;  // Empty: no login.
  std::string password;
  std::optional<EtcdTlsOptions> tls;
  std::string snapshot;  // File; empty: none.
  bool required = false;
  std::chrono::milliseconds start_timeout{5'000};
  std::chrono::milliseconds call_timeout{3'000};
  std::chrono::milliseconds keepalive{10'000};
  std::chrono::milliseconds retry_first{100};
  std::chrono::milliseconds retry_max{10'000};
  std::size_t keys_max = 1'000;
  std::size_t value_bytes_max = 256 * 1024;
  std::size_t bytes_max = std::size_t{4} << 20;
};
void Declare(config::Section<EtcdOptions>& section);

}  // namespace loquat::config::etcd
