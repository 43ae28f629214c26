// SHA-256 (FIPS 180-4) and HMAC-SHA256 (RFC 2104) through OpenSSL, and comparison in constant time for secrets.
// Sha256 is a stream: one thread at a time. The free functions are pure.

#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace loquat::base {

using Sha256Digest = std::array<unsigned char, 32>;

// Takes a text in pieces.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  void Update(std::string_view bytes);
  // The digest of all pieces; afterwards the stream is empty again.
  Sha256Digest Finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

Sha256Digest Sha256Of(std::string_view bytes);
// 64 digits in lower case.
std::string Sha256Hex(std::string_view bytes);

// The authentication code of `message` under `key`, of any size.
Sha256Digest HmacSha256(std::string_view key, std::string_view message);

// Whether two secrets are equal, in a time that tells nothing of where they differ. Their sizes are not secret.
bool EqualInConstantTime(std::string_view a, std::string_view b);

}  // namespace loquat::base
