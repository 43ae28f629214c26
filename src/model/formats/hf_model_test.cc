// Hugging Face folders: config.json of every family, tensor names, shards and indices, and what can be wrong with each.

#include "model/formats/hf_model.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "model/formats/gguf_test_data.h"
#include "model/formats/hf_tensor_names.h"
#include "model/formats/model_files.h"
#include "model/formats/model_test_folder.h"
#include "model/formats/tensor_table.h"

namespace loquat::model {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::string_view kLlamaConfig = R"({"model_type":"llama","architectures":["LlamaForCausalLM"],"hidden_size":8,
"num_hidden_layers":1,"num_attention_heads":2,"num_key_value_heads":1,"intermediate_size":16,"vocab_size":4,
"max_position_embeddings":64,"rms_norm_eps":1e-5,"rope_theta":500000.0,"eos_token_id":[2,3],"tie_word_embeddings":true,
"rope_scaling":{"rope_type":"llama3","factor":8.0,"low_freq_factor":1.0,"high_freq_factor":4.0,
"original_max_position_embeddings":16}})";

using Shapes = std::map<std::string, std::vector<std::uint64_t>>;
const Shapes kLlamaTensors = {{"model.embed_tokens.weight", {4, 8}},
                              {"model.norm.weight", {8}},
                              {"model.layers.0.input_layernorm.weight", {8}},
                              {"model.layers.0.post_attention_layernorm.weight", {8}},
                              {"model.layers.0.self_attn.q_proj.weight", {8, 8}},
                              {"model.layers.0.self_attn.k_proj.weight", {4, 8}},
                              {"model.layers.0.self_attn.v_proj.weight", {4, 8}},
                              {"model.layers.0.self_attn.o_proj.weight", {8, 8}},
                              {"model.layers.0.mlp.gate_proj.weight", {16, 8}},
                              {"model.layers.0.mlp.up_proj.weight", {16, 8}},
                              {"model.layers.0.mlp.down_proj.weight", {8, 16}}};

std::string Safetensors(const Shapes& shapes, std::string_view dtype = "F32", std::size_t size = 4) {
  std::string header = "{";
  std::size_t at = 0;
  for (const auto& [name, shape] : shapes) {
    std::size_t bytes = size;
    for (const std::uint64_t n : shape) bytes *= n;
    header += fmt::format(R"({}"{}":{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})",
                          header.size() > 1 ? "," : "", name, dtype, fmt::join(shape, ","), at, at + bytes);
    at += bytes;
  }
  header += "}";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  return GgufBytes().String(header).Raw(std::string(at, '\0')).text();
}

class HfModelTest : public testing::Test {
 protected:
  base::Error Refusal() const {
    const auto opened = OpenModel(folder_.path());
    if (opened.has_value()) return base::Internal("it was opened");
    EXPECT_THAT(opened.error().message, HasSubstr(folder_.path()));
    return opened.error();
  }
  const ModelTestFolder folder_;
};

base::Result<HfConfig> Config(std::string_view json) {
  return ReadHfConfig(json, "config.json");
}
// The config with `key` set to `value`.
std::string With(std::string_view json, std::string_view key, std::string_view value) {
  return fmt::format("{{\"{}\":{},{}", key, value, json.substr(1));
}

