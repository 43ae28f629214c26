// What tools/make_model writes is read here: every architecture in every weight type, both formats with the same
// weights, parts and shards, llama2.c's stories, and files of an independent writer where there is one.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>

#include "model/formats/inspect.h"
#include "model/formats/model_files.h"
#include "model/formats/model_test_folder.h"
#include "model/formats/verify.h"

namespace loquat::model {
namespace {

using testing::HasSubstr;

// A Python with numpy: the system's, where another comes first on the path.
std::string Python() {
  for (const std::string python : {"python3", "/usr/bin/python3"}) {
    if (std::system((python + " -c 'import numpy' 2>/dev/null").c_str()) == 0) return python;
  }
  return {};
}

class MakeModelTest : public testing::Test {
 protected:
  void SetUp() override {
    python_ = Python();
    ASSERT_FALSE(python_.empty()) << "install python3-numpy (tools/setup --test)";
  }
  void Run(const std::string& arguments) const {
    const std::string command = python_ + " tools/make_model " + arguments + " > /dev/null";
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
  }
  static ModelFiles Open(const std::string& path) {
    auto opened = OpenModel(path);
    EXPECT_TRUE(opened.has_value()) << opened.error().message;
    if (!opened.has_value()) return {};
    const auto report = VerifyModel(*opened->weights);
    EXPECT_TRUE(report.has_value() && report->ok()) << path;
    return *std::move(opened);
  }
  static std::vector<float> Floats(const Tensor& tensor) {
    EXPECT_EQ(tensor.type, kernels::WeightType::kF32);
    std::vector<float> numbers(tensor.elements());
    std::memcpy(numbers.data(), tensor.bytes.data(), tensor.bytes.size());
    return numbers;
  }

