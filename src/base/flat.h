// Fields of a binary format one after another, little-endian: a writer and a reader with the same calls, so that one
// function lists the fields for both ways and they cannot disagree:
//
//   template <typename Flat, typename Value>
//   void Fields(Flat& flat, Value& value) {
//     flat.Number(value.width);
//     flat.Text(value.name, kNameBytesMax);
//   }
//
// The reader trusts nothing. The first fault stays, and all after it reads as zero or empty: callers ask ok() once at
// the end, or after what they need right away. The writer keeps the same bounds, so that what it wrote can be read: it
// has a fault where something is larger. One thread at a time.

#pragma once

#include <fmt/format.h>

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace loquat::base {

static_assert(std::endian::native == std::endian::little, "fields are stored as they lie in memory");

inline constexpr std::size_t kFlatTableAlignment = 64;  // Of each Table, counted from the first byte.

template <typename T>
concept FlatNumber = std::is_arithmetic_v<T> && !std::same_as<std::remove_cv_t<T>, bool>;
// What a table may hold: bytes that mean the same wherever they lie, all of them written.
template <typename T>
concept FlatElement = std::is_trivially_copyable_v<T> && alignof(T) <= kFlatTableAlignment;

class FlatWriter {
 public:
  const std::string& bytes() const { return bytes_; }
  bool ok() const { return fault_.empty(); }
  // "a count of 9; at most 8 are allowed"; empty: none so far.
  const std::string& fault() const { return fault_; }

  void Number(FlatNumber auto number) { bytes_.append(reinterpret_cast<const char*>(&number), sizeof number); }
  void Flag(bool flag) { bytes_.push_back(flag ? '\1' : '\0'); }
  template <typename E>
  requires std::is_enum_v<E>
  void Choice(E choice, E /*last*/) { Number(static_cast<std::uint8_t>(choice)); }
  void Text(std::string_view text, std::size_t bytes_max) {
    Count(text.size(), bytes_max);
    bytes_.append(text);
  }
  // Calls each(item) for all; `each` writes one.
  template <typename T, typename Each>
  void Items(const std::vector<T>& items, std::size_t items_max, Each&& each) {
    Count(items.size(), items_max);
    for (const T& item : items) each(item);
  }
  template <typename T, typename Each>
  void Maybe(const std::optional<T>& value, Each&& each) {
    Flag(value.has_value());
    if (value) each(*value);
  }
  template <FlatElement T>
  void Table(std::span<const T> table, std::size_t items_max) {
    Count(table.size(), items_max);
    bytes_.resize((bytes_.size() + kFlatTableAlignment - 1) / kFlatTableAlignment * kFlatTableAlignment);
    bytes_.append(reinterpret_cast<const char*>(table.data()), table.size_bytes());
  }

 private:
  void Count(std::size_t count, std::size_t most) {
    if (count > most && ok()) fault_ = fmt::format("a count of {}; at most {} are allowed", count, most);
    Number(static_cast<std::uint64_t>(count));
  }

  std::string bytes_, fault_;
};

class FlatReader {
 public:
  // REQUIRES: the bytes are aligned to kFlatTableAlignment, and outlive the tables that are read.
  explicit FlatReader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  bool ok() const { return fault_.empty(); }
  // "the byte 12: …"; empty: none so far.
  const std::string& fault() const { return fault_; }
  std::size_t left() const { return bytes_.size() - offset_; }
  // Says that what was read last cannot be.
  void Fail(std::string_view why) {
    if (ok()) fault_ = fmt::format("byte {}: {}", offset_, why);
    offset_ = bytes_.size();
  }

  template <FlatNumber T>
  void Number(T& number) {
    number = 0;
    if (!Need(sizeof(T))) return;
    std::memcpy(&number, bytes_.data() + offset_, sizeof(T));
    offset_ += sizeof(T);
  }
  void Flag(bool& flag) {
    std::uint8_t stored = 0;
    Number(stored);
    if (stored > 1) Fail("a flag that is neither 0 nor 1");
    flag = stored == 1;
  }
  template <typename E>
  requires std::is_enum_v<E>
  void Choice(E& choice, E last) {
    std::uint8_t stored = 0;
    Number(stored);
    if (stored > static_cast<std::uint8_t>(last)) {
      Fail("a choice that is not known");
      stored = 0;
    }
    choice = static_cast<E>(stored);
  }
  void Text(std::string& text, std::size_t bytes_max) {
    const std::size_t size = Count(bytes_max, 1);
    text.assign(reinterpret_cast<const char*>(bytes_.data() + offset_), size);
    offset_ += size;
  }
  // Calls each(item) for as many new items as are stored, each of which takes one byte at least.
  template <typename T, typename Each>
  void Items(std::vector<T>& items, std::size_t items_max, Each&& each) {
    const std::size_t count = Count(items_max, 1);
    items.clear();
    for (std::size_t i = 0; i < count && ok(); ++i) each(items.emplace_back());
  }
  template <typename T, typename Each>
  void Maybe(std::optional<T>& value, Each&& each) {
    bool there = false;
    Flag(there);
    value.reset();
    if (there) each(value.emplace());
  }
  template <FlatElement T>
  void Table(std::span<const T>& table, std::size_t items_max) {
    table = {};
    const std::size_t count = Count(items_max, sizeof(T));
    const std::size_t gap = (kFlatTableAlignment - offset_ % kFlatTableAlignment) % kFlatTableAlignment;
    if (!Need(gap + count * sizeof(T))) return;
    table = {reinterpret_cast<const T*>(bytes_.data() + offset_ + gap), count};
    offset_ += gap + count * sizeof(T);
  }

 private:
  // A count of things of `size` bytes each that are all there.
  std::size_t Count(std::size_t most, std::size_t size) {
    std::uint64_t count = 0;
    Number(count);
    if (count > most) {
      Fail(fmt::format("a count of {}; at most {} are allowed", count, most));
    } else if (count > left() / size) {
      Fail(fmt::format("a count of {}, more than there are bytes for", count));
    }
    return ok() ? static_cast<std::size_t>(count) : 0;
  }
  bool Need(std::size_t count) {
    if (!ok()) return false;
    if (count > left()) Fail("the bytes end here");
    return ok();
  }

  std::span<const std::byte> bytes_;
  std::size_t offset_ = 0;
  std::string fault_;
};

}  // namespace loquat::base
