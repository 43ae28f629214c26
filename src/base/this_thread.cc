#include "base/this_thread.h"

#include <pthread.h>
#include <sys/resource.h>

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
  const int wanted = std::min(kNicenessMax, getpriority(PRIO_PROCESS, 0) + std::clamp(by, 0, kNicenessMax));
  // Raising it needs no right: a system that refuses nonetheless leaves the thread as it was.
  (void)setpriority(PRIO_PROCESS, 0, wanted);
}

}  // namespace loquat::base
