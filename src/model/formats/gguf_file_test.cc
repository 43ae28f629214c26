// The GGUF reader: what is right is read as it stands, what is wrong is refused where it is wrong.

#include "model/formats/gguf_file.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "base/random.h"
#include "model/formats/gguf_test_data.h"

namespace loquat::model {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

base::Error Refusal(const TestGguf& file) {
  const std::string bytes = file.Write();
  const auto parsed = GgufFile::Parse("x.gguf", AsBytes(bytes));
  if (parsed.has_value()) return base::Internal("it was read");
  EXPECT_THAT(parsed.error().message, HasSubstr("x.gguf"));
  return parsed.error();
}

TEST(GgufFile, ReadsMetadataOfEveryType) {
  TestGguf file;
  file.entries = {GgufBytes().String("u8").Put<std::uint32_t>(0).Put<std::uint8_t>(200).text(),
                  GgufBytes().String("i8").Put<std::uint32_t>(1).Put<std::int8_t>(-3).text(),
                  GgufBytes().String("u16").Put<std::uint32_t>(2).Put<std::uint16_t>(65535).text(),
                  GgufBytes().String("i16").Put<std::uint32_t>(3).Put<std::int16_t>(-300).text(),
                  TestGguf::Uint("u32", 4000000000U),
                  GgufBytes().String("i32").Put<std::uint32_t>(5).Put<std::int32_t>(-70000).text(),
                  TestGguf::Float("f32", 0.5F),
                  TestGguf::Bool("bool", true),
                  TestGguf::Text("text", "上海"),
                  GgufBytes().String("u64").Put<std::uint32_t>(10).Put<std::uint64_t>(~0ULL).text(),
                  GgufBytes().String("i64").Put<std::uint32_t>(11).Put<std::int64_t>(-1).text(),
                  GgufBytes().String("f64").Put<std::uint32_t>(12).Put<double>(0.25).text(),
                  TestGguf::Texts("texts", {"a", "", "bc"}),
                  TestGguf::Numbers<float>("floats", 6, {1.0F, -2.0F})};
  const std::string bytes = file.Write();
  const auto parsed = GgufFile::Parse("x.gguf", AsBytes(bytes));
  ASSERT_TRUE(parsed.has_value()) << parsed.error().message;
  EXPECT_EQ(parsed->entries().size(), file.entries.size());
  EXPECT_EQ(parsed->Find("u8")->AsInt(), 200);
  EXPECT_EQ(parsed->Find("i8")->AsInt(), -3);
  EXPECT_EQ(parsed->Find("u16")->AsInt(), 65535);
  EXPECT_EQ(parsed->Find("i16")->AsInt(), -300);
  EXPECT_EQ(parsed->Find("u32")->AsInt(), 4000000000LL);
  EXPECT_EQ(parsed->Find("i32")->AsDouble(), -70000.0);
  EXPECT_EQ(parsed->Find("f32")->AsDouble(), 0.5);
  EXPECT_EQ(parsed->Find("f32")->AsInt(), std::nullopt);
  EXPECT_EQ(parsed->Find("bool")->AsBool(), true);
  EXPECT_EQ(parsed->Find("bool")->AsString(), std::nullopt);
  EXPECT_EQ(parsed->Find("text")->AsString(), "上海");
  EXPECT_EQ(parsed->Find("text")->AsInt(), std::nullopt);
  EXPECT_EQ(parsed->Find("u64")->AsInt(), std::nullopt) << "more than int64 holds";
  EXPECT_EQ(parsed->Find("i64")->AsInt(), -1);
  EXPECT_EQ(parsed->Find("f64")->AsDouble(), 0.25);
  std::vector<std::string_view> texts;
  parsed->Find("texts")->EachString([&](std::string_view text) { texts.push_back(text); });
  EXPECT_THAT(texts, ElementsAre("a", "", "bc"));
  EXPECT_EQ(parsed->Find("texts")->AsString(), std::nullopt);
  EXPECT_EQ(parsed->Find("floats")->size(), 2U);
  EXPECT_EQ(parsed->Find("floats")->DoubleAt(1), -2.0);
  EXPECT_EQ(parsed->Find("none"), nullptr);
}

TEST(GgufFile, ReadsTensorsOfBothVersions) {
  for (const std::uint32_t version : {2U, 3U}) {
    TestGguf file = TinyLlama();
    file.version = version;
    const std::string bytes = file.Write();
    const auto parsed = GgufFile::Parse("x.gguf", AsBytes(bytes));
    ASSERT_TRUE(parsed.has_value()) << parsed.error().message;
    EXPECT_EQ(parsed->version(), version);
    ASSERT_EQ(parsed->tensors().size(), file.tensors.size());
    EXPECT_EQ(parsed->tensors()[0].name, "token_embd.weight");
    EXPECT_THAT(parsed->tensors()[0].shape, ElementsAre(3, 8)) << "outermost first";
    EXPECT_EQ(parsed->tensors()[0].bytes.size(), 3U * 8 * 4);
    EXPECT_EQ(parsed->tensors()[0].offset % 32, 0U);
  }
}

TEST(GgufFile, AFileCutAtAnyByteIsRefused) {
  const std::string bytes = TinyLlama().Write();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const std::string cut = bytes.substr(0, size);  // Its own memory, so that a read past its end shows.
    const auto parsed = GgufFile::Parse("x.gguf", AsBytes(cut));
    ASSERT_FALSE(parsed.has_value()) << size;
    EXPECT_THAT(parsed.error().message, HasSubstr("x.gguf")) << size;
  }
}

