#include "base/this_thread.h"

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <string>

namespace loquat::base {
namespace {

constexpr std::size_t kNameBytesMax = 15;  // pthread_setname_np(3)

}  // namespace

void NameThisThread(const char* name) {
  (void)pthread_setname_np(pthread_self(), std::string(name).substr(0, kNameBytesMax).c_str());
}

void LowerThisThread(int by) {
  if (by >= kNicenessIdle) {
    const sched_param none{};
    (void)sched_setscheduler(0, SCHED_IDLE, &none);
    return;
  }
  const int wanted = std::min(kNicenessMax, getpriority(PRIO_PROCESS, 0) + std::clamp(by, 0, kNicenessMax));
  // Raising it needs no right: a system that refuses nonetheless leaves the thread as it was.
  (void)setpriority(PRIO_PROCESS, 0, wanted);
}

std::vector<int> AllowedCores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> cores;
  if (sched_getaffinity(getpid(), sizeof set, &set) == 0) {
    for (int core = 0; core < CPU_SETSIZE; ++core) {
      if (CPU_ISSET(core, &set)) cores.push_back(core);
    }
  }
  return cores;
}

void PinThisThread(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  (void)sched_setaffinity(0, sizeof set, &set);
}

}  // namespace loquat::base
