#include "text/filters.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "text/normalize.h"

namespace loquat::text {
namespace {

constexpr char kFormSeparator =
    '\x1F';  // A control character is a token of its own, so no form of two characters has it.

// Appends the forms of the entry's tokens, joined as FilteredTokens joins them; returns how many.
std::size_t AppendPhrase(std::string_view entry, bool normalize, std::string& out) {
  std::vector<Token> tokens;
  Segment(entry, tokens);
  std::size_t count = 0;
  for (const Token& token : tokens) {
    std::string form(token.Of(entry));
    if (normalize) form = NormalizeForMatching(form);
    if (form.empty()) continue;
    if (count++ != 0) out.push_back(kFormSeparator);
    out += form;
  }
  return count;
}

base::Result<StopWords> Compile(const LocaleStopWords& source, bool normalize) {
  StopWords compiled;
  compiled.locale = source.locale;
  if (source.words.size() > kStopWordsMax) {
    return base::InvalidArgument(fmt::format("locale {} has {} stop words, at most {} are allowed", source.locale,
                                             source.words.size(), kStopWordsMax),
                                 fmt::format("stop_words/{}", source.locale));
  }
  for (std::size_t i = 0; i < source.words.size(); ++i) {
    std::string phrase;
    const std::size_t count = AppendPhrase(source.words[i], normalize, phrase);
    if (count == 0 || count > kStopWordTokensMax) {
      return base::InvalidArgument(fmt::format("stop word '{}' of locale {} has {} tokens; 1 to {} are allowed",
                                               source.words[i], source.locale, count, kStopWordTokensMax),
                                   fmt::format("stop_words/{}/{}", source.locale, i));
    }
    compiled.tokens_max = std::max(compiled.tokens_max, count);
    compiled.phrases.insert(std::move(phrase));
  }
  return compiled;
}

}  // namespace

// One run over one text.
class FilterLoop {
 public:
  FilterLoop(std::string_view text, FilteredTokens& out) : text_(text), out_(out) {
    out_.tokens.clear();
    out_.forms_.clear();
    out_.ranges_.clear();
    out_.report = {};
  }

  template <bool kNormalize>
  void TakeForms(std::span<const Token> tokens) {
    for (const Token& token : tokens) {
      if (!out_.ranges_.empty()) out_.forms_.push_back(kFormSeparator);
      const auto begin = static_cast<std::uint32_t>(out_.forms_.size());
      if constexpr (kNormalize) {
        AppendForMatching(token.Of(text_), out_.forms_);
      } else {
        out_.forms_.append(token.Of(text_));
      }
      const auto end = static_cast<std::uint32_t>(out_.forms_.size());
      if (begin == end) {
        ++out_.report.empty;
        if (!out_.ranges_.empty()) out_.forms_.pop_back();
        continue;
      }
      out_.tokens.push_back(token);
      out_.ranges_.push_back({.begin = begin, .end = end});
    }
  }

  // Drops the longest stop phrase at each place, from left to right.
  void DropStopWords(const StopWords& stop) {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < out_.tokens.size();) {
      const std::size_t length = PhraseAt(stop, i);
      if (length == 0) Move(i++, kept++);
      i += length;
    }
    if (kept == 0 && !out_.tokens.empty()) {
      out_.report.stop_words_spared = true;
      return;
    }
    out_.report.stop_words = static_cast<std::uint32_t>(out_.tokens.size() - kept);
    Resize(kept);
  }

  base::Status Cap(std::uint32_t tokens_max, TruncationPolicy policy) {
    const auto count = static_cast<std::uint32_t>(out_.tokens.size());
    LOQUAT_ASSIGN(const Cut cut, PlanTruncation(count, tokens_max, policy));
    if (cut.size() == 0) return {};
    out_.report.truncated = cut.size();
    out_.report.cut_byte_begin = out_.tokens[cut.begin].byte_begin;
    out_.report.cut_byte_end = out_.tokens[cut.end - 1].byte_end;
    for (std::uint32_t i = cut.end; i < count; ++i) Move(i, i - cut.size());
    Resize(count - cut.size());
    return {};
  }

 private:
  // How many tokens the longest stop phrase at token `at` takes. Nothing from `at` on has moved.
  std::size_t PhraseAt(const StopWords& stop, std::size_t at) const {
    const std::size_t longest = std::min(stop.tokens_max, out_.tokens.size() - at);
    const std::uint32_t begin = out_.ranges_[at].begin;
    for (std::size_t length = longest; length > 0; --length) {
      const std::uint32_t end = out_.ranges_[at + length - 1].end;
      if (stop.phrases.contains(std::string_view(out_.forms_).substr(begin, end - begin))) return length;
    }
    return 0;
  }

  void Move(std::size_t from, std::size_t to) {
    out_.tokens[to] = out_.tokens[from];
    out_.ranges_[to] = out_.ranges_[from];
  }

  void Resize(std::size_t count) {
    out_.tokens.resize(count);
    out_.ranges_.resize(count);
  }

  std::string_view text_;
  FilteredTokens& out_;
};

FilterChain::AnyPipeline FilterChain::Choose(bool normalize, bool stop, bool cap) {
  if (cap) {
    if (stop) return normalize ? AnyPipeline(Pipeline<true, true, true>()) : Pipeline<false, true, true>();
    return normalize ? AnyPipeline(Pipeline<true, false, true>()) : Pipeline<false, false, true>();
  }
  if (stop) return normalize ? AnyPipeline(Pipeline<true, true, false>()) : Pipeline<false, true, false>();
  return normalize ? AnyPipeline(Pipeline<true, false, false>()) : Pipeline<false, false, false>();
}

base::Result<FilterChain> FilterChain::Create(FilterOptions options) {
  FilterChain chain;
  for (const LocaleStopWords& source : options.stop_words) {
    if (std::ranges::find(chain.stop_words_, source.locale, &StopWords::locale) != chain.stop_words_.end()) {
      return base::InvalidArgument(fmt::format("locale {} has two lists of stop words: merge them", source.locale),
                                   fmt::format("stop_words/{}", source.locale));
    }
    LOQUAT_ASSIGN(StopWords compiled, Compile(source, options.normalize));
    chain.stop_words_.push_back(std::move(compiled));
  }
  chain.tokens_max_ = options.tokens_max;
  chain.truncation_ = options.truncation;
  chain.pipeline_ = Choose(options.normalize, !chain.stop_words_.empty(), options.tokens_max != 0);
  return chain;
}

base::Status FilterChain::Run(std::string_view text, std::string_view locale, std::span<const Token> tokens,
                              FilteredTokens& out) const {
  return std::visit(
      [&]<typename Chosen>(Chosen) -> base::Status {
        FilterLoop loop(text, out);
        loop.template TakeForms<Chosen::kNormalize>(tokens);
        if constexpr (Chosen::kStop) {
          const auto stop = std::ranges::find(stop_words_, locale, &StopWords::locale);
          if (stop != stop_words_.end()) loop.DropStopWords(*stop);
        }
        if constexpr (Chosen::kCap) return loop.Cap(tokens_max_, truncation_);
        return {};
      },
      pipeline_);
}

}  // namespace loquat::text
