// Any bytes as HTTP/1.1: first byte chooses how they arrive, the rest is the stream. The outcome must not depend on how
// the stream is cut, accepted heads must keep the promises the server relies on, and nothing may be read outside the
// input.

#include <algorithm>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "net/http1_chunked.h"
#include "net/http1_parser.h"
#include "net/http_text.h"
#include "net/url.h"

namespace loquat::net {
namespace {

void Require(bool condition) {
  LOQUAT_CHECK(condition, "the property this fuzzer holds");
}

struct Outcome {
  ParseState state = ParseState::kNeedMore;
  int status = 0;
  Http1Head head;
  std::string text;
};

using Parser = ParseOutcome (*)(std::span<char>, std::size_t&, const Http1Limits&, Http1Head&);

void Parse(Parser parser, std::string_view input, std::size_t step, Outcome& out) {
  out.text = input;
  std::size_t scanned = 0;
  for (std::size_t size = std::min(step, input.size());; size = std::min(size + step, input.size())) {
    // Exactly sized, so that the sanitizer sees a read past the end.
    const ParseOutcome outcome = parser({out.text.data(), size}, scanned, {}, out.head);
    out.state = outcome.state;
    out.status = outcome.failure.status;
    if (out.state != ParseState::kNeedMore || size == input.size()) return;
  }
}

void CheckHead(const Outcome& out) {
  const Http1Head& head = out.head;
  Require(head.size <= out.text.size());
  Require(!(head.chunked && head.content_length));
  const auto inside = [&out](std::string_view view) {
    return view.empty() ||
           (view.data() >= out.text.data() && view.data() + view.size() <= out.text.data() + out.text.size());
  };
  Require(inside(head.method) && inside(head.target) && inside(head.query) && inside(head.authority));
  for (const HttpHeader& header : head.headers) {
    Require(inside(header.name) && inside(header.value));
    Require(!header.name.empty() && std::ranges::all_of(header.name, IsTokenChar));
    Require(std::ranges::all_of(header.value, IsFieldChar));
  }
}

void FuzzChunks(std::string_view input, std::size_t step) {
  ChunkedDecoder whole(4096);
  ChunkedDecoder pieces(4096);
  std::string once(input);
  const auto expected = whole.Feed(once);
  std::string body;
  ChunkedDecoder::Progress last;
  for (std::size_t at = 0; at < input.size() && last.state == ParseState::kNeedMore; at += step) {
    std::string piece(input.substr(at, step));
    last = pieces.Feed(piece);
    Require(last.produced <= last.consumed && last.consumed <= piece.size());
    body += piece.substr(0, last.produced);
  }
  Require(last.state == expected.state);
  if (last.state == ParseState::kDone) Require(body == once.substr(0, expected.produced));
  Require(body.size() <= 4096);
}

}  // namespace

int FuzzHttp1(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t step = 1 + data[0] % 61;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  for (const Parser parser : {Parser{ParseRequestHead}, Parser{ParseResponseHead}}) {
    Outcome whole;
    Outcome cut;
    Parse(parser, input, std::max<std::size_t>(input.size(), 1), whole);
    Parse(parser, input, step, cut);
    Require((whole.state == ParseState::kDone) == (cut.state == ParseState::kDone));
    // A fault may be named differently when it is seen earlier, but a fault it stays.
    Require(whole.state == cut.state);
    if (whole.state != ParseState::kDone) continue;
    Require(whole.head.size == cut.head.size && whole.head.headers.size() == cut.head.headers.size());
    CheckHead(whole);
    FuzzChunks(input.substr(whole.head.size), step);
    (void)PercentDecode(whole.head.path);
    (void)QueryParameter(whole.head.query, "q");
  }
  FuzzChunks(input, step);
  const auto url = ParseHttpUrl(input);
  if (url) Require(!url->host.empty() && url->port != 0 && url->target.front() == '/');
  return 0;
}

}  // namespace loquat::net

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return loquat::net::FuzzHttp1(data, size);
}
