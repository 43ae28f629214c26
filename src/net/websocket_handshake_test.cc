#include "net/websocket_handshake.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace loquat::net {
namespace {

using testing::HasSubstr;

// A request that is right, for tests that make one thing wrong.
struct Handshake {
  std::multimap<std::string, std::string> headers = {{"upgrade", "websocket"},
                                                     {"connection", "keep-alive, Upgrade"},
                                                     {"sec-websocket-version", "13"},
                                                     {"sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="}};
  HttpRequest request{.method = "GET", .target = "/", .path = "/", .authority = "app.example:8080"};
  std::string subprotocol;
  WebSocketOptions options;

  void Set(const std::string& name, const std::string& value) {
    headers.erase(name);
    headers.emplace(name, value);
  }
  base::Result<WebSocketHandshake> Check() {
    std::vector<HttpHeader> views;
    for (const auto& [name, value] : headers) views.push_back({name, value});
    request.headers = views;
    return CheckHandshake(request,
                          {.options = std::make_shared<WebSocketOptions>(options), .subprotocol = subprotocol});
  }
  // "101", or status and reason.
  std::string Outcome() {
    const auto agreed = Check();
    return agreed ? "101" : std::to_string(HttpStatusOf(agreed.error())) + " " + agreed.error().reason;
  }
};

TEST(WebSocketHandshake, TheExampleOfTheRfcIsAccepted) {
  Handshake handshake;
  const auto agreed = handshake.Check();
  ASSERT_TRUE(agreed) << agreed.error().message;
  EXPECT_EQ(agreed->accept_key, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  EXPECT_EQ(agreed->subprotocol, "");
  EXPECT_FALSE(agreed->deflate);
}

TEST(WebSocketHandshake, WhatIsWrongIsSaid) {
  struct Case {
    std::string name, value, outcome;
  };
  for (const Case& wrong : {Case{"upgrade", "h2c", "426 upgrade_required"},
                            {"connection", "keep-alive", "400 websocket_handshake"},
                            {"sec-websocket-version", "8", "426 websocket_version"},
                            {"sec-websocket-version", "", "426 websocket_version"},
                            {"sec-websocket-version", "13, 8", "426 websocket_version"},
                            {"sec-websocket-key", "", "400 websocket_handshake"},
                            {"sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ", "400 websocket_handshake"},
                            {"sec-websocket-key", "AAAAAAAAAAAAAAAAAAAA", "400 websocket_handshake"},
                            {"sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAAA=", "400 websocket_handshake"},
                            {"sec-websocket-protocol", "a b", "400 websocket_handshake"},
                            {"sec-websocket-extensions", "permessage-deflate; =", "400 websocket_handshake"}}) {
    Handshake handshake;
    handshake.Set(wrong.name, wrong.value);
    EXPECT_EQ(handshake.Outcome(), wrong.outcome) << wrong.name << ": " << wrong.value;
  }
  for (const std::string name : {"upgrade", "connection", "sec-websocket-version", "sec-websocket-key"}) {
    Handshake handshake;
    handshake.headers.erase(name);
    EXPECT_NE(handshake.Outcome(), "101") << "without " << name;
  }
  Handshake twice;
  twice.headers.emplace("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
  EXPECT_EQ(twice.Outcome(), "400 websocket_handshake");
}

TEST(WebSocketHandshake, OnlyAGetOfHttp11WithoutABodyUpgrades) {
  Handshake post;
  post.request.method = "POST";
  EXPECT_EQ(post.Outcome(), "400 websocket_handshake");
  Handshake body;
  body.request.body = "x";
  EXPECT_EQ(body.Outcome(), "400 websocket_handshake");
  Handshake old;
  old.request.version = HttpVersion::kHttp10;
  EXPECT_EQ(old.Outcome(), "400 websocket_http_version");
  Handshake http2;
  http2.request.version = HttpVersion::kHttp2;
  EXPECT_EQ(http2.Outcome(), "400 websocket_http_version");
}

TEST(WebSocketHandshake, A426SaysWhichVersionIsSpoken) {
  Handshake handshake;
  handshake.Set("sec-websocket-version", "12");
  const auto agreed = handshake.Check();
  std::string headers;
  for (const HttpHeader& header : WebSocketRefusalHeaders(agreed.error())) {
    headers += std::string(header.name) + ": " + std::string(header.value) + "\n";
  }
  EXPECT_EQ(headers, "Connection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\n");
  EXPECT_TRUE(WebSocketRefusalHeaders(base::Unavailable("full")).empty());
}

TEST(WebSocketHandshake, TheSubprotocolIsChosenWhenItIsOffered) {
  const auto chosen = [](const std::string& offered, const std::string& ours) {
    Handshake handshake;
    if (!offered.empty()) handshake.Set("sec-websocket-protocol", offered);
    handshake.subprotocol = ours;
    const auto agreed = handshake.Check();
    return agreed ? std::string(agreed->subprotocol) : agreed.error().reason;
  };
  EXPECT_EQ(chosen("loquat.v1", "loquat.v1"), "loquat.v1");
  EXPECT_EQ(chosen("other, loquat.v1", "loquat.v1"), "loquat.v1");
  EXPECT_EQ(chosen("", "loquat.v1"), "");
  EXPECT_EQ(chosen("other", ""), "");
  EXPECT_EQ(chosen("loquat.v2", "loquat.v1"), "websocket_subprotocol");
  EXPECT_EQ(chosen("LOQUAT.V1", "loquat.v1"), "websocket_subprotocol");
}

TEST(WebSocketHandshake, DeflateIsNegotiatedOfferByOffer) {
  struct Case {
    std::string offer, answer;  // An empty answer: not agreed.
  };
  const std::string base = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
  for (const Case& one : {Case{"", ""},
                          {"permessage-deflate", base},
                          {"PERMESSAGE-DEFLATE; Client_Max_Window_Bits", base},
                          {"permessage-deflate; client_max_window_bits", base},
                          {"permessage-deflate; client_max_window_bits=8", base},
                          {"permessage-deflate; client_max_window_bits=\"10\"", base},
                          {"permessage-deflate; server_no_context_takeover; client_no_context_takeover", base},
                          {"permessage-deflate; server_max_window_bits=9", base + "; server_max_window_bits=9"},
                          {"permessage-deflate; server_max_window_bits=15", base + "; server_max_window_bits=15"},
                          {"x-webkit-deflate-frame, permessage-deflate", base},
                          // Declined: what zlib cannot write, and offers that are not as the RFC has them.
                          {"permessage-deflate; server_max_window_bits=8", ""},
                          {"permessage-deflate; server_max_window_bits=8, permessage-deflate", base},
                          {"permessage-deflate; server_max_window_bits", ""},
                          {"permessage-deflate; server_max_window_bits=16", ""},
                          {"permessage-deflate; server_max_window_bits=07", ""},
                          {"permessage-deflate; server_max_window_bits=012", ""},
                          {"permessage-deflate; client_max_window_bits=7", ""},
                          {"permessage-deflate; client_max_window_bits=x", ""},
                          {"permessage-deflate; server_no_context_takeover=1", ""},
                          {"permessage-deflate; server_no_context_takeover; server_no_context_takeover", ""},
                          {"permessage-deflate; unknown", ""},
                          {"permessage-deflate; unknown=1, permessage-deflate; client_max_window_bits", base},
                          {"permessage-bzip2", ""}}) {
    const auto terms = NegotiateDeflate(one.offer);
    ASSERT_TRUE(terms) << one.offer;
    EXPECT_EQ(*terms ? DeflateAnswer(**terms) : "", one.answer) << one.offer;
  }
  for (const std::string bad :
       {"permessage-deflate; a=", "permessage-deflate; =b", "perm essage", "a; b=\"c", "a; b=\"\"", "a; b c"}) {
    EXPECT_FALSE(NegotiateDeflate(bad)) << bad;
  }
}

TEST(WebSocketHandshake, DeflateCanBeTurnedOff) {
  Handshake handshake;
  handshake.Set("sec-websocket-extensions", "permessage-deflate");
  EXPECT_TRUE(handshake.Check()->deflate);
  handshake.options.compression = false;
  EXPECT_FALSE(handshake.Check()->deflate);
}

TEST(WebSocketHandshake, PagesOfOtherOriginsAreRefused) {
  Handshake handshake;
  EXPECT_EQ(handshake.Outcome(), "101") << "no page makes a request without Origin";
  handshake.Set("origin", "http://app.example:8080");
  EXPECT_EQ(handshake.Outcome(), "101");
  handshake.Set("origin", "https://evil.example");
  EXPECT_EQ(handshake.Outcome(), "403 origin_not_allowed");
  EXPECT_THAT(handshake.Check().error().message, HasSubstr("websocket.origins"));
  handshake.options.origins = {"https://evil.example"};
  EXPECT_EQ(handshake.Outcome(), "101");
  handshake.headers.emplace("origin", "https://evil.example");
  EXPECT_EQ(handshake.Outcome(), "400 websocket_handshake") << "two origins are none";
}

TEST(WebSocketHandshake, OriginsAreComparedAsOrigins) {
  struct Case {
    std::string origin, authority;
    std::vector<std::string> listed;
    bool allowed;
  };
  for (const Case& one : {Case{"https://a.example", "a.example", {}, true},
                          {"https://a.example", "a.example:443", {}, true},
                          {"http://a.example:80", "a.example", {}, true},
                          {"https://A.Example", "a.example", {}, true},
                          {"http://a.example", "a.example:8080", {}, false},
                          {"http://a.example:8081", "a.example:8080", {}, false},
                          {"http://b.a.example", "a.example", {}, false},
                          {"http://a.example.evil", "a.example", {}, false},
                          {"http://localhost:5173", "127.0.0.1:8080", {}, true},
                          {"http://[::1]:5173", "localhost:8080", {}, true},
                          {"http://127.0.0.1", "[::1]:8080", {}, true},
                          {"https://evil.example", "127.0.0.1:8080", {}, false},
                          {"https://127.evil.example", "127.0.0.1:8080", {}, false},
                          {"https://127.0.0.1.evil.example", "127.0.0.1:8080", {}, false},
                          {"https://localhost.evil.example", "localhost:8080", {}, false},
                          {"http://localhost", "a.example", {}, false},
                          {"null", "a.example", {}, false},
                          {"", "a.example", {}, false},
                          {"https://", "", {}, false},
                          {"null", "a.example", {"null"}, true},
                          {"https://b.example", "a.example", {"https://b.example"}, true},
                          {"http://b.example", "a.example", {"https://b.example"}, false},
                          {"https://b.example:444", "a.example", {"https://b.example"}, false},
                          {"https://anything", "a.example", {"*"}, true}}) {
    EXPECT_EQ(IsOriginAllowed(one.origin, one.authority, one.listed), one.allowed)
        << one.origin << " at " << one.authority;
  }
}

TEST(WebSocketHandshake, OriginPatternsAreOriginsAndNoAddresses) {
  for (const std::string good : {"*", "null", "https://a.example", "http://localhost:5173", "http://[::1]:80"}) {
    EXPECT_TRUE(IsOriginPattern(good)) << good;
  }
  for (const std::string bad : {"", "a.example", "https://", "://a", "https://a.example/path", "https://a b"}) {
    EXPECT_FALSE(IsOriginPattern(bad)) << bad;
  }
}

}  // namespace
}  // namespace loquat::net
