// A model folder gives back what was written, and refuses what was damaged.

#include "understanding/model_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "base/digest.h"
#include "base/file.h"
#include "base/random.h"
#include "understanding/model_manifest.h"

namespace loquat::understanding {
namespace {

using base::Code;
using testing::HasSubstr;

ModelFolderWriter SmallModel() {
  ModelFolderWriter writer;
  ModelManifest& manifest = writer.manifest();
  manifest.intents = {"alarm_set", "weather \"query\""};
  manifest.slots = {"city:from"};
  manifest.features = {{"intent", "words"}};
  manifest.metrics = {{"intent_accuracy", 0.9375}};
  manifest.training_examples = 42;
  manifest.training_data_sha256 = base::Sha256Hex("data");
  const std::vector<float> numbers = {1.5F, -2, 3};
  writer.AddArray<float>("intent.numbers", numbers);
  writer.AddSection("empty", {});
  const std::vector<std::uint8_t> bytes(200, 7);
  writer.AddArray<std::uint8_t>("slots.bytes", bytes);
  return writer;
}

class ModelFolderTest : public testing::Test {
 protected:
  void SetUp() override {
    path_ = testing::TempDir() + "/loquat_model_" + testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(path_);
    ModelFolderWriter writer = SmallModel();
    ASSERT_TRUE(writer.Write(path_).has_value());
    std::tie(manifest_, weights_) = writer.Serialize();
  }
  void TearDown() override { std::filesystem::remove_all(path_); }

  base::Error OpenError() const {
    auto folder = ModelFolder::Open(path_);
    EXPECT_FALSE(folder.has_value());
    return folder.has_value() ? base::Error{} : folder.error();
  }
  // The manifest with one text replaced by another, signed again.
  std::string Edited(const std::string& from, const std::string& to) const {
    std::string text = manifest_.substr(0, manifest_.rfind(",\"checksum\""));
    const std::size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    text.replace(at, from.size(), to);
    return text + ",\"checksum\":\"" + base::Sha256Hex(text) + "\"}\n";
  }
  Code CodeOf(const std::string& manifest, const std::string& weights) const {
    const auto folder = ModelFolder::FromBytes("model", manifest, weights);
    return folder.has_value() ? Code::kOk : folder.error().code;
  }