TEST_F(HfModelTest, OpensAFolderWithOneFile) {
  folder_.Write("config.json", kLlamaConfig);
  folder_.Write("model.safetensors", Safetensors(kLlamaTensors));
  folder_.Write("tokenizer.json", "{}");
  folder_.Write("tokenizer_config.json", R"({"chat_template":"{{ messages }}"})");
  folder_.Write("generation_config.json", R"({"eos_token_id":1})");
  const auto opened = OpenModel(folder_.path() + "/");
  ASSERT_TRUE(opened.has_value()) << opened.error().message;
  EXPECT_EQ(opened->format, FileFormat::kHuggingFace);
  EXPECT_EQ(opened->config.architecture, Architecture::kLlama);
  EXPECT_FALSE(opened->config.rope_pairs_adjacent) << "rows lie as Hugging Face has them";
  EXPECT_EQ(opened->config.rope_scaling, RopeScaling::kLlama3);
  EXPECT_EQ(opened->config.rope_factor, 8.0F);
  EXPECT_EQ(opened->config.rope_original_context, 16U);
  EXPECT_THAT(opened->config.eos_tokens, ElementsAre(1)) << "generation_config.json decides";
  EXPECT_EQ(opened->tokenizer.tokenizer_json, folder_.File("tokenizer.json"));
  EXPECT_EQ(opened->chat_template, "{{ messages }}");
  for (const ExpectedTensor& tensor : ExpectedTensors(opened->config)) {
    if (tensor.required) {
      EXPECT_NE(opened->weights->Find(tensor.name), nullptr) << tensor.name;
    }
  }
}

TEST_F(HfModelTest, OpensShardsByTheirIndex) {
  Shapes first, second;
  std::string map;
  for (const auto& tensor : kLlamaTensors) {
    const bool one = first.size() < 5;
    (one ? first : second).insert(tensor);
    map += fmt::format(R"({}"{}":"model-0000{}.safetensors")", map.empty() ? "" : ",", tensor.first, one ? 1 : 2);
  }
  folder_.Write("config.json", kLlamaConfig);
  folder_.Write("model-00001.safetensors", Safetensors(first, "BF16", 2));
  folder_.Write("model-00002.safetensors", Safetensors(second, "F16", 2));
  const auto index = [&](std::string_view text) {
    folder_.Write("model.safetensors.index.json", fmt::format(R"({{"weight_map":{{{}}}}})", text));
  };
  index(map);
  const auto opened = OpenModel(folder_.path());
  ASSERT_TRUE(opened.has_value()) << opened.error().message;
  EXPECT_EQ(opened->files.size(), 2U);
  EXPECT_EQ(opened->weights->tensors().size(), kLlamaTensors.size());

  index(map + R"(,"model.norm.bias":"model-00001.safetensors")");
  EXPECT_THAT(Refusal().message, AllOf(HasSubstr("model.safetensors.index.json"), HasSubstr("'model.norm.bias'"),
                                       HasSubstr("model-00001.safetensors, which lacks it")));
  index(map + R"(,"x":"model-00003.safetensors")");
  EXPECT_EQ(Refusal().code, base::Code::kNotFound);
  EXPECT_THAT(Refusal().message, AllOf(HasSubstr("index.json names it"), HasSubstr("model-00003.safetensors")));
  for (const std::string_view bad :
       {"../model.safetensors", "/etc/passwd", "x.bin", "a/b.safetensors", ".safetensors"}) {
    index(fmt::format(R"("x":"{}")", bad));
    EXPECT_THAT(Refusal().message, HasSubstr("must name a .safetensors file of this folder")) << bad;
  }
  index(map + R"(,"model.norm.weight":"model-00001.safetensors")");
  EXPECT_THAT(Refusal().message, HasSubstr("'model.norm.weight' stands here twice"));
  folder_.Write("model.safetensors.index.json", "{}");
  EXPECT_THAT(Refusal().message, HasSubstr("'weight_map' is missing"));
  folder_.Write("model.safetensors.index.json", "{");
  EXPECT_THAT(Refusal().message, HasSubstr("model.safetensors.index.json: "));
}

