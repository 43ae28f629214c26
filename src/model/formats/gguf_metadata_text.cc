#include "model/formats/gguf_metadata_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/utf8.h"

namespace loquat::model {
namespace {

std::string NumberText(const GgufValue& value, std::uint64_t i) {
  if (value.item_type() == GgufType::kBool) return value.bytes()[i] == std::byte{0} ? "false" : "true";
  if (const auto integer = value.IntAt(i)) return fmt::format("{}", *integer);
  // As precise as it is stored.
  if (value.item_type() == GgufType::kFloat32)
    return fmt::format("{}", static_cast<float>(value.DoubleAt(i).value_or(0)));
  if (const auto number = value.DoubleAt(i)) return fmt::format("{}", *number);
  return "more than 63 bits";
}

std::string ArrayText(const GgufValue& value) {
  std::string text = "[";
  const std::uint64_t shown = std::min(value.size(), kShownItemsMax);
  if (value.item_type() == GgufType::kString) {
    std::uint64_t i = 0;
    value.EachString([&](std::string_view item) {
      if (i < shown) text += fmt::format("{}\"{}\"", i > 0 ? ", " : "", ShortenedText(item));
      ++i;
    });
  } else {
    for (std::uint64_t i = 0; i < shown; ++i) text += fmt::format("{}{}", i > 0 ? ", " : "", NumberText(value, i));
  }
  return text + (shown < value.size() ? fmt::format(", … ({} items)]", value.size()) : "]");
}

}  // namespace

std::string ShortenedText(std::string_view text) {
  std::string shown;
  base::AppendUtf8Repaired(text.substr(0, kShownBytesMax), shown);
  // A character cut in two at the end is no fault of the text.
  if (text.size() > kShownBytesMax) {
    while (shown.ends_with("\uFFFD")) shown.resize(shown.size() - 3);
    shown += fmt::format("… ({} bytes)", text.size());
  }
  std::string line;
  for (const char c : shown) {
    const bool control = static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
    if (c == '\n') {
      line += "\\n";
    } else if (control) {
      line += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      line += c;
    }
  }
  return line;
}

std::vector<MetadataEntry> MetadataText(const GgufFile& file) {
  std::vector<MetadataEntry> out;
  for (const auto& [key, value] : file.entries()) {
    MetadataEntry entry{.key = std::string(key), .type = std::string(GgufTypeName(value.item_type())), .value = {}};
    if (value.is_array()) {
      entry.type = "array of " + entry.type;
      entry.value = ArrayText(value);
    } else if (const auto text = value.AsString()) {
      entry.value = ShortenedText(*text);
    } else {
      entry.value = NumberText(value, 0);
    }
    out.push_back(std::move(entry));
  }
  return out;
}

}  // namespace loquat::model
