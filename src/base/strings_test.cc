// strings.h, hex.h, base64.h, digest.h.

#include "base/strings.h"

#include <gtest/gtest.h>

#include <array>
#include <limits>

#include "base/base64.h"
#include "base/digest.h"
#include "base/hex.h"
#include "base/random.h"

namespace loquat::base {
namespace {

using Pieces = std::vector<std::string_view>;

std::string RandomBytes(Random& random, std::size_t size) {
  std::string bytes(size, '\0');
  for (char& c : bytes) c = static_cast<char>(random.Below(256));
  return bytes;
}

std::span<const unsigned char> AsBytes(const std::string& text) {
  return {reinterpret_cast<const unsigned char*>(text.data()), text.size()};
}

TEST(Strings, SplitKeepsEmptyPieces) {
  EXPECT_EQ(Split("a,b,,c", ','), (Pieces{"a", "b", "", "c"}));
  EXPECT_EQ(Split("", ','), (Pieces{""}));
  EXPECT_EQ(Split(",", ','), (Pieces{"", ""}));
}

TEST(Strings, SplitOnSpaceDropsEmptyPieces) {
  EXPECT_EQ(SplitOnSpace("  a \t b\r\n"), (Pieces{"a", "b"}));
  EXPECT_EQ(SplitOnSpace("a"), (Pieces{"a"}));
  EXPECT_TRUE(SplitOnSpace(" \v\f").empty());
}

TEST(Strings, SplitOnceCutsAtTheFirst) {
  const auto halves = SplitOnce("key=a=b", '=');
  ASSERT_TRUE(halves.has_value());
  EXPECT_EQ(halves->before, "key");
  EXPECT_EQ(halves->after, "a=b");
  EXPECT_FALSE(SplitOnce("key", '=').has_value());
}

TEST(Strings, TrimsAndLowersAsciiOnly) {
  EXPECT_EQ(TrimAscii("\t a b \n"), "a b");
  EXPECT_EQ(TrimAscii("  "), "");
  EXPECT_EQ(ToLowerAscii("AzZ[\xC3\x84"), "azz[\xC3\x84");
  EXPECT_TRUE(EqualsIgnoringAsciiCase("Content-Type", "content-tYPE"));
  EXPECT_FALSE(EqualsIgnoringAsciiCase("a", "ab"));
  EXPECT_FALSE(EqualsIgnoringAsciiCase("@", "`"));
  EXPECT_TRUE(IsAsciiDigit('0') && IsAsciiDigit('9') && !IsAsciiDigit('/') && !IsAsciiDigit(':'));
}

TEST(Strings, ParseIntTakesWholeNumbersThatFit) {
  EXPECT_EQ(ParseInt<int>("-12"), -12);
  EXPECT_EQ(ParseInt<std::uint8_t>("255"), 255);
  EXPECT_FALSE(ParseInt<std::uint8_t>("256").has_value());
  EXPECT_FALSE(ParseInt<unsigned>("-1").has_value());
  EXPECT_EQ(ParseInt<std::int64_t>("-9223372036854775808"), std::numeric_limits<std::int64_t>::min());
  for (const std::string_view bad : {"", " 1", "1 ", "+1", "1.0", "0x1", "1e3", "--1"}) {
    EXPECT_FALSE(ParseInt<int>(bad).has_value()) << bad;
  }
}

TEST(Strings, ParseDoubleTakesFiniteNumbers) {
  EXPECT_EQ(ParseDouble("-0.5e-1"), -0.05);
  EXPECT_EQ(ParseDouble("3"), 3.0);
  for (const std::string_view bad : {"", " 1", "1 ", "inf", "-inf", "nan", "1e999", "1,5", "0x1p3", "one"}) {
    EXPECT_FALSE(ParseDouble(bad).has_value()) << bad;
  }
}

TEST(Hex, GoesThroughAndBack) {
  Random random(1);
  for (std::size_t size = 0; size < 40; ++size) {
    const std::string bytes = RandomBytes(random, size);
    std::string back(size, '\0');
    ASSERT_TRUE(DecodeHex(EncodeHex(AsBytes(bytes)), {reinterpret_cast<unsigned char*>(back.data()), size}));
    EXPECT_EQ(back, bytes);
  }
  EXPECT_EQ(EncodeHex(AsBytes("\x01\xAB\xFF")), "01abff");
}

TEST(Hex, RefusesWrongSizesAndDigits) {
  std::array<unsigned char, 2> bytes{};
  EXPECT_TRUE(DecodeHex("aBcD", bytes));
  EXPECT_EQ(bytes[0], 0xAB);
  for (const std::string_view bad : {"abc", "abcde", "abcg", "ab d", ""}) EXPECT_FALSE(DecodeHex(bad, bytes)) << bad;
}

// RFC 4648, section 10.
TEST(Base64, MatchesTheVectorsOfTheRfc) {
  constexpr std::string_view kText = "foobar";
  constexpr std::string_view kVectors[] = {"", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
  for (std::size_t size = 0; size <= 6; ++size) {
    EXPECT_EQ(EncodeBase64(kText.substr(0, size)), kVectors[size]);
    EXPECT_EQ(DecodeBase64(kVectors[size]), kText.substr(0, size));
  }
}

TEST(Base64, RandomBytesGoThroughAndBack) {
  Random random(2);
  for (int round = 0; round < 500; ++round) {
    const std::string bytes = RandomBytes(random, random.Below(100));
    EXPECT_EQ(DecodeBase64(EncodeBase64(bytes)), bytes);
  }
}

TEST(Base64, RefusesWhatItWouldNotWrite) {
  for (const std::string_view bad :
       {"Z", "Zg", "Zg=", "Zg===", "====", "=", "Zh==", "Zm9=", "Zm 9", "Zm-v", "Z=m9", "Zg==Zg==", "Zm9v\n"}) {
    EXPECT_FALSE(DecodeBase64(bad).has_value()) << bad;
  }
}

// FIPS 180-4 examples, as published by NIST.
TEST(Sha256, MatchesPublishedDigests) {
  EXPECT_EQ(Sha256Hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256Hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST(Sha256, PiecesGiveTheDigestOfTheWholeAndStartOver) {
  Sha256 stream;
  for (int round = 0; round < 2; ++round) {
    stream.Update("ab");
    stream.Update("");
    stream.Update("c");
    EXPECT_EQ(stream.Finish(), Sha256Of("abc"));
  }
}

TEST(EqualInConstantTime, ComparesSizeAndBytes) {
  EXPECT_TRUE(EqualInConstantTime("", ""));
  EXPECT_TRUE(EqualInConstantTime("secret", "secret"));
  EXPECT_FALSE(EqualInConstantTime("secret", "secreT"));
  EXPECT_FALSE(EqualInConstantTime("secret", "secre"));
}

}  // namespace
}  // namespace loquat::base
