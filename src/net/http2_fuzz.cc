// Any bytes as HTTP/2 frames behind a correct preface, into the session glue: streams, bodies, answers, resets, sweeps.
// The first byte chooses how the stream is cut and when handlers answer.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "net/http1_connection.h"
#include "net/http2_session.h"

namespace loquat::net {
namespace {

class FuzzHost final : public Http2Session::Host {
 public:
  void OnRequest(std::shared_ptr<Http2Stream> stream) override { ready.push_back(std::move(stream)); }
  void OnOutput() override {}
  EventLoop& loop() override { return loop_; }
  std::string_view peer() const override { return "fuzz"; }
  bool secure() const override { return false; }
  std::size_t running_handlers() const override { return ready.size(); }
  std::string FormatError(int, const base::Error& error) const override { return error.reason; }

  std::vector<std::shared_ptr<Http2Stream>> ready;

 private:
  EventLoop loop_{0, kDefaultTick};
};

void Answer(Http2Session& session, FuzzHost& host, unsigned how) {
  for (const auto& stream : std::exchange(host.ready, {})) {
    const HttpHeader header = {"X-Peer", stream->request().target};
    if (how == 0) {
      stream->Respond(200, {&header, 1}, stream->request().body);
    } else if (how == 1) {
      stream->BeginStream(200, {&header, 1});
    } else if (stream->WatchDisconnect().cancelled() != stream->closed()) {
      __builtin_trap();
    }
    session.OnHandlerDone(stream);
  }
}

}  // namespace

int FuzzHttp2(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::size_t step = 1 + data[0] % 97;
  const unsigned how = data[1] % 3;
  HttpServerOptions options;
  options.body_bytes_max = 1000;
  options.http2.streams_max = 4;
  options.http2.resets_max = 8;
  NetObserver observer;
  FuzzHost host;
  Http2Session session(host, options, observer);
  auto now = base::TimePoint{} + std::chrono::hours(1);
  std::string input(kHttp2Preface);
  input.append("\0\0\0\4\0\0\0\0\0", 9);
  input.append(reinterpret_cast<const char*>(data) + 2, size - 2);
  std::string out;
  for (std::size_t at = 0; at < input.size(); at += step) {
    if (!session.Feed(std::string_view(input).substr(at, step), now)) break;
    Answer(session, host, how);
    out.clear();
    session.Produce(out, 64 * 1024, now);
    now += std::chrono::milliseconds(700);
    session.Sweep(now);
  }
  session.GoAwaySoon();
  session.GoAwayNow();
  session.Produce(out, 256 * 1024, now);
  session.CloseStreams();
  return 0;
}

}  // namespace loquat::net

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return loquat::net::FuzzHttp2(data, size);
}
