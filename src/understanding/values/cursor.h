// Reads a folded text from left to right by literals and word lists.
// A value: copying it saves the place, assigning the copy goes back. Views the folded text, which must outlive it.

#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string_view>

#include "base/strings.h"

namespace loquat::understanding {

template <typename T>
struct Word {
  std::string_view text;  // In folded form.
  T value;
};

class Cursor {
 public:
  explicit constexpr Cursor(std::string_view text) : rest_(text) {}

  // What is left; without the space before it.
  std::string_view rest() const { return rest_.starts_with(' ') ? rest_.substr(1) : rest_; }
  bool AtEnd() const { return rest().empty(); }

  // Steps over the literal if it stands here as whole words: an ASCII letter does not go on with a letter or digit, an
  // ASCII digit not with a digit.
  bool Accept(std::string_view literal) {
    if (!Matches(rest(), literal)) return false;
    rest_ = rest().substr(literal.size());
    return true;
  }
  // The same without a look at what follows.
  bool AcceptPrefix(std::string_view literal) {
    if (!rest().starts_with(literal)) return false;
    rest_ = rest().substr(literal.size());
    return true;
  }
  // The first that stands here.
  bool AcceptAny(std::initializer_list<std::string_view> literals) {
    for (const std::string_view literal : literals) {
      if (Accept(literal)) return true;
    }
    return false;
  }

  // The value of the longest word of the list that stands here.
  template <typename T, std::size_t kCount>
  std::optional<T> AcceptOneOf(const std::array<Word<T>, kCount>& words) {
    return AcceptOneOf(std::span<const Word<T>>(words));
  }
  template <typename T, std::size_t kCount>
  std::optional<T> AcceptOneOf(const Word<T> (&words)[kCount]) {
    return AcceptOneOf(std::span<const Word<T>>(words));
  }
  template <typename T>
  std::optional<T> AcceptOneOf(std::span<const Word<T>> words) {
    const std::string_view here = rest();
    const Word<T>* best = nullptr;
    for (const Word<T>& word : words) {
      if ((best == nullptr || word.text.size() > best->text.size()) && Matches(here, word.text)) best = &word;
    }
    if (best == nullptr) return std::nullopt;
    rest_ = here.substr(best->text.size());
    return best->value;
  }

  // A run of 1 to `digits_max` ASCII digits with no digit after it.
  struct Digits {
    std::int64_t value;
    std::size_t count;
  };
  std::optional<Digits> AcceptDigits(std::size_t digits_max) {
    const std::string_view here = rest();
    std::size_t count = 0;
    std::int64_t value = 0;
    while (count < here.size() && base::IsAsciiDigit(here[count])) {
      if (count == digits_max) return std::nullopt;
      value = value * 10 + (here[count++] - '0');
    }
    if (count == 0) return std::nullopt;
    rest_ = here.substr(count);
    return Digits{value, count};
  }

  // Reads with `parse` or stays where it is.
  template <std::invocable<Cursor&> Parse>
  auto Try(Parse parse) -> decltype(parse(*this)) {
    const Cursor start = *this;
    auto result = parse(*this);
    if (!result) *this = start;
    return result;
  }

 private:
  static bool IsWordCharacter(char c) { return (c >= 'a' && c <= 'z') || base::IsAsciiDigit(c); }
  static bool Matches(std::string_view here, std::string_view literal) {
    if (here.empty() || literal.empty() || here.front() != literal.front() || !here.starts_with(literal)) return false;
    if (here.size() == literal.size()) return true;
    const char last = literal.back(), next = here[literal.size()];
    if (base::IsAsciiDigit(last)) return !base::IsAsciiDigit(next);
    return !(last >= 'a' && last <= 'z') || !IsWordCharacter(next);
  }

  std::string_view rest_;
};

}  // namespace loquat::understanding
