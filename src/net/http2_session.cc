#include "net/http2_session.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "net/http2_callbacks.h"
#include "net/http_text.h"

namespace loquat::net {
namespace {

constexpr std::uint32_t kStreamWindowBytes = 256 * 1024;
// An answer that is complete before its request means that the rest is not wanted, and a reset says so (RFC 9113
// section 8.1). Some clients throw the answer away with the reset: they get this much more time, in bytes or until the
// sweep.
constexpr std::size_t kDropBytesMax = 1024 * 1024;
constexpr base::Duration kDropTime = std::chrono::seconds(1);
constexpr base::Duration kFloodWindow = std::chrono::seconds(10);

base::Error MakeError(base::Code code, std::string_view reason, std::string_view message) {
  return {.code = code, .message = std::string(message), .reason = std::string(reason)};
}

// Headers that HTTP/2 forbids (RFC 9113 section 8.2.2), and those that are ours.
bool IsOurs(std::string_view name) {
  static constexpr std::array<std::string_view, 7> kNames = {
      "connection", "transfer-encoding", "keep-alive", "upgrade", "proxy-connection", "content-length", "date"};
  return std::ranges::any_of(kNames, [name](std::string_view ours) { return EqualNoCase(name, ours); });
}

}  // namespace

bool Http2Session::FloodCounter::Exceeds(std::uint32_t max, base::TimePoint now) {
  if (now - since > kFloodWindow) {
    since = now;
    count = 0;
  }
  return ++count > max;
}

Http2Session::Http2Session(Host& host, const HttpServerOptions& options, NetObserver& observer)
    : host_(host), options_(options), observer_(observer), now_(std::chrono::steady_clock::now()), idle_since_(now_) {
  session_ = Http2Callbacks::MakeSession(this);
  const auto& limits = options_.http2;
  const std::array<nghttp2_settings_entry, 3> settings = {{
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits.streams_max},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kStreamWindowBytes},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, limits.header_list_bytes_max},
  }};
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings.data(), settings.size());
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, static_cast<std::int32_t>(limits.window_bytes));
}

Http2Session::~Http2Session() {
  CloseStreams();
  nghttp2_session_del(session_);
}

bool Http2Session::Feed(std::string_view bytes, base::TimePoint now) {
  now_ = now;
  const auto taken =
      nghttp2_session_mem_recv(session_, reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  if (taken >= 0) return !finished();
  observer_.OnProtocolError("http2_framing");
  if (taken == NGHTTP2_ERR_FLOODED) GoAwayNow(NGHTTP2_ENHANCE_YOUR_CALM);
  if (taken == NGHTTP2_ERR_BAD_CLIENT_MAGIC) GoAwayNow(NGHTTP2_PROTOCOL_ERROR);
  return false;
}

void Http2Session::Produce(std::string& out, std::size_t limit, base::TimePoint now) {
  now_ = now;
  while (out.size() < limit) {
    const std::uint8_t* data = nullptr;
    const auto size = nghttp2_session_mem_send(session_, &data);
    if (size <= 0) return;
    out.append(reinterpret_cast<const char*>(data), static_cast<std::size_t>(size));
  }
}

bool Http2Session::finished() const {
  return nghttp2_session_want_read(session_) == 0 && nghttp2_session_want_write(session_) == 0;
}

Http2Stream* Http2Session::Find(std::int32_t id) {
  const auto found = streams_.find(id);
  return found == streams_.end() ? nullptr : found->second.get();
}

void Http2Session::CountFlood(FloodCounter& counter, std::uint32_t max, std::string_view reason) {
  if (!counter.Exceeds(max, now_)) return;
  if (counter.count == max + 1) observer_.OnProtocolError(reason);
  GoAwayNow(NGHTTP2_ENHANCE_YOUR_CALM);
}

void Http2Session::OnHeadComplete(Http2Stream& stream) {
  stream.head_complete = true;
  if (stream.head_too_large) {
    Refuse(stream, 431, MakeError(base::Code::kResourceExhausted, "header_too_large", "the request head is too large"));
  } else if (stream.content_length().value_or(0) > options_.body_bytes_max) {
    Refuse(stream, 413,
           MakeError(base::Code::kResourceExhausted, "body_too_large",
                     "the request body is larger than this server accepts"));
  }
}

void Http2Session::OnBody(Http2Stream& stream, std::string_view bytes) {
  if (stream.refused) {
    stream.dropped_bytes += bytes.size();
    if (stream.answer_sent && stream.dropped_bytes > kDropBytesMax) Reset(stream.id(), NGHTTP2_NO_ERROR);
    return;
  }
  if (stream.body_bytes() + bytes.size() > options_.body_bytes_max) {
    Refuse(stream, 413,
           MakeError(base::Code::kResourceExhausted, "body_too_large",
                     "the request body is larger than this server accepts"));
    return;
  }
  if (body_bytes_ + bytes.size() > options_.http2.body_bytes_buffered_max) {
    observer_.OnProtocolError("http2_bodies_too_large");
    stream.refused = true;
    Reset(stream.id(), NGHTTP2_REFUSED_STREAM);
    return;
  }
  body_bytes_ += bytes.size();
  stream.AddBody(bytes, now_);
}

void Http2Session::OnRequestComplete(Http2Stream& stream) {
  stream.request_complete = true;
  if (stream.refused) return;
  // Streams that were reset count no longer, but their handlers still run: bound those as well.
  if (host_.running_handlers() >= 2 * std::size_t{options_.http2.streams_max}) {
    observer_.OnProtocolError("http2_handlers_busy");
    Reset(stream.id(), NGHTTP2_REFUSED_STREAM);
    return;
  }
  const int bad = stream.Settle(host_.peer(), host_.secure(), options_.http1.target_bytes_max);
  if (bad == 414) {
    Refuse(stream, 414, MakeError(base::Code::kResourceExhausted, "target_too_long", "the request target is too long"));
  } else if (bad != 0) {
    Refuse(stream, 400, MakeError(base::Code::kInvalidArgument, "bad_target", "the request target is not a path"));
  } else {
    host_.OnRequest(streams_.at(stream.id()));
  }
}

void Http2Session::Refuse(Http2Stream& stream, int status, base::Error error) {
  stream.refused = true;
  if (stream.answered() || stream.closed()) return;
  observer_.OnProtocolError(error.reason);
  const HttpHeader type = {"content-type", "application/json"};
  stream.RespondOwned(status, {&type, 1}, host_.FormatError(status, error));
}

void Http2Session::OnStreamClosed(std::int32_t id) {
  const auto found = streams_.find(id);
  if (found == streams_.end()) return;
  const std::shared_ptr<Http2Stream> stream = std::move(found->second);
  streams_.erase(found);
  body_bytes_ -= std::min(body_bytes_, stream->body_bytes());
  if (streams_.empty()) idle_since_ = now_;
  stream->OnClosed();
}

void Http2Session::CloseStreams() {
  while (!streams_.empty()) OnStreamClosed(streams_.begin()->first);
}

void Http2Session::Sweep(base::TimePoint now) {
  now_ = now;
  const auto& timeouts = options_.timeouts;
  const std::uint64_t rate = std::max<std::uint32_t>(timeouts.body_bytes_per_second_min, 1);
  std::vector<std::shared_ptr<Http2Stream>> slow;
  for (const auto& [id, stream] : streams_) {
    if (!stream->head_complete) {
      if (now - stream->received_at() < timeouts.head) continue;
      observer_.OnProtocolError("request_timeout");
      GoAwayNow(NGHTTP2_ENHANCE_YOUR_CALM);
      return;
    }
    const auto due = timeouts.body_grace + std::chrono::milliseconds(stream->body_bytes() * 1000 / rate);
    if (stream->answer_sent && now - stream->progress_at() > kDropTime) {
      Reset(id, NGHTTP2_NO_ERROR);
      continue;
    }
    const bool late_body = !stream->request_complete && !stream->refused && now - stream->received_at() > due;
    const bool stalled = stream->pending_bytes() != 0 && now - stream->progress_at() > timeouts.write_stall;
    if (late_body || stalled) slow.push_back(stream);
  }
  for (const auto& stream : slow) {
    if (stream->pending_bytes() != 0) {
      observer_.OnProtocolError("write_stalled");
      Reset(stream->id(), NGHTTP2_CANCEL);
    } else {
      Refuse(*stream, 408,
             MakeError(base::Code::kDeadlineExceeded, "request_timeout", "the request body arrives too slowly"));
    }
  }
}

void Http2Session::GoAwaySoon() {
  nghttp2_submit_shutdown_notice(session_);
  host_.OnOutput();
}

void Http2Session::GoAwayNow(std::uint32_t error_code) {
  if (error_code != NGHTTP2_NO_ERROR) {
    nghttp2_session_terminate_session(session_, error_code);
  } else {
    nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session_), error_code,
                          nullptr, 0);
  }
  host_.OnOutput();
}