TEST_F(HfModelTest, SaysWhatIsMissing) {
  EXPECT_EQ(Refusal().code, base::Code::kNotFound);
  EXPECT_THAT(Refusal().message, HasSubstr("config.json"));
  folder_.Write("config.json", kLlamaConfig);
  EXPECT_THAT(Refusal().message, HasSubstr("neither model.safetensors nor model.safetensors.index.json is there"));
  folder_.Write("pytorch_model.bin", "");
  EXPECT_THAT(Refusal().message, HasSubstr("save the model as safetensors"));
  for (const auto& [name, shape] : kLlamaTensors) {
    Shapes less = kLlamaTensors;
    less.erase(name);
    folder_.Write("model.safetensors", Safetensors(less));
    EXPECT_THAT(Refusal().message, HasSubstr("is missing")) << name;
  }
}

TEST_F(HfModelTest, WhatIsNotComputedIsRefused) {
  folder_.Write("config.json", kLlamaConfig);
  Shapes more = kLlamaTensors;
  more["model.layers.0.input_layernorm.bias"] = {8};
  folder_.Write("model.safetensors", Safetensors(more));
  EXPECT_EQ(Refusal().code, base::Code::kUnimplemented);
  EXPECT_THAT(Refusal().message, HasSubstr("blk.0.attn_norm.bias"));
  more = kLlamaTensors;
  more["model.layers.0.moe.weight"] = {8};
  folder_.Write("model.safetensors", Safetensors(more));
  EXPECT_THAT(Refusal().message, HasSubstr("'model.layers.0.moe.weight' is none that the architecture llama"));
  folder_.Write("model.safetensors", Safetensors(kLlamaTensors, "I32"));
  EXPECT_THAT(Refusal().message, HasSubstr("is of type I32; supported: F32, F16, BF16"));
  more = kLlamaTensors;
  more["embed_tokens.weight"] = {4, 8};
  folder_.Write("model.safetensors", Safetensors(more));
  EXPECT_THAT(Refusal().message, HasSubstr("are the same one, 'token_embd.weight'"));
  folder_.Write("model.safetensors", Safetensors(kLlamaTensors));
  folder_.Write("config.json", With(kLlamaConfig, "x", "1").replace(0, 0, ""));
  EXPECT_TRUE(OpenModel(folder_.path()).has_value()) << "unknown keys are no fault";
}

TEST_F(HfModelTest, AnUntiedOutputMustBeThere) {
  std::string config(kLlamaConfig);
  config.replace(config.find("true"), 4, "false");
  folder_.Write("config.json", config);
  folder_.Write("model.safetensors", Safetensors(kLlamaTensors));
  EXPECT_THAT(Refusal().message, HasSubstr("'output.weight' (lm_head.weight) is missing"));
}

TEST_F(HfModelTest, ChatTemplatesComeFromWhereverTheyAre) {
  folder_.Write("config.json", kLlamaConfig);
  folder_.Write("model.safetensors", Safetensors(kLlamaTensors));
  folder_.Write("tokenizer_config.json",
                R"({"chat_template":[{"name":"tool_use","template":"t"},{"name":"default","template":"d"}]})");
  EXPECT_EQ(OpenModel(folder_.path())->chat_template, "d");
  folder_.Write("chat_template.jinja", "j");
  EXPECT_EQ(OpenModel(folder_.path())->chat_template, "j");
  std::filesystem::remove(folder_.File("chat_template.jinja"));
  folder_.Write("tokenizer_config.json", R"({"chat_template":3})");
  EXPECT_THAT(Refusal().message, AllOf(HasSubstr("tokenizer_config.json"), HasSubstr("/chat_template")));
}

