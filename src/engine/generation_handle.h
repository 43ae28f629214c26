// Holds a running generation: dropping it cancels what has not ended. The sink still hears of the end, exactly once,
// so that a caller which goes away needs to wait for nothing. Cancel from any thread; otherwise one thread at a time.

#pragma once

#include <optional>
#include <utility>

#include "base/cancel.h"

namespace loquat::engine {

class [[nodiscard]] GenerationHandle {
 public:
  GenerationHandle() = default;
  explicit GenerationHandle(base::CancelSource source) : source_(std::move(source)) {}
  ~GenerationHandle() { Cancel(); }
  GenerationHandle(GenerationHandle&& other) noexcept : source_(std::exchange(other.source_, std::nullopt)) {}
  GenerationHandle& operator=(GenerationHandle&& other) noexcept {
    if (this != &other) {
      Cancel();
      source_ = std::exchange(other.source_, std::nullopt);
    }
    return *this;
  }

  // Takes effect within one step of the engine. After the end it does nothing.
  void Cancel() {
    if (source_.has_value()) source_->Cancel();
  }

 private:
  std::optional<base::CancelSource> source_;
};

}  // namespace loquat::engine
