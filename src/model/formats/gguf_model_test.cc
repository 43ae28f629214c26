// Models in GGUF: config, tokenizer and weights from metadata; split files; what a model must have.

#include "model/formats/gguf_model.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/formats/gguf_test_data.h"
#include "model/formats/gguf_tokenizer.h"
#include "model/formats/model_files.h"
#include "model/formats/model_test_folder.h"

namespace loquat::model {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class GgufModelTest : public testing::Test {
 protected:
  base::Result<ModelFiles> Open(const TestGguf& file) const { return OpenModel(folder_.Write("m.gguf", file.Write())); }
  std::string Refusal(const TestGguf& file, base::Code code = base::Code::kDataLoss) const {
    const auto opened = Open(file);
    if (opened.has_value()) return "it was opened";
    EXPECT_EQ(opened.error().code, code) << opened.error().message;
    EXPECT_THAT(opened.error().message, HasSubstr("m.gguf"));
    return opened.error().message;
  }
  // The file with one entry of that key put in place of what was there.
  static TestGguf With(TestGguf file, std::string_view key, const std::string& entry) {
    std::erase_if(file.entries, [&](const std::string& old) { return old.substr(8).starts_with(key); });
    if (!entry.empty()) file.entries.push_back(entry);
    return file;
  }

  const ModelTestFolder folder_;
};

TEST_F(GgufModelTest, OpensALlama) {
  const auto opened = Open(TinyLlama());
  ASSERT_TRUE(opened.has_value()) << opened.error().message;
  const ModelConfig& config = opened->config;
  EXPECT_EQ(config.architecture, Architecture::kLlama);
  EXPECT_EQ(config.name, "tiny");
  EXPECT_EQ(config.layers, 1U);
  EXPECT_EQ(config.width, 8U);
  EXPECT_EQ(config.ffn_width, 16U);
  EXPECT_EQ(config.heads, 2U);
  EXPECT_EQ(config.kv_heads, 1U);
  EXPECT_EQ(config.head_width, 4U);
  EXPECT_EQ(config.rope_width, 4U);
  EXPECT_TRUE(config.rope_pairs_adjacent);
  EXPECT_EQ(config.vocabulary, 3U);
  EXPECT_EQ(config.context, 64U);
  EXPECT_FLOAT_EQ(config.norm_epsilon, 1e-5F);
  EXPECT_THAT(config.eos_tokens, ElementsAre(1, 2)) << "the declared one, and the end of a turn";
  ASSERT_TRUE(opened->tokenizer.spec.has_value());
  const text::TokenizerSpec& tokenizer = *opened->tokenizer.spec;
  EXPECT_EQ(tokenizer.kind, text::TokenizerKind::kByteLevelBpe);
  EXPECT_EQ(tokenizer.pre_tokenizer, "llama-bpe");
  EXPECT_TRUE(tokenizer.ignore_merges);
  EXPECT_TRUE(tokenizer.add_bos);
  EXPECT_THAT(tokenizer.merges, ElementsAre(std::pair<std::string, std::string>("a", "a")));
  ASSERT_EQ(tokenizer.specials.size(), 1U);
  EXPECT_EQ(tokenizer.specials[0].content, "<|eot_id|>");
  EXPECT_EQ(tokenizer.specials[0].id, 2);
  EXPECT_EQ(opened->chat_template, "{{ messages }}");
  EXPECT_EQ(opened->weights->tensors().size(), 11U);
  EXPECT_EQ(opened->weights->Find("blk.0.attn_k.weight")->matrix().rows, 4U);
  ASSERT_EQ(opened->files.size(), 1U);
  EXPECT_EQ(opened->metadata.front().key, "general.architecture");
  EXPECT_EQ(opened->metadata.front().value, "llama");
}

TEST_F(GgufModelTest, UnknownArchitecturesNameWhatIsSupported) {
  const TestGguf file = With(TinyLlama(), "general.architecture", TestGguf::Text("general.architecture", "mamba"));
  EXPECT_THAT(Refusal(file, base::Code::kUnimplemented),
              AllOf(HasSubstr("'mamba' is not supported"), HasSubstr("bert, llama, qwen2, qwen3, chatglm")));
  EXPECT_THAT(Refusal(With(TinyLlama(), "general.architecture", "")), HasSubstr("general.architecture is missing"));
}

TEST_F(GgufModelTest, UnsupportedTypesNameTheTensor) {
  TestGguf file = TinyLlama();
  file.tensors[0] = {"token_embd.weight", {3, 256}, 16, std::string(3 * 66, '\0')};
  EXPECT_THAT(Refusal(file, base::Code::kUnimplemented),
              AllOf(HasSubstr("'token_embd.weight' is of type iq2_xxs"), HasSubstr("supported: f32")));
}

TEST_F(GgufModelTest, EachTensorMustBeThereInItsShape) {
  const TestGguf whole = TinyLlama();
  for (std::size_t i = 0; i < whole.tensors.size(); ++i) {
    TestGguf file = whole;
    file.tensors.erase(file.tensors.begin() + static_cast<std::ptrdiff_t>(i));
    EXPECT_THAT(Refusal(file), HasSubstr(fmt::format("the tensor '{}' is missing", whole.tensors[i].name)));
    if (i == 0) continue;  // The vocabulary is as large as its embedding.
    file = whole;
    file.tensors[i].shape.back() += 8;
    EXPECT_THAT(Refusal(file), AllOf(HasSubstr(fmt::format("'{}' has the shape", whole.tensors[i].name)),
                                     HasSubstr("its config asks for")));
  }
  TestGguf more = whole;
  more.tensors.push_back({"blk.0.attn_norm.bias", {8}});
  EXPECT_THAT(Refusal(more, base::Code::kUnimplemented),
              HasSubstr("'blk.0.attn_norm.bias' is none that the architecture llama"));
}

TEST_F(GgufModelTest, ShapesThatMakeNoSenseAreRefused) {
  const auto refusal = [&](std::string_view key, std::uint32_t value) {
    return Refusal(With(TinyLlama(), key, TestGguf::Uint(key, value)));
  };
  EXPECT_THAT(refusal("llama.block_count", 0), HasSubstr("block_count is 0; 1 to 512"));
  EXPECT_THAT(refusal("llama.block_count", 513), HasSubstr("block_count is 513; 1 to 512"));
  EXPECT_THAT(refusal("llama.block_count", 512), HasSubstr("'blk.1.attn_norm.weight' is missing"));
  EXPECT_THAT(refusal("llama.embedding_length", 65537), HasSubstr("embedding_length is 65537"));
  EXPECT_THAT(refusal("llama.attention.head_count", 0), HasSubstr("head_count is 0"));
  EXPECT_THAT(refusal("llama.attention.head_count", 3), HasSubstr("its config asks for [6, 8]"));
  EXPECT_THAT(refusal("llama.attention.head_count_kv", 0), HasSubstr("head_count_kv is 0"));
  EXPECT_THAT(refusal("llama.context_length", 0), HasSubstr("context_length is 0"));
  EXPECT_THAT(refusal("llama.rope.dimension_count", 6), HasSubstr("6 dimensions of a head rotate"));
  EXPECT_THAT(refusal("llama.rope.dimension_count", 3), HasSubstr("3 dimensions of a head rotate"));
  EXPECT_THAT(refusal("llama.expert_count", 8), HasSubstr("mixtures of experts"));
  EXPECT_THAT(refusal("tokenizer.ggml.eos_token_id", 4), HasSubstr("eos_token_id"));
  EXPECT_THAT(Refusal(With(TinyLlama(), "llama.block_count", TestGguf::Text("llama.block_count", "1"))),
              HasSubstr("llama.block_count must be an unsigned number"));
  EXPECT_THAT(Refusal(With(TinyLlama(), "llama.attention.layer_norm_rms",
                           TestGguf::Float("llama.attention.layer_norm_rms_epsilon", -1))),
              HasSubstr("epsilon"));
  EXPECT_THAT(Refusal(With(TinyLlama(), "llama.attention.head_count_kv",
                           TestGguf::Numbers<std::uint32_t>("llama.attention.head_count_kv", 4, {1, 2}))),
              HasSubstr("differs between layers"));
  EXPECT_TRUE(Open(With(TinyLlama(), "llama.attention.head_count_kv",
                        TestGguf::Numbers<std::uint32_t>("llama.attention.head_count_kv", 4, {1, 1})))
                  .has_value());
}

TEST_F(GgufModelTest, RopeScalingIsReadOrRefused) {
  TestGguf file = TinyLlama();
  file.entries.push_back(TestGguf::Text("llama.rope.scaling.type", "yarn"));
  file.entries.push_back(TestGguf::Float("llama.rope.scaling.factor", 4));
  file.entries.push_back(TestGguf::Uint("llama.rope.scaling.original_context_length", 16));
  auto opened = Open(file);
  ASSERT_TRUE(opened.has_value()) << opened.error().message;
  EXPECT_EQ(opened->config.rope_scaling, RopeScaling::kYarn);
  EXPECT_EQ(opened->config.rope_factor, 4.0F);
  EXPECT_EQ(opened->config.rope_original_context, 16U);
  file = With(file, "llama.rope.scaling.type", TestGguf::Text("llama.rope.scaling.type", "longrope"));
  EXPECT_THAT(Refusal(file), HasSubstr("'longrope'; supported: none, linear, yarn"));
  opened = Open(With(TinyLlama(), "x", TestGguf::Uint("llama.attention.sliding_window", 20)));
  ASSERT_TRUE(opened.has_value());
  EXPECT_EQ(opened->config.context, 20U) << "as far as the window reaches, plain attention is the same";
}

TEST_F(GgufModelTest, TheTokenizerIsChecked) {
  const auto with = [&](std::string_view key, const std::string& entry, base::Code code = base::Code::kDataLoss) {
    return Refusal(With(TinyLlama(), key, entry), code);
  };
  EXPECT_THAT(with("tokenizer.ggml.model", TestGguf::Text("tokenizer.ggml.model", "rwkv"), base::Code::kUnimplemented),
              HasSubstr("'rwkv'; supported: gpt2, llama, bert, t5"));
  EXPECT_THAT(with("tokenizer.ggml.tokens", ""), HasSubstr("tokenizer.ggml.tokens is missing"));
  EXPECT_THAT(with("tokenizer.ggml.tokens", TestGguf::Texts("tokenizer.ggml.tokens", {"a", "b", "\xff"})),
              HasSubstr("item 2 is not UTF-8"));
  EXPECT_THAT(with("tokenizer.ggml.tokens", TestGguf::Texts("tokenizer.ggml.tokens", {"a", "b"})),
              HasSubstr("token_type must have 2 items"));
  EXPECT_THAT(with("tokenizer.ggml.merges", TestGguf::Texts("tokenizer.ggml.merges", {"a b", "ab"})),
              HasSubstr("item 1 is no pair of tokens"));
  EXPECT_THAT(with("tokenizer.ggml.bos", TestGguf::Uint("tokenizer.ggml.bos_token_id", 3)),
              HasSubstr("bos_token_id is 3, but there are 3 tokens"));
  EXPECT_THAT(
      with("tokenizer.ggml.token_type", TestGguf::Numbers<std::int32_t>("tokenizer.ggml.token_type", 5, {1, 1, 7})),
      HasSubstr("item 2 is no token type"));
  TestGguf small = TinyLlama();
  small.tensors[0].shape[0] = 2;
  small = With(small, "tokenizer.ggml.eos", TestGguf::Uint("tokenizer.ggml.eos_token_id", 0));
  EXPECT_THAT(Refusal(small), HasSubstr("its tokenizer has 3 tokens, but its embedding only 2 rows"));
}

TEST_F(GgufModelTest, AWholeTokenizerGoesBeforeTheTables) {
  constexpr std::string_view kJson = R"({"version":"1.0","added_tokens":[{"id":2,"content":"<end>","special":true}],
"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false},"decoder":{"type":"ByteLevel"},
"model":{"type":"BPE","vocab":{"b":0,"c":1},"merges":[]}})";
  const auto opened = [&](std::string_view json, bool tables) {
    TestGguf file = TinyLlama();
    if (!tables) file = With(std::move(file), "tokenizer.ggml.model", TestGguf::Text("tokenizer.ggml.model", "none"));
    file.entries.push_back(TestGguf::Text("tokenizer.huggingface.json", json));
    return OpenModel(folder_.Write("whole.gguf", file.Write()));
  };
  for (const bool tables : {true, false}) {
    const auto files = opened(kJson, tables);
    ASSERT_TRUE(files.has_value()) << files.error().message;
    EXPECT_THAT(files->tokenizer.spec->tokens, ElementsAre("b", "c", "<end>"));
    EXPECT_EQ(files->tokenizer.spec->eos, 1) << "said beside it";
    EXPECT_EQ(files->chat_template, "{{ messages }}");
  }
  // One of a kind that is not read: the tables serve, where there are some.
  const auto fallen_back = opened(R"({"model":{"type":"Riddles"}})", true);
  ASSERT_TRUE(fallen_back.has_value()) << fallen_back.error().message;
  EXPECT_THAT(fallen_back->tokenizer.spec->tokens, ElementsAre("a", "aa", "<|eot_id|>"));
  const auto refused = opened(R"({"model":{"type":"Riddles"}})", false);
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error().message,
              AllOf(HasSubstr("whole.gguf: tokenizer.huggingface.json: "), HasSubstr("Riddles")));
}

