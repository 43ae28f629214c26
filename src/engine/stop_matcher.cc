#include "engine/stop_matcher.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/utf8.h"

namespace loquat::engine {
namespace {

std::vector<std::uint16_t> FallbackOf(std::string_view text) {
  std::vector<std::uint16_t> fallback(text.size(), 0);
  std::uint16_t length = 0;
  for (std::size_t i = 1; i < text.size(); ++i) {
    while (length > 0 && text[i] != text[length]) length = fallback[length - 1U];
    if (text[i] == text[length]) ++length;
    fallback[i] = length;
  }
  return fallback;
}

}  // namespace

base::Result<std::shared_ptr<const StopStrings>> StopStrings::Create(const std::vector<std::string>& strings) {
  if (strings.size() > kStopStringsMax) {
    return base::InvalidArgument(
        fmt::format("{} stop strings were given; at most {} are allowed", strings.size(), kStopStringsMax), "/stop");
  }
  auto result = std::make_shared<StopStrings>();
  for (std::size_t i = 0; i < strings.size(); ++i) {
    const std::string& text = strings[i];
    const std::string param = fmt::format("/stop/{}", i);
    if (text.empty()) return base::InvalidArgument("a stop string is empty; it would end every answer at once", param);
    if (text.size() > kStopStringBytesMax) {
      return base::InvalidArgument(
          fmt::format("a stop string has {} bytes; at most {} are allowed", text.size(), kStopStringBytesMax), param);
    }
    if (!base::IsValidUtf8(text)) return base::InvalidArgument("a stop string is not valid UTF-8", param);
    result->patterns_.push_back({text, FallbackOf(text)});
  }
  return std::shared_ptr<const StopStrings>(std::move(result));
}

StopMatcher::StopMatcher(std::shared_ptr<const StopStrings> strings) : strings_(std::move(strings)) {
  if (strings_ != nullptr) matched_.assign(strings_->patterns_.size(), 0);
}

bool StopMatcher::Append(std::string_view piece, std::string& out) {
  if (stopped_) return true;
  if (matched_.empty()) {
    out += piece;
    return false;
  }
  for (const char byte : piece) {
    held_ += byte;
    std::size_t longest = 0;  // Of the strings that end at this byte.
    for (std::size_t i = 0; i < matched_.size(); ++i) {
      const StopStrings::Pattern& pattern = strings_->patterns_[i];
      std::uint16_t& length = matched_[i];
      while (length > 0 && byte != pattern.text[length]) length = pattern.fallback[length - 1U];
      if (byte == pattern.text[length]) ++length;
      // No step follows a whole match: the first one ends it all.
      if (length == pattern.text.size()) longest = std::max<std::size_t>(longest, length);
    }
    if (longest > 0) {
      out.append(held_, 0, held_.size() - longest);
      held_.clear();
      stopped_ = true;
      return true;
    }
  }
  const std::size_t keep = *std::max_element(matched_.begin(), matched_.end());
  out.append(held_, 0, held_.size() - keep);
  held_.erase(0, held_.size() - keep);
  return false;
}

void StopMatcher::Finish(std::string& out) {
  if (!stopped_) out += held_;
  held_.clear();
}

}  // namespace loquat::engine
