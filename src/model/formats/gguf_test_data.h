// Builds GGUF files in memory, right or wrong in any place, for tests. Values; one thread.

#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace loquat::model {

class GgufBytes {
 public:
  template <typename T>
  GgufBytes& Put(T number) {
    bytes_.append(reinterpret_cast<const char*>(&number), sizeof number);
    return *this;
  }
  GgufBytes& String(std::string_view text) {
    Put<std::uint64_t>(text.size());
    bytes_ += text;
    return *this;
  }
  GgufBytes& Raw(std::string_view text) {
    bytes_ += text;
    return *this;
  }
  GgufBytes& Pad(std::size_t alignment) {
    bytes_.resize((bytes_.size() + alignment - 1) / alignment * alignment);
    return *this;
  }
  const std::string& text() const { return bytes_; }

 private:
  std::string bytes_;
};

inline std::span<const std::byte> AsBytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

// A whole file from entries and tensors; what is written into the head can be overruled to be wrong.
struct TestGguf {
  struct Tensor {
    std::string name;
    std::vector<std::uint64_t> shape;  // Outermost first.
    std::uint32_t type = 0;            // F32.
    std::string data = {};             // Empty: zeros as the shape says, for F32.
    std::int64_t offset = -1;          // -1: behind the one before.
  };

  std::string magic = "GGUF";
  std::uint32_t version = 3;
  std::int64_t tensor_count = -1;  // -1: as many as there are.
  std::int64_t entry_count = -1;
  std::vector<std::string> entries;  // Each already as bytes.
  std::vector<Tensor> tensors;

  static std::string Text(std::string_view key, std::string_view value) {
    return GgufBytes().String(key).Put<std::uint32_t>(8).String(value).text();
  }
  static std::string Uint(std::string_view key, std::uint32_t value) {
    return GgufBytes().String(key).Put<std::uint32_t>(4).Put(value).text();
  }
  static std::string Float(std::string_view key, float value) {
    return GgufBytes().String(key).Put<std::uint32_t>(6).Put(value).text();
  }
  static std::string Bool(std::string_view key, bool value) {
    return GgufBytes().String(key).Put<std::uint32_t>(7).Put<std::uint8_t>(value ? 1 : 0).text();
  }
  static std::string Texts(std::string_view key, const std::vector<std::string>& values) {
    GgufBytes bytes;
    bytes.String(key).Put<std::uint32_t>(9).Put<std::uint32_t>(8).Put<std::uint64_t>(values.size());
    for (const std::string& value : values) bytes.String(value);
    return bytes.text();
  }
  template <typename T>
  static std::string Numbers(std::string_view key, std::uint32_t type, const std::vector<T>& values) {
    GgufBytes bytes;
    bytes.String(key).Put<std::uint32_t>(9).Put(type).template Put<std::uint64_t>(values.size());
    for (const T value : values) bytes.Put(value);
    return bytes.text();
  }

  std::string Write() const {
    GgufBytes bytes;
    bytes.Raw(magic).Put(version);
    bytes.Put<std::uint64_t>(tensor_count < 0 ? tensors.size() : static_cast<std::uint64_t>(tensor_count));
    bytes.Put<std::uint64_t>(entry_count < 0 ? entries.size() : static_cast<std::uint64_t>(entry_count));
    for (const std::string& entry : entries) bytes.Raw(entry);
    GgufBytes data;
    for (const Tensor& tensor : tensors) {
      std::uint64_t elements = 1;
      bytes.String(tensor.name).Put<std::uint32_t>(static_cast<std::uint32_t>(tensor.shape.size()));
      for (std::size_t d = tensor.shape.size(); d-- > 0;) {
        bytes.Put<std::uint64_t>(tensor.shape[d]);
        elements *= tensor.shape[d];
      }
      const std::uint64_t place = data.Pad(32).text().size();
      bytes.Put(tensor.type).Put<std::uint64_t>(tensor.offset < 0 ? place : static_cast<std::uint64_t>(tensor.offset));
      constexpr std::uint64_t kZerosMax = 1 << 20;
      data.Raw(tensor.data.empty() && elements < kZerosMax ? std::string(elements * 4, '\0') : tensor.data);
    }
    if (!tensors.empty()) bytes.Pad(32);
    return bytes.Raw(data.text()).text();
  }
};

// A Llama of one layer: width 8, two heads of four, FFN 16, three tokens.
inline TestGguf TinyLlama() {
  TestGguf file;
  file.entries = {TestGguf::Text("general.architecture", "llama"),
                  TestGguf::Text("general.name", "tiny"),
                  TestGguf::Uint("llama.block_count", 1),
                  TestGguf::Uint("llama.context_length", 64),
                  TestGguf::Uint("llama.embedding_length", 8),
                  TestGguf::Uint("llama.feed_forward_length", 16),
                  TestGguf::Uint("llama.attention.head_count", 2),
                  TestGguf::Uint("llama.attention.head_count_kv", 1),
                  TestGguf::Float("llama.attention.layer_norm_rms_epsilon", 1e-5F),
                  TestGguf::Text("tokenizer.ggml.model", "gpt2"),
                  TestGguf::Text("tokenizer.ggml.pre", "llama-bpe"),
                  TestGguf::Texts("tokenizer.ggml.tokens", {"a", "aa", "<|eot_id|>"}),
                  TestGguf::Numbers<std::int32_t>("tokenizer.ggml.token_type", 5, {1, 1, 3}),
                  TestGguf::Texts("tokenizer.ggml.merges", {"a a"}),
                  TestGguf::Uint("tokenizer.ggml.eos_token_id", 1),
                  TestGguf::Text("tokenizer.chat_template", "{{ messages }}")};
  file.tensors = {
      {"token_embd.weight", {3, 8}},        {"output_norm.weight", {8}},       {"blk.0.attn_norm.weight", {8}},
      {"blk.0.attn_q.weight", {8, 8}},      {"blk.0.attn_k.weight", {4, 8}},   {"blk.0.attn_v.weight", {4, 8}},
      {"blk.0.attn_output.weight", {8, 8}}, {"blk.0.ffn_norm.weight", {8}},    {"blk.0.ffn_gate.weight", {16, 8}},
      {"blk.0.ffn_up.weight", {16, 8}},     {"blk.0.ffn_down.weight", {8, 16}}};
  return file;
}

}  // namespace loquat::model
