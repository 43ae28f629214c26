// The C side of Http2Session: the functions nghttp2 calls, and the calls that need its types. Internal to net.
// nghttp2 forbids sending from within its callbacks, and none of these does: they submit and take note.

#pragma once

#include <nghttp2/nghttp2.h>

#include <cstdint>
#include <span>

namespace loquat::net {

class Http2Session;

struct Http2Callbacks {
  static nghttp2_session* MakeSession(Http2Session* self);
  static void SubmitResponse(nghttp2_session* session, std::int32_t id, std::span<const nghttp2_nv> fields,
                             bool has_body);

  static int OnBeginHeaders(nghttp2_session*, const nghttp2_frame* frame, void* user);
  static int OnHeader(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name, std::size_t name_size,
                      const std::uint8_t* value, std::size_t value_size, std::uint8_t flags, void* user);
  static int OnFrameReceived(nghttp2_session*, const nghttp2_frame* frame, void* user);
  static int OnInvalidFrame(nghttp2_session*, const nghttp2_frame* frame, int error, void* user);
  static int OnDataChunk(nghttp2_session*, std::uint8_t flags, std::int32_t id, const std::uint8_t* data,
                         std::size_t size, void* user);
  static int OnFrameSent(nghttp2_session*, const nghttp2_frame* frame, void* user);
  static int OnStreamClose(nghttp2_session*, std::int32_t id, std::uint32_t error_code, void* user);
  static ssize_t ReadBody(nghttp2_session*, std::int32_t id, std::uint8_t* into, std::size_t size, std::uint32_t* flags,
                          nghttp2_data_source*, void* user);
};

}  // namespace loquat::net
