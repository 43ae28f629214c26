// A fast seeded 64-bit hash of bytes, and mixing of integers. Not cryptographic (see digest.h for that).
// Pure functions. The same bytes and seed give the same number on every machine, of either endianness, so that it may
// be stored in model files; tests pin it with vectors, and a change of it is a change of every format that uses it.
//
// The design is that of wyhash (Wang Yi, https://github.com/wangyi-fudan/wyhash): folded 64x64->128-bit multiplication
// over 16-byte steps, in three lanes for long input, in its protected form, in which a zero operand does not wipe the
// other one out. Constants and layout are our own: the first
// digits of pi, made odd.

#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace loquat::base {
namespace hash_internal {

inline constexpr std::uint64_t kPi[] = {0x243F6A8885A308D3u, 0x13198A2E03707345u, 0xA4093822299F31D1u,
                                        0x082EFA98EC4E6C89u};

inline std::uint64_t Load64(const char* p) {
  std::uint64_t word;
  std::memcpy(&word, p, sizeof word);
  if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
  return word;
}

inline std::uint64_t Load32(const char* p) {
  std::uint32_t word;
  std::memcpy(&word, p, sizeof word);
  if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap32(word);
  return word;
}

// Both halves of a * b, folded, with the operands kept in the mix.
constexpr std::uint64_t Fold(std::uint64_t a, std::uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return (static_cast<std::uint64_t>(product) ^ a) ^ (static_cast<std::uint64_t>(product >> 64) ^ b);
}

// The state after all but the last 1 to 16 bytes. REQUIRES: size > 16.
std::uint64_t HashLongBody(const char* p, std::size_t size, std::uint64_t state);

}  // namespace hash_internal

// Mixes one integer so that each input bit reaches every output bit. A bijection for a fixed seed is not promised.
constexpr std::uint64_t HashMix(std::uint64_t value, std::uint64_t seed = 0) {
  using hash_internal::Fold;
  using hash_internal::kPi;
  return Fold(Fold(value ^ kPi[0], seed ^ kPi[1]) ^ kPi[2], value ^ kPi[3]);
}

// Order matters: HashCombine(a, b) != HashCombine(b, a) but for chance.
constexpr std::uint64_t HashCombine(std::uint64_t hash, std::uint64_t value) {
  return HashMix(value, hash);
}

inline std::uint64_t Hash64(std::string_view bytes, std::uint64_t seed = 0) {
  using hash_internal::Fold;
  using hash_internal::kPi;
  using hash_internal::Load32;
  using hash_internal::Load64;
  const char* p = bytes.data();
  const std::size_t size = bytes.size();
  std::uint64_t state = Fold(seed ^ kPi[0], kPi[1] ^ size);
  std::uint64_t a = 0;
  std::uint64_t b = 0;
  if (size > 16) {
    state = hash_internal::HashLongBody(p, size, state);
    a = Load64(p + size - 16);
    b = Load64(p + size - 8);
  } else if (size >= 8) {
    a = Load64(p);
    b = Load64(p + size - 8);
  } else if (size >= 4) {
    a = Load32(p);
    b = Load32(p + size - 4);
  } else if (size > 0) {
    // First, middle and last byte cover all of one to three.
    const auto byte = [p](std::size_t i) { return static_cast<std::uint64_t>(static_cast<unsigned char>(p[i])); };
    a = byte(0) << 16 | byte(size / 2) << 8 | byte(size - 1);
  }
  return Fold(Fold(a ^ kPi[2], b ^ state) ^ kPi[3], state ^ kPi[1]);
}

inline std::uint64_t Hash64(std::span<const std::byte> bytes, std::uint64_t seed = 0) {
  return Hash64(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()), seed);
}

// For std::unordered_map and set keyed by strings and looked up by std::string_view.
struct StringHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return Hash64(text); }
};

}  // namespace loquat::base