TEST(GgufFile, RefusesOtherFilesAndVersions) {
  TestGguf file;
  file.magic = "GGML";
  EXPECT_EQ(Refusal(file).code, base::Code::kInvalidArgument);
  EXPECT_THAT(Refusal(file).message, HasSubstr("no GGUF file"));
  file.magic = "GGUF";
  for (const std::uint32_t version : {0U, 1U, 4U, 0x03000000U}) {
    file.version = version;
    const base::Error error = Refusal(file);
    EXPECT_EQ(error.code, base::Code::kUnimplemented);
    EXPECT_THAT(error.message, HasSubstr("versions 2 and 3"));
    EXPECT_THAT(error.message,
                HasSubstr(version == 0x03000000U ? std::string("big-endian") : fmt::format("version {}", version)));
  }
}

TEST(GgufFile, CountsAreBounded) {
  TestGguf file;
  file.tensor_count = kGgufTensorsMax + 1;
  EXPECT_THAT(Refusal(file).message, AllOf(HasSubstr("65537 tensors; at most 65536"), HasSubstr("byte 8")));
  file.tensor_count = kGgufTensorsMax;
  EXPECT_THAT(Refusal(file).message, HasSubstr("the file ends within a tensor's name"));
  file.tensor_count = std::numeric_limits<std::int64_t>::max();
  EXPECT_THAT(Refusal(file).message, HasSubstr("tensors; at most"));
  file.tensor_count = 0;
  file.entry_count = kGgufEntriesMax + 1;
  EXPECT_THAT(Refusal(file).message, AllOf(HasSubstr("65537 metadata entries"), HasSubstr("byte 16")));
  file.entry_count = kGgufEntriesMax;
  EXPECT_THAT(Refusal(file).message, HasSubstr("the file ends within a metadata key"));
  file.entry_count = -1;
  const auto array = [&](std::uint64_t items) {
    file.entries = {GgufBytes().String("k").Put<std::uint32_t>(9).Put<std::uint32_t>(8).Put(items).text()};
    return Refusal(file).message;
  };
  EXPECT_THAT(array(kGgufArrayItemsMax + 1), HasSubstr("'k' has 16777217 items; at most 16777216"));
  EXPECT_THAT(array(kGgufArrayItemsMax), HasSubstr("the file ends within k"));
  EXPECT_THAT(array(~0ULL), HasSubstr("items; at most"));
}

TEST(GgufFile, StringsAreBounded) {
  TestGguf file;
  const auto key_of = [&](std::uint64_t size) {
    file.entries = {TestGguf::Bool(std::string(size, 'k'), true)};
    return file;
  };
  const std::string longest = key_of(kGgufKeyBytesMax).Write();
  EXPECT_TRUE(GgufFile::Parse("x.gguf", AsBytes(longest)).has_value());
  EXPECT_THAT(Refusal(key_of(kGgufKeyBytesMax + 1)).message, HasSubstr("a metadata key of 65536 bytes; at most 65535"));
  EXPECT_THAT(Refusal(key_of(0)).message, HasSubstr("a metadata key that is empty"));
  file.entries = {TestGguf::Bool("\xff", true)};
  EXPECT_THAT(Refusal(file).message, HasSubstr("not UTF-8"));
  file.entries = {GgufBytes().String("k").Put<std::uint32_t>(8).Put<std::uint64_t>(~0ULL).text()};
  EXPECT_THAT(Refusal(file).message, HasSubstr("k of 18446744073709551615 bytes"));
  file.entries.clear();
  file.tensors = {{std::string(kGgufTensorNameBytesMax + 1, 't'), {4}}};
  EXPECT_THAT(Refusal(file).message, HasSubstr("a tensor's name of 65 bytes; at most 64"));
  file.tensors[0].name.pop_back();
  const std::string bytes = file.Write();
  EXPECT_TRUE(GgufFile::Parse("x.gguf", AsBytes(bytes)).has_value());
}

TEST(GgufFile, DuplicatesAreRefused) {
  TestGguf file;
  file.entries = {TestGguf::Uint("general.a", 1), TestGguf::Uint("general.a", 1)};
  EXPECT_THAT(Refusal(file).message, AllOf(HasSubstr("the key 'general.a' stands here twice"), HasSubstr("byte 49")));
  file.entries.clear();
  file.tensors = {{"a", {4}}, {"a", {4}}};
  EXPECT_THAT(Refusal(file).message, HasSubstr("the tensor 'a' stands here twice"));
}