TEST_F(HfModelTest, EncodersPoolAsTheirSentenceFilesSay) {
  folder_.Write("config.json", R"({"model_type":"bert","hidden_size":8,"num_hidden_layers":1,"num_attention_heads":2,
"intermediate_size":16,"vocab_size":4,"max_position_embeddings":64})");
  folder_.Write("model.safetensors", Safetensors({{"embeddings.word_embeddings.weight", {4, 8}}}));
  const auto pooling = [&] {
    const auto opened = HfModel::Open(folder_.path());
    EXPECT_TRUE(opened.has_value()) << opened.error().message;
    return opened.has_value() ? opened->config().model.pooling : Pooling::kNone;
  };
  EXPECT_EQ(pooling(), Pooling::kMean) << "sentence-transformers' way where nothing is said";
  folder_.Write("1_Pooling/config.json", R"({"pooling_mode_cls_token":true,"pooling_mode_mean_tokens":false})");
  EXPECT_EQ(pooling(), Pooling::kCls);
  folder_.Write("modules.json", R"([{"idx":0,"type":"sentence_transformers.models.Transformer"},
{"idx":1,"type":"sentence_transformers.models.Pooling"},{"idx":2,"type":"sentence_transformers.models.Normalize"}])");
  EXPECT_EQ(pooling(), Pooling::kCls);
  folder_.Write("modules.json", R"([{"idx":2,"type":"sentence_transformers.models.Dense"}])");
  EXPECT_EQ(Refusal().code, base::Code::kUnimplemented);
  EXPECT_THAT(Refusal().message, AllOf(HasSubstr("modules.json"), HasSubstr("models.Dense' is not supported")));
  for (const std::string_view bad : {"{}", "[1]", R"([{"idx":2}])", "["}) {
    folder_.Write("modules.json", bad);
    EXPECT_THAT(Refusal().message, HasSubstr("modules.json")) << bad;
  }
}

TEST(HfConfig, ReadsTheBertFamilies) {
  constexpr std::string_view kBody = R"("hidden_size":8,"num_hidden_layers":2,"num_attention_heads":2,
"intermediate_size":16,"vocab_size":30,"max_position_embeddings":34,"layer_norm_eps":1e-5)";
  auto config =
      Config(fmt::format(R"({{"model_type":"bert","architectures":["BertModel"],"type_vocab_size":2,{}}})", kBody));
  ASSERT_TRUE(config.has_value()) << config.error().message;
  EXPECT_EQ(config->model.architecture, Architecture::kBert);
  EXPECT_EQ(config->model.head, BertHead::kNone);
  EXPECT_EQ(config->model.context, 34U);
  EXPECT_EQ(config->model.token_types, 2U);
  EXPECT_TRUE(config->model.labels.empty());

  config = Config(fmt::format(R"({{"model_type":"xlm-roberta","architectures":["XLMRobertaForSequenceClassification"],
"pad_token_id":1,"type_vocab_size":1,"id2label":{{"0":"LABEL_0"}},{}}})",
                              kBody));
  ASSERT_TRUE(config.has_value()) << config.error().message;
  EXPECT_EQ(config->model.head, BertHead::kRerank) << "one label is a score";
  EXPECT_EQ(config->model.position_offset, 2U);
  EXPECT_EQ(config->model.context, 32U);

  config = Config(fmt::format(R"({{"model_type":"bert","architectures":["BertForTokenClassification"],
"id2label":{{"1":"B","0":"O"}},{}}})",
                              kBody));
  ASSERT_TRUE(config.has_value()) << config.error().message;
  EXPECT_EQ(config->model.head, BertHead::kTokenClassification);
  EXPECT_THAT(config->model.labels, ElementsAre("O", "B"));

  config = Config(R"({"model_type":"distilbert","architectures":["DistilBertForSequenceClassification"],"dim":8,
"n_layers":2,"n_heads":2,"hidden_dim":16,"vocab_size":30,"max_position_embeddings":32})");
  ASSERT_TRUE(config.has_value()) << config.error().message;
  EXPECT_EQ(config->model.head, BertHead::kSequenceClassification);
  EXPECT_EQ(config->model.token_types, 0U);
  EXPECT_EQ(config->family, HfFamily::kDistilBert);
}

