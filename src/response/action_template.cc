#include "response/action_template.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/json_writer.h"

namespace loquat::response {
namespace {

bool IsFieldName(std::string_view name) {
  if (name.empty() || name.size() > kFieldNameBytesMax || name.front() == '.' || name.back() == '.') return false;
  return !name.contains("..") && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
  });
}

bool IsUnreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
         c == '_' || c == '~';
}

}  // namespace

struct ActionTemplate::Compiler {
  std::string_view source;
  ActionTemplate result = {};
  std::size_t at = 0;

  base::Error Fail(std::string_view what) const {
    return base::InvalidArgument(fmt::format("{} at byte {} of the template", what, at));
  }

  base::Status Placeholder() {
    const std::size_t end = source.find('}', at);
    if (end == std::string_view::npos) return Fail("'{' without '}'; write '{{' for the sign itself");
    std::string_view name = source.substr(at + 1, end - at - 1);
    const bool optional = name.ends_with('?');
    if (optional) name.remove_suffix(1);
    if (!IsFieldName(name)) return Fail("a field is {name.of.value} in lower-case letters, digits and _, or {name?}");
    if (result.fields_.size() >= kActionTemplatePartsMax) return Fail("too many fields");
    result.fields_.push_back({.name = std::string(name), .optional = optional});
    result.texts_.emplace_back();
    at = end + 1;
    return {};
  }

  base::Result<ActionTemplate> Run() {
    if (source.size() > kActionTemplateBytesMax) {
      return Fail(fmt::format("longer than {} bytes", kActionTemplateBytesMax));
    }
    while (at < source.size()) {
      const char c = source[at];
      if ((c == '{' || c == '}') && at + 1 < source.size() && source[at + 1] == c) {
        result.texts_.back() += c;
        at += 2;
      } else if (c == '{') {
        LOQUAT_TRY(Placeholder());
      } else if (c == '}') {
        return Fail("'}' without '{'; write '}}' for the sign itself");
      } else {
        result.texts_.back() += c;
        ++at;
      }
    }
    return std::move(result);
  }
};

base::Result<ActionTemplate> ActionTemplate::Compile(std::string_view source) {
  return Compiler{.source = source}.Run();
}

base::Result<std::string> ActionTemplate::Render(const FieldValues& values, Escape escape) const {
  std::string out = texts_.front();
  for (std::size_t i = 0; i < fields_.size(); ++i) {
    const auto found = values.find(fields_[i].name);
    if (found != values.end()) {
      out += escape == nullptr ? found->second.text : escape(found->second.text);
    } else if (!fields_[i].optional) {
      return base::Error{.code = base::Code::kFailedPrecondition,
                         .message = fmt::format("{{{}}} has no value", fields_[i].name),
                         .reason = "action_field_missing"};
    }
    out += texts_[i + 1];
  }
  return out;
}

base::Result<std::string> ActionTemplate::RenderJson(const FieldValues& values) const {
  const bool words = std::ranges::any_of(texts_, [](const std::string& text) { return !text.empty(); });
  if (!words && fields_.size() == 1) {
    const auto found = values.find(fields_.front().name);
    if (found != values.end() && found->second.literal) return found->second.text;
  }
  LOQUAT_ASSIGN(const std::string text, Render(values));
  const bool nothing = !words && !fields_.empty() &&
                       std::ranges::none_of(fields_, [&](const Field& field) { return values.contains(field.name); });
  if (nothing) return std::string();
  std::string out;
  base::JsonWriter(out).String(text);
  return out;
}

std::string PercentEncode(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (IsUnreserved(c)) {
      out += c;
    } else {
      fmt::format_to(std::back_inserter(out), "%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

}  // namespace loquat::response