  std::string path_, manifest_, weights_;
};

TEST_F(ModelFolderTest, GivesBackWhatWasWritten) {
  const auto folder = ModelFolder::Open(path_);
  ASSERT_TRUE(folder.has_value()) << folder.error().message;
  const ModelManifest& manifest = folder->manifest();
  EXPECT_THAT(manifest.intents, testing::ElementsAre("alarm_set", "weather \"query\""));
  EXPECT_THAT(manifest.slots, testing::ElementsAre("city:from"));
  EXPECT_EQ(manifest.training_examples, 42U);
  EXPECT_EQ(manifest.metrics.at(0).second, 0.9375);
  const auto numbers = folder->Array<float>("intent.numbers");
  ASSERT_TRUE(numbers.has_value());
  EXPECT_THAT(*numbers, testing::ElementsAre(1.5F, -2.0F, 3.0F));
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(folder->Section("slots.bytes")->data()) % kSectionAlignment, 0U);
  EXPECT_TRUE(folder->Section("empty")->empty());
  EXPECT_EQ(folder->Section("absent").error().code, Code::kDataLoss);
  EXPECT_EQ(folder->Array<double>("intent.numbers").error().code, Code::kDataLoss);
}

TEST_F(ModelFolderTest, TheSameContentGivesTheSameBytes) {
  EXPECT_EQ(SmallModel().Serialize(), SmallModel().Serialize());
  EXPECT_EQ(*base::ReadFile(path_ + "/manifest.json"), manifest_);
  EXPECT_EQ(*base::ReadFile(path_ + "/weights.bin"), weights_);
}

TEST_F(ModelFolderTest, AMissingFolderOrFileIsNotFound) {
  for (const char* file : {"weights.bin", "manifest.json"}) {
    std::filesystem::remove(path_ + "/" + file);
    const base::Error error = OpenError();
    EXPECT_EQ(error.code, Code::kNotFound);
    EXPECT_THAT(error.message, HasSubstr(file));
    EXPECT_THAT(error.message, HasSubstr("loquat train"));
  }
  std::filesystem::remove_all(path_);
  EXPECT_EQ(OpenError().code, Code::kNotFound);
}

TEST_F(ModelFolderTest, EveryFlippedBitIsFound) {
  for (std::size_t i = 0; i < weights_.size() * 8; ++i) {
    std::string weights = weights_;
    weights[i / 8] = static_cast<char>(weights[i / 8] ^ (1 << i % 8));
    EXPECT_EQ(CodeOf(manifest_, weights), Code::kDataLoss) << "bit " << i << " of the weights";
  }
  // The line's end says nothing.
  for (std::size_t i = 0; i < (manifest_.size() - 3) * 8; ++i) {
    std::string manifest = manifest_;
    manifest[i / 8] = static_cast<char>(manifest[i / 8] ^ (1 << i % 8));
    EXPECT_NE(CodeOf(manifest, weights_), Code::kOk) << "bit " << i << " of the manifest";
  }
}

TEST_F(ModelFolderTest, EveryTruncationIsFound) {
  for (std::size_t size = 0; size < weights_.size(); ++size) {
    EXPECT_EQ(CodeOf(manifest_, weights_.substr(0, size)), Code::kDataLoss) << size;
  }
  EXPECT_EQ(CodeOf(manifest_, weights_ + '\0'), Code::kDataLoss);
  for (std::size_t size = 0; size + 3 < manifest_.size(); ++size) {
    EXPECT_EQ(CodeOf(manifest_.substr(0, size), weights_), Code::kDataLoss) << size;
  }
}

TEST_F(ModelFolderTest, ANewerVersionAndAnotherKindAreRefusedByName) {
  const auto newer = ModelFolder::FromBytes("m", Edited("\"format_version\":1", "\"format_version\":2"), weights_);
  ASSERT_FALSE(newer.has_value());
  EXPECT_EQ(newer.error().code, Code::kFailedPrecondition);
  EXPECT_THAT(newer.error().message, HasSubstr("update the program"));
  EXPECT_EQ(CodeOf(Edited("loquat.nlu", "loquat.asr"), weights_), Code::kFailedPrecondition);
}

TEST_F(ModelFolderTest, SectionsOutOfBoundsAreRefusedEvenWhenSigned) {
  const std::string huge = std::to_string(kWeightsBytesMax);
  EXPECT_EQ(CodeOf(Edited("\"offset\":64", "\"offset\":63"), weights_), Code::kDataLoss);
  EXPECT_EQ(CodeOf(Edited("\"offset\":64", "\"offset\":18446744073709551552"), weights_), Code::kDataLoss);
  EXPECT_EQ(CodeOf(Edited("\"size\":200", "\"size\":" + huge), weights_), Code::kDataLoss);
  EXPECT_EQ(CodeOf(Edited("\"size\":200", "\"size\":-1"), weights_), Code::kDataLoss);
  EXPECT_EQ(CodeOf(Edited("\"name\":\"empty\"", "\"name\":\"slots.bytes\""), weights_), Code::kDataLoss);
  EXPECT_EQ(CodeOf(Edited("\"name\":\"empty\"", "\"name\":\"../x\""), weights_), Code::kDataLoss);
  EXPECT_EQ(CodeOf(Edited("\"intents\":[", "\"intents\":[7,"), weights_), Code::kDataLoss);
}

TEST_F(ModelFolderTest, MoreLabelsThanTheBoundAreRefused) {
  ModelFolderWriter writer = SmallModel();
  writer.manifest().intents.assign(kModelLabelsMax, "x");
  auto [manifest, weights] = writer.Serialize();
  EXPECT_EQ(CodeOf(manifest, weights), Code::kOk);
  writer.manifest().intents.emplace_back("one more");
  std::tie(manifest, weights) = writer.Serialize();
  EXPECT_EQ(CodeOf(manifest, weights), Code::kDataLoss);
}

TEST_F(ModelFolderTest, AHalfReplacedFolderDoesNotOpen) {
  ModelFolderWriter writer = SmallModel();
  const std::vector<float> other = {1, 2, 3, 4};
  writer.AddArray<float>("more", other);
  ASSERT_TRUE(base::WriteFileAtomically(path_ + "/weights.bin", writer.Serialize().second).has_value());
  EXPECT_EQ(OpenError().code, Code::kDataLoss);
  ASSERT_TRUE(writer.Write(path_).has_value());
  EXPECT_TRUE(ModelFolder::Open(path_).has_value());
}

}  // namespace
}  // namespace loquat::understanding
