#include "model/formats/hf_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/json_fields.h"
#include "base/strings.h"
#include "model/formats/config_check.h"

namespace loquat::model {
namespace {

using base::JsonField;
using base::JsonFields;

constexpr std::string_view kSupportedTypes =
    "bert, roberta, xlm-roberta, camembert, distilbert, llama, mistral, qwen2, qwen3, chatglm";

enum class ModelType : std::uint8_t { kBert, kRoberta, kDistilBert, kLlama, kMistral, kQwen2, kQwen3, kChatGlm };

struct TypeName {
  std::string_view name;
  ModelType type;
};
constexpr TypeName kTypes[] = {
    {"bert", ModelType::kBert},         {"roberta", ModelType::kRoberta},       {"xlm-roberta", ModelType::kRoberta},
    {"camembert", ModelType::kRoberta}, {"distilbert", ModelType::kDistilBert}, {"llama", ModelType::kLlama},
    {"mistral", ModelType::kMistral},   {"qwen2", ModelType::kQwen2},           {"qwen3", ModelType::kQwen3},
    {"chatglm", ModelType::kChatGlm}};

base::Error Unsupported(std::string message, std::string_view key) {
  return {.code = base::Code::kUnimplemented, .message = std::move(message), .param = fmt::format("/{}", key)};
}

class ConfigReader {
 public:
  ConfigReader(const base::JsonValue& root, base::JsonFaults& faults) : body_(root, faults), faults_(faults) {}

  void Read(HfConfig& config) {
    const std::optional<ModelType> type = ReadType();
    if (!type) return;
    if (body_.Has("quantization_config") && !body_.Optional("quantization_config").value().is_null()) {
      Refuse("quantization_config", "quantised checkpoints are not supported; supported: F32, F16, BF16, or GGUF");
    }
    config.model.name = body_.Optional("_name_or_path").String({.max_bytes = kHfConfigBytesMax});
    switch (*type) {
      case ModelType::kBert:
      case ModelType::kRoberta:
        ReadBert(*type == ModelType::kRoberta, config);
        break;
      case ModelType::kDistilBert:
        ReadDistilBert(config);
        break;
      case ModelType::kChatGlm:
        ReadChatGlm(config);
        break;
      default:
        ReadLlama(*type, config);
    }
    if (config.model.architecture == Architecture::kBert) {
      ReadHead(config.model);
    } else {
      ReadEos(body_.Optional("eos_token_id"), config.model.eos_tokens);
    }
    body_.DoneAllowingUnknown();
  }

  static void ReadEos(const JsonField& field, std::vector<std::int32_t>& tokens) {
    constexpr base::IntLimits kTokens{.min = 0, .max = kVocabularyMax};
    if (!field.present()) return;
    if (field.value().type() != base::JsonType::kArray) {
      tokens.push_back(static_cast<std::int32_t>(field.Int(kTokens)));
      return;
    }
    field.Each({.max_items = kEosTokensMax},
               [&](const JsonField& item) { tokens.push_back(static_cast<std::int32_t>(item.Int(kTokens))); });
  }

 private:
  void Refuse(std::string_view key, std::string_view what) {
    faults_.Add(Unsupported(fmt::format("'{}': {}", key, what), key));
  }

  std::optional<ModelType> ReadType() {
    const std::string_view said = body_.Required("model_type").String({.max_bytes = 256});
    if (!faults_.ok()) return std::nullopt;
    for (const TypeName& name : kTypes) {
      if (name.name == said) return name.type;
    }
    Refuse("model_type", fmt::format("'{}' is not supported; supported: {}", said, kSupportedTypes));
    return std::nullopt;
  }

  std::uint32_t Count(std::string_view key, std::uint32_t max) {
    return static_cast<std::uint32_t>(body_.Required(key).Int({.min = 1, .max = max}, 1));
  }
  std::uint32_t CountOr(std::string_view key, std::uint32_t max, std::uint32_t otherwise) {
    return static_cast<std::uint32_t>(body_.Optional(key).Int({.min = 1, .max = max}, otherwise));
  }
  float Number(std::string_view key, double otherwise) {
    return static_cast<float>(body_.Optional(key).Number({.min = 0, .max = 1e12}, otherwise));
  }
  // A key whose value changes the computation into one that is not supported.
  void MustBe(std::string_view key, bool wanted, bool otherwise) {
    if (body_.Optional(key).Bool(otherwise) == wanted) return;
    Refuse(key, fmt::format("must be {}", wanted));
  }
  void MustBe(std::string_view key, std::string_view wanted) {
    const std::string_view said = body_.Optional(key).String({.max_bytes = 256}, wanted);
    if (said != wanted) Refuse(key, fmt::format("'{}' is not supported; supported: {}", said, wanted));
  }

