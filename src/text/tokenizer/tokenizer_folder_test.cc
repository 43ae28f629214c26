// Folders as models come in.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sentencepiece_processor.h>
#include <sentencepiece_trainer.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/base64.h"
#include "text/tokenizer/tiktoken_table.h"
#include "text/tokenizer/tokenizer.h"
#include "text/tokenizer/tokenizer_json.h"

namespace loquat::text {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class TokenizerFolder : public testing::Test {
 protected:
  TokenizerFolder()
      : folder_(std::filesystem::path(testing::TempDir()) /
                ("loquat_" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()))) {
    std::filesystem::create_directories(folder_);
  }
  ~TokenizerFolder() override { std::filesystem::remove_all(folder_); }

  void Write(const std::string& name, std::string_view text) const {
    std::ofstream(folder_ / name, std::ios::binary) << text;
  }
  std::shared_ptr<const Tokenizer> Open() const {
    auto spec = ReadTokenizerPath(folder_.string());
    EXPECT_TRUE(spec.has_value()) << spec.error().message;
    if (!spec.has_value()) return nullptr;
    auto tokenizer = Tokenizer::Create(std::move(*spec));
    EXPECT_TRUE(tokenizer.has_value()) << tokenizer.error().message;
    return tokenizer.has_value() ? *tokenizer : nullptr;
  }
  std::string Refusal() const {
    const auto spec = ReadTokenizerPath(folder_.string());
    return spec.has_value() ? "accepted" : spec.error().message;
  }
  std::vector<std::string> Texts(std::string_view text) const {
    const auto tokenizer = Open();
    std::vector<std::string> texts;
    if (tokenizer == nullptr) return texts;
    for (const TokenId id : *tokenizer->Encode(text)) texts.emplace_back(tokenizer->TokenText(id));
    return texts;
  }

  const std::filesystem::path folder_;
};

class Lines final : public sentencepiece::SentenceIterator {
 public:
  bool done() const override { return at_ == 300; }
  void Next() override { ++at_; }
  const std::string& value() const override { return line_; }
  sentencepiece::util::Status status() const override { return {}; }

 private:
  const std::string line_ = "user hello there world, he said";
  int at_ = 0;
};

std::string SentencePiece() {
  std::string model;
  Lines lines;
  const auto status = sentencepiece::SentencePieceTrainer::Train(
      "--minloglevel=2 --num_threads=1 --hard_vocab_limit=false --model_type=bpe --vocab_size=310 "
      "--byte_fallback=true --normalization_rule_name=identity --remove_extra_whitespaces=false",
      &lines, &model);
  EXPECT_TRUE(status.ok()) << status.ToString();
  return model;
}

TEST_F(TokenizerFolder, AddsTheConfigsTokensToASentencePieceModel) {
  const std::string model = SentencePiece();
  sentencepiece::SentencePieceProcessor oracle;
  ASSERT_TRUE(oracle.LoadFromSerializedProto(model).ok());
  const int size = oracle.GetPieceSize();
  Write("tokenizer.model", model);
  Write("tokenizer_config.json",
        R"({"tokenizer_class": "LlamaTokenizer", "add_bos_token": false, "add_eos_token": true, "pad_token": "<pad>",
            "added_tokens_decoder": {"1": {"content": "<s>", "special": true, "normalized": true},
              ")" +
            std::to_string(size) + R"(": {"content": "<|end|>", "special": true, "rstrip": true}}})");
  Write("added_tokens.json",
        R"({"<|end|>": )" + std::to_string(size) + R"(, "<pad>": )" + std::to_string(size + 1) + "}");
  const auto tokenizer = Open();
  ASSERT_NE(tokenizer, nullptr);
  EXPECT_EQ(tokenizer->IdOf("<|end|>"), size);
  EXPECT_EQ(tokenizer->pad(), size + 1);
  EXPECT_THAT(Texts("hello<|end|> \n<s>hello"), ElementsAre("▁hello", "<|end|>", "<s>", "▁hello", "</s>"));
}

