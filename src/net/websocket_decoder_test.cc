// The receiving half, byte by byte and at each of its bounds.

#include "net/websocket_decoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/random.h"
#include "net/test_websocket.h"

namespace loquat::net {
namespace {

using Event = WebSocketDecoder::Event;
using testing::ElementsAre;

constexpr std::size_t kBytesMax = 1000;
constexpr std::size_t kFragmentsMax = 4;
constexpr FrameBits kFirst{.fin = false};
constexpr FrameBits kCompressed{.reserved = 4};

// What came out of `bytes`, fed in pieces of `step`: "text:…", "binary:…", "ping:…", "close 1000:…", "failed 1002".
std::vector<std::string> Decode(std::string bytes, bool deflate = false, std::size_t step = 0,
                                std::size_t bytes_max = kBytesMax) {
  WebSocketDecoder decoder(bytes_max, kFragmentsMax, deflate);
  WebSocketInflater inflater;
  std::vector<std::string> out;
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t n = std::min(step == 0 ? bytes.size() : step, bytes.size() - at);
    std::span<char> piece(bytes.data() + at, n);
    at += n;
    for (;;) {
      const Event event = decoder.Next(piece, inflater);
      if (event == Event::kNeedMore) break;
      if (event == Event::kFailed) {
        out.push_back("failed " + std::to_string(decoder.failure().code));
        return out;
      }
      if (event == Event::kMessage) {
        WebSocketMessage message = decoder.TakeMessage();
        out.push_back((message.kind == WebSocketKind::kText ? "text:" : "binary:") + message.data);
        continue;
      }
      const std::string control(decoder.control());
      if (event == Event::kPing) out.push_back("ping:" + control);
      if (event == Event::kPong) out.push_back("pong:" + control);
      if (event == Event::kClose) out.push_back("close " + std::to_string(decoder.close_code()) + ":" + control);
    }
  }
  return out;
}

std::string Failure(std::uint16_t code) {
  return "failed " + std::to_string(code);
}

std::string Deflated(std::string_view text) {
  WebSocketDeflater deflater;
  return std::string(deflater.Deflate(text, kDeflateWindowBitsMax));
}

TEST(WebSocketDecoder, MessagesAndControlFramesComeOutInOrderHoweverTheyAreCut) {
  const std::string long_text(600, 'a');
  const std::string bytes = ClientText("one") + ClientFrame(0x1, "tw", kFirst) + ClientFrame(0x9, "are you there") +
                            ClientFrame(0x0, "o", kFirst) + ClientFrame(0xa, "") + ClientFrame(0x0, "") +
                            ClientFrame(0x2, "\xff\x01") + ClientText(long_text) + ClientText("") +
                            ClientClose(1000, "bye");
  for (std::size_t step = 0; step < 40; ++step) {
    EXPECT_THAT(Decode(bytes, false, step),
                ElementsAre("text:one", "ping:are you there", "pong:", "text:two", "binary:\xff\x01",
                            "text:" + long_text, "text:", "close 1000:bye"))
        << "in steps of " << step;
  }
}

TEST(WebSocketDecoder, BrokenFramesFailWith1002) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"not masked", ClientFrame(0x1, "a", {.masked = false})},
      {"RSV1 without an extension", ClientFrame(0x1, "a", {.reserved = 4})},
      {"RSV2", ClientFrame(0x1, "a", {.reserved = 2})},
      {"RSV3", ClientFrame(0x1, "a", {.reserved = 1})},
      {"opcode 3", ClientFrame(0x3, "a")},
      {"opcode 7", ClientFrame(0x7, "a")},
      {"opcode 11", ClientFrame(0xb, "a")},
      {"opcode 15", ClientFrame(0xf, "a")},
      {"a ping in fragments", ClientFrame(0x9, "a", kFirst)},
      {"a Close in fragments", ClientFrame(0x8, "", kFirst)},
      {"a ping of 126 bytes", ClientFrame(0x9, std::string(126, 'a'))},
      {"a continuation of nothing", ClientFrame(0x0, "a")},
      {"a message inside of another", ClientFrame(0x1, "a", kFirst) + ClientFrame(0x2, "b")},
      {"a Close of one byte", ClientFrame(0x8, "a")},
      {"a length of 125 in two bytes", std::string("\x81\xfe\x00\x7d\x00\x00\x00\x00", 8)},
      {"a length of 65535 in eight bytes", std::string("\x81\xff\x00\x00\x00\x00\x00\x00\xff\xff\x00\x00\x00\x00", 14)},
      {"a length past 2^63", std::string("\x81\xff\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", 14)},
  };
  for (const auto& [name, bytes] : cases) {
    for (const std::size_t step : {0, 1}) {
      EXPECT_THAT(Decode(bytes, false, step), ElementsAre(Failure(1002))) << name;
    }
  }
}

