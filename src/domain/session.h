// A conversation: the window of its last turns and the state of its dialogue. Plain values.

#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "domain/frame.h"

namespace loquat::domain {

struct FilledSlot {
  std::string entity;
  std::string role;
  std::string value;
  std::string normalized;
  std::uint64_t turn = 0;  // In which turn it was said, from 1.

  bool operator==(const FilledSlot&) const = default;
};

// A task left unfinished for another one; it is taken up again where the user returns to it.
struct SuspendedTask {
  std::string intent;
  std::map<std::string, FilledSlot> filled;

  bool operator==(const SuspendedTask&) const = default;
};

struct DialogueState {
  std::string active_intent;                 // Empty: nothing is being done.
  std::map<std::string, FilledSlot> filled;  // By slot name (role, else entity).
  std::vector<std::string> missing;          // Required and not yet filled, in the order they are asked for.
  std::string asked;                         // The slot that the last reply asked for; empty: none.
  std::vector<SuspendedTask> suspended;      // Oldest first, a few at most.

  bool operator==(const DialogueState&) const = default;
};

struct Turn {
  std::uint64_t number = 0;  // From 1.
  std::string text;
  std::string intent;
  float confidence = 0;
  std::string reply;
  base::WallTime at = {};  // When it was taken; the epoch: not known. With the text it tells a turn from all others.
};

struct Session {
  std::string id;
  std::uint64_t version = 0;  // Grows by one with every accepted update.
  std::uint64_t turn_count = 0;
  std::vector<Turn> turns;  // The last ones, oldest first, at most the window's size.
  DialogueState state;
  base::TimePoint last_used;
  // How many turns each branch of the conversation took (session_merge.h); empty where it never left one process.
  std::map<std::string, std::uint64_t> taken_by;
};

}  // namespace loquat::domain
