// A GGUF file's metadata as people read it: short values whole, long strings and arrays cut. Pure; any thread.

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model/formats/gguf_file.h"
#include "model/formats/model_files.h"

namespace loquat::model {

inline constexpr std::size_t kShownBytesMax = 160;  // Of one value.
inline constexpr std::uint64_t kShownItemsMax = 5;  // Of an array.

std::vector<MetadataEntry> MetadataText(const GgufFile& file);

// The text, repaired to UTF-8, on one line; what is cut is said: "abc… (1234 bytes)".
std::string ShortenedText(std::string_view text);

}  // namespace loquat::model