TEST_F(GgufModelTest, WordPieceGetsItsContinuationMarks) {
  TestGguf file;
  file.entries = {TestGguf::Text("tokenizer.ggml.model", "bert"),
                  TestGguf::Texts("tokenizer.ggml.tokens", {"[PAD]", "[CLS]", "[SEP]", "\u2581the", "ing", "[", "[x]"}),
                  TestGguf::Numbers<std::int32_t>("tokenizer.ggml.token_type", 5, {3, 3, 3, 1, 1, 1, 1}),
                  TestGguf::Uint("tokenizer.ggml.cls_token_id", 1),
                  TestGguf::Uint("tokenizer.ggml.seperator_token_id", 2)};
  const std::string bytes = file.Write();
  const auto parsed = GgufFile::Parse("x.gguf", AsBytes(bytes));
  ASSERT_TRUE(parsed.has_value());
  const auto spec = TokenizerFromGguf(*parsed);
  ASSERT_TRUE(spec.has_value()) << spec.error().message;
  EXPECT_EQ(spec->kind, text::TokenizerKind::kWordPiece);
  EXPECT_THAT(spec->tokens, ElementsAre("[PAD]", "[CLS]", "[SEP]", "the", "##ing", "##[", "[x]"));
  EXPECT_EQ(spec->cls, 1);
  EXPECT_EQ(spec->sep, 2);
  EXPECT_EQ(spec->unknown, std::nullopt) << "the usual 100 is none of these seven";
  EXPECT_TRUE(spec->lowercase);
  EXPECT_TRUE(spec->add_bos);
  EXPECT_EQ(spec->specials.size(), 3U);
}

