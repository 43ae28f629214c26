// What GgufHead writes is what GgufFile reads.

#include "model/formats/gguf_head.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/formats/gguf_test_data.h"
#include "model/tensor/layout.h"

namespace loquat::model {
namespace {

using kernels::WeightType;
using testing::ElementsAre;

TEST(GgufHead, EveryValueComesBack) {
  GgufHead head;
  head.Text("general.architecture", "llama");
  head.Uint("a.uint", 0xFFFFFFFF);
  head.Float("a.float", -0.25F);
  head.Bool("a.bool", true);
  head.Texts("a.texts", std::vector<std::string>{"", "x", "\u2581the"});
  head.Ints("a.ints", std::vector<std::int32_t>{-1, 7});
  head.Floats("a.floats", std::vector<float>{0.5F});
  head.Bytes("a.bytes", std::string_view("\x00\xff", 2));
  const std::string bytes = head.Finish();
  EXPECT_EQ(bytes.size() % kGgufAlignmentDefault, 0U);
  const auto file = GgufFile::Parse("made", AsBytes(bytes));
  ASSERT_TRUE(file.has_value()) << file.error().message;
  EXPECT_EQ(file->version(), 3U);
  EXPECT_EQ(file->Find("general.architecture")->AsString(), "llama");
  EXPECT_EQ(file->Find("a.uint")->AsInt(), 0xFFFFFFFF);
  EXPECT_EQ(file->Find("a.float")->AsDouble(), -0.25);
  EXPECT_EQ(file->Find("a.bool")->AsBool(), true);
  std::vector<std::string> texts;
  file->Find("a.texts")->EachString([&](std::string_view text) { texts.emplace_back(text); });
  EXPECT_THAT(texts, ElementsAre("", "x", "\u2581the"));
  EXPECT_EQ(file->Find("a.ints")->IntAt(0), -1);
  EXPECT_EQ(file->Find("a.floats")->DoubleAt(0), 0.5);
  EXPECT_EQ(file->Find("a.bytes")->IntAt(1), 255);

  // Copied, the entries are the same bytes again.
  GgufHead copy;
  for (const GgufEntry& entry : file->entries()) copy.Copy(entry);
  EXPECT_EQ(copy.Finish(), bytes);
}

TEST(GgufHead, TensorsFollowInTheirPlaces) {
  GgufHead head;
  const std::vector<std::uint64_t> matrix = {3, 64}, vector = {5};
  std::string data;
  for (std::size_t i = 0; i < kernels::kWeightTypes; ++i) {
    const auto type = static_cast<WeightType>(i);
    const kernels::WeightLayout& layout = kernels::LayoutOf(type);
    const std::vector<std::uint64_t> shape = {3, std::uint64_t{layout.block_weights} * 2};
    head.AddTensor(layout.name, type, shape);
    data.append(TensorBytes(shape, type).value(), static_cast<char>('a' + i));
    data.resize(GgufPadded(data.size()));
  }
  head.AddTensor("vector", WeightType::kF32, vector);
  data.append(20, 'v');
  data.resize(GgufPadded(data.size()));
  EXPECT_EQ(head.data_bytes(), data.size());
  const std::string bytes = head.Finish() + data;
  const auto file = GgufFile::Parse("made", AsBytes(bytes));
  ASSERT_TRUE(file.has_value()) << file.error().message;
  ASSERT_EQ(file->tensors().size(), kernels::kWeightTypes + 1);
  for (std::size_t i = 0; i < kernels::kWeightTypes; ++i) {
    const GgufTensor& tensor = file->tensors()[i];
    EXPECT_EQ(tensor.type->type, static_cast<WeightType>(i));
    EXPECT_EQ(tensor.shape.front(), 3U);
    EXPECT_EQ(static_cast<char>(tensor.bytes.front()), static_cast<char>('a' + i));
    EXPECT_EQ(static_cast<char>(tensor.bytes.back()), static_cast<char>('a' + i));
  }
  EXPECT_EQ(file->tensors().back().bytes.size(), 20U);
}

}  // namespace
}  // namespace loquat::model
