// Decodes chunked bodies (RFC 9112 section 7.1) in place: the data moves down over the chunk lines that it follows.
// Extensions and trailers are checked, bounded and dropped. One decoder per message; single-threaded.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "net/http1_parser.h"

namespace loquat::net {

inline constexpr std::size_t kChunkLineBytesMax = 256;
// Extensions of all chunks together and trailers: no more than a head may have.
inline constexpr std::size_t kChunkOverheadBytesMax = 16 * 1024;

class ChunkedDecoder {
 public:
  explicit ChunkedDecoder(std::uint64_t body_bytes_max) : body_bytes_max_(body_bytes_max) {}

  struct Progress {
    ParseState state = ParseState::kNeedMore;
    HttpFailure failure;
    std::size_t consumed = 0;  // Of the input; all of it unless done or failed.
    std::size_t produced = 0;  // Bytes of body, now at the start of the input.
  };
  Progress Feed(std::span<char> input);

 private:
  enum class State : std::uint8_t {
    kSize,
    kExtension,
    kSizeEnd,
    kData,
    kDataEnd,
    kDataEndLine,
    kTrailerStart,
    kTrailer,
    kTrailerEnd,
    kLastEnd,
    kDone
  };
  HttpFailure Step(char c);
  HttpFailure TakeSize(char c);
  HttpFailure CountOverhead();

  const std::uint64_t body_bytes_max_;
  std::uint64_t body_bytes_ = 0;
  std::uint64_t chunk_left_ = 0;
  std::size_t line_bytes_ = 0;
  std::size_t overhead_bytes_ = 0;
  State state_ = State::kSize;
};

}  // namespace loquat::net