TEST_F(TokenizerFolder, KnowsWhatChatGlm3AddsToItsModel) {
  Write("tokenizer.model", SentencePiece());
  Write("tokenizer_config.json", R"({"tokenizer_class": "ChatGLMTokenizer"})");
  const auto tokenizer = Open();
  ASSERT_NE(tokenizer, nullptr);
  const TokenId mask = *tokenizer->IdOf("[MASK]");
  EXPECT_EQ(tokenizer->size(), static_cast<std::size_t>(mask) + 9);
  EXPECT_EQ(tokenizer->IdOf("<|user|>"), mask + 6);
  EXPECT_THAT(Texts("<|user|>hello"), ElementsAre("[gMASK]", "sop", "<|user|>", "▁hello"));
}

// The bytes, then "he", "ll", "hell", "hello": the last is found whole alone.
std::string Tiktoken() {
  std::string table;
  int rank = 0;
  for (int byte = 0; byte < 256; ++byte) {
    table += base::EncodeBase64(std::string(1, static_cast<char>(byte))) + " " + std::to_string(rank++) + "\n";
  }
  for (const std::string_view token : {"he", "ll", "hell", " hello!"}) {
    table += base::EncodeBase64(token) + " " + std::to_string(rank++) + "\n";
  }
  return table;
}

TEST_F(TokenizerFolder, ReadsGlm4sTable) {
  Write("tokenizer.model", Tiktoken());
  Write("tokenizer_config.json", R"({"tokenizer_class": "ChatGLM4Tokenizer", "eos_token": "<|endoftext|>",
    "added_tokens_decoder": {"260": {"content": "<|endoftext|>", "special": true},
      "261": {"content": "[gMASK]", "special": true}, "262": {"content": "<sop>", "special": true}}})");
  EXPECT_THAT(Texts("hello hell"), ElementsAre("[gMASK]", "<sop>", "hell", "o", "Ġ", "hell"));
  EXPECT_EQ(Open()->eos(), 260);
}

TEST_F(TokenizerFolder, RefusesATableThatSaysNotHowTextIsCut) {
  Write("tokenizer.model", Tiktoken());
  EXPECT_THAT(Refusal(), HasSubstr("tokenizer_class '' needs a tokenizer.json"));
  Write("tokenizer_config.json", R"({"tokenizer_class": "ChatGLM4Tokenizer"})");
  EXPECT_THAT(Refusal(), HasSubstr("added_tokens_decoder lacks '[gMASK]'"));
}

TEST(TiktokenTable, NamesTheLineThatIsNone) {
  const auto fault = [](std::string_view text) {
    const auto spec = ReadTiktokenTable(text);
    return spec.has_value() ? "accepted" : spec.error().message;
  };
  EXPECT_EQ(fault("YQ== 0\r\n\nYg== 1"), "accepted");
  EXPECT_THAT(fault("YQ== 0\nYg== 0"), HasSubstr("two tokens have the rank 0"));
  EXPECT_THAT(fault("YQ== 0\nYg=="), HasSubstr("line 2 is no token"));
  EXPECT_THAT(fault("YQ== 99999"), HasSubstr("line 1 has the rank 99999"));
  EXPECT_THAT(fault("YQ== -1"), HasSubstr("line 1"));
  const auto long_token = [&](std::size_t bytes) { return fault(base::EncodeBase64(std::string(bytes, 'a')) + " 0"); };
  EXPECT_EQ(long_token(kTiktokenTokenBytesMax), "accepted");
  EXPECT_THAT(long_token(kTiktokenTokenBytesMax + 1), HasSubstr("at most 256 bytes"));
  EXPECT_FALSE(IsTiktokenTable("\x0A\x0E\x0A\x05<unk>"));
}

}  // namespace
}  // namespace loquat::text
