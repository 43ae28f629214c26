#include "app/address.h"

#include <gtest/gtest.h>

namespace loquat::app {
namespace {

TEST(Address, ReadsHostAndPort) {
  EXPECT_EQ(ParseAddress("127.0.0.1:8080")->host, "127.0.0.1");
  EXPECT_EQ(ParseAddress("127.0.0.1:8080")->port, 8080);
  EXPECT_EQ(ParseAddress("[::1]:0")->host, "::1");
  EXPECT_EQ(ParseAddress(":80")->host, "0.0.0.0");
  EXPECT_EQ(ParseAddress("unix:/run/l.sock")->host, "unix:/run/l.sock");
}

TEST(Address, RefusesAnythingElse) {
  for (const std::string_view bad : {"", "8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536",
                                     "127.0.0.1:-1", "::1:80", "unix:", "a:1 "}) {
    EXPECT_FALSE(ParseAddress(bad).has_value()) << bad;
  }
}

TEST(Address, MakesAUrlThatAClientCanUse) {
  EXPECT_EQ(UrlOf("http", *ParseAddress(":80")), "http://127.0.0.1:80");
  EXPECT_EQ(UrlOf("https", *ParseAddress("[::]:443")), "https://[::1]:443");
  EXPECT_EQ(UrlOf("http", *ParseAddress("[fe80::1]:1")), "http://[fe80::1]:1");
  EXPECT_EQ(UrlOf("http", *ParseAddress("localhost:8080")), "http://localhost:8080");
}

}  // namespace
}  // namespace loquat::app
