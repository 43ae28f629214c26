#include "ingress/http/json_body.h"

#include <gtest/gtest.h>

#include "net/http.h"

namespace loquat::ingress {
namespace {

using base::Code;

TEST(JsonBody, GivesTheRoot) {
  base::JsonParser parser;
  EXPECT_TRUE(ParseJsonBody("{\"a\":1}", parser)->AsObject()->Has("a"));
}

TEST(JsonBody, WhatIsNoJsonIsABadRequest) {
  base::JsonParser parser;
  EXPECT_EQ(net::HttpStatusOf(ParseJsonBody("{", parser).error()), 400);
}

TEST(JsonBody, TooDeepIsABadRequestAndTooLargeIsTooLarge) {
  base::JsonParser parser(base::JsonLimits{.max_bytes = 8, .max_depth = 2});
  EXPECT_TRUE(ParseJsonBody("[[1]]", parser).has_value());
  const base::Error deep = ParseJsonBody("[[[1]]]", parser).error();
  EXPECT_EQ(deep.code, Code::kInvalidArgument);
  EXPECT_EQ(deep.reason, "too_deep");
  EXPECT_EQ(net::HttpStatusOf(deep), 400);
  EXPECT_TRUE(ParseJsonBody("12345678", parser).has_value());
  const base::Error large = ParseJsonBody("123456789", parser).error();
  EXPECT_EQ(large.reason, "body_too_large");
  EXPECT_EQ(net::HttpStatusOf(large), 413);
}

}  // namespace
}  // namespace loquat::ingress
