#include "pipeline/stream/stream_options.h"

namespace loquat::pipeline {

void Declare(config::Section<StreamOptions>& section) {
  section.Key("turns_waiting_max", &StreamOptions::turns_waiting_max)
      .Range(1, 1024)
      .Help("Turns of one stream that may wait for their answer; more are refused.");
}

}  // namespace loquat::pipeline
