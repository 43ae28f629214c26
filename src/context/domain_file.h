// A model folder's domain.yml as it is written: labels, dialogue and words in one file. Read strictly; what uses a part
// of it (the dialogue here, the replies in response/) takes it from this struct.
//
// A plain value.

#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/section.h"

namespace loquat::context {

enum class IntentKind : std::uint8_t {
  kTask,    // Something to do; it becomes the active intent.
  kAside,   // Chit-chat and help: answered, and the task goes on.
  kInform,  // A bare value or a correction for the active task.
  kRepeat,
  kCancel,
  kRestart,
};

struct EntityEntry {
  std::string kind = "text";  // Of its values: text, date, time, money, …
  std::vector<std::string> roles;
  std::string about;
};

struct IntentEntry {
  IntentKind kind = IntentKind::kTask;
  std::string domain;              // Intents of one domain share what was said ("travel"); may be empty.
  std::vector<std::string> slots;  // "city" or "city.from"; empty, or the one word "any": any.
  // Names of slots, in the order in which they are asked for; "time|duration": either will do, the first is asked for.
  std::vector<std::string> required;
  std::string about;
};

std::vector<std::string> AlternativesOf(std::string_view required);

// Variants per locale ("zh", "en").
using Wording = std::map<std::string, std::vector<std::string>>;

struct DomainFile {
  std::string version = "1";
  std::vector<std::string> locales;
  std::map<std::string, EntityEntry> entities;
  std::map<std::string, IntentEntry> intents;
  std::map<std::string, Wording> replies;    // By intent.
  std::map<std::string, Wording> questions;  // By slot, or "intent/slot".
  Wording fallback;
};

void Declare(config::Section<EntityEntry>& section);
void Declare(config::Section<IntentEntry>& section);
void Declare(config::Section<DomainFile>& section);

// Errors carry "FILE:LINE:COLUMN" and what is allowed; they also cover names that contradict each other (a slot whose
// entity is not listed, a required slot that the intent does not take, a reply for no intent).
base::Result<DomainFile> ParseDomainFile(std::string_view yaml, const std::string& file_name);

}  // namespace loquat::context
