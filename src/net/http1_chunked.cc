#include "net/http1_chunked.h"

#include <algorithm>
#include <cstring>

#include "net/http_text.h"

namespace loquat::net {
namespace {

constexpr HttpFailure kBadChunk{400, "bad_chunk", "a chunk of the body is malformed"};
constexpr HttpFailure kOverhead{400, "bad_chunk", "the chunk extensions or trailers are too long"};
constexpr HttpFailure kTooLarge{413, "body_too_large", "the request body is larger than this server accepts"};

int HexValue(char c) {
  if (IsDigit(c)) return c - '0';
  const char lower = LowerAscii(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

}  // namespace

ChunkedDecoder::Progress ChunkedDecoder::Feed(std::span<char> input) {
  Progress progress;
  while (progress.consumed < input.size() && state_ != State::kDone) {
    if (state_ == State::kData) {
      const std::size_t n = std::min<std::uint64_t>(chunk_left_, input.size() - progress.consumed);
      if (progress.produced != progress.consumed) {
        std::memmove(input.data() + progress.produced, input.data() + progress.consumed, n);
      }
      progress.produced += n;
      progress.consumed += n;
      chunk_left_ -= n;
      if (chunk_left_ == 0) state_ = State::kDataEnd;
      continue;
    }
    progress.failure = Step(input[progress.consumed++]);
    if (progress.failure) {
      progress.state = ParseState::kFailed;
      return progress;
    }
  }
  progress.state = state_ == State::kDone ? ParseState::kDone : ParseState::kNeedMore;
  return progress;
}

HttpFailure ChunkedDecoder::CountOverhead() {
  return ++overhead_bytes_ > kChunkOverheadBytesMax ? kOverhead : HttpFailure{};
}

HttpFailure ChunkedDecoder::TakeSize(char c) {
  if (const int digit = HexValue(c); digit >= 0) {
    if (++line_bytes_ > 16 || (chunk_left_ >> 60) != 0) return kBadChunk;
    chunk_left_ = chunk_left_ * 16 + static_cast<std::uint64_t>(digit);
    return {};
  }
  if (line_bytes_ == 0) return kBadChunk;
  if (c != '\r' && c != ';') return kBadChunk;
  if (chunk_left_ > body_bytes_max_ - body_bytes_) return kTooLarge;
  body_bytes_ += chunk_left_;
  state_ = c == '\r' ? State::kSizeEnd : State::kExtension;
  return {};
}

HttpFailure ChunkedDecoder::Step(char c) {
  switch (state_) {
    case State::kSize:
      return TakeSize(c);
    case State::kExtension:
      if (c == '\r') {
        state_ = State::kSizeEnd;
        return {};
      }
      if (!IsFieldChar(c)) return kBadChunk;
      if (++line_bytes_ > kChunkLineBytesMax) return kOverhead;
      return CountOverhead();
    case State::kSizeEnd:
      if (c != '\n') return kBadChunk;
      line_bytes_ = 0;
      state_ = chunk_left_ == 0 ? State::kTrailerStart : State::kData;
      return {};
    case State::kDataEnd:
      if (c != '\r') return kBadChunk;
      state_ = State::kDataEndLine;
      return {};
    case State::kDataEndLine:
      if (c != '\n') return kBadChunk;
      state_ = State::kSize;
      return {};
    case State::kTrailerStart:
      if (c == '\r') {
        state_ = State::kLastEnd;
        return {};
      }
      if (!IsTokenChar(c)) return kBadChunk;
      state_ = State::kTrailer;
      return CountOverhead();
    case State::kTrailer:
      if (c == '\r') {
        state_ = State::kTrailerEnd;
        return {};
      }
      if (!IsFieldChar(c)) return kBadChunk;
      return CountOverhead();
    case State::kTrailerEnd:
      if (c != '\n') return kBadChunk;
      state_ = State::kTrailerStart;
      return {};
    case State::kLastEnd:
      if (c != '\n') return kBadChunk;
      state_ = State::kDone;
      return {};
    case State::kData:
    case State::kDone:
      break;
  }
  return {};
}

}  // namespace loquat::net
