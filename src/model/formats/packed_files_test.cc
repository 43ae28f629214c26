// Packed files through OpenModel: the same model as the GGUF that was packed, and what of it is checked beyond its
// bytes.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <utility>
#include <vector>

#include "base/file.h"
#include "model/formats/gguf_test_data.h"
#include "model/formats/inspect.h"
#include "model/formats/model_files.h"
#include "model/formats/model_test_folder.h"
#include "model/formats/verify.h"
#include "model/packed/packed_writer.h"
#include "text/tokenizer/tokenizer_tables.h"

namespace loquat::model {
namespace {

using testing::HasSubstr;

class PackedFilesTest : public testing::Test {
 protected:
  PackedFilesTest() : gguf_(folder_.Write("m.gguf", TinyLlama().Write())) {}

  // The tiny llama packed, after `change`.
  std::string Pack(const std::function<void(ModelConfig&, std::string& tokenizer)>& change = {}) const {
    ModelFiles files = OpenModel(gguf_).value();
    std::string tokenizer = text::WriteTokenizerTables(*files.tokenizer.spec).value();
    if (change) change(files.config, tokenizer);
    const PackSource source{.config = files.config,
                            .metadata = files.metadata,
                            .chat_template = files.chat_template,
                            .tokenizer = tokenizer,
                            .weights = *files.weights,
                            .linear_tensors = {}};
    const std::string path = folder_.File("m.packed");
    const auto report = WritePacked(path, source, {.existing = base::AtomicFile::Existing::kReplace});
    EXPECT_TRUE(report.has_value()) << report.error().message;
    return path;
  }

  const ModelTestFolder folder_;
  const std::string gguf_;
};

TEST_F(PackedFilesTest, AreTheModelThatWasPacked) {
  const ModelFiles was = OpenModel(gguf_).value();
  const auto is = OpenModel(Pack());
  ASSERT_TRUE(is.has_value()) << is.error().message;
  EXPECT_EQ(is->format, FileFormat::kPacked);
  EXPECT_EQ(is->config.name, was.config.name);
  EXPECT_EQ(is->chat_template, was.chat_template);
  EXPECT_EQ(is->metadata.size(), was.metadata.size());
  EXPECT_FALSE(is->tokenizer.spec.has_value());
  ASSERT_NE(is->tokenizer.ready, nullptr);
  EXPECT_EQ(is->tokenizer.ready->size(), was.tokenizer.spec->tokens.size());
  EXPECT_EQ(is->tokenizer.summary.merges, was.tokenizer.spec->merges.size());
  EXPECT_TRUE(VerifyModel(*is->weights)->ok());
  const auto described = InspectModel(is->path);
  ASSERT_TRUE(described.has_value());
  EXPECT_THAT(DescriptionText(*described), HasSubstr("format     packed, 1 file"));
  EXPECT_THAT(DescriptionJson(*described), HasSubstr(R"("format":"packed")"));
}

TEST_F(PackedFilesTest, WhatContradictsTheArchitectureIsRefused) {
  struct Case {
    std::function<void(ModelConfig&, std::string&)> change;
    std::string part;
  };
  const Case cases[] = {
      {[](ModelConfig& config, std::string&) { config.layers = 2; }, "blk.1."},
      {[](ModelConfig& config, std::string&) { config.width = 16; }, "its config asks for"},
      {[](ModelConfig& config, std::string&) { config.layers = 1 << 30; }, "block_count"},
      {[](ModelConfig&, std::string& tokenizer) { tokenizer.resize(tokenizer.size() / 2); }, "the tokenizer's tables"},
  };
  for (const Case& each : cases) {
    const auto opened = OpenModel(Pack(each.change));
    ASSERT_FALSE(opened.has_value()) << each.part;
    EXPECT_EQ(opened.error().code, base::Code::kDataLoss) << opened.error().message;
    EXPECT_THAT(opened.error().message, HasSubstr(each.part));
    EXPECT_THAT(opened.error().message, HasSubstr("m.packed"));
  }
}

TEST_F(PackedFilesTest, AVocabularyBeyondTheEmbeddingIsRefused) {
  const auto opened = OpenModel(Pack([](ModelConfig&, std::string& tokenizer) {
    text::TokenizerSpec spec;
    spec.kind = text::TokenizerKind::kWordPiece;
    for (int i = 0; i < 1000; ++i) spec.tokens.push_back("w" + std::to_string(i));
    spec.unknown = 0;
    tokenizer = text::WriteTokenizerTables(spec).value();
  }));
  ASSERT_FALSE(opened.has_value());
  EXPECT_THAT(opened.error().message, HasSubstr("its tokenizer has 1000 tokens"));
}

TEST_F(PackedFilesTest, OptionsThatOtherFormatsCannotKeepAreRefused) {
  const std::string packed = Pack();
  const PackedOptions all[] = {{.verify = PackedVerify::kFull}, {.populate = true}, {.huge_pages = true}};
  for (const PackedOptions& options : all) {
    EXPECT_TRUE(OpenModel(packed, options).has_value());
    const auto plain = OpenModel(gguf_, options);
    ASSERT_FALSE(plain.has_value());
    EXPECT_EQ(plain.error().code, base::Code::kInvalidArgument);
    EXPECT_EQ(plain.error().reason, "not_packed");
  }
  EXPECT_TRUE(OpenModel(gguf_, {.verify = PackedVerify::kNone}).has_value());
}

}  // namespace
}  // namespace loquat::model
