#include "engine/speculation_options.h"

namespace loquat::engine {

void Declare(config::Section<SpeculationOptions>& section) {
  section.Key("mode", &SpeculationOptions::mode)
      .Names({{"off", SpeculationMode::kOff}, {"auto", SpeculationMode::kAuto}})
      .NeedsRestart()
      .Help("auto: where few sequences run and the text repeats itself; off: never.");
  section.Key("draft_tokens", &SpeculationOptions::draft_tokens)
      .Range(1, kDraftTokensMax)
      .NeedsRestart()
      .Help("Tokens guessed for one sequence at once, at most; as many as have been right of late.");
}

}  // namespace loquat::engine
