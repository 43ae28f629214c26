// Frame heads, masks and permessage-deflate by themselves, with the examples of the RFCs.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/random.h"
#include "net/websocket.h"
#include "net/websocket_deflate.h"
#include "net/websocket_frame.h"

namespace loquat::net {
namespace {

using Outcome = WebSocketInflater::Outcome;

TEST(WebSocketFrame, HeadsAreWrittenInTheirShortestForm) {
  const std::vector<std::pair<std::uint64_t, std::string>> cases = {
      {0, std::string("\x81\x00", 2)},
      {125, "\x81\x7d"},
      {126, std::string("\x81\x7e\x00\x7e", 4)},
      {65535, "\x81\x7e\xff\xff"},
      {65536, std::string("\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00", 10)},
  };
  for (const auto& [length, bytes] : cases) {
    std::array<char, kFrameHeadBytesMax> out;
    const std::size_t size = WriteFrameHead(out, WebSocketOpcode::kText, false, length);
    EXPECT_EQ(std::string(out.data(), size), bytes) << length;
  }
  std::array<char, kFrameHeadBytesMax> out;
  WriteFrameHead(out, WebSocketOpcode::kBinary, true, 1);
  EXPECT_EQ(static_cast<std::uint8_t>(out[0]), 0xc2);
}

// RFC 6455 section 5.7, "a single-frame masked text message".
TEST(WebSocketFrame, TheExampleOfTheRfcIsRead) {
  std::string bytes = "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
  ASSERT_EQ(FrameHeadSize(bytes), 6u);
  WebSocketFrameHead head;
  EXPECT_FALSE(ReadFrameHead(bytes.substr(0, 6), false, head));
  EXPECT_TRUE(head.fin);
  EXPECT_EQ(head.opcode, WebSocketOpcode::kText);
  EXPECT_EQ(head.length, 5u);
  std::span<char> payload = std::span<char>(bytes).subspan(6);
  Unmask(payload, head.mask, 0);
  EXPECT_EQ(bytes.substr(6), "Hello");
}

TEST(WebSocketFrame, UnmaskingInPiecesIsUnmaskingAtOnce) {
  base::Random random(11);
  const std::array<std::uint8_t, 4> mask = {0xde, 0xad, 0xbe, 0xef};
  for (std::size_t size = 0; size < 70; ++size) {
    std::string plain;
    std::string masked;
    for (std::size_t i = 0; i < size; ++i) {
      plain += static_cast<char>(random.Next());
      masked += static_cast<char>(plain.back() ^ static_cast<char>(mask[i % 4]));
    }
    for (std::size_t cut = 0; cut <= size; ++cut) {
      std::string bytes = masked;
      Unmask(std::span<char>(bytes).first(cut), mask, 0);
      Unmask(std::span<char>(bytes).subspan(cut), mask, cut);
      ASSERT_EQ(bytes, plain) << size << " cut at " << cut;
    }
  }
}

std::string Inflated(std::string_view packed, std::size_t bytes_max = 1000) {
  WebSocketInflater inflater;
  std::string out;
  switch (inflater.Inflate(packed, bytes_max, out)) {
    case Outcome::kDone:
      return out;
    case Outcome::kTooBig:
      return "too big";
    default:
      return "corrupt";
  }
}

// RFC 7692 section 7.2.3: one block, no compression, a final block, two blocks, and nothing at all.
TEST(WebSocketDeflate, TheExamplesOfTheRfcAreRead) {
  EXPECT_EQ(Inflated(std::string("\xf2\x48\xcd\xc9\xc9\x07\x00", 7)), "Hello");
  EXPECT_EQ(Inflated(std::string("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", 11)), "Hello");
  EXPECT_EQ(Inflated(std::string("\xf3\x48\xcd\xc9\xc9\x07\x00\x00", 8)), "Hello");
  EXPECT_EQ(Inflated(std::string("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", 13)), "Hello");
  EXPECT_EQ(Inflated(std::string(1, '\0')), "");
  // A final block without the empty one behind it, and an empty payload: harmless.
  EXPECT_EQ(Inflated(std::string("\xf3\x48\xcd\xc9\xc9\x07\x00", 7)), "Hello");
  EXPECT_EQ(Inflated(""), "");
}

TEST(WebSocketDeflate, EachMessageStandsAlone) {
  WebSocketDeflater deflater;
  WebSocketInflater inflater;
  const std::string text = "to be or not to be, that is the question, to be or not to be";
  const std::string first(deflater.Deflate(text, kDeflateWindowBitsMax));
  EXPECT_EQ(std::string(deflater.Deflate(text, kDeflateWindowBitsMax)), first);
  EXPECT_LT(first.size(), text.size());
  std::string out = "what was here before";
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(inflater.Inflate(first, text.size(), out), Outcome::kDone);
    EXPECT_EQ(out, text);
  }
  EXPECT_EQ(inflater.Inflate("\xff\xff", 100, out), Outcome::kCorrupt);
  EXPECT_EQ(inflater.Inflate(first, text.size(), out), Outcome::kDone) << "a fault must not outlive its message";
  EXPECT_EQ(out, text);
}

TEST(WebSocketDeflate, AnyTextSurvivesEveryWindow) {
  base::Random random(3);
  WebSocketDeflater deflater;
  WebSocketInflater inflater;
  for (int round = 0; round < 60; ++round) {
    std::string text;
    const std::size_t size = random.Next() % (round < 50 ? 2000 : 200'000);
    // Words from a small set, so that there is something to find, between noise.
    while (text.size() < size) {
      text += random.Next() % 4 != 0 ? "words repeat " : std::string(1, static_cast<char>(random.Next()));
    }
    for (int bits = kDeflateWindowBitsMin; bits <= kDeflateWindowBitsMax; ++bits) {
      const std::string packed(deflater.Deflate(text, bits));
      std::string out;
      ASSERT_EQ(inflater.Inflate(packed, text.size(), out), Outcome::kDone) << "round " << round << " bits " << bits;
      ASSERT_EQ(out, text) << "round " << round << " bits " << bits;
    }
  }
}

TEST(WebSocketDeflate, ABombEndsAtTheBoundAndHoldsNoMoreThanThat) {
  WebSocketDeflater deflater;
  const std::string bomb(deflater.Deflate(std::string(64 * 1024 * 1024, '\0'), kDeflateWindowBitsMax));
  ASSERT_LT(bomb.size(), 1024u * 1024u);
  WebSocketInflater inflater;
  std::string out;
  constexpr std::size_t kBytesMax = 100'000;
  EXPECT_EQ(inflater.Inflate(bomb, kBytesMax, out), Outcome::kTooBig);
  EXPECT_EQ(out.size(), kBytesMax + 1);
  EXPECT_LE(out.capacity(), 2 * kBytesMax + 64);
}

// Ten bits for a final block that holds nothing: it makes no output, so only the input bounds the work.
TEST(WebSocketDeflate, AThousandStreamsInOneMessageAreOneMessage) {
  std::string packed;
  for (int i = 0; i < 1000; ++i) packed += std::string("\x03\x00", 2);
  EXPECT_EQ(Inflated(packed), "");
}

}  // namespace
}  // namespace loquat::net
