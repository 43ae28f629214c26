#include "text/template/prompt_template.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"

namespace loquat::text {

using base::Result;

Result<PromptTemplate> PromptTemplate::Compile(std::string_view source, std::span<const std::string_view> fields) {
  if (source.size() > kPromptTemplateBytesMax) {
    return base::InvalidArgument(
        fmt::format("a prompt template of {} bytes; at most {} are allowed", source.size(), kPromptTemplateBytesMax));
  }
  PromptTemplate compiled;
  compiled.field_count_ = fields.size();
  std::vector<bool> used(fields.size(), false);
  for (std::size_t at = 0; at < source.size(); ++at) {
    const char c = source[at];
    if (c != '{' && c != '}') {
      compiled.text_.push_back(c);
      continue;
    }
    if (at + 1 < source.size() && source[at + 1] == c) {
      compiled.text_.push_back(c);
      ++at;
      continue;
    }
    const std::size_t end = source.find('}', at);
    if (c == '}' || end == std::string_view::npos) {
      return base::InvalidArgument(fmt::format(
          "prompt template, byte {}: '{}' without its other brace; write {}{} for the sign itself", at, c, c, c));
    }
    const std::string_view name = source.substr(at + 1, end - at - 1);
    const auto found = std::ranges::find(fields, name);
    if (found == fields.end()) {
      return base::InvalidArgument(fmt::format("prompt template, byte {}: no field is named '{}'; there are: {}", at,
                                               name, fmt::join(fields, ", ")));
    }
    const auto field = static_cast<std::size_t>(found - fields.begin());
    used[field] = true;
    compiled.parts_.push_back({compiled.text_.size(), field});
    at = end;
  }
  compiled.parts_.push_back({compiled.text_.size(), kNoField});
  if (const auto unused = std::ranges::find(used, false); unused != used.end()) {
    return base::InvalidArgument(fmt::format("prompt template: the field '{}' is not used, or named twice",
                                             fields[static_cast<std::size_t>(unused - used.begin())]));
  }
  return compiled;
}

void PromptTemplate::Render(std::span<const std::string_view> values, std::string& out) const {
  LOQUAT_CHECK(values.size() == field_count_, "a prompt template needs one value a field");
  std::size_t size = out.size() + text_.size();
  for (const Part& part : parts_) size += part.field == kNoField ? 0 : values[part.field].size();
  out.reserve(size);
  std::size_t start = 0;
  for (const Part& part : parts_) {
    out.append(text_, start, part.text_end - start);
    start = part.text_end;
    if (part.field != kNoField) out += values[part.field];
  }
}

}  // namespace loquat::text
