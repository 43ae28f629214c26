#include "config/etcd/etcd_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "config/load.h"

namespace loquat::config::etcd {
namespace {

using ::testing::HasSubstr;

std::string ErrorOf(const std::string& text) {
  const auto loaded = LoadText<EtcdOptions>(text, "f");
  return loaded.has_value() ? "no error" : loaded.error().message;
}

TEST(EtcdOptions, IsOffByDefault) {
  EXPECT_TRUE(LoadText<EtcdOptions>("", "f")->endpoints.empty());
}

TEST(EtcdOptions, TakesAddressesOfMembers) {
  for (const char* endpoint : {"127.0.0.1:2379", "etcd-0.etcd:2379", "[::1]:1", "unix:/run/etcd.sock"}) {
    EXPECT_EQ(ErrorOf("endpoints: [\"" + std::string(endpoint) + "\"]"), "no error") << endpoint;
  }
  for (const char* endpoint : {"", "etcd", ":2379", "etcd:0", "etcd:65536", "http://etcd:2379", "::1:2379",
                               "xds:///a:1", "a b:1", "unix:/", "unix:relative", "etcd:1x"}) {
    EXPECT_THAT(ErrorOf("endpoints: [\"" + std::string(endpoint) + "\"]"), HasSubstr("HOST:PORT")) << endpoint;
  }
  std::string many = "endpoints: [";
  for (std::size_t i = 0; i < kEndpointsMax; ++i) many += "\"h:" + std::to_string(i + 1) + "\",";
  EXPECT_EQ(ErrorOf(many + "]"), "no error");
  EXPECT_THAT(ErrorOf(many + "\"h:99\"]"), HasSubstr("at most 16 endpoints"));
}

TEST(EtcdOptions, ThePrefixEndsWithASlash) {
  EXPECT_EQ(ErrorOf("prefix: /a/"), "no error");
  EXPECT_EQ(ErrorOf("prefix: " + std::string(kPrefixBytesMax - 1, 'a') + "/"), "no error");
  for (const std::string& prefix :
       {std::string("/"), std::string("/a"), std::string("\"/ä/\""), std::string(kPrefixBytesMax, 'a') + "/"}) {
    EXPECT_THAT(ErrorOf("prefix: " + prefix), HasSubstr("prefix")) << prefix;
    EXPECT_NE(ErrorOf("prefix: " + prefix), "no error");
  }
}

TEST(EtcdOptions, WhatGoesTogetherIsGivenTogether) {
  EXPECT_THAT(ErrorOf("username: u"), HasSubstr("a user and its password go together"));
  EXPECT_THAT(ErrorOf("password: hidden"), HasSubstr("a user and its password go together"));
  EXPECT_THAT(ErrorOf("password: hidden"), ::testing::Not(HasSubstr("hidden")));
  EXPECT_THAT(ErrorOf("tls: {certificate: c}"), HasSubstr("a certificate and its key go together"));
  EXPECT_THAT(ErrorOf("retry_first: 20s"), HasSubstr("retry_first is longer than retry_max"));
  EXPECT_THAT(ErrorOf("bytes_max: 1KiB"), HasSubstr("value_bytes_max is more than bytes_max"));
}

}  // namespace
}  // namespace loquat::config::etcd