void Http2Session::OnHandlerDone(const std::shared_ptr<Http2Stream>& stream) {
  observer_.OnRequest(HttpVersion::kHttp2, stream->status());
  if (stream->closed()) return;
  if (!stream->answered()) {
    const HttpHeader type = {"content-type", "application/json"};
    stream->RespondOwned(
        500, {&type, 1},
        host_.FormatError(500, MakeError(base::Code::kInternal, "no_answer", "the request was not answered")));
  } else if (stream->streaming() && !stream->finished()) {
    Reset(stream->id(), NGHTTP2_INTERNAL_ERROR);
  }
}

void Http2Session::SubmitHead(std::int32_t id, int status, std::span<const HttpHeader> headers,
                              std::optional<std::uint64_t> length, bool has_body) {
  names_.clear();
  std::size_t bytes = 0;
  for (const HttpHeader& header : headers) bytes += header.name.size() + header.value.size();
  names_.reserve(bytes + 64);  // Views into it must not move.
  const auto keep = [this](std::string_view text, auto transform) {
    const std::size_t at = names_.size();
    std::ranges::transform(text, std::back_inserter(names_), transform);
    return std::string_view(names_).substr(at);
  };
  std::vector<nghttp2_nv> fields;
  fields.reserve(headers.size() + 3);
  const auto add = [&fields](std::string_view name, std::string_view value) {
    fields.push_back({reinterpret_cast<std::uint8_t*>(const_cast<char*>(name.data())),
                      reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(),
                      NGHTTP2_NV_FLAG_NONE});
  };
  const auto same = [](char c) { return c; };
  add(":status", keep(std::to_string(std::clamp(status, 100, 999)), same));
  add("date", loop().HttpDate());
  if (length) add("content-length", keep(std::to_string(*length), same));
  for (const HttpHeader& header : headers) {
    if (header.name.empty() || IsOurs(header.name) || !std::ranges::all_of(header.name, IsTokenChar)) continue;
    const std::string_view name = keep(header.name, LowerAscii);
    add(name, keep(TrimBlanks(header.value), [](char c) { return IsFieldChar(c) ? c : ' '; }));
  }
  Http2Callbacks::SubmitResponse(session_, id, fields, has_body);
  host_.OnOutput();
}

void Http2Session::OnBodyGrown(std::int32_t id) {
  nghttp2_session_resume_data(session_, id);
  host_.OnOutput();
}

void Http2Session::Reset(std::int32_t id, std::uint32_t error_code) {
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, error_code);
  host_.OnOutput();
}

}  // namespace loquat::net