  const ModelTestFolder folder_;
  std::string python_;
};

TEST_F(MakeModelTest, EveryArchitectureInEveryWeightType) {
  Run("self-test");
  for (const std::string arch : {"bert", "llama", "qwen2", "qwen3", "chatglm"}) {
    for (const kernels::WeightLayout& layout : kernels::kWeightLayouts) {
      const std::string path = folder_.File("m.gguf");
      Run(fmt::format("gguf --arch {} --type {} --out {}", arch, layout.name, path));
      const ModelFiles files = Open(path);
      ASSERT_NE(files.weights, nullptr) << arch << " " << layout.name;
      const Tensor* down = files.weights->Find("blk.1.ffn_down.weight");
      ASSERT_NE(down, nullptr);
      EXPECT_EQ(kernels::LayoutOf(down->type).name, layout.name) << arch;
      EXPECT_TRUE(files.tokenizer.spec.has_value());
      EXPECT_EQ(files.config.vocabulary, files.tokenizer.spec->tokens.size());
    }
  }
}

TEST_F(MakeModelTest, BothFormatsHoldTheSameWeights) {
  for (const std::string arch : {"bert", "llama", "qwen2", "qwen3", "chatglm"}) {
    Run(fmt::format("gguf --arch {0} --out {1}/{0}.gguf", arch, folder_.path()));
    Run(fmt::format("huggingface --arch {0} --out {1}/{0}", arch, folder_.path()));
    const ModelFiles gguf = Open(folder_.File(arch + ".gguf"));
    const ModelFiles folder = Open(folder_.File(arch));
    ASSERT_TRUE(gguf.weights != nullptr && folder.weights != nullptr);
    EXPECT_EQ(gguf.config.layers, folder.config.layers);
    EXPECT_EQ(gguf.config.head_width, folder.config.head_width);
    EXPECT_EQ(gguf.config.rope_base, folder.config.rope_base);
    EXPECT_EQ(gguf.config.rope_width, folder.config.rope_width);
    EXPECT_EQ(gguf.config.context, folder.config.context);
    EXPECT_EQ(gguf.config.pooling, folder.config.pooling);
    ASSERT_EQ(gguf.weights->tensors().size(), folder.weights->tensors().size()) << arch;
    for (const Tensor& tensor : gguf.weights->tensors()) {
      const Tensor* other = folder.weights->Find(tensor.name);
      ASSERT_NE(other, nullptr) << tensor.name;
      ASSERT_EQ(tensor.shape, other->shape) << tensor.name;
      std::vector<float> theirs = Floats(*other);
      const bool rotates = tensor.name.ends_with("attn_q.weight") || tensor.name.ends_with("attn_k.weight");
      if (arch == "llama" && rotates) {
        // GGUF's row 2i + h of a head is Hugging Face's row i + h * half.
        const std::size_t cols = tensor.shape[1], half = gguf.config.head_width / 2;
        const std::vector<float> split = theirs;
        for (std::size_t row = 0; row < tensor.shape[0]; ++row) {
          const std::size_t in_head = row % (2 * half);
          const std::size_t from = row - in_head + in_head / 2 + (in_head % 2) * half;
          std::copy_n(split.begin() + static_cast<std::ptrdiff_t>(from * cols), cols,
                      theirs.begin() + static_cast<std::ptrdiff_t>(row * cols));
        }
        EXPECT_NE(gguf.config.rope_pairs_adjacent, folder.config.rope_pairs_adjacent);
      }
      EXPECT_EQ(Floats(tensor), theirs) << arch << " " << tensor.name;
    }
  }
}

TEST_F(MakeModelTest, PartsShardsAndHeads) {
  Run(fmt::format("gguf --arch qwen2 --type q8_0 --parts 3 --out {}", folder_.File("s.gguf")));
  const ModelFiles whole = Open(folder_.File("s-00002-of-00003.gguf"));
  EXPECT_EQ(whole.files.size(), 3U);
  struct Case {
    std::string arch, head;
    BertHead expected;
    std::uint32_t position_offset;
  };
  for (const Case& c :
       {Case{"bert", "token", BertHead::kTokenClassification, 0},
        Case{"bert", "sequence", BertHead::kSequenceClassification, 0}, Case{"roberta", "rerank", BertHead::kRerank, 2},
        Case{"roberta", "none", BertHead::kNone, 2}, Case{"roberta", "token", BertHead::kTokenClassification, 2},
        Case{"distilbert", "sequence", BertHead::kSequenceClassification, 0}}) {
    const std::string path = folder_.File(c.arch + c.head);
    Run(fmt::format("huggingface --arch {} --head {} --type bf16 --shards 2 --out {}", c.arch, c.head, path));
    const ModelFiles files = Open(path);
    EXPECT_EQ(files.config.head, c.expected) << path;
    EXPECT_EQ(files.config.position_offset, c.position_offset) << path;
    EXPECT_EQ(files.files.size(), 2U);
    EXPECT_EQ(files.tokenizer.tokenizer_json, path + "/tokenizer.json");
  }
  Run(fmt::format("gguf --arch bert --head sequence --labels no,yes --out {}", folder_.File("h.gguf")));
  EXPECT_THAT(Open(folder_.File("h.gguf")).config.labels, testing::ElementsAre("no", "yes"));
}

TEST_F(MakeModelTest, ADescriptionSaysWhatIsInside) {
  const std::string path = folder_.File("m.gguf");
  Run("gguf --arch qwen2 --type q4_k --out " + path);
  const auto description = InspectModel(path);
  ASSERT_TRUE(description.has_value()) << description.error().message;
  const std::string text = DescriptionText(*description), json = DescriptionJson(*description);
  EXPECT_THAT(text, HasSubstr("GGUF version 3, 1 file"));
  EXPECT_THAT(text, HasSubstr("qwen2 \"random qwen2 tiny seed 1\""));
  EXPECT_THAT(text, HasSubstr("byte_level_bpe (qwen2), 768 tokens"));
  EXPECT_THAT(json, HasSubstr("\"architecture\":\"qwen2\""));
  EXPECT_THAT(json, HasSubstr("\"types\":[{\"type\":\"q4_k\",\"tensors\":15"));
  EXPECT_THAT(json,
              HasSubstr("{\"name\":\"blk.0.attn_q.weight\",\"type\":\"q4_k\",\"shape\":[256,256],\"bytes\":36864}"));
  EXPECT_THAT(json, HasSubstr("<|im_start|>"));
}

// The files of the shared data folder, where it is beside the tree.
TEST_F(MakeModelTest, StoriesConvert) {
  const char* shared = std::getenv("LOQUAT_SHARED");
  const std::string data = std::string(shared == nullptr ? "../shared" : shared) + "/data/";
  if (!std::filesystem::exists(data + "stories260k/stories260K.bin")) GTEST_SKIP() << "no " << data;
  Run(fmt::format("llama2c {0}stories260k/stories260K.bin {0}stories260k/tok512.bin --out {1}", data,
                  folder_.File("stories.gguf")));
  const ModelFiles files = Open(folder_.File("stories.gguf"));
  EXPECT_EQ(files.config.layers, 5U);
  EXPECT_EQ(files.config.kv_heads, 4U);
  ASSERT_TRUE(files.tokenizer.spec.has_value());
  EXPECT_EQ(files.tokenizer.spec->tokens[260], "he");
  for (const std::string vocabulary : {"bert-bge", "gpt-2", "llama-spm"}) {
    const auto description = InspectModel(fmt::format("{}llama_vocab/ggml-vocab-{}.gguf", data, vocabulary));
    ASSERT_TRUE(description.has_value()) << description.error().message;
    EXPECT_FALSE(description->problem.empty()) << "it has no weights";
    EXPECT_GT(description->tokenizer->tokens, 30000U);
  }
}

}  // namespace
}  // namespace loquat::model
