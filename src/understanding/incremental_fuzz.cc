// Any sequence of edits: every frame on the way is the one that the text gives from scratch, promises are consistent,
// and the end of the turn is judged. The model is a small one, trained at the start.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

#include "base/check.h"
#include "understanding/incremental_reader.h"
#include "understanding/incremental_test_text.h"
#include "understanding/trainer.h"
#include "understanding/understander_test_data.h"

namespace {

using loquat::understanding::Understander;

constexpr std::size_t kTextBytesMax = 600;

std::shared_ptr<const Understander> TrainSmall() {
  const auto folder = std::filesystem::temp_directory_path() / "loquat_incremental_fuzz_XXXXXX";
  std::string path = folder.string();
  LOQUAT_CHECK(mkdtemp(path.data()) != nullptr, "a folder for the model");
  const auto summary = loquat::understanding::Train(loquat::understanding::SmallAssistant(), path, {.threads = 1});
  LOQUAT_CHECK(summary.has_value(), "the small model trains");
  auto model = Understander::Load(path);
  LOQUAT_CHECK(model.has_value(), "the small model loads");
  std::filesystem::remove_all(path);  // It stays mapped.
  return *model;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace loquat;  // NOLINT(tidy): an entry point.
  static const std::shared_ptr<const Understander> model = TrainSmall();
  const auto workspace = Understander::NewWorkspace();
  understanding::IncrementalReader reader;
  domain::Utterance utterance;
  utterance.final = false;
  domain::Frame frame, expected;
  domain::FrameStability stability;
  const understanding::UnderstandOptions options{.tokens_max = size % 2 == 0 ? 512U : 12U, .early_risk_max = 0.3F};
  for (std::size_t at = 0; at + 3 <= size; at += 3) {
    understanding::EditText(data[at], data[at + 1], data[at + 2], utterance.text);
    if (utterance.text.size() > kTextBytesMax) utterance.text.clear();
    LOQUAT_CHECK(reader.Update(*model, utterance, options, *workspace, frame, stability).has_value(), "it is read");
    LOQUAT_CHECK(model->Understand(utterance, options, *workspace, expected).has_value(), "it is understood");
    LOQUAT_CHECK(understanding::SameFrame(frame, expected), "the frame is the one from scratch");
    LOQUAT_CHECK(stability.slots.size() == frame.slots.size(), "a mark a slot");
    const domain::TurnEnd end = reader.JudgeEnd(data[at] * 20U, {});
    LOQUAT_CHECK(end.probability >= 0 && end.probability <= 1 && end.likely == (end.wait_ms == 0), "a turn's end");
  }
  return 0;
}
