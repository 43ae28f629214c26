#include "response/action_options.h"

namespace loquat::response {

void Declare(config::Section<ActionOptions>& section) {
  using std::chrono::hours;
  using std::chrono::milliseconds;
  section.Key("file", &ActionOptions::file)
      .NeedsRestart()
      .Help("What intents do, as docs/actions.md says; empty: actions.yml of the model folder, if there is one.");
  section.Key("journal", &ActionOptions::journal)
      .NeedsRestart()
      .Help("File that keeps what was begun and has not ended; needed where there are actions.");
  section.Key("ca_file", &ActionOptions::ca_file)
      .NeedsRestart()
      .Help("Trusted certificates (PEM) for https targets; empty: the system's.");
  section.Sub("targets", &ActionOptions::targets).Help("Who may be called.");
  section.Key("in_flight_max", &ActionOptions::in_flight_max)
      .Range(1, 100'000)
      .Help("Sagas that have not ended; one more is refused.");
  section.Key("in_flight_bytes_max", &ActionOptions::in_flight_bytes_max)
      .Bytes()
      .Range(64 * 1024, std::int64_t{1} << 31)
      .Help("Memory for what they were begun with.");
  section.Key("undo_for", &ActionOptions::undo_for)
      .Range(milliseconds(1), milliseconds(hours(24 * 30)))
      .Help("What cannot be undone so long after the saga's acceptance is a dead letter.");
  section.Key("compact_bytes", &ActionOptions::compact_bytes)
      .Bytes()
      .Range(4096, std::int64_t{1} << 31)
      .Help("A journal that is larger, and mostly of the past, is written anew.");
  section.Key("retention", &ActionOptions::retention)
      .Range(milliseconds(0), milliseconds(hours(24 * 30)))
      .Help("A saga that has ended can be looked at for so long.");
  section.Key("ended_max", &ActionOptions::ended_max).Range(0, 1'000'000).Help("Of these; the oldest go first.");
}

}  // namespace loquat::response
