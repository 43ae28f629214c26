#include "observe/log_sampler.h"

#include <utility>

namespace loquat::observe {

std::optional<std::uint64_t> LogSampler::Admit(Level level, std::string_view message, base::TimePoint now) {
  if (options_.first == 0) return 0;
  const base::MutexLock lock(mutex_);
  key_.assign(1, static_cast<char>('0' + static_cast<int>(level)));
  key_ += message;
  auto found = states_.find(key_);
  if (found == states_.end()) {
    if (states_.size() >= kKeysMax) return 0;
    found = states_.emplace(key_, State{.level = level, .since = now}).first;
  }
  State& state = found->second;
  if (now - state.since >= options_.interval) {
    state.since = now;
    state.seen = 0;
  }
  ++state.seen;
  const bool pass = state.seen <= options_.first ||
                    (options_.then_one_in > 0 && (state.seen - options_.first) % options_.then_one_in == 0);
  if (pass) return std::exchange(state.suppressed, 0);
  ++state.suppressed;
  return std::nullopt;
}

std::vector<LogSampler::Suppressed> LogSampler::Sweep(base::TimePoint now) {
  std::vector<Suppressed> all;
  const base::MutexLock lock(mutex_);
  for (auto it = states_.begin(); it != states_.end();) {
    State& state = it->second;
    if (now - state.since < options_.interval) {
      ++it;
      continue;
    }
    if (state.suppressed > 0) all.push_back({state.level, it->first.substr(1), state.suppressed});
    it = states_.erase(it);
  }
  return all;
}

std::vector<LogSampler::Suppressed> LogSampler::Drain() {
  std::vector<Suppressed> all;
  const base::MutexLock lock(mutex_);
  for (const auto& [key, state] : states_) {
    if (state.suppressed > 0) all.push_back({state.level, key.substr(1), state.suppressed});
  }
  states_.clear();
  return all;
}

}  // namespace loquat::observe
