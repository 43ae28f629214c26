#include "understanding/regex_set.h"

#include <fmt/format.h>
#include <unicode/regex.h>
#include <unicode/utext.h>

#include <algorithm>
#include <utility>

namespace loquat::understanding {

struct RegexSet::State {
  std::vector<NamedRegex> regexes;
  std::vector<std::unique_ptr<icu::RegexPattern>> patterns;
};

// A UText and matchers that are opened once and moved from text to text.
class RegexScratch {
 public:
  RegexScratch() = default;
  RegexScratch(const RegexScratch&) = delete;
  RegexScratch& operator=(const RegexScratch&) = delete;
  ~RegexScratch() { utext_close(&text_); }

  UText text_ = UTEXT_INITIALIZER;
  const void* owner_ = nullptr;  // Whose patterns `matchers_` are for.
  std::shared_ptr<const void> keep_;
  std::vector<std::unique_ptr<icu::RegexMatcher>> matchers_;
};

RegexSet::RegexSet() : state_(std::make_shared<State>()) {}
RegexSet::~RegexSet() = default;
RegexSet::RegexSet(RegexSet&&) noexcept = default;
RegexSet& RegexSet::operator=(RegexSet&&) noexcept = default;

base::Result<RegexSet> RegexSet::Compile(std::span<const NamedRegex> regexes) {
  RegexSet set;
  auto state = std::make_shared<State>();
  for (const NamedRegex& regex : regexes) {
    if (regex.pattern.size() > kPatternBytesMax) {
      return base::InvalidArgument(fmt::format("regex \"{}\" is {} bytes long; at most {} are allowed", regex.name,
                                               regex.pattern.size(), kPatternBytesMax));
    }
    UErrorCode error = U_ZERO_ERROR;
    UParseError where{};
    const icu::UnicodeString pattern = icu::UnicodeString::fromUTF8(regex.pattern);
    std::unique_ptr<icu::RegexPattern> compiled(
        icu::RegexPattern::compile(pattern, UREGEX_CASE_INSENSITIVE, where, error));
    if (U_FAILURE(error) || compiled == nullptr) {
      return base::InvalidArgument(fmt::format("regex \"{}\" does not compile: {} near character {} of {}", regex.name,
                                               u_errorName(error), where.offset + 1, regex.pattern));
    }
    state->regexes.push_back(regex);
    state->patterns.push_back(std::move(compiled));
  }
  set.state_ = std::move(state);
  return set;
}

std::size_t RegexSet::size() const {
  return state_->patterns.size();
}
const std::vector<NamedRegex>& RegexSet::regexes() const {
  return state_->regexes;
}

RegexSet::ScratchPtr RegexSet::NewScratch() {
  return {new RegexScratch, [](RegexScratch* scratch) { delete scratch; }};
}

void RegexSet::Find(std::string_view text, RegexScratch& scratch, std::vector<RegexMatch>& matches) const {
  matches.clear();
  if (state_->patterns.empty()) return;
  UErrorCode error = U_ZERO_ERROR;
  if (scratch.owner_ != state_.get()) {
    scratch.matchers_.clear();
    scratch.owner_ = nullptr;
    scratch.keep_ = state_;
    for (const auto& pattern : state_->patterns) {
      scratch.matchers_.emplace_back(pattern->matcher(error));
      if (U_FAILURE(error) || scratch.matchers_.back() == nullptr) return;
      scratch.matchers_.back()->setTimeLimit(kRegexSteps, error);
      scratch.matchers_.back()->setStackLimit(kRegexStackBytes, error);
    }
    scratch.owner_ = state_.get();
  }
  utext_openUTF8(&scratch.text_, text.data(), static_cast<std::int64_t>(text.size()), &error);
  if (U_FAILURE(error)) return;
  for (std::size_t r = 0; r < scratch.matchers_.size(); ++r) {
    icu::RegexMatcher& matcher = *scratch.matchers_[r];
    matcher.reset(&scratch.text_);
    UErrorCode failed = U_ZERO_ERROR;
    for (std::size_t found = 0; found < kRegexMatchesMax && matcher.find(failed) && U_SUCCESS(failed); ++found) {
      const auto begin = static_cast<std::uint32_t>(matcher.start64(0, failed));
      const auto end = static_cast<std::uint32_t>(matcher.end64(0, failed));
      if (end > begin) matches.push_back({static_cast<std::uint32_t>(r), begin, end});
    }
  }
}

}  // namespace loquat::understanding
