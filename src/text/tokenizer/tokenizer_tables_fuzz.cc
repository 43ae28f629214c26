// Any bytes as a tokenizer's tables: refused, or a tokenizer that encodes and decodes within its tables.

#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#include "base/check.h"
#include "base/utf8.h"
#include "text/tokenizer/detokenizer.h"
#include "text/tokenizer/tokenizer_tables.h"

namespace loquat::text {
namespace {

constexpr std::string_view kTexts[] = {" The naïve  café, 你好!\n\t12345 don't \xFF\xE4 <s>a b</s> <mask>",
                                       "hello world unaffable <|end|>  helloxx"};

void Check(std::string_view input) {
  constexpr std::size_t kAlignment = base::kFlatTableAlignment;
  const std::shared_ptr<void> memory(
      std::aligned_alloc(kAlignment, (input.size() + kAlignment) / kAlignment * kAlignment),
      [](void* p) { std::free(p); });
  std::memcpy(memory.get(), input.data(), input.size());
  const auto read = ReadTokenizerTables({static_cast<const std::byte*>(memory.get()), input.size()}, memory);
  if (!read.has_value()) {
    LOQUAT_CHECK(!read.error().message.empty(), "an error without a message");
    return;
  }
  EncodeWorkspace workspace;
  std::vector<TokenId> ids;
  for (const std::string_view text : kTexts) {
    ids.clear();
    if (!read->tokenizer->Encode(text, {}, workspace, ids).has_value()) continue;
    for (const TokenId id : ids) LOQUAT_CHECK(read->tokenizer->Has(id), "an id that the tokenizer lacks");
    LOQUAT_CHECK(base::IsValidUtf8(Decode(read->tokenizer, ids)), "the decoded text is not UTF-8");
  }
  for (TokenId id = 0; read->tokenizer->Has(id); ++id) (void)read->tokenizer->IdOf(read->tokenizer->TokenText(id));
}

}  // namespace
}  // namespace loquat::text

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  loquat::text::Check(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
