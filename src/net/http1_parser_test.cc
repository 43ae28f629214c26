#include "net/http1_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "net/http1_chunked.h"

namespace loquat::net {
namespace {

using testing::StartsWith;

struct Parsed {
  ParseOutcome outcome;
  Http1Head head;
  std::string text;  // Under the head's views.
};

// Parses in place; the object is not moved afterwards, since its views point into its own text.
void Parse(const std::string& text, Parsed& parsed, Http1Limits limits = {}) {
  parsed.text = text;
  std::size_t scanned = 0;
  parsed.outcome = ParseRequestHead(parsed.text, scanned, limits, parsed.head);
}

int StatusOf(const std::string& text, Http1Limits limits = {}) {
  Parsed parsed;
  Parse(text, parsed, limits);
  if (parsed.outcome.state == ParseState::kDone) return 200;
  return parsed.outcome.state == ParseState::kNeedMore ? 0 : parsed.outcome.failure.status;
}

std::string Get(const std::string& headers) {
  return "GET / HTTP/1.1\r\nHost: h\r\n" + headers + "\r\n";
}

TEST(Http1Parser, ReadsAllPartsOfAHead) {
  Parsed p;
  Parse("POST /a/b?x=1&y HTTP/1.1\r\nHost: example.org:80\r\nX-Thing:  two words \r\nContent-Length: 12\r\n\r\nrest",
        p);
  ASSERT_EQ(p.outcome.state, ParseState::kDone);
  EXPECT_EQ(p.head.method, "POST");
  EXPECT_EQ(p.head.target, "/a/b?x=1&y");
  EXPECT_EQ(p.head.path, "/a/b");
  EXPECT_EQ(p.head.query, "x=1&y");
  EXPECT_EQ(p.head.authority, "example.org:80");
  EXPECT_EQ(p.head.content_length, 12U);
  EXPECT_TRUE(p.head.keep_alive);
  ASSERT_EQ(p.head.headers.size(), 3U);
  EXPECT_EQ(p.head.headers[1].name, "x-thing");
  EXPECT_EQ(p.head.headers[1].value, "two words");
  EXPECT_THAT(p.text.substr(p.head.size), "rest");
}

TEST(Http1Parser, TakesEveryTargetForm) {
  Parsed p;
  Parse("GET http://h/p?q HTTP/1.1\r\nHost: h\r\n\r\n", p);
  EXPECT_EQ(p.head.path, "/p");
  EXPECT_EQ(p.head.query, "q");
  Parse("GET http://h HTTP/1.1\r\nHost: h\r\n\r\n", p);
  EXPECT_EQ(p.head.path, "/");
  Parse("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", p);
  EXPECT_EQ(p.head.path, "*");
  EXPECT_EQ(StatusOf("GET * HTTP/1.1\r\nHost: h\r\n\r\n"), 400);
  EXPECT_EQ(StatusOf("GET h HTTP/1.1\r\nHost: h\r\n\r\n"), 400);
  EXPECT_EQ(StatusOf("GET http:///p HTTP/1.1\r\nHost: h\r\n\r\n"), 400);
  EXPECT_EQ(StatusOf("GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n"), 400);
  EXPECT_EQ(StatusOf("GET /\xe4\xbd\xa0 HTTP/1.1\r\nHost: h\r\n\r\n"), 400);
  EXPECT_EQ(StatusOf("CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n"), 200);
  EXPECT_EQ(StatusOf("BREW /pot HTTP/1.1\r\nHost: h\r\n\r\n"), 200) << "unknown methods are the handler's";
}

TEST(Http1Parser, RefusesWhatTwoParsersCouldReadDifferently) {
  EXPECT_EQ(StatusOf(Get("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n")), 400);
  EXPECT_EQ(StatusOf(Get("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n")), 400);
  EXPECT_EQ(StatusOf(Get("Content-Length: 5\r\nContent-Length: 6\r\n")), 400);
  EXPECT_EQ(StatusOf(Get("Content-Length: 5\r\nContent-Length: 5\r\n")), 400);
  EXPECT_EQ(StatusOf(Get("Content-Length: 5, 5\r\n")), 400);
  EXPECT_EQ(StatusOf(Get("Content-Length: +5\r\n")), 400);
  EXPECT_EQ(StatusOf(Get("Content-Length: -5\r\n")), 400);
  EXPECT_EQ(StatusOf(Get("Content-Length: 0x5\r\n")), 400);
  EXPECT_EQ(StatusOf(Get("Content-Length:\r\n")), 400);
  EXPECT_EQ(StatusOf(Get("Content-Length: 99999999999999999999\r\n")), 400);
  EXPECT_EQ(StatusOf(Get("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n")), 400);
  EXPECT_EQ(StatusOf(Get("Transfer-Encoding: gzip, chunked\r\n")), 501);
  EXPECT_EQ(StatusOf(Get("Transfer-Encoding: xchunked\r\n")), 501);
  EXPECT_EQ(StatusOf(Get("Transfer-Encoding: chunked, identity\r\n")), 501);
  EXPECT_EQ(StatusOf(Get("Transfer-Encoding : chunked\r\n")), 400);
  EXPECT_EQ(StatusOf("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
  EXPECT_EQ(StatusOf(Get("X: a\r\n b\r\n")), 400) << "folded";
  EXPECT_EQ(StatusOf(Get(" X: a\r\n")), 400) << "folded at once";
  EXPECT_EQ(StatusOf(Get("X: a\nY: b\r\n")), 400) << "bare LF";
  EXPECT_EQ(StatusOf(Get("X: a\rY: b\r\n")), 400) << "bare CR";
  EXPECT_EQ(StatusOf(Get(std::string("X: a\0b\r\n", 8))), 400) << "NUL";
  EXPECT_EQ(StatusOf(Get("X\x01: a\r\n")), 400);
  EXPECT_EQ(StatusOf(Get(": a\r\n")), 400);
  EXPECT_EQ(StatusOf(Get("Connection: keep alive\r\n")), 400);
  EXPECT_EQ(StatusOf(Get("no colon\r\n")), 400);
}

TEST(Http1Parser, WantsExactlyOneValidHost) {
  EXPECT_EQ(StatusOf("GET / HTTP/1.1\r\n\r\n"), 400);
  EXPECT_EQ(StatusOf("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"), 400);
  EXPECT_EQ(StatusOf("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"), 400);
  EXPECT_EQ(StatusOf("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"), 400);
  EXPECT_EQ(StatusOf("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n"), 200);
  EXPECT_EQ(StatusOf("GET / HTTP/1.1\r\nHost:\r\n\r\n"), 200);
  EXPECT_EQ(StatusOf("GET / HTTP/1.0\r\n\r\n"), 200);
}

TEST(Http1Parser, JudgesTheRequestLineStrictly) {
  EXPECT_EQ(StatusOf("GET  / HTTP/1.1\r\nHost: h\r\n\r\n"), 400);
  EXPECT_EQ(StatusOf("GET / HTTP/1.1 \r\nHost: h\r\n\r\n"), 400);
  EXPECT_EQ(StatusOf("GET /\r\nHost: h\r\n\r\n"), 400);
  EXPECT_EQ(StatusOf("GET /a b HTTP/1.1\r\nHost: h\r\n\r\n"), 400);
  EXPECT_EQ(StatusOf("G@T / HTTP/1.1\r\nHost: h\r\n\r\n"), 400);
  EXPECT_EQ(StatusOf("GET / http/1.1\r\nHost: h\r\n\r\n"), 400);
  EXPECT_EQ(StatusOf("GET / HTTP/1.10\r\nHost: h\r\n\r\n"), 400);
  EXPECT_EQ(StatusOf("GET / HTTP/2.0\r\nHost: h\r\n\r\n"), 505);
  EXPECT_EQ(StatusOf("GET / HTTP/0.9\r\nHost: h\r\n\r\n"), 505);
  EXPECT_EQ(StatusOf(std::string(kMethodBytesMax, 'M') + " / HTTP/1.1\r\nHost: h\r\n\r\n"), 200);
  EXPECT_EQ(StatusOf(std::string(kMethodBytesMax + 1, 'M') + " / HTTP/1.1\r\nHost: h\r\n\r\n"), 400);
}

TEST(Http1Parser, RefusesGarbageBeforeItsLineEnds) {
  EXPECT_EQ(StatusOf("\x16\x03\x01\x02"), 400) << "a TLS hello on a plain port";
  EXPECT_EQ(StatusOf("hello world\r\n"), 400);
  EXPECT_EQ(StatusOf("\r\n"), 400);
  EXPECT_EQ(StatusOf("\n"), 400);
  EXPECT_EQ(StatusOf("GET /\x01"), 400);
  EXPECT_EQ(StatusOf(std::string(1000, 'A')), 400);
  EXPECT_EQ(StatusOf("GET / HTTP/3.1\r\n"), 505);
  EXPECT_EQ(StatusOf("GET / HT"), 0) << "may still become a request";
}

TEST(Http1Parser, BoundsAreExact) {
  const std::string frame = "GET / HTTP/1.1\r\nHost: h\r\nX: \r\n\r\n";
  Http1Limits limits{.head_bytes_max = 1000, .header_count_max = 3, .target_bytes_max = 10};
  const auto padded = [&frame](std::size_t size) {
    std::string text = frame;
    text.insert(text.size() - 4, size - frame.size(), 'v');
    return text;
  };
  EXPECT_EQ(StatusOf(padded(1000), limits), 200);
  EXPECT_EQ(StatusOf(padded(1001), limits), 431);
  EXPECT_EQ(StatusOf(padded(1001).substr(0, 999), limits), 0);
  EXPECT_EQ(StatusOf(padded(1001).substr(0, 1000), limits), 431) << "cannot become small enough";
  EXPECT_EQ(StatusOf("GET / HTTP/1.1\r\nHost: h\r\nA: 1\r\nB: 2\r\n\r\n", limits), 200);
  EXPECT_EQ(StatusOf("GET / HTTP/1.1\r\nHost: h\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n", limits), 431);
  EXPECT_EQ(StatusOf("GET /234567890 HTTP/1.1\r\nHost: h\r\n\r\n", limits), 200);
  EXPECT_EQ(StatusOf("GET /2345678901 HTTP/1.1\r\nHost: h\r\n\r\n", limits), 414);
  EXPECT_EQ(StatusOf("GET /2345678901", limits), 414) << "before the line is whole";
}

TEST(Http1Parser, KnowsWhetherTheConnectionGoesOn) {
  Parsed p;
  Parse(Get("Connection: close\r\n"), p);
  EXPECT_FALSE(p.head.keep_alive);
  Parse(Get("Connection: Upgrade, CLOSE\r\n"), p);
  EXPECT_FALSE(p.head.keep_alive);
  Parse("GET / HTTP/1.0\r\n\r\n", p);
  EXPECT_FALSE(p.head.keep_alive);
  Parse("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", p);
  EXPECT_TRUE(p.head.keep_alive);
  Parse(Get("Expect: 100-Continue\r\n"), p);
  EXPECT_TRUE(p.head.expect_continue);
  EXPECT_EQ(StatusOf(Get("Expect: 200-ok\r\n")), 417);
}

TEST(Http1Parser, BytewiseArrivalGivesTheSameHead) {
  const std::string text = "PUT /x?y HTTP/1.1\r\nHost: h\r\nA: b\r\nTransfer-Encoding: chunked\r\n\r\n";
  std::string buffer = text;
  std::size_t scanned = 0;
  Http1Head head;
  for (std::size_t n = 1; n < text.size(); ++n) {
    ASSERT_EQ(ParseRequestHead({buffer.data(), n}, scanned, {}, head).state, ParseState::kNeedMore) << n;
  }
  ASSERT_EQ(ParseRequestHead(buffer, scanned, {}, head).state, ParseState::kDone);
  EXPECT_TRUE(head.chunked);
  EXPECT_EQ(head.size, text.size());
  EXPECT_EQ(head.headers.size(), 3U);
}

TEST(Http1Parser, RebaseFollowsTheBuffer) {
  Parsed p;
  Parse("GET http://h?q HTTP/1.1\r\nHost: h\r\nA: b\r\n\r\n", p);
  const std::string moved = p.text;
  p.head.Rebase(p.text.data(), moved.data());
  p.text.assign(p.text.size(), '?');
  EXPECT_EQ(p.head.method, "GET");
  EXPECT_EQ(p.head.path, "/");
  EXPECT_EQ(p.head.query, "q");
  EXPECT_EQ(p.head.headers[1].value, "b");
}

TEST(Http1Parser, ReadsResponseHeads) {
  const auto parse = [](std::string text, Http1Head& head) {
    std::size_t scanned = 0;
    return ParseResponseHead(text, scanned, {}, head).state;
  };
  Http1Head head;
  EXPECT_EQ(parse("HTTP/1.1 204 No Content\r\nX: y\r\n\r\n", head), ParseState::kDone);
  EXPECT_EQ(head.status, 204);
  EXPECT_EQ(parse("HTTP/1.1 200\r\n\r\n", head), ParseState::kDone);
  EXPECT_EQ(parse("HTTP/1.1 2000 OK\r\n\r\n", head), ParseState::kFailed);
  EXPECT_EQ(parse("HTTP/1.1 099 No\r\n\r\n", head), ParseState::kFailed);
  EXPECT_EQ(parse("HTTP/2 200 OK\r\n\r\n", head), ParseState::kFailed);
}

struct Dechunked {
  ParseState state = ParseState::kNeedMore;
  int status = 0;
  std::string body;
  std::size_t consumed = 0;
};

Dechunked Dechunk(const std::string& text, std::size_t step, std::uint64_t max = 1000) {
  ChunkedDecoder decoder(max);
  Dechunked out;
  for (std::size_t at = 0; at < text.size() && out.state == ParseState::kNeedMore; at += step) {
    std::string piece = text.substr(at, step);
    const auto progress = decoder.Feed(piece);
    out.state = progress.state;
    out.status = progress.failure.status;
    out.body += piece.substr(0, progress.produced);
    out.consumed += progress.consumed;
  }
  return out;
}

TEST(ChunkedDecoder, GivesTheSameBodyHoweverItIsCut) {
  const std::string text =
      "4\r\nWiki\r\n5;ext=1\r\npedia\r\nE\r\n in\r\n\r\nchunks.\r\n0\r\nTrailer: x\r\n\r\nGET /next";
  for (std::size_t step = 1; step <= text.size(); ++step) {
    const Dechunked out = Dechunk(text, step);
    EXPECT_EQ(out.state, ParseState::kDone) << step;
    EXPECT_EQ(out.body, "Wikipedia in\r\n\r\nchunks.") << step;
    EXPECT_EQ(text.substr(out.consumed), "GET /next") << step;
  }
}

TEST(ChunkedDecoder, RefusesMalformedChunks) {
  for (const std::string text :
       {"x\r\n", "\r\n", " 4\r\nWiki", "4 \r\nWiki", "4\nWiki\r\n", "4\r\nWikiX\r\n", "4\r\nWiki\n", "-1\r\n",
        "0x4\r\n", "FFFFFFFFFFFFFFFFF\r\n", "00000000000000000004\r\n", "0\r\n\nX", "4;\x01\r\n", "0\r\nbad\x01: x\r\n",
        "0\r\n folded\r\n"}) {
    EXPECT_EQ(Dechunk(text, 1).status, 400) << testing::PrintToString(text);
  }
}

TEST(ChunkedDecoder, BoundsAreExact) {
  const std::string hundred(100, 'a');
  EXPECT_EQ(Dechunk("64\r\n" + hundred + "\r\n0\r\n\r\n", 7, 100).state, ParseState::kDone);
  EXPECT_EQ(Dechunk("65\r\n", 1, 100).status, 413);
  EXPECT_EQ(Dechunk("64\r\n" + hundred + "\r\n1\r\n", 3, 100).status, 413);
  EXPECT_EQ(Dechunk("FFFFFFFFFFFFFFFF\r\n", 1, 100).status, 413);
  EXPECT_EQ(Dechunk("1;" + std::string(kChunkLineBytesMax - 1, 'e') + "\r\n", 64).status, 0);
  EXPECT_EQ(Dechunk("1;" + std::string(kChunkLineBytesMax, 'e') + "\r\n", 64).status, 400);
  EXPECT_EQ(Dechunk("0\r\nT: " + std::string(kChunkOverheadBytesMax - 3, 't') + "\r\n\r\n", 999).state,
            ParseState::kDone);
  EXPECT_EQ(Dechunk("0\r\nT: " + std::string(kChunkOverheadBytesMax - 2, 't') + "\r\n\r\n", 999).status, 400);
}

}  // namespace
}  // namespace loquat::net
