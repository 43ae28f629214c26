// Any bytes as a model: the folder, and the parts that serve from it, refuse or serve, and never crash.
// The input is a manifest's text, a zero byte, and the weights. A manifest without a right checksum is signed first,
// and hashes are left unchecked, so that the reading behind both is reached.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "understanding/incremental_reader.h"
#include "understanding/model_folder.h"
#include "understanding/understander.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using loquat::understanding::ModelFolder;
  using loquat::understanding::Understander;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t cut = std::min(input.find('\0'), input.size());
  const std::string_view weights = input.substr(std::min(cut + 1, input.size()));
  const std::string body(input.substr(0, std::min(input.substr(0, cut).rfind(",\"checksum\""), cut)));
  const std::string manifest = body + ",\"checksum\":\"" + loquat::base::Sha256Hex(body) + "\"}\n";
  (void)ModelFolder::FromBytes("fuzz", input.substr(0, cut), weights);
  auto folder = ModelFolder::FromBytes("fuzz", manifest, weights, {.verify_hashes = false});
  if (!folder.has_value()) return 0;
  const auto understander = Understander::FromFolder(*std::move(folder));
  if (!understander.has_value()) return 0;
  const auto workspace = Understander::NewWorkspace();
  loquat::domain::Frame frame;
  loquat::domain::Utterance utterance;
  utterance.text = "wake me at 7:30 in 上海 tomorrow";
  (void)(*understander)->Understand(utterance, {}, *workspace, frame);
  loquat::understanding::IncrementalReader reader;
  loquat::domain::FrameStability stability;
  utterance.final = false;
  for (const std::string_view text : {"wake me", "wake me at 7:30 in 上海"}) {
    utterance.text = text;
    (void)reader.Update(**understander, utterance, {.early_risk_max = 0.5F}, *workspace, frame, stability);
    (void)reader.JudgeEnd(500, {});
  }
  return 0;
}
