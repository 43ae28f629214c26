#include "config/scalars.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>

#include "base/random.h"

namespace loquat::config {
namespace {

TEST(Scalars, BooleansAreTrueAndFalseAlone) {
  EXPECT_EQ(ParseBool("true"), true);
  EXPECT_EQ(ParseBool("false"), false);
  for (const char* text : {"yes", "No", "ON", "off", "y", "N", "True", "FALSE", "1", ""}) {
    EXPECT_FALSE(ParseBool(text).has_value()) << text;
  }
}

TEST(Scalars, IntegersArePlainDecimal) {
  EXPECT_EQ(ParseInteger("0"), 0);
  EXPECT_EQ(ParseInteger("-12"), -12);
  EXPECT_EQ(ParseInteger("18446744073709551615"), Wide{std::numeric_limits<std::uint64_t>::max()});
  for (const char* text : {"", "-", "010", "-01", "0x10", "0o17", "0b1", "1_000", "+5", "1e3", "1.0", "12a", " 1",
                           "1:30", "1234567890123456789012345678901", "--1", ".5", ".inf"}) {
    EXPECT_FALSE(ParseInteger(text).has_value()) << text;
  }
}

TEST(Scalars, NumbersAreThoseOfJson) {
  EXPECT_EQ(ParseNumber("0.5"), 0.5);
  EXPECT_EQ(ParseNumber("-1e-3"), -1e-3);
  EXPECT_EQ(ParseNumber("7"), 7);
  for (const char* text : {"", ".5", "5.", "01.5", ".inf", ".nan", "nan", "inf", "1e999", "0x1p3", "+1", "1,5"}) {
    EXPECT_FALSE(ParseNumber(text).has_value()) << text;
  }
}

TEST(Scalars, DurationsHaveUnits) {
  constexpr Wide kSecond = 1'000'000'000;
  EXPECT_EQ(ParseDuration("0"), 0);
  EXPECT_EQ(ParseDuration("800ms"), kSecond / 10 * 8);
  EXPECT_EQ(ParseDuration("1.5s"), kSecond / 2 * 3);
  EXPECT_EQ(ParseDuration("1h30m"), kSecond * 5400);
  EXPECT_EQ(ParseDuration("1d2h3m4s5ms6us7ns"), kSecond * (86400 + 7200 + 180 + 4) + 5'006'007);
  EXPECT_EQ(ParseDuration("0.000000001s"), 1);
  for (const char* text : {"", "5", "-5s", "5 s", "s", "5x", "1s1h", "1s1s", "1.5h30m", "0.0000000001s", "1..5s", "1.s",
                           "999999999999999999999s", "1e3s", ".5s"}) {
    EXPECT_FALSE(ParseDuration(text).has_value()) << text;
  }
}

TEST(Scalars, ByteSizesKnowBothKindsOfUnits) {
  EXPECT_EQ(ParseBytes("512"), 512);
  EXPECT_EQ(ParseBytes("512B"), 512);
  EXPECT_EQ(ParseBytes("4MiB"), 4 << 20);
  EXPECT_EQ(ParseBytes("4 MB"), 4'000'000);
  EXPECT_EQ(ParseBytes("2TiB"), Wide{2} << 40);
  EXPECT_EQ(ParseBytes("3kB"), 3000);
  for (const char* text : {"", "-1", "MiB", "1.5MiB", "4mib", "4M", "04B", "4  MB", "999999999999999999999"}) {
    EXPECT_FALSE(ParseBytes(text).has_value()) << text;
  }
}

TEST(Scalars, WhatIsWrittenReadsBack) {
  constexpr std::uint64_t kSeed = 20261121;
  base::Random random(kSeed);
  for (int i = 0; i < 2000; ++i) {
    const Wide value = static_cast<Wide>(random.Next() >> (random.Below(63)));
    EXPECT_EQ(ParseDuration(FormatDuration(value)), value) << "seed " << kSeed << " " << FormatInteger(value);
    EXPECT_EQ(ParseBytes(FormatBytes(value)), value) << "seed " << kSeed << " " << FormatInteger(value);
    EXPECT_EQ(ParseInteger(FormatInteger(-value)), -value) << "seed " << kSeed;
  }
  EXPECT_EQ(FormatDuration(90'000'000'000), "90s");
  EXPECT_EQ(FormatDuration(0), "0s");
  EXPECT_EQ(FormatBytes(4 << 20), "4MiB");
  EXPECT_EQ(FormatBytes(1000), "1000B");
  EXPECT_EQ(FormatBytes(0), "0B");
}

TEST(Scalars, NearestNameForgivesAboutAThird) {
  const std::string_view names[] = {"listen", "connections_max", "tls"};
  EXPECT_EQ(NearestName("listne", names, 3), "listen");
  EXPECT_EQ(NearestName("conection_max", names, 3), "connections_max");
  EXPECT_EQ(NearestName("tsl", names, 3), "tls");
  EXPECT_EQ(NearestName("zebra", names, 3), "");
  EXPECT_EQ(NearestName("", names, 3), "");
  EXPECT_EQ(NearestName(std::string(1000, 'a'), names, 3), "");
}

}  // namespace
}  // namespace loquat::config
