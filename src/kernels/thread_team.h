// Threads that compute one operation together: each Run splits into parts, the caller takes parts too, and nobody
// leaves before all are done. Waiting threads spin briefly and then sleep, so that a busy machine loses nothing to
// them.
//
// One thread at a time calls Run, and not from within a part. The destructor stops and joins the threads.

#pragma once

#include <cstddef>
#include <memory>
#include <type_traits>

namespace loquat::kernels {

inline constexpr unsigned kTeamThreadsMax = 256;

struct ThreadTeamOptions {
  unsigned threads = 0;  // Including the caller's; zero: one a core that this process may use.
  bool pin = false;      // Each thread of the team's own stays on one core; the first core is left to the caller.
  int niceness = 0;      // Of the team's own threads, see base::LowerThisThread; the caller sets its own.
};

class ThreadTeam {
 public:
  explicit ThreadTeam(const ThreadTeamOptions& options = {});
  ~ThreadTeam();
  ThreadTeam(const ThreadTeam&) = delete;
  ThreadTeam& operator=(const ThreadTeam&) = delete;

  unsigned size() const;  // Threads, the caller's included.

  // Calls work(part) once for each part in [0, parts), on any thread, in any order. REQUIRES: work does not throw.
  template <typename Work>
  void Run(std::size_t parts, Work&& work) {
    using Plain = std::remove_reference_t<Work>;
    RunParts(
        parts, [](void* erased, std::size_t part) { (*static_cast<Plain*>(erased))(part); },
        const_cast<void*>(static_cast<const void*>(&work)));
  }

 private:
  struct State;
  void RunParts(std::size_t parts, void (*call)(void*, std::size_t), void* work);
  const std::unique_ptr<State> state_;
};

}  // namespace loquat::kernels
