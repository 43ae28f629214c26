// actions.yml as it is written: the calls of other services that an intent leads to, in which order, and how each is
// taken back. Read strictly. docs/actions.md has the form with an example.
//
// An intent has a list of steps, a step a call and perhaps a call that undoes it: nothing can refer to itself, so that
// there are no cycles. Plain values; ParseActionsFile is pure.

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/section.h"
#include "context/domain_file.h"

namespace loquat::response {

inline constexpr std::size_t kActionsMax = 256;
inline constexpr std::size_t kActionIntentsMax = 256;
inline constexpr std::size_t kStepsMax = 16;         // Of one intent.
inline constexpr std::size_t kMappedFieldsMax = 64;  // Headers, query, body, take, keep: of each.
inline constexpr std::size_t kActionNameBytesMax = 64;
inline constexpr std::size_t kHeaderBytesMax = 4096;  // Value of one header.
inline constexpr std::size_t kUrlTemplateBytesMax = 2048;
inline constexpr std::size_t kActionAnswerBytesMax = std::size_t{1} << 20;
inline constexpr std::uint32_t kCallAttemptsMax = 100;

enum class RetryClass : std::uint8_t {
  kNever,       // One call, whatever comes of it, also where a crash hides what came of it.
  kIdempotent,  // Again after what may pass: no connection, no answer, 408, 409, 425, 429, 5xx.
  kAlways,      // Again after any failure.
};

struct ActionEntry {
  std::string url;  // With fields behind the host.
  std::string method = "POST";
  std::map<std::string, std::string> headers;  // Their values are secrets.
  std::map<std::string, std::string> query;    // Templates.
  std::map<std::string, std::string> body;     // Templates; the members of a JSON object. Empty: no body.
  std::chrono::milliseconds timeout{2'000};    // Of one call.
  RetryClass retry = RetryClass::kIdempotent;
  std::uint32_t attempts_max = 3;
  std::chrono::milliseconds backoff_first{100};
  std::chrono::milliseconds backoff_max{2'000};
  std::vector<std::uint16_t> success;       // Statuses; empty: every 2xx.
  std::map<std::string, std::string> take;  // Result name to JSON pointer (RFC 6901) into the answer.
  std::size_t answer_bytes_max = 64 * 1024;
  context::Wording failed;  // What is said when this call fails for good; empty: the intent's words.
};
void Declare(config::Section<ActionEntry>& section);

struct StepEntry {
  std::string name;    // Of its results: {name.result}. Empty: the action's.
  std::string action;  // Which call.
  std::string undo;    // Which call takes it back; empty: nothing has to be taken back.
};
void Declare(config::Section<StepEntry>& section);

struct ActionIntentEntry {
  std::vector<StepEntry> steps;
  std::chrono::milliseconds timeout{10'000};  // Of all steps together; then what was done is undone.
  std::map<std::string, std::string> keep;    // Slot name to template: what the session remembers.
  context::Wording replies;                   // When all is done; empty: the domain's reply.
  context::Wording failed;
  context::Wording pending;  // When the answer has to go out earlier.
};
void Declare(config::Section<ActionIntentEntry>& section);

struct ActionsFile {
  std::string version = "1";
  std::map<std::string, ActionEntry> actions;
  std::map<std::string, ActionIntentEntry> intents;
};
void Declare(config::Section<ActionsFile>& section);

// A file and the places of its values, for errors that show later.
struct ParsedActions {
  ActionsFile file;
  config::Value root;

  // invalid_argument "FILE:LINE:COLUMN: KEY.KEY: WHAT" of the value that the keys lead to, or of the nearest around it.
  // A key of a list is its index.
  base::Error At(const std::vector<std::string>& keys, std::string_view what) const;
};

// Errors carry the place; they cover the form alone. What the file means is checked by ActionSet::Compile.
base::Result<ParsedActions> ParseActionsFile(std::string_view yaml, const std::string& file_name);

// As text that ParseActionsFile takes, in one line, without the values of the headers.
std::string WriteActionsFile(const ActionsFile& file);

}  // namespace loquat::response