  void ReadBert(bool roberta, HfConfig& config) {
    ModelConfig& model = config.model;
    config.family = HfFamily::kBert;
    model.architecture = Architecture::kBert;
    model.layers = Count("num_hidden_layers", kLayersMax);
    model.width = Count("hidden_size", kWidthMax);
    model.ffn_width = Count("intermediate_size", kFfnWidthMax);
    model.heads = Count("num_attention_heads", kHeadsMax);
    model.vocabulary = Count("vocab_size", kVocabularyMax);
    model.token_types = CountOr("type_vocab_size", kTokenTypesMax, 2);
    model.norm_epsilon = Number("layer_norm_eps", 1e-12);
    MustBe("hidden_act", "gelu");
    MustBe("position_embedding_type", "absolute");
    MustBe("is_decoder", false, false);
    const std::uint32_t positions = Count("max_position_embeddings", kContextMax);
    const auto pad =
        static_cast<std::uint32_t>(body_.Optional("pad_token_id").Int({.min = 0, .max = kTokenTypesMax - 1}, 1));
    FinishEncoder(positions, roberta ? pad + 1 : 0, model);
  }

  void ReadDistilBert(HfConfig& config) {
    ModelConfig& model = config.model;
    config.family = HfFamily::kDistilBert;
    model.architecture = Architecture::kBert;
    model.layers = Count("n_layers", kLayersMax);
    model.width = Count("dim", kWidthMax);
    model.ffn_width = Count("hidden_dim", kFfnWidthMax);
    model.heads = Count("n_heads", kHeadsMax);
    model.vocabulary = Count("vocab_size", kVocabularyMax);
    model.norm_epsilon = 1e-12F;  // The library's constant.
    MustBe("activation", "gelu");
    FinishEncoder(Count("max_position_embeddings", kContextMax), 0, model);
  }

  void FinishEncoder(std::uint32_t positions, std::uint32_t offset, ModelConfig& model) {
    model.kv_heads = model.heads;
    model.head_width = model.width / model.heads;
    if (model.width % model.heads != 0) Refuse("num_attention_heads", "must divide the width evenly");
    model.position_offset = offset;
    model.context = positions > offset ? positions - offset : 0;
  }

  void ReadLlama(ModelType type, HfConfig& config) {
    ModelConfig& model = config.model;
    config.family = HfFamily::kLlama;
    model.architecture = type == ModelType::kQwen2   ? Architecture::kQwen2
                         : type == ModelType::kQwen3 ? Architecture::kQwen3
                                                     : Architecture::kLlama;
    model.layers = Count("num_hidden_layers", kLayersMax);
    model.width = Count("hidden_size", kWidthMax);
    model.ffn_width = Count("intermediate_size", kFfnWidthMax);
    model.heads = Count("num_attention_heads", kHeadsMax);
    model.kv_heads = CountOr("num_key_value_heads", kHeadsMax, model.heads);
    constexpr std::uint32_t kQwen3HeadWidth = 128;  // The library's default.
    model.head_width =
        CountOr("head_dim", kHeadWidthMax, type == ModelType::kQwen3 ? kQwen3HeadWidth : model.width / model.heads);
    model.vocabulary = Count("vocab_size", kVocabularyMax);
    model.context = Count("max_position_embeddings", kContextMax);
    model.norm_epsilon = Number("rms_norm_eps", 1e-6);
    MustBe("hidden_act", "silu");
    model.rope_width = model.head_width;
    if (Number("partial_rotary_factor", 1.0) != 1.0F) Refuse("partial_rotary_factor", "must be 1");
    model.rope_base = Number("rope_theta", 10000.0);
    ReadRopeScaling("rope_scaling", model);
    ReadRopeScaling("rope_parameters", model);  // The library's name from version 5 on.
    ReadSlidingWindow(type, model);
    config.tied_output = body_.Optional("tie_word_embeddings").Bool(false);
  }

  // Within its window a model with sliding attention computes what plain attention does: that far and no further.
  void ReadSlidingWindow(ModelType type, ModelConfig& model) {
    const JsonField field = body_.Optional("sliding_window");
    const bool qwen = type == ModelType::kQwen2 || type == ModelType::kQwen3;
    const bool used = body_.Optional("use_sliding_window").Bool(!qwen);
    if (!field.present() || !used) return;
    model.context =
        std::min(model.context, static_cast<std::uint32_t>(field.Int({.min = 1, .max = kContextMax}, kContextMax)));
  }

