// The calling thread as the system sees it: its name, its place and its share of the cores, by thread as Linux has them
// (sched(7), setpriority(2)). What the system refuses is left as it was: all of it makes things faster, nothing needs
// it.

#pragma once

#include <vector>

namespace loquat::base {

inline constexpr int kNicenessMax = 19;  // setpriority(2)
inline constexpr int kNicenessIdle =
    20;  // Beyond it: the class SCHED_IDLE, for what no other thread of the machine wants.

// What ps and debuggers show. At most 15 bytes: more are cut off.
void NameThisThread(const char* name);

// The scheduler gives it less of a core that others want, and wakes them first. `by` in [0, kNicenessMax] is added to
// what it has, up to kNicenessMax; kNicenessIdle puts it into the idle class. Threads that it starts inherit it. It
// cannot be taken back without privileges.
void LowerThisThread(int by);

// The cores that this process may use (those of its first thread), by number; empty when the system does not say.
std::vector<int> AllowedCores();

// It runs on this core alone. Threads that it starts inherit it.
void PinThisThread(int core);

}  // namespace loquat::base