TEST_F(GgufModelTest, SentencePieceNeedsAScoreForEachToken) {
  TestGguf file;
  file.entries = {TestGguf::Text("tokenizer.ggml.model", "llama"),
                  TestGguf::Texts("tokenizer.ggml.tokens", {"<unk>", "<s>", "</s>", "<0x0A>", "\u2581a"}),
                  TestGguf::Numbers<std::int32_t>("tokenizer.ggml.token_type", 5, {2, 3, 3, 6, 1})};
  std::string bytes = file.Write();
  auto spec = TokenizerFromGguf(*GgufFile::Parse("x.gguf", AsBytes(bytes)));
  ASSERT_FALSE(spec.has_value());
  EXPECT_THAT(spec.error().message, HasSubstr("scores must have 5 items"));
  file.entries.push_back(TestGguf::Numbers<float>("tokenizer.ggml.scores", 6, {0, 0, 0, 0, -1}));
  bytes = file.Write();
  spec = TokenizerFromGguf(*GgufFile::Parse("x.gguf", AsBytes(bytes)));
  ASSERT_TRUE(spec.has_value()) << spec.error().message;
  EXPECT_EQ(spec->scores[4], -1.0F);
  EXPECT_EQ(spec->kinds[3], text::TokenKindInVocabulary::kByte);
  EXPECT_TRUE(spec->add_prefix_space);
  EXPECT_TRUE(spec->byte_fallback);
  EXPECT_TRUE(spec->add_bos);
  EXPECT_FALSE(spec->add_eos);
  EXPECT_EQ(spec->bos, 1);
}

