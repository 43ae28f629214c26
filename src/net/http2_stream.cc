#include "net/http2_stream.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <charconv>
#include <chrono>
#include <utility>

#include "base/check.h"
#include "net/http1_writer.h"
#include "net/http_text.h"

namespace loquat::net {
namespace {

constexpr std::size_t kHeaderOverhead = 32;  // What RFC 9113 section 6.5.2 counts for each field besides its bytes.

}  // namespace

asio::any_io_executor Http2Stream::executor() const {
  return sink_.loop().executor();
}

bool Http2Stream::AddHeader(std::string_view name, std::string_view value, std::size_t list_bytes_max,
                            std::size_t count_max) {
  header_list_bytes_ += name.size() + value.size() + kHeaderOverhead;
  if (header_list_bytes_ > list_bytes_max || slices_.size() >= count_max) return false;
  const auto size = [](std::size_t n) { return static_cast<std::uint32_t>(n); };
  Slice slice{.name_at = size(text_.size()), .name_size = size(name.size()), .value_at = 0, .value_size = 0};
  text_ += name;
  slice.value_at = size(text_.size());
  slice.value_size = size(value.size());
  text_ += value;
  if (!name.starts_with(':')) {
    slices_.push_back(slice);
  } else if (name == ":method") {
    method_ = slice;
  } else if (name == ":path") {
    target_ = slice;
  } else if (name == ":authority") {
    authority_ = slice;
  }
  return true;
}

int Http2Stream::Settle(std::string_view peer, bool secure, std::size_t target_bytes_max) {
  const std::string_view text = text_;
  const auto value = [text](const Slice& slice) { return text.substr(slice.value_at, slice.value_size); };
  headers_.clear();
  for (const Slice& slice : slices_) headers_.push_back({text.substr(slice.name_at, slice.name_size), value(slice)});
  request_.method = value(method_);
  request_.target = value(target_);
  request_.headers = headers_;
  request_.authority = authority_.name_size != 0 ? value(authority_) : request_.Header("host");
  request_.body = body_;
  request_.peer = peer;
  request_.version = HttpVersion::kHttp2;
  request_.secure = secure;
  const std::size_t mark = request_.target.find('?');
  request_.path = request_.target.substr(0, mark);
  request_.query = mark == std::string_view::npos ? std::string_view() : request_.target.substr(mark + 1);
  if (request_.target.size() > target_bytes_max) return 414;
  if (request_.method.size() > 32 || !std::ranges::all_of(request_.target, IsTargetChar)) return 400;
  if (request_.target.empty()) return request_.method == "CONNECT" ? 0 : 400;
  if (request_.target == "*") return request_.method == "OPTIONS" ? 0 : 400;
  return request_.target.front() == '/' ? 0 : 400;
}

std::optional<std::uint64_t> Http2Stream::content_length() const {
  const std::string_view text = text_;
  for (const Slice& slice : slices_) {
    if (text.substr(slice.name_at, slice.name_size) != "content-length") continue;
    const std::string_view digits = text.substr(slice.value_at, slice.value_size);
    std::uint64_t length = 0;
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), length);
    if (parsed.ec == std::errc::result_out_of_range) return UINT64_MAX;
    return length;
  }
  return std::nullopt;
}

void Http2Stream::Begin(int status, std::span<const HttpHeader> headers, std::optional<std::uint64_t> length,
                        bool has_body) {
  LOQUAT_CHECK(!answered_, "an exchange is answered once");
  answered_ = true;
  status_ = status;
  progress_at_ = std::chrono::steady_clock::now();
  if (closed_) return;
  sink_.SubmitHead(id_, status, headers, IsBodiless(status) ? std::nullopt : length, has_body);
}

void Http2Stream::Respond(int status, std::span<const HttpHeader> headers, std::string_view body) {
  RespondOwned(status, headers, std::string(body));
}

void Http2Stream::RespondOwned(int status, std::span<const HttpHeader> headers, std::string body) {
  const std::size_t length = body.size();
  const bool has_body = length != 0 && request_.method != "HEAD" && !IsBodiless(status);
  if (has_body) out_ = std::move(body);
  finished_ = true;
  Begin(status, headers, length, has_body);
}

void Http2Stream::BeginStream(int status, std::span<const HttpHeader> headers) {
  streaming_ = true;
  Begin(status, headers, std::nullopt, request_.method != "HEAD" && !IsBodiless(status));
}

asio::awaitable<base::Status> Http2Stream::Write(std::string_view chunk) {
  LOQUAT_CHECK(streaming_ && !finished_, "Write comes between BeginStream and Finish");
  if (closed_) co_return base::Unavailable("the client is gone");
  if (chunk.empty() || request_.method == "HEAD" || IsBodiless(status_)) co_return base::Status();
  out_ += chunk;
  sink_.OnBodyGrown(id_);
  const std::size_t bound = sink_.write_buffer_bytes_max();
  while (!closed_ && pending_bytes() > bound) {
    const std::size_t before = pending_bytes();
    if (!writer_) writer_.emplace(executor());
    writer_->expires_after(sink_.write_stall());
    co_await writer_->async_wait(asio::as_tuple(asio::use_awaitable));
    if (!closed_ && pending_bytes() >= before && writer_->expiry() <= std::chrono::steady_clock::now()) {
      sink_.Reset(id_, NGHTTP2_CANCEL);
      co_return base::Error{.code = base::Code::kDeadlineExceeded, .message = "the client takes no data"};
    }
  }
  if (closed_) co_return base::Unavailable("the client is gone");
  co_return base::Status();
}

asio::awaitable<base::Status> Http2Stream::Finish() {
  LOQUAT_CHECK(streaming_ && !finished_, "Finish comes once, after BeginStream");
  finished_ = true;
  if (closed_) co_return base::Unavailable("the client is gone");
  sink_.OnBodyGrown(id_);
  co_return base::Status();
}

base::CancelToken Http2Stream::WatchDisconnect() {
  if (!cancel_) {
    cancel_.emplace();
    if (closed_) cancel_->Cancel();
  }
  return cancel_->token();
}

Http2Stream::Pulled Http2Stream::Pull(std::span<char> into, base::TimePoint now) {
  const std::size_t n = std::string_view(out_).substr(out_sent_).copy(into.data(), into.size());
  out_sent_ += n;
  if (n != 0) progress_at_ = now;
  if (out_sent_ == out_.size()) {
    out_.clear();
    out_sent_ = 0;
  } else if (streaming_ && out_sent_ >= out_.size() / 2) {
    out_.erase(0, out_sent_);
    out_sent_ = 0;
  }
  if (pending_bytes() <= sink_.write_buffer_bytes_max()) WakeWriter();
  return {.bytes = n, .end = finished_ && pending_bytes() == 0};
}

void Http2Stream::WakeWriter() {
  if (writer_) writer_->cancel();
}

void Http2Stream::OnClosed() {
  closed_ = true;
  WakeWriter();
  if (cancel_) cancel_->Cancel();
}

}  // namespace loquat::net
