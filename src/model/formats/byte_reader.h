// Reads little-endian numbers and strings from the front of a file's bytes, and says where and within what the bytes
// end too early. One thread; the bytes outlive the reader and what it gives.

#pragma once

#include <fmt/format.h>

#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

#include "base/result.h"

namespace loquat::model {

static_assert(std::endian::native == std::endian::little, "model files are mapped, and they are little-endian");

class ByteReader {
 public:
  // `file` is how errors call the source.
  ByteReader(std::string_view file, std::span<const std::byte> bytes) : file_(file), bytes_(bytes) {}

  std::uint64_t offset() const { return offset_; }
  std::uint64_t left() const { return bytes_.size() - offset_; }

  template <typename T>
  requires std::is_arithmetic_v<T> base::Result<T> Number(std::string_view what) {
    LOQUAT_TRY(Need(sizeof(T), what));
    T number;
    std::memcpy(&number, bytes_.data() + offset_, sizeof number);
    offset_ += sizeof number;
    return number;
  }

  base::Result<std::span<const std::byte>> Bytes(std::uint64_t count, std::string_view what) {
    LOQUAT_TRY(Need(count, what));
    const auto view = bytes_.subspan(offset_, count);
    offset_ += count;
    return view;
  }

  // A length in eight bytes, then as many characters; no more than `bytes_max`.
  base::Result<std::string_view> String(std::uint64_t bytes_max, std::string_view what) {
    const std::uint64_t start = offset_;
    LOQUAT_ASSIGN(const std::uint64_t length, Number<std::uint64_t>(what));
    if (length > bytes_max) {
      return base::DataLoss(
          fmt::format("{}, byte {}: {} of {} bytes; at most {} are allowed", file_, start, what, length, bytes_max));
    }
    LOQUAT_ASSIGN(const auto view, Bytes(length, what));
    return std::string_view(reinterpret_cast<const char*>(view.data()), view.size());
  }

 private:
  base::Status Need(std::uint64_t count, std::string_view what) const {
    if (count <= left()) return {};
    return base::DataLoss(
        fmt::format("{}, byte {}: the file ends within {} ({} more bytes needed, {} left); copy it again from "
                    "where it came",
                    file_, offset_, what, count, left()));
  }

  std::string_view file_;
  std::span<const std::byte> bytes_;
  std::uint64_t offset_ = 0;
};

}  // namespace loquat::model