class SplitGgufTest : public GgufModelTest {
 protected:
  // The tiny Llama in two parts, changed by `change`, under "m-0000N-of-00002.gguf".
  template <typename Change>
  base::Result<ModelFiles> OpenParts(Change&& change) const {
    TestGguf parts[2] = {TinyLlama(), {}};
    parts[1].tensors.assign(parts[0].tensors.begin() + 4, parts[0].tensors.end());
    parts[0].tensors.resize(4);
    for (std::uint32_t i = 0; i < 2; ++i) {
      parts[i].entries.push_back(TestGguf::Uint("split.no", i));
      parts[i].entries.push_back(TestGguf::Uint("split.count", 2));
      parts[i].entries.push_back(TestGguf::Uint("split.tensors.count", 11));
    }
    change(parts);
    for (std::size_t i = 0; i < 2; ++i) folder_.Write(fmt::format("m-{:05}-of-00002.gguf", i + 1), parts[i].Write());
    return OpenModel(folder_.File("m-00001-of-00002.gguf"));
  }
  template <typename Change>
  std::string Refused(Change&& change) const {
    const auto opened = OpenParts(change);
    return opened.has_value() ? "it was opened" : opened.error().message;
  }
};

TEST_F(SplitGgufTest, PartsAreOneModelWhicheverIsNamed) {
  const auto opened = OpenParts([](TestGguf*) {});
  ASSERT_TRUE(opened.has_value()) << opened.error().message;
  EXPECT_EQ(opened->weights->tensors().size(), 11U);
  EXPECT_EQ(opened->files.size(), 2U);
  const auto other = OpenModel(folder_.File("m-00002-of-00002.gguf"));
  ASSERT_TRUE(other.has_value()) << other.error().message;
  EXPECT_EQ(other->weights->tensors().size(), 11U);
}