TEST(HfConfig, ReadsChatGlm) {
  constexpr std::string_view kGlm = R"({"model_type":"chatglm","num_layers":2,"hidden_size":32,"ffn_hidden_size":48,
"kv_channels":8,"num_attention_heads":4,"multi_query_attention":true,"multi_query_group_num":2,
"padded_vocab_size":100,"seq_length":64,"layernorm_epsilon":1e-5,"rope_ratio":500,"add_qkv_bias":true,"rmsnorm":true,
"eos_token_id":[9,10,11]})";
  const auto config = Config(kGlm);
  ASSERT_TRUE(config.has_value()) << config.error().message;
  EXPECT_EQ(config->model.kv_heads, 2U);
  EXPECT_EQ(config->model.head_width, 8U);
  EXPECT_EQ(config->model.rope_width, 4U);
  EXPECT_TRUE(config->model.rope_pairs_adjacent);
  EXPECT_EQ(config->model.rope_base, 5e6F);
  EXPECT_THAT(config->model.eos_tokens, ElementsAre(9, 10, 11));
  for (const std::string_view key : {"add_bias_linear", "apply_residual_connection_post_layernorm"}) {
    EXPECT_FALSE(Config(With(kGlm, key, "true")).has_value()) << key;
  }
}

TEST(HfConfig, UnknownModelsAndFeaturesAreNamed) {
  const auto refusal = [](std::string_view key, std::string_view value) {
    const auto config = Config(With(R"({"hidden_size":8,"num_hidden_layers":1,"num_attention_heads":2,
"intermediate_size":16,"vocab_size":4,"max_position_embeddings":64,"x":0})",
                                    "model_type", "\"mistral\""));
    EXPECT_TRUE(config.has_value());
    const auto changed = Config(With(With(R"({"hidden_size":8,"num_hidden_layers":1,"num_attention_heads":2,
"intermediate_size":16,"vocab_size":4,"max_position_embeddings":64,"x":0})",
                                          "model_type", "\"mistral\""),
                                     key, value));
    return changed.has_value() ? "it was read" : changed.error().message;
  };
  EXPECT_THAT(
      Config(R"({"model_type":"gpt2"})").error().message,
      AllOf(HasSubstr("config.json, /model_type"), HasSubstr("'gpt2'"), HasSubstr("distilbert, llama, mistral")));
  EXPECT_THAT(Config("{}").error().message, HasSubstr("/model_type"));
  EXPECT_THAT(Config("[]").error().message, HasSubstr("config.json"));
  EXPECT_THAT(Config("{").error().message, HasSubstr("config.json"));
  EXPECT_THAT(refusal("hidden_act", "\"relu\""), AllOf(HasSubstr("/hidden_act"), HasSubstr("supported: silu")));
  EXPECT_THAT(refusal("rope_scaling", R"({"type":"dynamic","factor":2})"),
              AllOf(HasSubstr("/rope_scaling"), HasSubstr("'dynamic'"), HasSubstr("linear, llama3, yarn")));
  EXPECT_THAT(refusal("rope_scaling", R"({"type":"linear","factor":0.5})"), HasSubstr("factor is 0.5"));
  EXPECT_THAT(refusal("rope_scaling", "3"), HasSubstr("/rope_scaling"));
  EXPECT_THAT(refusal("quantization_config", "{}"), HasSubstr("quantised checkpoints"));
  EXPECT_THAT(refusal("num_key_value_heads", "3"), HasSubstr("2 query heads cannot share 3"));
  EXPECT_THAT(refusal("head_dim", "1025"), HasSubstr("/head_dim"));
  EXPECT_THAT(refusal("rope_theta", "-1"), HasSubstr("/rope_theta"));
  EXPECT_THAT(refusal("eos_token_id", "4"), HasSubstr("the end token 4 is none of the 4 tokens"));
  EXPECT_THAT(refusal("eos_token_id", "\"a\""), HasSubstr("/eos_token_id"));
  for (const std::string_view key : {"hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size"}) {
    EXPECT_THAT(refusal(key, "0"), HasSubstr(fmt::format("/{}", key)));
    EXPECT_THAT(refusal(key, "99999999999"), HasSubstr(fmt::format("/{}", key)));
  }
}

