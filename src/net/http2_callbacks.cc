#include "net/http2_callbacks.h"

#include <memory>
#include <string_view>

#include "net/http2_session.h"

namespace loquat::net {
namespace {

Http2Session& Self(void* user) {
  return *static_cast<Http2Session*>(user);
}

std::string_view View(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace

nghttp2_session* Http2Callbacks::MakeSession(Http2Session* self) {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, OnBeginHeaders);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, OnHeader);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, OnFrameReceived);
  nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, OnInvalidFrame);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, OnDataChunk);
  nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, OnFrameSent);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, OnStreamClose);
  nghttp2_option* option = nullptr;
  nghttp2_option_new(&option);
  nghttp2_option_set_no_closed_streams(option, 1);  // Closed streams are kept for priorities, which nobody uses now.
  nghttp2_session* session = nullptr;
  nghttp2_session_server_new2(&session, callbacks, self, option);
  nghttp2_option_del(option);
  nghttp2_session_callbacks_del(callbacks);
  return session;
}

void Http2Callbacks::SubmitResponse(nghttp2_session* session, std::int32_t id, std::span<const nghttp2_nv> fields,
                                    bool has_body) {
  nghttp2_data_provider body{};
  body.read_callback = ReadBody;
  nghttp2_submit_response(session, id, fields.data(), fields.size(), has_body ? &body : nullptr);
}

int Http2Callbacks::OnBeginHeaders(nghttp2_session*, const nghttp2_frame* frame, void* user) {
  Http2Session& self = Self(user);
  if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
  const std::int32_t id = frame->hd.stream_id;
  self.streams_.emplace(id, std::make_shared<Http2Stream>(id, self, self.now_));
  return 0;
}

int Http2Callbacks::OnHeader(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name,
                             std::size_t name_size, const std::uint8_t* value, std::size_t value_size, std::uint8_t,
                             void* user) {
  Http2Session& self = Self(user);
  Http2Stream* stream = self.Find(frame->hd.stream_id);
  // Fields after the body are trailers: checked by nghttp2, of no use to us.
  if (stream == nullptr || stream->head_complete || stream->head_too_large) return 0;
  stream->head_too_large =
      !stream->AddHeader(View(name, name_size), View(value, value_size), self.options_.http2.header_list_bytes_max,
                         self.options_.http1.header_count_max);
  return 0;
}

int Http2Callbacks::OnFrameReceived(nghttp2_session*, const nghttp2_frame* frame, void* user) {
  Http2Session& self = Self(user);
  switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
    case NGHTTP2_DATA: {
      Http2Stream* stream = self.Find(frame->hd.stream_id);
      if (stream == nullptr) return 0;
      if (!stream->head_complete) self.OnHeadComplete(*stream);
      if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) self.OnRequestComplete(*stream);
      return 0;
    }
    case NGHTTP2_RST_STREAM:
      self.CountFlood(self.resets_, self.options_.http2.resets_max, "http2_reset_flood");
      return 0;
    case NGHTTP2_PING:
      self.CountFlood(self.pings_, self.options_.http2.pings_max, "http2_ping_flood");
      return 0;
    case NGHTTP2_SETTINGS:
      self.CountFlood(self.settings_, self.options_.http2.settings_max, "http2_settings_flood");
      return 0;
    default:
      return 0;
  }
}

int Http2Callbacks::OnInvalidFrame(nghttp2_session*, const nghttp2_frame*, int, void* user) {
  Http2Session& self = Self(user);
  self.observer_.OnProtocolError("http2_invalid_frame");
  // Nearly every invalid frame makes us send a reset: the peer can use that as well as its own (CVE-2025-8671).
  self.CountFlood(self.resets_, self.options_.http2.resets_max, "http2_reset_flood");
  return 0;
}

int Http2Callbacks::OnDataChunk(nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* data,
                                std::size_t size, void* user) {
  Http2Session& self = Self(user);
  if (Http2Stream* stream = self.Find(id)) self.OnBody(*stream, View(data, size));
  return 0;
}

int Http2Callbacks::OnFrameSent(nghttp2_session*, const nghttp2_frame* frame, void* user) {
  const bool answer = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
  if (!answer || (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) return 0;
  if (Http2Stream* stream = Self(user).Find(frame->hd.stream_id)) stream->answer_sent = true;
  return 0;
}

int Http2Callbacks::OnStreamClose(nghttp2_session*, std::int32_t id, std::uint32_t, void* user) {
  Self(user).OnStreamClosed(id);
  return 0;
}

ssize_t Http2Callbacks::ReadBody(nghttp2_session*, std::int32_t id, std::uint8_t* into, std::size_t size,
                                 std::uint32_t* flags, nghttp2_data_source*, void* user) {
  Http2Session& self = Self(user);
  Http2Stream* stream = self.Find(id);
  if (stream == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  const Http2Stream::Pulled pulled = stream->Pull({reinterpret_cast<char*>(into), size}, self.now_);
  if (pulled.end) *flags |= NGHTTP2_DATA_FLAG_EOF;
  if (pulled.bytes == 0 && !pulled.end) return NGHTTP2_ERR_DEFERRED;
  return static_cast<ssize_t>(pulled.bytes);
}

}  // namespace loquat::net