TEST_F(SplitGgufTest, AMissingPartIsNamed) {
  ASSERT_TRUE(OpenParts([](TestGguf*) {}).has_value());
  std::filesystem::remove(folder_.File("m-00002-of-00002.gguf"));
  const auto opened = OpenModel(folder_.File("m-00001-of-00002.gguf"));
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, base::Code::kNotFound);
  EXPECT_THAT(opened.error().message, AllOf(HasSubstr("part 2 of 2"), HasSubstr("m-00002-of-00002.gguf")));
}

TEST_F(SplitGgufTest, PartsOfAnotherModelAreRefused) {
  EXPECT_THAT(
      Refused([](TestGguf* parts) { parts[1].entries[0] = TestGguf::Uint("split.no", 0); }),
      AllOf(HasSubstr("m-00002-of-00002.gguf is no part of this model"), HasSubstr("split.no is 0, its place is 1")));
  EXPECT_THAT(Refused([](TestGguf* parts) { parts[1].entries[1] = TestGguf::Uint("split.count", 3); }),
              HasSubstr("split.count is 3, there are 2 parts"));
  EXPECT_THAT(Refused([](TestGguf* parts) { parts[1].tensors.pop_back(); }),
              HasSubstr("split.tensors.count is 11, but the 2 parts hold 10 tensors"));
  EXPECT_THAT(Refused([](TestGguf* parts) { parts[1].tensors[0].name = "token_embd.weight"; }),
              HasSubstr("'token_embd.weight' stands in another part as well"));
  EXPECT_THAT(Refused([](TestGguf* parts) { parts[1].entries.push_back(TestGguf::Text("general.name", "other")); }),
              HasSubstr("its general.name differs"));
}

TEST_F(SplitGgufTest, ARenamedPartIsNotTakenForAModel) {
  ASSERT_TRUE(OpenParts([](TestGguf*) {}).has_value());
  std::filesystem::rename(folder_.File("m-00001-of-00002.gguf"), folder_.File("renamed.gguf"));
  const auto opened = OpenModel(folder_.File("renamed.gguf"));
  ASSERT_FALSE(opened.has_value());
  EXPECT_THAT(opened.error().message, HasSubstr("renamed.gguf is a part of a split model"));
}

TEST_F(SplitGgufTest, PartNumbersAreBounded) {
  for (const std::string name :
       {"m-00000-of-00002.gguf", "m-00003-of-00002.gguf", "m-00001-of-00000.gguf", "m-00001-of-01025.gguf"}) {
    const auto opened = OpenModel(folder_.Write(name, "GGUF"));
    ASSERT_FALSE(opened.has_value());
    EXPECT_EQ(opened.error().code, base::Code::kInvalidArgument) << name << ": " << opened.error().message;
  }
}

}  // namespace
}  // namespace loquat::model
