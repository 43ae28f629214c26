// Small random models through the benchmark: it does the work that was asked for. How fast is nobody's promise here.

#include "app/model_benchmark.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "model/formats/model_test_folder.h"

namespace loquat::app {
namespace {

using testing::Each;
using testing::Gt;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class ModelBenchmarkTest : public testing::Test {
 protected:
  std::string Make(const std::string& architecture) const {
    const std::string path = folder_.path() + "/" + architecture + ".gguf";
    const std::string command =
        "/usr/bin/python3 tools/make_model gguf --arch " + architecture + " --out " + path + " > /dev/null";
    EXPECT_EQ(std::system(command.c_str()), 0) << command;
    return path;
  }
  const model::ModelTestFolder folder_;
};

TEST_F(ModelBenchmarkTest, ADecoderReadsItsPromptAndGoesOn) {
  const auto result =
      RunModelBenchmark({.path = Make("llama"), .prompt = 40, .generated = 3, .sequences = 2, .rounds = 2, .isa = ""});
  ASSERT_TRUE(result.has_value()) << result.error().message;
  EXPECT_FALSE(result->encoder);
  EXPECT_THAT(result->prefill_tokens_per_second, SizeIs(2));
  EXPECT_THAT(result->decode_tokens_per_second, SizeIs(2));
  EXPECT_THAT(result->prefill_tokens_per_second, Each(Gt(0)));
  EXPECT_THAT(result->decode_tokens_per_second, Each(Gt(0)));
  EXPECT_THAT(result->texts_per_second, IsEmpty());
}

TEST_F(ModelBenchmarkTest, APromptAloneIsEnough) {
  const auto result = RunModelBenchmark({.path = Make("llama"), .prompt = 1, .generated = 0, .rounds = 1, .isa = ""});
  ASSERT_TRUE(result.has_value()) << result.error().message;
  EXPECT_THAT(result->prefill_tokens_per_second, SizeIs(1));
  EXPECT_THAT(result->decode_tokens_per_second, IsEmpty());
}

TEST_F(ModelBenchmarkTest, AnEncoderReadsTexts) {
  const auto result = RunModelBenchmark({.path = Make("bert"), .prompt = 8, .sequences = 4, .rounds = 1, .isa = ""});
  ASSERT_TRUE(result.has_value()) << result.error().message;
  EXPECT_TRUE(result->encoder);
  EXPECT_THAT(result->texts_per_second, SizeIs(1));
  EXPECT_THAT(result->prefill_tokens_per_second, IsEmpty());
}

TEST_F(ModelBenchmarkTest, TextsOfManyLengthsAreOneBatch) {
  const std::string bert = Make("bert");  // A context of 128.
  EXPECT_TRUE(RunModelBenchmark({.path = bert, .lengths = {3, 128, 17}, .rounds = 1, .isa = ""}).has_value());
  const auto refused = RunModelBenchmark({.path = bert, .lengths = {3, 129, 17}, .rounds = 1, .isa = ""});
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error().message, HasSubstr("129 tokens do not fit"));
  const auto decoder = RunModelBenchmark({.path = Make("llama"), .lengths = {3}, .rounds = 1, .isa = ""});
  ASSERT_FALSE(decoder.has_value());
  EXPECT_THAT(decoder.error().message, HasSubstr("for encoders"));
}

TEST_F(ModelBenchmarkTest, WhatDoesNotFitTheContextIsRefused) {
  const std::string llama = Make("llama");  // A context of 2048.
  EXPECT_TRUE(RunModelBenchmark({.path = llama, .prompt = 2047, .generated = 1, .rounds = 1, .isa = ""}).has_value());
  const auto refused = RunModelBenchmark({.path = llama, .prompt = 2047, .generated = 2, .rounds = 1, .isa = ""});
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error().message, HasSubstr("2049 tokens do not fit the context"));
  EXPECT_FALSE(RunModelBenchmark({.path = Make("bert"), .prompt = 129, .rounds = 1, .isa = ""}).has_value());
}

TEST_F(ModelBenchmarkTest, AMissingFileIsSaid) {
  const auto missing = RunModelBenchmark({.path = folder_.path() + "/none.gguf", .isa = ""});
  ASSERT_FALSE(missing.has_value());
  EXPECT_THAT(missing.error().message, HasSubstr("none.gguf"));
}

}  // namespace
}  // namespace loquat::app
