// Our head parser against Boost.Beast's on random, mutated requests: where both accept, they must agree on every part,
// and whatever Beast refuses we must refuse as well, but for differences that are named here.

#include <gtest/gtest.h>

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/src.hpp>
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "net/http1_parser.h"
#include "net/http_text.h"

namespace loquat::net {
namespace {

namespace http = boost::beast::http;

std::string RandomRequest(base::Random& random) {
  const auto pick = [&random](const std::vector<std::string>& from) { return from[random.Next() % from.size()]; };
  std::string text = pick({"GET", "POST", "PUT", "DELETE", "OPTIONS", "BREW"}) + " " +
                     pick({"/", "/a/b", "/a?b=c&d", "http://h/x?y", "/%20"}) + " " + pick({"HTTP/1.1", "HTTP/1.0"}) +
                     "\r\n";
  text += "Host: " + pick({"h", "example.org:80", "[::1]"}) + "\r\n";
  for (std::size_t n = random.Next() % 5; n > 0; --n) {
    text += pick({"Accept", "X-Long-Name", "connection", "CONTENT-LENGTH", "Transfer-Encoding", "Expect", "Cookie"}) +
            pick({": ", ":", ":\t"}) + pick({"chunked", "close", "keep-alive", "5", "100-continue", "a b", "", "x,y"}) +
            "\r\n";
  }
  text += "\r\n";
  for (std::size_t n = random.Next() % 3; n > 0; --n) {
    const std::size_t at = random.Next() % text.size();
    static constexpr std::string_view kBytes = " \t\r\n:\0/?#aZ0\x7f\xff,;";
    if (random.Next() % 2 == 0) {
      text[at] = kBytes[random.Next() % kBytes.size()];
    } else {
      text.insert(at, 1, kBytes[random.Next() % kBytes.size()]);
    }
  }
  return text;
}

struct BeastHead {
  std::string method, target;
  std::vector<std::pair<std::string, std::string>> headers;
};

std::optional<BeastHead> ParseWithBeast(const std::string& text) {
  http::request_parser<http::empty_body> parser;
  parser.header_limit(kDefaultHeadBytesMax);
  parser.skip(true);
  boost::system::error_code error;
  parser.put(boost::asio::buffer(text), error);
  if (error && error != http::error::need_more) return std::nullopt;
  if (!parser.is_header_done()) return std::nullopt;
  BeastHead head{
      .method = std::string(parser.get().method_string()), .target = std::string(parser.get().target()), .headers = {}};
  for (const auto& field : parser.get()) {
    std::string name(field.name_string());
    for (char& c : name) c = LowerAscii(c);
    head.headers.emplace_back(std::move(name), std::string(field.value()));
  }
  return head;
}

// Beast joins folded lines, which RFC 9112 section 5.2 lets a server refuse; a mutated line may have become one.
TEST(Http1Differential, AgreesWithBeastOnRandomRequests) {
  const auto seed = static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
  SCOPED_TRACE("seed " + std::to_string(seed));
  base::Random random(seed);
  int both = 0, stricter = 0, neither = 0;
  for (int i = 0; i < 20'000; ++i) {
    const std::string text = RandomRequest(random);
    std::string ours_text = text;
    std::size_t scanned = 0;
    Http1Head ours;
    const bool accepted = ParseRequestHead(ours_text, scanned, {}, ours).state == ParseState::kDone;
    const auto beast = ParseWithBeast(text);
    if (!accepted) {
      ++(beast ? stricter : neither);
      continue;
    }
    ASSERT_TRUE(beast.has_value()) << "only we accept: " << testing::PrintToString(text);
    ++both;
    ASSERT_EQ(ours.method, beast->method) << text;
    ASSERT_EQ(ours.target, beast->target) << text;
    ASSERT_EQ(ours.headers.size(), beast->headers.size()) << text;
    for (std::size_t h = 0; h < ours.headers.size(); ++h) {
      // Beast keeps equal names together; look each of ours up among its fields.
      const std::pair<std::string, std::string> mine{ours.headers[h].name, ours.headers[h].value};
      ASSERT_NE(std::ranges::find(beast->headers, mine), beast->headers.end()) << text;
    }
  }
  EXPECT_GT(both, 2000);
  EXPECT_GT(neither, 500);
  RecordProperty("stricter_than_beast", stricter);
}

}  // namespace
}  // namespace loquat::net
