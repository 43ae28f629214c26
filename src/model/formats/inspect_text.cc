#include <fmt/format.h>

#include "base/json_writer.h"
#include "model/formats/config_check.h"
#include "model/formats/inspect.h"
#include "model/tensor/layout.h"

namespace loquat::model {
namespace {

std::string_view FormatName(FileFormat format) {
  if (format == FileFormat::kPacked) return "packed";
  return format == FileFormat::kGguf ? "gguf" : "huggingface";
}

void WriteStrings(const std::vector<std::string>& items, base::JsonWriter& json) {
  json.BeginArray();
  for (const std::string& item : items) json.String(item);
  json.EndArray();
}

void WriteUint(std::string_view key, std::uint64_t value, base::JsonWriter& json) {
  json.Key(key);
  json.Uint(value);
}

void WriteString(std::string_view key, std::string_view value, base::JsonWriter& json) {
  json.Key(key);
  json.String(value);
}

void WriteBert(const ModelConfig& config, base::JsonWriter& json) {
  WriteUint("token_types", config.token_types, json);
  WriteUint("position_offset", config.position_offset, json);
  WriteString("pooling", PoolingName(config.pooling), json);
  WriteString("head", BertHeadName(config.head), json);
  json.Key("labels");
  WriteStrings(config.labels, json);
}

void WriteDecoder(const ModelConfig& config, base::JsonWriter& json) {
  json.Key("rope");
  json.BeginObject();
  json.Key("base");
  json.Float(config.rope_base);
  WriteUint("width", config.rope_width, json);
  json.Key("pairs_adjacent");
  json.Bool(config.rope_pairs_adjacent);
  WriteString("scaling", RopeScalingName(config.rope_scaling), json);
  json.Key("factor");
  json.Float(config.rope_factor);
  WriteUint("original_context", config.rope_original_context, json);
  json.EndObject();
  json.Key("eos_tokens");
  json.BeginArray();
  for (const std::int32_t token : config.eos_tokens) json.Int(token);
  json.EndArray();
}

void WriteConfig(const ModelConfig& config, base::JsonWriter& json) {
  json.BeginObject();
  WriteString("architecture", ArchitectureName(config.architecture), json);
  WriteString("name", config.name, json);
  WriteUint("layers", config.layers, json);
  WriteUint("width", config.width, json);
  WriteUint("ffn_width", config.ffn_width, json);
  WriteUint("heads", config.heads, json);
  WriteUint("kv_heads", config.kv_heads, json);
  WriteUint("head_width", config.head_width, json);
  WriteUint("vocabulary", config.vocabulary, json);
  WriteUint("context", config.context, json);
  json.Key("norm_epsilon");
  json.Float(config.norm_epsilon);
  if (config.architecture == Architecture::kBert) {
    WriteBert(config, json);
  } else {
    WriteDecoder(config, json);
  }
  json.EndObject();
}

void WriteTokenizer(const TokenizerDescription& tokenizer, base::JsonWriter& json) {
  json.BeginObject();
  WriteString("kind", tokenizer.kind, json);
  WriteString("pre_tokenizer", tokenizer.pre_tokenizer, json);
  WriteUint("tokens", tokenizer.tokens, json);
  WriteUint("merges", tokenizer.merges, json);
  WriteUint("special_tokens", tokenizer.specials, json);
  json.Key("add_bos");
  json.Bool(tokenizer.add_bos);
  json.Key("add_eos");
  json.Bool(tokenizer.add_eos);
  json.EndObject();
}

void WriteTensors(const std::vector<TensorDescription>& tensors, base::JsonWriter& json) {
  json.BeginArray();
  for (const TensorDescription& tensor : tensors) {
    json.BeginObject();
    WriteString("name", tensor.name, json);
    WriteString("type", tensor.type, json);
    json.Key("shape");
    json.BeginArray();
    for (const std::uint64_t dimension : tensor.shape) json.Uint(dimension);
    json.EndArray();
    WriteUint("bytes", tensor.bytes, json);
    if (tensor.panels) WriteString("order", "panels", json);
    json.EndObject();
  }
  json.EndArray();
}

std::string FormatText(const ModelDescription& description) {
  switch (description.format) {
    case FileFormat::kGguf:
      return fmt::format("GGUF version {}", description.gguf_version);
    case FileFormat::kHuggingFace:
      return "Hugging Face folder";
    case FileFormat::kPacked:
      break;
  }
  return description.tuned_for.empty() ? "packed" : fmt::format("packed for {}", description.tuned_for);
}

std::string Megabytes(std::uint64_t bytes) {
  return fmt::format("{:.1f} MB", static_cast<double>(bytes) / 1e6);
}

std::string ConfigText(const ModelConfig& config) {
  std::string out = fmt::format("  model      {} \"{}\"\n", ArchitectureName(config.architecture), config.name);
  out += fmt::format("  shape      {} layers of {}, {} heads ({} for keys) of {}, ffn {}\n", config.layers,
                     config.width, config.heads, config.kv_heads, config.head_width, config.ffn_width);
  out += fmt::format("  context    {} tokens, vocabulary {}\n", config.context, config.vocabulary);
  if (config.architecture == Architecture::kBert) {
    out += fmt::format("  output     pooling {}, head {}", PoolingName(config.pooling), BertHeadName(config.head));
    return out + (config.labels.empty() ? "\n" : fmt::format(" of {} labels\n", config.labels.size()));
  }
  out +=
      fmt::format("  rope       base {}, {} of {} dimensions", config.rope_base, config.rope_width, config.head_width);
  if (config.rope_scaling != RopeScaling::kNone) {
    out += fmt::format(", {} scaling by {}", RopeScalingName(config.rope_scaling), config.rope_factor);
  }
  return out + fmt::format("\n  end tokens {}\n", fmt::join(config.eos_tokens, ", "));
}

}  // namespace

std::string DescriptionJson(const ModelDescription& description) {
  std::string out;
  base::JsonWriter json(out);
  json.BeginObject();
  WriteString("path", description.path, json);
  WriteString("format", FormatName(description.format), json);
  if (description.gguf_version != 0) WriteUint("gguf_version", description.gguf_version, json);
  if (!description.tuned_for.empty()) WriteString("tuned_for", description.tuned_for, json);
  json.Key("runs");
  json.Bool(description.config.has_value());
  if (!description.problem.empty()) WriteString("problem", description.problem, json);
  json.Key("files");
  json.BeginArray();
  for (const ShardFile& file : description.files) {
    json.BeginObject();
    WriteString("path", file.path, json);
    WriteUint("bytes", file.bytes, json);
    json.EndObject();
  }
  json.EndArray();
  if (description.config) {
    json.Key("config");
    WriteConfig(*description.config, json);
  }
  WriteUint("weights", description.weights, json);
  WriteUint("weight_bytes", description.weight_bytes, json);
  json.Key("types");
  json.BeginArray();
  for (const TypeShare& share : description.types) {
    json.BeginObject();
    WriteString("type", share.type, json);
    WriteUint("tensors", share.tensors, json);
    WriteUint("weights", share.weights, json);
    WriteUint("bytes", share.bytes, json);
    json.EndObject();
  }
  json.EndArray();
  if (description.tokenizer) {
    json.Key("tokenizer");
    WriteTokenizer(*description.tokenizer, json);
  }
  WriteString("chat_template", description.chat_template, json);
  json.Key("metadata");
  json.BeginArray();
  for (const MetadataEntry& entry : description.metadata) {
    json.BeginObject();
    WriteString("key", entry.key, json);
    WriteString("type", entry.type, json);
    WriteString("value", entry.value, json);
    json.EndObject();
  }
  json.EndArray();
  json.Key("tensors");
  WriteTensors(description.tensors, json);
  json.EndObject();
  return out;
}

std::string DescriptionText(const ModelDescription& description) {
  std::string out = fmt::format("{}\n", description.path);
  out += fmt::format("  format     {}", FormatText(description));
  std::uint64_t bytes = 0;
  for (const ShardFile& file : description.files) bytes += file.bytes;
  out += fmt::format(", {} file{}, {}\n", description.files.size(), description.files.size() == 1 ? "" : "s",
                     Megabytes(bytes));
  if (!description.problem.empty()) out += fmt::format("  cannot run {}\n", description.problem);
  if (description.config) out += ConfigText(*description.config);
  out += fmt::format("  weights    {:.1f} million in {} tensors, {}\n", static_cast<double>(description.weights) / 1e6,
                     description.tensors.size(), Megabytes(description.weight_bytes));
  for (const TypeShare& share : description.types) {
    out += fmt::format("             {:<8} {:>5} tensors, {}\n", share.type, share.tensors, Megabytes(share.bytes));
  }
  if (const auto& tokenizer = description.tokenizer) {
    out += fmt::format("  tokenizer  {}", tokenizer->kind);
    if (!tokenizer->pre_tokenizer.empty()) out += fmt::format(" ({})", tokenizer->pre_tokenizer);
    if (tokenizer->tokens > 0) {
      out +=
          fmt::format(", {} tokens, {} merges, {} special", tokenizer->tokens, tokenizer->merges, tokenizer->specials);
    }
    out += "\n";
  }
  if (!description.metadata.empty()) out += "\nmetadata\n";
  for (const MetadataEntry& entry : description.metadata) {
    out += fmt::format("  {} ({}) = {}\n", entry.key, entry.type, entry.value);
  }
  out += "\ntensors\n";
  for (const TensorDescription& tensor : description.tensors) {
    out += fmt::format("  {:<32} {:<8} {:<20} {} bytes{}\n", tensor.name, tensor.type, ShapeText(tensor.shape),
                       tensor.bytes, tensor.panels ? ", panels" : "");
  }
  if (!description.chat_template.empty()) out += fmt::format("\nchat template\n{}\n", description.chat_template);
  return out;
}

}  // namespace loquat::model
