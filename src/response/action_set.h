// actions.yml compiled: what each intent does, checked as a whole. A saga that has begun keeps the definition that it
// began with, and its journal has that definition as text.
//
// Immutable; safe from any thread.

#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "domain/utterance.h"
#include "response/action_file.h"
#include "response/action_template.h"
#include "response/reply_template.h"

namespace loquat::response {

// Sent by us with every call; no action may set them. The rest of this list frames the message.
inline constexpr std::string_view kIdempotencyHeader = "Idempotency-Key";

struct CallDefinition {
  std::string action;
  std::string method;
  ActionTemplate url;
  std::vector<std::pair<std::string, ActionTemplate>> query, body;
  std::vector<std::pair<std::string, std::string>> headers;  // Without their values where they come from a journal.
  bool has_header_values = true;
  std::chrono::milliseconds timeout, backoff_first, backoff_max;
  RetryClass retry;
  std::uint32_t attempts_max;
  std::vector<std::uint16_t> success;
  std::vector<std::pair<std::string, std::string>> take;  // Name, JSON pointer.
  std::size_t answer_bytes_max;
};

struct StepDefinition {
  std::string name;
  CallDefinition call;
  std::unique_ptr<const CallDefinition> undo;  // Null: nothing has to be taken back.
};

struct SagaDefinition {
  std::string intent;
  std::chrono::milliseconds timeout;
  std::vector<StepDefinition> steps;
  std::vector<std::pair<std::string, ActionTemplate>> keep;
  std::string text;  // An actions.yml of this intent alone.
};

// Words in two languages, Chinese first; the other language is better than none.
using WordsPerLocale = std::array<std::vector<ReplyTemplate>, 2>;

struct SagaWords {
  WordsPerLocale replies, failed, pending;
  std::map<std::string, WordsPerLocale, std::less<>> failed_step;  // By step.
};

enum class SagaWordsFor : std::uint8_t { kDone, kFailed, kPending };

class ActionSet {
 public:
  struct Intent {
    std::shared_ptr<const SagaDefinition> saga;
    SagaWords words;
    std::vector<std::string> slots;  // Named in templates: "to" of {slots.to}.
    std::string place;               // FILE:LINE:COLUMN.
  };

  // Errors carry "FILE:LINE:COLUMN": those of ParseActionsFile; a step of no action, a template that is malformed or
  // names what is not there yet, a pointer that is none, a header that may not be set, too many of anything.
  static base::Result<std::shared_ptr<const ActionSet>> Compile(std::string_view yaml, const std::string& file_name);
  // The one definition in the text of a journal.
  static base::Result<std::shared_ptr<const SagaDefinition>> CompileSaga(std::string_view text);

  const Intent* Find(std::string_view intent) const;
  const std::map<std::string, Intent, std::less<>>& intents() const { return intents_; }
  // The headers of an action of this file; null: it has no such action.
  const std::vector<std::pair<std::string, std::string>>* HeadersOf(std::string_view action) const;

 private:
  struct Compiler;

  std::map<std::string, Intent, std::less<>> intents_;
  std::map<std::string, std::vector<std::pair<std::string, std::string>>, std::less<>> headers_;
};

// Of several variants the turn's number picks one. Nothing where there are no words.
std::string SayWords(const WordsPerLocale& words, domain::Locale locale, std::uint64_t turn,
                     const ReplyTemplate::SlotLookup& lookup);

}  // namespace loquat::response
