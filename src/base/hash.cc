#include "base/hash.h"

namespace loquat::base::hash_internal {

std::uint64_t HashLongBody(const char* p, std::size_t size, std::uint64_t state) {
  // Three independent chains, so that multiplications overlap.
  if (size > 48) {
    std::uint64_t second = state ^ kPi[2];
    std::uint64_t third = state ^ kPi[3];
    while (size > 48) {
      state = Fold(Load64(p) ^ kPi[1], Load64(p + 8) ^ state);
      second = Fold(Load64(p + 16) ^ kPi[2], Load64(p + 24) ^ second);
      third = Fold(Load64(p + 32) ^ kPi[3], Load64(p + 40) ^ third);
      p += 48;
      size -= 48;
    }
    state = Fold(state ^ kPi[0], HashMix(second) ^ (third << 1 | third >> 63));
  }
  while (size > 16) {
    state = Fold(Load64(p) ^ kPi[1], Load64(p + 8) ^ state);
    p += 16;
    size -= 16;
  }
  return state;
}

}  // namespace loquat::base::hash_internal
