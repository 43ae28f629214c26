// LOQUAT_CHECK stops the program on a mistake of ours: a broken invariant, never a client's, a file's or a peer's
// input.

#pragma once

namespace loquat::base {

[[noreturn]] void CheckFailed(const char* file, int line, const char* condition, const char* why);

}  // namespace loquat::base

#define LOQUAT_CHECK(condition, why)                                                    \
  do {                                                                                  \
    if (!(condition)) ::loquat::base::CheckFailed(__FILE__, __LINE__, #condition, why); \
  } while (false)
