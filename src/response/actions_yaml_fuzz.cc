// Any text as actions.yml: what compiles has definitions that the journal's text brings back, without a secret in them.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "response/action_set.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace response = loquat::response;
  const auto set = response::ActionSet::Compile({reinterpret_cast<const char*>(data), size}, "actions.yml");
  if (!set.has_value()) {
    LOQUAT_CHECK(!set.error().message.empty(), "an error says what it is");
    return 0;
  }
  for (const auto& [name, intent] : (*set)->intents()) {
    const auto again = response::ActionSet::CompileSaga(intent.saga->text);
    LOQUAT_CHECK(again.has_value(), "what was compiled is read from the journal");
    LOQUAT_CHECK((*again)->text == intent.saga->text, "and is the same");
  }
  return 0;
}
