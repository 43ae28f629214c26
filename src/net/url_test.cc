#include "net/url.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "net/http.h"

namespace loquat::net {
namespace {

TEST(Url, PercentDecodesBytes) {
  EXPECT_EQ(PercentDecode("a%20b%e4%BD%a0+").value(), "a b\xe4\xbd\xa0+");
  EXPECT_EQ(PercentDecode("a+b", true).value(), "a b");
  for (const char* bad : {"%", "%4", "%4g", "%g4", "a%"}) EXPECT_FALSE(PercentDecode(bad).has_value()) << bad;
}

TEST(Url, FindsQueryParameters) {
  EXPECT_EQ(QueryParameter("a=1&b=two%20words&c", "b"), "two words");
  EXPECT_EQ(QueryParameter("a=1&b=2&b=3", "b"), "2");
  EXPECT_EQ(QueryParameter("a=1&c", "c"), "");
  EXPECT_EQ(QueryParameter("%61=x", "a"), "x");
  EXPECT_EQ(QueryParameter("ab=1", "a"), std::nullopt);
  EXPECT_EQ(QueryParameter("a=%zz", "a"), std::nullopt);
  EXPECT_EQ(QueryParameter("", "a"), std::nullopt);
}

TEST(Url, ReadsHttpUrls) {
  const auto url = ParseHttpUrl("https://Example.org:8443/a?b=c").value();
  EXPECT_TRUE(url.secure);
  EXPECT_EQ(url.host, "Example.org");
  EXPECT_EQ(url.port, 8443);
  EXPECT_EQ(url.target, "/a?b=c");
  EXPECT_EQ(url.Authority(), "Example.org:8443");
  const auto v6 = ParseHttpUrl("http://[::1]:80?q").value();
  EXPECT_EQ(v6.host, "::1");
  EXPECT_EQ(v6.target, "/?q");
  EXPECT_EQ(v6.Authority(), "[::1]");
  EXPECT_EQ(ParseHttpUrl("http://h:65535")->port, 65535);
}

TEST(Url, RefusesWhatItCannotCall) {
  for (const char* bad :
       {"", "ftp://h", "http://", "http:///p", "http://h:0", "http://h:65536", "http://h:", "http://h:8x",
        "http://[::1", "http://[::1]x", "http://u:p@h/", "http://h/a b", "http://h/#f"}) {
    EXPECT_FALSE(ParseHttpUrl(bad).has_value()) << bad;
  }
}

TEST(HttpStatus, EveryCodeHasItsStatus) {
  const auto status = [](base::Code code, std::string reason = {}) {
    return HttpStatusOf({.code = code, .message = {}, .reason = std::move(reason)});
  };
  EXPECT_EQ(status(base::Code::kInvalidArgument), 400);
  EXPECT_EQ(status(base::Code::kUnauthenticated), 401);
  EXPECT_EQ(status(base::Code::kPermissionDenied), 403);
  EXPECT_EQ(status(base::Code::kNotFound), 404);
  EXPECT_EQ(status(base::Code::kResourceExhausted, "rate_limited"), 429);
  EXPECT_EQ(status(base::Code::kResourceExhausted, "body_too_large"), 413);
  EXPECT_EQ(status(base::Code::kResourceExhausted, "header_too_large"), 431);
  EXPECT_EQ(status(base::Code::kDeadlineExceeded), 504);
  EXPECT_EQ(status(base::Code::kUnavailable), 503);
  EXPECT_EQ(status(base::Code::kInternal), 500);
}

TEST(HttpStatus, ReasonsAreThoseOfTheRegistry) {
  EXPECT_EQ(HttpReason(100), "Continue");
  EXPECT_EQ(HttpReason(413), "Content Too Large");
  EXPECT_EQ(HttpReason(505), "HTTP Version Not Supported");
  EXPECT_EQ(HttpReason(299), "Unknown");
}

}  // namespace
}  // namespace loquat::net