TEST(HfConfig, AWindowBoundsTheContext) {
  constexpr std::string_view kQwen = R"({"model_type":"qwen2","hidden_size":8,"num_hidden_layers":1,
"num_attention_heads":2,"intermediate_size":16,"vocab_size":4,"max_position_embeddings":64,"sliding_window":16})";
  EXPECT_EQ(Config(kQwen)->model.context, 64U) << "not used";
  EXPECT_EQ(Config(With(kQwen, "use_sliding_window", "true"))->model.context, 16U);
  EXPECT_EQ(Config(With(kQwen, "rope_scaling", R"({"type":"yarn","factor":4,"original_max_position_embeddings":64})"))
                ->model.context,
            256U);
}

TEST(HfTensorNames, MapsEveryFamily) {
  const auto map = [](std::string_view name, HfFamily family, BertHead head = BertHead::kNone) {
    const MappedName mapped = MapHfTensorName(name, family, head);
    return mapped.kind == MappedName::Kind::kTensor    ? mapped.name
           : mapped.kind == MappedName::Kind::kIgnored ? std::string("ignored")
                                                       : std::string("unknown");
  };
  using enum HfFamily;
  constexpr BertHead kSequence = BertHead::kSequenceClassification;
  EXPECT_EQ(map("bert.encoder.layer.11.output.LayerNorm.gamma", kBert), "blk.11.layer_output_norm.weight");
  EXPECT_EQ(map("encoder.layer.0.attention.self.query.bias", kBert), "blk.0.attn_q.bias");
  EXPECT_EQ(map("bert.pooler.dense.weight", kBert), "ignored");
  EXPECT_EQ(map("bert.pooler.dense.weight", kBert, kSequence), "cls.weight");
  EXPECT_EQ(map("bert.pooler.dense.weight", kBert, BertHead::kTokenClassification), "ignored");
  EXPECT_EQ(map("classifier.weight", kBert, BertHead::kTokenClassification), "cls.output.weight");
  EXPECT_EQ(map("classifier.out_proj.bias", kBert, BertHead::kRerank), "cls.output.bias");
  EXPECT_EQ(map("cls.predictions.bias", kBert), "ignored");
  EXPECT_EQ(map("embeddings.position_ids", kBert), "ignored");
  EXPECT_EQ(map("bert.encoder.layer.x.output.dense.weight", kBert), "unknown");
  EXPECT_EQ(map("bert.encoder.layer.01.output.dense.weight", kBert), "unknown");
  EXPECT_EQ(map("bert.encoder.layer..output.dense.weight", kBert), "unknown");
  EXPECT_EQ(map("distilbert.transformer.layer.3.attention.q_lin.weight", kDistilBert), "blk.3.attn_q.weight");
  EXPECT_EQ(map("pre_classifier.bias", kDistilBert, kSequence), "cls.bias");
  EXPECT_EQ(map("model.layers.7.self_attn.q_norm.weight", kLlama), "blk.7.attn_q_norm.weight");
  EXPECT_EQ(map("model.layers.7.self_attn.rotary_emb.inv_freq", kLlama), "ignored");
  EXPECT_EQ(map("lm_head.weight", kLlama), "output.weight");
  EXPECT_EQ(map("lm_head", kLlama), "unknown");
  EXPECT_EQ(map("transformer.encoder.layers.2.self_attention.query_key_value.bias", kChatGlm), "blk.2.attn_qkv.bias");
  EXPECT_EQ(map("transformer.output_layer.weight", kChatGlm), "output.weight");
  EXPECT_EQ(map("transformer.rotary_pos_emb.inv_freq", kChatGlm), "ignored");
  EXPECT_EQ(map("", kLlama), "unknown");
}

}  // namespace
}  // namespace loquat::model
