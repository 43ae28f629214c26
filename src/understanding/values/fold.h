// The form in which surfaces of values are read: one width, one case, simplified characters, no stray punctuation.
// Pure; a FoldedText is a value of fixed size that owns its bytes, so folding allocates nothing.

#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

namespace loquat::understanding {

inline constexpr std::size_t kSurfaceCodePointsMax = 64;  // A longer surface has no normal form.

// Full-width forms become ASCII, capitals small; traditional characters and banker's numerals that occur in values
// become the everyday simplified ones; dashes become '-', apostrophes vanish ("o'clock"), a point after a letter
// vanishes
// ("a.m."), a hyphen between letter or digit and letter becomes a space ("25-minute"), a comma outside a number becomes
// a space. White space is one space, and stands only between two ASCII characters. Points and marks at the end vanish.
class FoldedText {
 public:
  // Nothing when the surface is empty, ill-formed UTF-8 or longer than kSurfaceCodePointsMax code points.
  static std::optional<FoldedText> From(std::string_view surface);

  std::string_view view() const { return {bytes_.data(), size_}; }
  bool has_han() const { return has_han_; }  // A Chinese character occurs.

 private:
  FoldedText() = default;
  void Append(char32_t code_point);
  void AppendAscii(char c, char next);
  void TrimEnd();

  std::array<char, kSurfaceCodePointsMax * 4> bytes_;
  std::size_t size_ = 0;
  bool has_han_ = false;
  bool space_pending_ = false;
};

}  // namespace loquat::understanding
