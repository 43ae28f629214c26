// Any bytes as a slot tagger's section: refused, or a tagger that tags without harm.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "text/segment.h"
#include "understanding/slot_model.h"
#include "understanding/slot_tagger.h"

namespace loquat::understanding {
namespace {

struct Release {
  void operator()(std::byte* bytes) const { ::operator delete[](bytes, std::align_val_t{64}); }
};

int TryBytes(const std::uint8_t* data, std::size_t size) {
  const std::unique_ptr<std::byte, Release> bytes(new (std::align_val_t{64}) std::byte[size + 1]);
  if (size > 0) std::memcpy(bytes.get(), data, size);
  if (size >= sizeof(SlotModelHeader)) {
    // Past the mark and the version, which chance would never guess.
    SlotModelHeader header;
    std::memcpy(bytes.get(), &header, 2 * sizeof(std::uint32_t));
  }
  const auto tagger = SlotTagger::Load({bytes.get(), size});
  if (!tagger.has_value()) return 0;
  const std::string text = "book a train from New York to 上海 on 5月3号";
  std::vector<text::Token> tokens;
  text::Segment(text, tokens);
  const auto workspace = SlotTagger::NewWorkspace();
  std::vector<domain::Slot> slots;
  (*tagger)->Tag(text, tokens, "travel", *workspace, slots);
  return 0;
}

}  // namespace
}  // namespace loquat::understanding

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return loquat::understanding::TryBytes(data, size);
}
