// The calling thread as the system sees it: setpriority(2) with Linux's meaning, by thread.

#pragma once

namespace loquat::base {

inline constexpr int kNicenessMax = 19;  // setpriority(2)

// What ps and debuggers show. At most 15 bytes: more are cut off.
void NameThisThread(const char* name);

// The scheduler gives it less of a core that others want, and wakes them first. `by` in [0, kNicenessMax] is added to
// what it has, up to kNicenessMax; threads that it starts inherit it. It cannot be taken back without privileges.
void LowerThisThread(int by);

}  // namespace loquat::base