TEST(WebSocketDecoder, ControlFramesOf125BytesPass) {
  const std::string most(125, 'a');
  EXPECT_THAT(Decode(ClientFrame(0x9, most)), ElementsAre("ping:" + most));
  EXPECT_THAT(Decode(ClientClose(1000, std::string(123, 'a'))), ElementsAre("close 1000:" + std::string(123, 'a')));
}

TEST(WebSocketDecoder, CloseCodesAreThoseThatMayBeSent) {
  for (const int code :
       {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999}) {
    EXPECT_THAT(Decode(ClientClose(static_cast<std::uint16_t>(code))),
                ElementsAre("close " + std::to_string(code) + ":"));
  }
  for (const int code : {0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535}) {
    EXPECT_THAT(Decode(ClientClose(static_cast<std::uint16_t>(code))), ElementsAre(Failure(1002))) << code;
  }
  EXPECT_THAT(Decode(ClientFrame(0x8, "")), ElementsAre("close 1005:"));
  EXPECT_THAT(Decode(ClientClose(1000, "\xff")), ElementsAre(Failure(1007)));
}

TEST(WebSocketDecoder, TextIsUtf8AsAWhole) {
  const std::string text = "caf\xc3\xa9 \xf0\x9f\x8d\x8a";
  // Cut inside of a code point, which is legal.
  EXPECT_THAT(Decode(ClientFrame(0x1, text.substr(0, 4), kFirst) + ClientFrame(0x0, text.substr(4))),
              ElementsAre("text:" + text));
  for (const std::string_view bad : {"\xff", "\xc3", "a\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xc0\xaf"}) {
    EXPECT_THAT(Decode(ClientText(bad)), ElementsAre(Failure(1007)));
    EXPECT_THAT(Decode(ClientFrame(0x2, bad)), ElementsAre("binary:" + std::string(bad)));
  }
}

TEST(WebSocketDecoder, MessagesEndAtTheirBound) {
  const std::string most(kBytesMax, 'a');
  EXPECT_THAT(Decode(ClientText(most)), ElementsAre("text:" + most));
  EXPECT_THAT(Decode(ClientText(most + "a")), ElementsAre(Failure(1009)));
  EXPECT_THAT(Decode(ClientFrame(0x1, most, kFirst) + ClientFrame(0x0, "")), ElementsAre("text:" + most));
  EXPECT_THAT(Decode(ClientFrame(0x1, most, kFirst) + ClientFrame(0x0, "a")), ElementsAre(Failure(1009)));
  // Refused by its head, before a byte of it has come; a length that is a lie costs nothing.
  EXPECT_THAT(Decode(std::string("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00", 14)),
              ElementsAre(Failure(1009)));
}

TEST(WebSocketDecoder, MessagesHaveSoManyFragments) {
  std::string bytes = ClientFrame(0x1, "a", kFirst);
  for (std::size_t i = 2; i < kFragmentsMax; ++i) bytes += ClientFrame(0x0, "a", kFirst);
  EXPECT_THAT(Decode(bytes + ClientFrame(0x0, "a")), ElementsAre("text:" + std::string(kFragmentsMax, 'a')));
  EXPECT_THAT(Decode(bytes + ClientFrame(0x0, "a", kFirst) + ClientFrame(0x0, "a")), ElementsAre(Failure(1008)));
}