TEST(GgufFile, UnknownTypesAreNamed) {
  TestGguf file;
  file.entries = {GgufBytes().String("k").Put<std::uint32_t>(13).text()};
  EXPECT_THAT(Refusal(file).message, HasSubstr("'k' is of the unknown metadata type 13"));
  file.entries = {GgufBytes().String("k").Put<std::uint32_t>(9).Put<std::uint32_t>(9).Put<std::uint64_t>(0).text()};
  EXPECT_THAT(Refusal(file).message, HasSubstr("array of arrays"));
  file.entries.clear();
  for (const std::uint32_t type : {4U, 5U, 31U, 36U, 1000U}) {
    file.tensors = {{"blk.0.x", {32}, type}};
    const base::Error error = Refusal(file);
    EXPECT_EQ(error.code, base::Code::kUnimplemented);
    EXPECT_THAT(error.message, AllOf(HasSubstr("'blk.0.x'"), HasSubstr(fmt::format("type {}", type)),
                                     HasSubstr("supported: f32, f16, bf16, q8_0, q4_0")));
  }
}

TEST(GgufFile, AbsurdShapesAreRefused) {
  TestGguf file;
  const auto with = [&](std::vector<std::uint64_t> shape, std::uint32_t type = 0) {
    file.tensors = {{"t", std::move(shape), type, "0123"}};
    return Refusal(file).message;
  };
  EXPECT_THAT(with({~0ULL, 2}), AllOf(HasSubstr("tensor 't'"), HasSubstr("larger than any file")));
  EXPECT_THAT(with({1ULL << 62}), HasSubstr("larger than any file"));
  EXPECT_THAT(with({1ULL << 40}), HasSubstr("reach past the end of the file"));
  EXPECT_THAT(with({0, 4}), HasSubstr("holds nothing"));
  EXPECT_THAT(with({}), HasSubstr("0 dimensions; 1 to 4"));
  EXPECT_THAT(with({1, 1, 1, 1, 1}), HasSubstr("5 dimensions; 1 to 4"));
  EXPECT_THAT(with({4, 33}, 8), HasSubstr("no whole number of blocks of 32"));
  EXPECT_THAT(with({4, 128}, 12), HasSubstr("no whole number of blocks of 256"));
}

TEST(GgufFile, PlacesAreChecked) {
  TestGguf file;
  file.tensors = {{"a", {16}}, {"b", {16}}};
  file.tensors[1].offset = 32;
  EXPECT_THAT(Refusal(file).message, HasSubstr("the tensors 'a' and 'b' lie on the same bytes"));
  file.tensors[1].offset = 65;
  EXPECT_THAT(Refusal(file).message, HasSubstr("tensor 'b': its offset 65 is no multiple of the alignment 32"));
  file.tensors[1].offset = 96;
  EXPECT_THAT(Refusal(file).message, HasSubstr("tensor 'b': its 64 bytes at byte 96 of the data reach past the end"));
  file.tensors[1].offset = std::numeric_limits<std::int64_t>::max() / 32 * 32;
  EXPECT_THAT(Refusal(file).message, HasSubstr("past the end"));
  file.tensors[1].offset = 64;
  const std::string bytes = file.Write();
  EXPECT_TRUE(GgufFile::Parse("x.gguf", AsBytes(bytes)).has_value());
}

TEST(GgufFile, AlignmentIsAPowerOfTwoWithinBounds) {
  TestGguf file;
  for (const std::uint32_t bad : {0U, 4U, 24U, 131072U, 0xFFFFFFFFU}) {
    file.entries = {TestGguf::Uint("general.alignment", bad)};
    EXPECT_THAT(Refusal(file).message, HasSubstr("general.alignment must be a power of two from 8 to 65536")) << bad;
  }
  file.entries = {TestGguf::Text("general.alignment", "32")};
  EXPECT_THAT(Refusal(file).message, HasSubstr("general.alignment"));
  for (const std::uint32_t good : {8U, 32U, 65536U}) {
    file.entries = {TestGguf::Uint("general.alignment", good)};
    const std::string bytes = file.Write();
    const auto parsed = GgufFile::Parse("x.gguf", AsBytes(bytes));
    ASSERT_TRUE(parsed.has_value()) << good;
    EXPECT_EQ(parsed->alignment(), good);
    EXPECT_EQ(parsed->data_offset() % good, 0U);
  }
}

TEST(GgufFile, AnyByteChangedIsReadOrRefusedWithoutReadingElsewhere) {
  const std::string bytes = TinyLlama().Write();
  constexpr std::uint64_t kSeed = 20261121;
  base::Random random(kSeed);
  for (int round = 0; round < 20000; ++round) {
    std::string changed = bytes.substr(0, 1400);  // The head alone matters.
    for (std::uint64_t i = 0; i <= random.Below(3); ++i) {
      changed[random.Below(changed.size())] = static_cast<char>(random.Below(256));
    }
    const auto parsed = GgufFile::Parse("x.gguf", AsBytes(changed));
    if (parsed.has_value()) continue;
    EXPECT_FALSE(parsed.error().message.empty()) << "seed " << kSeed << " round " << round;
  }
}

}  // namespace
}  // namespace loquat::model
