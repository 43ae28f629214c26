// Pre-tokenizers by the names that GGUF files have for them (ggml's convert_hf_to_gguf_update.py gives the names; the
// patterns are those of the models' own tokenizer.json).

#include <algorithm>
#include <array>

#include "text/tokenizer/pre_tokenizer.h"

namespace loquat::text {
namespace {

// tiktoken's o200k_base and Mistral's Tekken, which lacks its contractions and takes numbers one by one.
constexpr std::string_view kO200kPattern =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
    R"(\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kTekkenPattern =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|)"
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|)"
    R"(\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
// Qwen2's with marks beside letters.
constexpr std::string_view kQwen35Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|)"
    R"(\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kDeepSeek3Pattern =
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|)"
    R"( ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

constexpr std::size_t kPatternsMax = 5, kNamesMax = 20;

// Unused places are empty.
struct NamedPatterns {
  std::array<std::string_view, kPatternsMax> patterns;
  std::array<std::string_view, kNamesMax> names;
};

// "default" is what llama.cpp does with a vocabulary of which it knows no more.
constexpr NamedPatterns kNamed[] = {
    {{kGpt2Pattern},
     {"gpt-2",      "gpt2",       "phi-2",        "roberta-bpe", "jina-es",  "jina-de",        "jina-v1-en",
      "jina-v2-es", "jina-v2-de", "jina-v2-code", "modern-bert", "mpt",      "olmo",           "jais",
      "gigachat",   "exaone4",    "mellum",       "a.x-4.0",     "trillion", "granite-docling"}},
    {{kLlama3Pattern},
     {"llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "jina-v5-nano",
      "chatglm-bpe", "glm4", "dbrx", "smaug-bpe"}},
    {{kQwen2Pattern},
     {"qwen2", "qwen3", "deepseek-r1-qwen", "stablelm2", "hunyuan", "megrez", "kormo", "f2llmv2", "solar-open",
      "grok-2"}},
    {{kQwen35Pattern}, {"qwen35"}},
    {{kO200kPattern}, {"gpt-4o", "llama4", "kanana2", "minimax-m2"}},
    {{kTekkenPattern}, {"tekken"}},
    {{R"(\p{N})", kGpt2Pattern},
     {"starcoder", "refact", "command-r", "smollm", "codeshell", "exaone", "minerva-7b", "mellum2"}},
    {{R"([\p{P}\$\+<=>\^~\|`]+)", kGpt2Pattern, "[0-9][0-9][0-9]"}, {"falcon"}},
    {{R"([\p{P}\$\+<=>\^~\|]+)", kGpt2Pattern, R"(\p{N}+)", "[0-9][0-9][0-9]"}, {"default"}},
    {{R"([\r\n])", R"(\s?\p{L}+)", R"(\s?\p{P}+)", R"([\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+)", R"(\p{N})"},
     {"deepseek-coder"}},
    {{R"(\p{N}{1,3})", R"([\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+)", kDeepSeek3Pattern},
     {"deepseek-v3", "hunyuan-dense", "joyai-llm"}}};

}  // namespace

std::span<const std::string_view> PatternsOfPreTokenizer(std::string_view name) {
  if (name.empty()) name = "gpt-2";
  for (const NamedPatterns& named : kNamed) {
    if (std::ranges::find(named.names, name) == named.names.end()) continue;
    const auto* const end = std::ranges::find(named.patterns, std::string_view());
    return {named.patterns.begin(), end};
  }
  return {};
}

}  // namespace loquat::text
