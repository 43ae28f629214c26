// What the parts of one rendering share: where its values live, and the count of what it has cost.
// One thread uses it, for one rendering.

#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "text/template/template_bounds.h"
#include "text/template/value.h"

namespace loquat::text::jinja {

// Containers inside one another that printing, comparing and JSON follow.
inline constexpr int kValueDepthMax = 200;
inline constexpr std::size_t kBytesPerStep = 64;

// An error of the template or its input; the evaluator adds the line.
base::Error Fault(std::string what);
// A bound was met.
base::Error LimitFault(std::string what);

class Work {
 public:
  // `bounds` outlives this object. `now`: what strftime_now() tells; none: it is not defined.
  Work(const TemplateBounds& bounds, std::optional<std::chrono::local_seconds> now)
      : bounds_(bounds), now_(now), steps_left_(bounds.steps_max) {}

  Arena& arena() { return arena_; }
  const TemplateBounds& bounds() const { return bounds_; }
  std::optional<std::chrono::local_seconds> now() const { return now_; }

  // Pays for that many steps; kResourceExhausted once steps or memory are used up.
  base::Status Charge(std::uint64_t steps);
  base::Status ChargeBytes(std::size_t bytes) { return Charge(1 + bytes / kBytesPerStep); }

  // Something that may hold more of its kind begins or ends: an expression, a block, a call. See DepthGuard.
  base::Status Enter();
  void Leave() { --depth_; }

  // Pays, checks the length, and copies into the arena.
  base::Result<Value> Text(std::string_view text);
  base::Status CheckBytes(std::size_t bytes) const;
  base::Status CheckItems(std::size_t items) const;
  // A list of that many items, paid for; to be filled.
  base::Result<List*> NewList(std::size_t items);

  // What a loop over `value` visits, paid for: items, keys, characters; nothing for undefined. The span stays valid
  // when the list grows later.
  base::Result<std::span<const Value>> Items(const Value& value);

 private:
  const TemplateBounds& bounds_;
  const std::optional<std::chrono::local_seconds> now_;
  std::uint64_t steps_left_;
  std::size_t depth_ = 0;
  Arena arena_;
};

// Leaves what Work::Enter has entered.
class DepthGuard {
 public:
  explicit DepthGuard(Work& work) : work_(work) {}
  ~DepthGuard() { work_.Leave(); }
  DepthGuard(const DepthGuard&) = delete;
  DepthGuard& operator=(const DepthGuard&) = delete;

 private:
  Work& work_;
};

}  // namespace loquat::text::jinja
