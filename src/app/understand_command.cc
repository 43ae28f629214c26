#include <fmt/format.h>

#include <cstdio>
#include <iostream>
#include <string>

#include "app/command_line.h"
#include "app/commands.h"
#include "app/reference_time.h"
#include "base/json_writer.h"
#include "base/utf8.h"
#include "ingress/http/frame_json.h"
#include "pipeline/assistant.h"
#include "pipeline/understand.h"

namespace loquat::app {
namespace {

void PrintJson(const pipeline::UnderstandRequest& request, const domain::Frame& frame) {
  std::string out;
  base::JsonWriter json(out);
  json.BeginObject();
  ingress::WriteFrame(request, frame, json);
  json.Key("timings_us");
  ingress::WriteTimings(frame.timings, json);
  json.EndObject();
  fmt::print("{}\n", out);
}

void PrintText(const pipeline::UnderstandRequest& request, const domain::Frame& frame) {
  fmt::print("{}\n", request.utterance.text);
  if (frame.intent_ranking.empty()) {
    fmt::print("  nothing to understand\n");
  } else {
    const domain::IntentScore& best = frame.intent_ranking.front();
    fmt::print("  intent  {} {:.2f}{}\n", best.name, best.confidence, frame.out_of_scope ? "  (out of scope)" : "");
  }
  for (const domain::Slot& slot : frame.slots) {
    fmt::print("  slot    {} = {}{}{} {:.2f}\n", slot.name(), slot.value, slot.normalized.empty() ? "" : " -> ",
               slot.normalized, slot.confidence);
  }
}

int UnderstandLine(const pipeline::Assistant& assistant, const UnderstandArguments& arguments,
                   const ReferenceTime& reference, std::string text) {
  if (!base::IsValidUtf8(text)) return Fail(base::InvalidArgument("the text is not UTF-8"));
  const understanding::WorkspacePtr workspace = understanding::Understander::NewWorkspace();
  pipeline::UnderstandRequest request;
  request.utterance.text = std::move(text);
  request.reference_time = reference.at;
  request.utc_offset_minutes = reference.utc_offset_minutes;
  domain::Frame frame;
  const base::Status done = assistant.Understand(
      request.utterance, {.reference_time = reference.at, .utc_offset_minutes = reference.utc_offset_minutes},
      *workspace, frame);
  if (!done.has_value()) return Fail(done.error());
  if (arguments.json) {
    PrintJson(request, frame);
  } else {
    PrintText(request, frame);
  }
  return kExitOk;
}

}  // namespace

int Understand(const UnderstandArguments& arguments) {
  const auto path = ModelPathOr(arguments.model);
  if (!path.has_value()) return Fail(path.error());
  const auto reference = ParseReferenceTime(arguments.reference_time, base::SystemClock());
  if (!reference.has_value()) return Fail(reference.error());
  const auto assistant = pipeline::Assistant::Load("assistant", *path, ForcedIsa());
  if (!assistant.has_value()) return Fail(assistant.error());
  if (!arguments.text.empty() && arguments.text != "-") {
    return UnderstandLine(**assistant, arguments, *reference, arguments.text);
  }
  int exit_code = kExitOk;
  for (std::string line; std::getline(std::cin, line);) {
    if (line.ends_with('\r')) line.pop_back();
    if (const int code = UnderstandLine(**assistant, arguments, *reference, std::move(line)); code != kExitOk)
      exit_code = code;
  }
  return exit_code;
}

}  // namespace loquat::app
