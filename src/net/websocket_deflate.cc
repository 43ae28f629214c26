#include "net/websocket_deflate.h"

#include <zlib.h>

#include <algorithm>
#include <new>

#include "base/check.h"

namespace loquat::net {
namespace {

// Latency counts for more than the last tenth of size.
constexpr int kLevel = 1;
constexpr int kMemoryLevel = 8;
constexpr std::size_t kChunkBytes = 16 * 1024;
constexpr std::size_t kKeptBytes = 256 * 1024;  // Of output room, between messages.
// What a sender takes off the end of each message and a receiver puts back (RFC 7692 section 7.2).
constexpr std::string_view kTail("\x00\x00\xff\xff", 4);
// In z_stream::data_type after inflate(): the last thing decoded was the end of a block.
constexpr int kAtBlockEnd = 128;

Bytef* AsBytes(const char* data) {
  return reinterpret_cast<Bytef*>(const_cast<char*>(data));
}

}  // namespace

WebSocketInflater::WebSocketInflater()
    : stream_(std::make_unique<z_stream>()), chunk_(std::make_unique_for_overwrite<char[]>(kChunkBytes)) {
  if (inflateInit2(stream_.get(), -MAX_WBITS) != Z_OK) throw std::bad_alloc();
}

WebSocketInflater::~WebSocketInflater() {
  inflateEnd(stream_.get());
}

WebSocketInflater::Outcome WebSocketInflater::Feed(std::string_view part, std::size_t bytes_max, std::string& out) {
  stream_->next_in = AsBytes(part.data());
  stream_->avail_in = static_cast<uInt>(part.size());
  while (stream_->avail_in != 0 || stream_->avail_out == 0) {
    // One byte more than allowed is enough to know.
    const std::size_t room = std::min(kChunkBytes, bytes_max - out.size() + 1);
    stream_->next_out = AsBytes(chunk_.get());
    stream_->avail_out = static_cast<uInt>(room);
    const int result = inflate(stream_.get(), Z_SYNC_FLUSH);
    if (result == Z_MEM_ERROR) throw std::bad_alloc();
    out.append(chunk_.get(), room - stream_->avail_out);
    if (out.size() > bytes_max) return Outcome::kTooBig;
    ended_ = result == Z_STREAM_END;
    if (ended_) {
      // A block may say that it is the last one of all; another stream then follows (RFC 7692 section 7.2.3.4).
      inflateReset(stream_.get());
      stream_->avail_out = 1;  // Not full: nothing waits inside.
    } else if (result == Z_BUF_ERROR) {
      break;  // All input is used and nothing waits inside.
    } else if (result != Z_OK) {
      return Outcome::kCorrupt;
    }
  }
  return Outcome::kDone;
}

WebSocketInflater::Outcome WebSocketInflater::Inflate(std::string_view compressed, std::size_t bytes_max,
                                                      std::string& out) {
  out.clear();
  if (compressed.empty()) return Outcome::kDone;
  if (compressed.size() > UINT32_MAX) return Outcome::kTooBig;
  inflateReset(stream_.get());
  stream_->avail_out = 1;
  ended_ = false;
  if (const Outcome outcome = Feed(compressed, bytes_max, out); outcome != Outcome::kDone) return outcome;
  if (ended_) return Outcome::kDone;
  if (const Outcome outcome = Feed(kTail, bytes_max, out); outcome != Outcome::kDone) return outcome;
  return (stream_->data_type & kAtBlockEnd) != 0 && stream_->avail_in == 0 ? Outcome::kDone : Outcome::kCorrupt;
}

WebSocketDeflater::WebSocketDeflater() = default;

WebSocketDeflater::~WebSocketDeflater() {
  for (const auto& stream : streams_) {
    if (stream) deflateEnd(stream.get());
  }
}

z_stream_s& WebSocketDeflater::StreamFor(int window_bits) {
  LOQUAT_CHECK(window_bits >= kDeflateWindowBitsMin && window_bits <= kDeflateWindowBitsMax, "a window zlib can write");
  auto& stream = streams_[static_cast<std::size_t>(window_bits - kDeflateWindowBitsMin)];
  if (stream) {
    deflateReset(stream.get());
    return *stream;
  }
  auto fresh = std::make_unique<z_stream>();
  if (deflateInit2(fresh.get(), kLevel, Z_DEFLATED, -window_bits, kMemoryLevel, Z_DEFAULT_STRATEGY) != Z_OK) {
    throw std::bad_alloc();
  }
  stream = std::move(fresh);
  return *stream;
}

std::string_view WebSocketDeflater::Deflate(std::string_view data, int window_bits) {
  LOQUAT_CHECK(data.size() <= UINT32_MAX, "a message of less than 4 GiB");
  z_stream& stream = StreamFor(window_bits);
  if (out_.capacity() > kKeptBytes) out_ = std::string();
  out_.clear();
  stream.next_in = AsBytes(data.data());
  stream.avail_in = static_cast<uInt>(data.size());
  do {
    const std::size_t before = out_.size();
    out_.resize(before + std::max<std::size_t>(kChunkBytes, data.size() / 2));
    stream.next_out = AsBytes(out_.data() + before);
    stream.avail_out = static_cast<uInt>(out_.size() - before);
    deflate(&stream, Z_SYNC_FLUSH);
    out_.resize(out_.size() - stream.avail_out);
  } while (stream.avail_out == 0);
  LOQUAT_CHECK(out_.ends_with(kTail), "a sync flush ends with an empty stored block");
  out_.resize(out_.size() - kTail.size());
  return out_;
}

}  // namespace loquat::net