  void ReadRopeScaling(std::string_view key, ModelConfig& model) {
    const JsonField field = body_.Optional(key);
    if (!field.present()) return;
    JsonFields scaling = field.Fields();
    const auto number = [&](std::string_view name, double otherwise) {
      return static_cast<float>(scaling.Optional(name).Number({.min = 0, .max = 1e12}, otherwise));
    };
    const std::string_view old_type = scaling.Optional("type").String({.max_bytes = 256}, "default");
    const std::string_view type = scaling.Optional("rope_type").String({.max_bytes = 256}, old_type);
    model.rope_base = number("rope_theta", model.rope_base);
    const JsonField original = scaling.Optional("original_max_position_embeddings");
    model.rope_original_context =
        static_cast<std::uint32_t>(original.Int({.min = 1, .max = kContextMax}, model.context));
    if (type != "default") model.rope_factor = number("factor", 1.0);
    if (type == "linear") {
      model.rope_scaling = RopeScaling::kLinear;
    } else if (type == "llama3") {
      model.rope_scaling = RopeScaling::kLlama3;
      model.rope_low_frequency_factor = number("low_freq_factor", 1.0);
      model.rope_high_frequency_factor = number("high_freq_factor", 4.0);
    } else if (type == "yarn") {
      model.rope_scaling = RopeScaling::kYarn;
      const double reach = static_cast<double>(model.rope_original_context) * static_cast<double>(model.rope_factor);
      model.context = std::max(model.context, static_cast<std::uint32_t>(std::min<double>(reach, kContextMax)));
      // Constants that a model may tune; only the paper's own are computed.
      for (const auto& [name, standard] :
           {std::pair<std::string_view, float>{"beta_fast", 32.0F}, {"beta_slow", 1.0F}}) {
        if (number(name, static_cast<double>(standard)) != standard)
          Refuse(key, fmt::format("{} must be {}", name, standard));
      }
      for (const std::string_view name : {"attention_factor", "mscale", "mscale_all_dim"}) {
        if (scaling.Optional(name).present()) Refuse(key, fmt::format("{} is not supported", name));
      }
    } else if (type != "default") {
      Refuse(key, fmt::format("the type '{}' is not supported; supported: default, linear, llama3, yarn", type));
    }
    if (model.rope_scaling == RopeScaling::kNone) model.rope_original_context = 0;
    scaling.DoneAllowingUnknown();
  }

  void ReadChatGlm(HfConfig& config) {
    ModelConfig& model = config.model;
    config.family = HfFamily::kChatGlm;
    model.architecture = Architecture::kChatGlm;
    model.layers = Count("num_layers", kLayersMax);
    model.width = Count("hidden_size", kWidthMax);
    model.ffn_width = Count("ffn_hidden_size", kFfnWidthMax);
    model.heads = Count("num_attention_heads", kHeadsMax);
    const bool grouped = body_.Optional("multi_query_attention").Bool(false);
    const std::uint32_t groups = CountOr("multi_query_group_num", kHeadsMax, 1);
    model.kv_heads = grouped ? groups : model.heads;
    model.head_width = CountOr("kv_channels", kHeadWidthMax, 128);
    model.vocabulary = CountOr("padded_vocab_size", kVocabularyMax, CountOr("vocab_size", kVocabularyMax, 1));
    model.context = Count("seq_length", kContextMax);
    model.norm_epsilon = Number("layernorm_epsilon", 1e-5);
    MustBe("rmsnorm", true, true);
    MustBe("post_layer_norm", true, true);
    MustBe("apply_residual_connection_post_layernorm", false, false);
    MustBe("add_bias_linear", false, false);
    body_.Optional("add_qkv_bias").Bool(false);  // Seen by the tensor itself.
    model.rope_width = model.head_width / 2;
    model.rope_pairs_adjacent = true;
    model.rope_base = 10000.0F * Number("rope_ratio", 1.0);
    config.tied_output = body_.Optional("tie_word_embeddings").Bool(false);
  }

  // What the checkpoint was made for: the first of "architectures" says it by its ending.
  void ReadHead(ModelConfig& model) {
    std::string_view made_for;
    body_.Optional("architectures").Each({.max_items = 16}, [&](const JsonField& item) {
      const std::string_view name = item.String({.max_bytes = 256});
      if (made_for.empty()) made_for = name;
    });
    ReadLabels(model);
    if (made_for.ends_with("ForTokenClassification")) {
      model.head = BertHead::kTokenClassification;
    } else if (made_for.ends_with("ForSequenceClassification")) {
      // One label is a score of relevance: what cross-encoders for ranking give.
      model.head = model.labels.size() == 1 ? BertHead::kRerank : BertHead::kSequenceClassification;
      model.pooling = Pooling::kCls;
    } else {
      model.labels.clear();
    }
    for (const std::string_view ending : {"ForQuestionAnswering", "ForMultipleChoice", "ForNextSentencePrediction"}) {
      if (made_for.ends_with(ending)) {
        Refuse("architectures", fmt::format("the head of {} is not supported; supported: SequenceClassification, "
                                            "TokenClassification, or none",
                                            made_for));
      }
    }
  }

