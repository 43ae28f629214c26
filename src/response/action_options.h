// What may be configured about actions and their sagas: section `actions`. Plain values; a reload changes all of them
// but the places of the files and the trust store.

#pragma once

#include <chrono>
#include <cstddef>
#include <string>

#include "config/section.h"
#include "response/callback_options.h"

namespace loquat::response {

struct ActionOptions {
  std::string file;     // Empty: actions.yml in the model folder, if there is one.
  std::string journal;  // File; needed where there are actions.
  std::string ca_file;  // PEM; empty: the system's trust store.
  CallbackTargets targets;
  std::size_t in_flight_max = 1'000;  // Sagas that have not ended; one more is refused.
  std::size_t in_flight_bytes_max = std::size_t{64} << 20;
  std::chrono::milliseconds undo_for{86'400'000};     // From the acceptance; then what is not undone is a dead letter.
  std::size_t compact_bytes = std::size_t{64} << 20;  // Journal larger than this, and mostly of the past: rewritten.
  std::chrono::milliseconds retention{86'400'000};    // A saga that has ended can be looked at for so long.
  std::size_t ended_max = 10'000;                     // Of these; the oldest go first.
};
void Declare(config::Section<ActionOptions>& section);

}  // namespace loquat::response
