#include "understanding/dataset_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace loquat::understanding {
namespace {

using ::testing::HasSubstr;

class DatasetFiles : public ::testing::Test {
 protected:
  DatasetFiles()
      : folder_(std::filesystem::path(::testing::TempDir()) /
                ("dataset_" + std::string(::testing::UnitTest::GetInstance()->current_test_info()->name()))) {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  ~DatasetFiles() override { std::filesystem::remove_all(folder_); }

  std::string Write(const std::string& name, const std::string& text) {
    const std::string path = (folder_ / name).string();
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }
  static std::string Yaml(const std::string& intent, const std::string& lines) {
    return "version: \"3.1\"\nnlu:\n- intent: " + intent + "\n  examples: |\n" + lines;
  }

  std::filesystem::path folder_;
};

TEST_F(DatasetFiles, MergesFilesOfBothKindsAndAFolder) {
  const std::string yaml = Write("a.yml", Yaml("greet", "    - hi\n    - hello\n"));
  const std::string json =
      Write("b.jsonl", "{\"text\": \"bye\", \"intent\": \"leave\"}\n{\"text\": \"ciao\", \"intent\": \"leave\"}\n");
  Write("notes.txt", "not read");
  const std::vector<std::string> both = {yaml, json};
  const auto merged = ReadDataset(both);
  ASSERT_TRUE(merged.has_value()) << merged.error().message;
  ASSERT_EQ(merged->examples.size(), 4U);
  EXPECT_EQ(merged->files, both);
  EXPECT_EQ(merged->Where(merged->examples[3]), json + ":2");
  const std::vector<std::string> folder = {folder_.string()};
  const auto listed = ReadDataset(folder);
  ASSERT_TRUE(listed.has_value()) << listed.error().message;
  EXPECT_EQ(listed->examples, merged->examples);
}

TEST_F(DatasetFiles, NamesAFileThatIsMissingOrOfAnUnknownKind) {
  const std::vector<std::string> missing = {(folder_ / "none.yml").string()};
  auto result = ReadDataset(missing);
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, base::Code::kNotFound);
  EXPECT_THAT(result.error().message, HasSubstr("none.yml"));
  const std::vector<std::string> unknown = {Write("a.csv", "x")};
  result = ReadDataset(unknown);
  ASSERT_FALSE(result.has_value());
  EXPECT_THAT(result.error().message, HasSubstr("allowed are .yml"));
  const std::vector<std::string> empty = {folder_.string()};
  std::filesystem::remove(unknown[0]);
  EXPECT_FALSE(ReadDataset(empty).has_value());
}

TEST_F(DatasetFiles, WarnsOfOneTextUnderTwoIntentsAndOfSingleExamples) {
  const std::vector<std::string> files = {
      Write("a.yml", Yaml("greet", "    - hi\n    - hello\n") +
                         "- intent: leave\n  examples: |\n    - hi\n    - [x](thing) bye\n"
                         "- intent: lonely\n  examples: |\n    - alone\n")};
  const auto dataset = ReadDataset(files);
  ASSERT_TRUE(dataset.has_value());
  ASSERT_EQ(dataset->warnings.size(), 3U);
  EXPECT_THAT(dataset->warnings[0].message, HasSubstr("\"hi\" is an example of both \"greet\""));
  EXPECT_EQ(dataset->warnings[0].where, files[0] + ":9");
  EXPECT_THAT(dataset->warnings[1].message, HasSubstr("\"lonely\" has one example"));
  EXPECT_THAT(dataset->warnings[2].message, HasSubstr("\"thing\" has one example"));
}

TEST_F(DatasetFiles, CountsTheWarningsPastTheBound) {
  std::string yaml = "version: \"3.1\"\nnlu:\n";
  for (int i = 0; i < 5; ++i)
    yaml += "- intent: i" + std::to_string(i) + "\n  examples: |\n    - t" + std::to_string(i) + "\n";
  const std::vector<std::string> files = {Write("a.yml", yaml)};
  DatasetLimits limits;
  limits.warnings_max = 5;
  EXPECT_EQ(ReadDataset(files, limits)->warnings.size(), 5U);
  limits.warnings_max = 3;
  const auto dataset = ReadDataset(files, limits);
  ASSERT_EQ(dataset->warnings.size(), 4U);
  EXPECT_EQ(dataset->warnings[3].message, "2 more warnings are not shown");
}

}  // namespace
}  // namespace loquat::understanding
