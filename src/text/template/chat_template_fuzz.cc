// Any template with any variables: compiling and rendering end within their bounds, with a text or with an error that
// says something, and give the same answer twice. Input: the template, a zero byte, the variables as JSON.

#include <string>
#include <vector>

#include "base/check.h"
#include "base/json_value.h"
#include "text/template/jinja_template.h"

namespace loquat::text {
namespace {

constexpr TemplateBounds kBounds = {.source_bytes_max = 1 << 14,
                                    .steps_max = 20'000,
                                    .output_bytes_max = 1 << 16,
                                    .string_bytes_max = 1 << 16,
                                    .items_max = 1 << 14,
                                    .range_max = 1 << 12,
                                    .memory_bytes_max = 1 << 24};

constexpr std::string_view kUsual =
    R"({"messages": [{"role": "user", "content": "hé \n"}, {"role": "assistant", "tool_calls": [{"function": {"name": "f",
        "arguments": {"a": 1.5, "b": [true, null, -3]}}}]}], "tools": null, "add_generation_prompt": true, "s": "a,b", "n": 7})";

void Check(std::string_view input) {
  const std::size_t zero = input.find('\0');
  const std::string_view json = zero == std::string_view::npos ? kUsual : input.substr(zero + 1);
  const base::Result<JinjaTemplate> compiled = JinjaTemplate::Compile(input.substr(0, zero), kBounds);
  if (!compiled.has_value()) {
    LOQUAT_CHECK(!compiled.error().message.empty(), "an error without a message");
    return;
  }
  base::JsonParser parser({.max_depth = 1000});
  const base::Result<base::JsonValue> root = parser.Parse(json);
  std::vector<TemplateVariable> variables;
  if (root.has_value() && root->type() == base::JsonType::kObject) {
    for (const auto [name, value] : root->AsObject().value()) variables.push_back({name, value});
  }
  const base::Result<std::string> once = compiled->Render(variables, std::chrono::local_seconds());
  const base::Result<std::string> again = compiled->Render(variables, std::chrono::local_seconds());
  LOQUAT_CHECK(once.has_value() == again.has_value(), "one template gives a text and an error");
  if (once.has_value()) {
    LOQUAT_CHECK(*once == *again, "one template gives two texts");
    LOQUAT_CHECK(once->size() <= kBounds.output_bytes_max, "more output than is allowed");
  } else {
    LOQUAT_CHECK(!once.error().message.empty() && !once.error().reason.empty(), "an error that does not say why");
  }
}

}  // namespace
}  // namespace loquat::text

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  loquat::text::Check(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