TEST(WebSocketDecoder, CompressedMessagesComeInFragmentsToo) {
  const std::string text = "the same again and the same again and the same again";
  const std::string packed = Deflated(text);
  EXPECT_THAT(Decode(ClientFrame(0x1, packed, kCompressed), true), ElementsAre("text:" + text));
  EXPECT_THAT(Decode(ClientFrame(0x1, packed.substr(0, 5), {.fin = false, .reserved = 4}) + ClientFrame(0x9, "") +
                         ClientFrame(0x0, packed.substr(5)) + ClientText("plain"),
                     true, 1),
              ElementsAre("ping:", "text:" + text, "text:plain"));
  // RSV1 belongs to the first frame of a message alone (RFC 7692 section 6.1).
  EXPECT_THAT(Decode(ClientFrame(0x1, packed.substr(0, 5), {.fin = false, .reserved = 4}) +
                         ClientFrame(0x0, packed.substr(5), kCompressed),
                     true),
              ElementsAre(Failure(1002)));
  EXPECT_THAT(Decode(ClientFrame(0x9, "", kCompressed), true), ElementsAre(Failure(1002)));
}

TEST(WebSocketDecoder, CompressedTextIsCheckedAsText) {
  EXPECT_THAT(Decode(ClientFrame(0x1, Deflated("\xff"), kCompressed), true), ElementsAre(Failure(1007)));
  EXPECT_THAT(Decode(ClientFrame(0x2, Deflated("\xff"), kCompressed), true), ElementsAre("binary:\xff"));
}

TEST(WebSocketDecoder, TheBoundIsThatOfTheInflatedMessage) {
  const std::string most(kBytesMax, 'a');
  EXPECT_THAT(Decode(ClientFrame(0x1, Deflated(most), kCompressed), true), ElementsAre("text:" + most));
  EXPECT_THAT(Decode(ClientFrame(0x1, Deflated(most + "a"), kCompressed), true), ElementsAre(Failure(1009)));
}

TEST(WebSocketDecoder, WhatDoesNotCompressStillFitsItsBound) {
  base::Random random(7);
  std::string noise;
  while (noise.size() < 300'000) noise += static_cast<char>(random.Next());
  WebSocketDeflater deflater;
  for (int bits = kDeflateWindowBitsMin; bits <= kDeflateWindowBitsMax; ++bits) {
    const std::string packed(deflater.Deflate(noise, bits));
    ASSERT_GT(packed.size(), noise.size());
    EXPECT_EQ(Decode(ClientFrame(0x2, packed, kCompressed), true, 0, noise.size()),
              std::vector<std::string>{"binary:" + noise})
        << "a window of " << bits << " bits";
  }
}

TEST(WebSocketDecoder, DamagedDeflateFailsWith1007) {
  const std::string packed = Deflated("some text that is long enough to be cut somewhere in its middle");
  for (std::size_t size = 1; size < packed.size(); ++size) {
    EXPECT_THAT(Decode(ClientFrame(0x1, packed.substr(0, size), kCompressed), true), ElementsAre(Failure(1007)))
        << "cut to " << size;
  }
  EXPECT_THAT(Decode(ClientFrame(0x1, "\xff\xff\xff", kCompressed), true), ElementsAre(Failure(1007)));
}

TEST(WebSocketDecoder, DiscardedMessagesLeaveTheCloseThatFollows) {
  std::string bytes = ClientFrame(0x1, "ab", kFirst) + ClientFrame(0x0, std::string(5000, 'a')) + ClientText("\xff") +
                      ClientClose(1001);
  WebSocketDecoder decoder(kBytesMax, kFragmentsMax, false);
  WebSocketInflater inflater;
  std::span<char> piece(bytes);
  decoder.DiscardMessages();
  EXPECT_EQ(decoder.Next(piece, inflater), Event::kClose);
  EXPECT_EQ(decoder.close_code(), 1001);
}

TEST(WebSocketDecoder, KnowsWhenAMessageIsUnderWay) {
  std::string bytes = ClientText("hello");
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    std::string copy = bytes.substr(0, cut);
    WebSocketDecoder decoder(kBytesMax, kFragmentsMax, false);
    WebSocketInflater inflater;
    std::span<char> piece(copy);
    const bool whole = decoder.Next(piece, inflater) == Event::kMessage;
    EXPECT_EQ(whole, cut == bytes.size());
    EXPECT_EQ(decoder.in_message(), cut > 0 && cut < bytes.size()) << cut;
  }
}

}  // namespace
}  // namespace loquat::net
