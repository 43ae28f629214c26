// The safetensors reader: headers that are right, and each way in which one can be wrong.

#include "model/formats/safetensors_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "model/formats/gguf_test_data.h"

namespace loquat::model {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

std::string File(std::string_view header, std::size_t data) {
  return GgufBytes().String(header).Raw(std::string(data, '\0')).text();
}

base::Error Refusal(const std::string& bytes) {
  const auto parsed = SafetensorsFile::Parse("x.safetensors", AsBytes(bytes));
  if (parsed.has_value()) return base::Internal("it was read");
  EXPECT_THAT(parsed.error().message, HasSubstr("x.safetensors"));
  return parsed.error();
}

constexpr std::string_view kTwo =
    R"({"__metadata__":{"format":"pt"},"b":{"dtype":"BF16","shape":[2,3],"data_offsets":[4,16]},)"
    R"("a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}  )";

TEST(SafetensorsFile, ReadsTensorsAndMetadata) {
  const std::string bytes = File(kTwo, 16);
  const auto parsed = SafetensorsFile::Parse("x.safetensors", AsBytes(bytes));
  ASSERT_TRUE(parsed.has_value()) << parsed.error().message;
  ASSERT_EQ(parsed->tensors().size(), 2U);
  const SafetensorsTensor& tensor = parsed->tensors()[0];
  EXPECT_EQ(tensor.name, "b");
  EXPECT_EQ(tensor.type, kernels::WeightType::kBF16);
  EXPECT_THAT(tensor.shape, ElementsAre(2, 3));
  EXPECT_EQ(tensor.offset, 8 + kTwo.size() + 4);
  EXPECT_EQ(reinterpret_cast<const char*>(tensor.bytes.data()), bytes.data() + tensor.offset);
  EXPECT_EQ(tensor.bytes.size(), 12U);
  EXPECT_EQ(parsed->tensors()[1].shape.size(), 0U);
  EXPECT_EQ(parsed->metadata().front().second, "pt");
}

TEST(SafetensorsFile, AFileCutAtAnyByteIsRefused) {
  const std::string bytes = File(kTwo, 16);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const std::string cut = bytes.substr(0, size);
    EXPECT_FALSE(SafetensorsFile::Parse("x.safetensors", AsBytes(cut)).has_value()) << size;
  }
  EXPECT_THAT(Refusal(bytes + "x").message, HasSubstr("1 bytes at the end belong to no tensor"));
}

TEST(SafetensorsFile, TheHeaderIsBounded) {
  const auto with_length = [](std::uint64_t length) {
    return Refusal(GgufBytes().Put(length).Raw("{}").text()).message;
  };
  EXPECT_THAT(with_length(kSafetensorsHeaderBytesMax + 1), HasSubstr("a header of 16777217 bytes; at most 16777216"));
  EXPECT_THAT(with_length(kSafetensorsHeaderBytesMax), HasSubstr("the file ends within the header"));
  EXPECT_THAT(with_length(~0ULL), HasSubstr("is it a safetensors file?"));
  EXPECT_THAT(Refusal(File("[]", 0)).message, HasSubstr("no JSON object"));
  EXPECT_THAT(Refusal(File("{", 0)).message, HasSubstr("the header:"));
  EXPECT_THAT(Refusal(File(R"({"a":{"b":{"c":{"d":[1]}}}})", 0)).message, HasSubstr("the header:")) << "too deep";
}

TEST(SafetensorsFile, EachFaultOfATensorIsNamed) {
  const auto with = [](std::string_view tensor, std::size_t data = 8) {
    return Refusal(File(R"({"t":)" + std::string(tensor) + "}", data)).message;
  };
  EXPECT_THAT(with("3"), HasSubstr("tensor 't': is no JSON object"));
  EXPECT_THAT(with("{}"), HasSubstr("'dtype' is missing"));
  EXPECT_THAT(with(R"({"dtype":"F4"})"),
              AllOf(HasSubstr("'t' is of the unknown type 'F4'"), HasSubstr("F32, F16, BF16")));
  EXPECT_THAT(with(R"({"dtype":"F32"})"), HasSubstr("'shape' is missing"));
  EXPECT_THAT(with(R"({"dtype":"F32","shape":[-1],"data_offsets":[0,4]})"), HasSubstr("no unsigned number"));
  EXPECT_THAT(with(R"({"dtype":"F32","shape":[1.5],"data_offsets":[0,4]})"), HasSubstr("no unsigned number"));
  EXPECT_THAT(with(R"({"dtype":"F32","shape":[2]})"), HasSubstr("'data_offsets' is missing"));
  EXPECT_THAT(with(R"({"dtype":"F32","shape":[2],"data_offsets":[8]})"), HasSubstr("do not lie within"));
  EXPECT_THAT(with(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8,8]})"), HasSubstr("more than 2 items"));
  EXPECT_THAT(with(R"({"dtype":"F32","shape":[2],"data_offsets":[8,0]})"), HasSubstr("do not lie within"));
  EXPECT_THAT(with(R"({"dtype":"F32","shape":[2],"data_offsets":[4,12]})"), HasSubstr("do not lie within the 8 bytes"));
  EXPECT_THAT(with(R"({"dtype":"F32","shape":[3],"data_offsets":[0,8]})"), HasSubstr("span 8 bytes"));
  EXPECT_THAT(with(R"({"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]})"),
              HasSubstr("larger than any file"));
  EXPECT_THAT(with(R"({"dtype":"F32","shape":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],"data_offsets":[0,4]})"),
              HasSubstr("more than 16 items"));
}

TEST(SafetensorsFile, OverlapsGapsAndDuplicatesAreRefused) {
  const auto two = [](std::string_view first, std::string_view second, std::string_view name = "b") {
    const auto tensor = [](std::string_view offsets) {
      return R"({"dtype":"U8","shape":[4],"data_offsets":)" + std::string(offsets) + "}";
    };
    return Refusal(File("{\"a\":" + tensor(first) + ",\"" + std::string(name) + "\":" + tensor(second) + "}", 12))
        .message;
  };
  EXPECT_THAT(two("[0,4]", "[2,6]"), HasSubstr("the tensors 'a' and 'b' lie on the same bytes"));
  EXPECT_THAT(two("[4,8]", "[4,8]"), HasSubstr("belong to none"));
  EXPECT_THAT(two("[0,4]", "[0,4]"), HasSubstr("lie on the same bytes"));
  EXPECT_THAT(two("[0,4]", "[8,12]"), HasSubstr("4 bytes before the tensor 'b' belong to none"));
  EXPECT_THAT(two("[0,4]", "[4,8]"), HasSubstr("4 bytes at the end belong to no tensor"));
  EXPECT_THAT(two("[0,4]", "[4,8]", "a"), HasSubstr("'a' stands in the header twice"));
}

}  // namespace
}  // namespace loquat::model