  void ReadLabels(ModelConfig& model) {
    constexpr std::uint32_t kLabelsByDefault = 2;  // The library's.
    const JsonField field = body_.Optional("id2label");
    const std::uint32_t count = CountOr("num_labels", kLabelsMax, kLabelsByDefault);
    if (!field.present()) {
      for (std::uint32_t i = 0; i < count; ++i) model.labels.push_back(fmt::format("LABEL_{}", i));
      return;
    }
    const auto members = field.value().AsObject();
    if (!members.has_value()) return field.Fault("must be an object from ids to labels");
    const std::size_t size = members->size();
    if (size > kLabelsMax) return field.Fault(fmt::format("must have at most {} labels", kLabelsMax));
    std::vector<std::optional<std::string>> labels(size);
    for (const auto [id, label] : *members) {
      const auto index = base::ParseInt<std::uint32_t>(id);
      const auto text = label.AsString();
      if (!index || *index >= size || labels[*index] || !text.has_value()) {
        return field.Fault(fmt::format("must give each id from 0 to {} one label", size - 1));
      }
      labels[*index] = std::string(*text);
    }
    for (auto& label : labels) model.labels.push_back(*std::move(label));
  }

  JsonFields body_;
  base::JsonFaults& faults_;
};

base::Error In(std::string_view file, base::Error error) {
  error.message = error.param.empty() ? fmt::format("{}: {}", file, error.message)
                                      : fmt::format("{}, {}: {}", file, error.param, error.message);
  return error;
}

// Parses and hands the root to `read(root, faults)`.
template <typename Read>
base::Status ReadJson(std::string_view json, std::string_view file, Read&& read) {
  base::JsonParser parser({.max_bytes = kHfConfigBytesMax});
  auto root = parser.Parse(json);
  if (!root.has_value()) return In(file, std::move(root).error());
  base::JsonFaults faults;
  read(*root, faults);
  if (!faults.ok()) return In(file, faults.status().error());
  return {};
}

}  // namespace

base::Result<HfConfig> ReadHfConfig(std::string_view json, std::string_view file) {
  HfConfig config;
  LOQUAT_TRY(ReadJson(json, file, [&](const base::JsonValue& root, base::JsonFaults& faults) {
    ConfigReader(root, faults).Read(config);
  }));
  LOQUAT_TRY(CheckConfig(config.model, file));
  return config;
}

base::Result<std::vector<std::int32_t>> ReadGenerationEos(std::string_view json, std::string_view file) {
  std::vector<std::int32_t> tokens;
  LOQUAT_TRY(ReadJson(json, file, [&](const base::JsonValue& root, base::JsonFaults& faults) {
    JsonFields body(root, faults);
    ConfigReader::ReadEos(body.Optional("eos_token_id"), tokens);
  }));
  return tokens;
}

base::Result<Pooling> ReadSentencePooling(std::string_view json, std::string_view file) {
  Pooling pooling = Pooling::kNone;
  LOQUAT_TRY(ReadJson(json, file, [&](const base::JsonValue& root, base::JsonFaults& faults) {
    JsonFields body(root, faults);
    const bool cls = body.Optional("pooling_mode_cls_token").Bool();
    const bool mean = body.Optional("pooling_mode_mean_tokens").Bool();
    bool other = false;
    for (const std::string_view key : {"pooling_mode_max_tokens", "pooling_mode_mean_sqrt_len_tokens",
                                       "pooling_mode_weightedmean_tokens", "pooling_mode_lasttoken"}) {
      other |= body.Optional(key).Bool();
    }
    if (cls == mean || other) faults.Add(Unsupported("the pooling is neither cls nor mean alone", ""));
    pooling = cls ? Pooling::kCls : Pooling::kMean;
  }));
  return pooling;
}

base::Status CheckSentenceModules(std::string_view json, std::string_view file) {
  constexpr std::string_view kComputed[] = {".Transformer", ".Pooling", ".Normalize"};
  return ReadJson(json, file, [&](const base::JsonValue& root, base::JsonFaults& faults) {
    const auto modules = root.AsArray();
    if (!modules.has_value()) return faults.Add(base::DataLoss("it is no list of modules"));
    for (const base::JsonValue module : *modules) {
      const auto fields = module.AsObject();
      const auto type = fields.has_value() ? fields->Find("type").AsString() : base::Result<std::string_view>("");
      if (!type.has_value()) return faults.Add(base::DataLoss("a module has no type"));
      if (std::ranges::any_of(kComputed, [&](std::string_view name) { return type->ends_with(name); })) continue;
      faults.Add(Unsupported(
          fmt::format("the module '{}' is not supported; supported: Transformer, Pooling, Normalize", *type), ""));
    }
  });
}

}  // namespace loquat::model
