#include "app/engine_models.h"

#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <utility>

#include "engine/decoder_engine.h"
#include "kernels/isa.h"
#include "model/arch/load.h"
#include "model/formats/model_files.h"
#include "pipeline/tokenizer_text.h"
#include "text/template/chat_template.h"
#include "text/tokenizer/detokenizer.h"
#include "text/tokenizer/tokenizer.h"
#include "text/tokenizer/tokenizer_json.h"

namespace loquat::app {
namespace {

class DetokenizedText final : public engine::TokenText {
 public:
  explicit DetokenizedText(std::shared_ptr<const text::Tokenizer> tokenizer)
      : detokenizer_(std::move(tokenizer), {.continues = true}) {}  // An answer goes on from its prompt.
  void Append(engine::TokenId token, std::string& out) override { detokenizer_.Feed(token, out); }
  void Finish(std::string& out) override { detokenizer_.Flush(out); }

 private:
  text::Detokenizer detokenizer_;
};

// Of a model without a tokenizer: only token ids come out.
class NoText final : public engine::TokenText {
 public:
  void Append(engine::TokenId, std::string&) override {}
  void Finish(std::string&) override {}
};

class TextMaker final : public engine::TokenTextMaker {
 public:
  explicit TextMaker(std::shared_ptr<const text::Tokenizer> tokenizer) : tokenizer_(std::move(tokenizer)) {}
  std::unique_ptr<engine::TokenText> New() const override {
    if (tokenizer_ == nullptr) return std::make_unique<NoText>();
    return std::make_unique<DetokenizedText>(tokenizer_);
  }

 private:
  const std::shared_ptr<const text::Tokenizer> tokenizer_;
};

std::int64_t ModifiedAt(const std::string& path) {
  std::error_code error;
  const auto time = std::filesystem::last_write_time(path, error);
  if (error) return 0;
  const auto since = std::chrono::file_clock::to_sys(time).time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(since).count();
}

base::Result<std::shared_ptr<const text::Tokenizer>> MakeTokenizer(model::ModelFiles& files) {
  if (files.tokenizer.spec) return text::Tokenizer::Create(*std::move(files.tokenizer.spec));
  if (files.tokenizer.tokenizer_json.empty()) return nullptr;
  LOQUAT_ASSIGN(text::TokenizerSpec spec, text::ReadTokenizerPath(files.path));
  return text::Tokenizer::Create(std::move(spec));
}

base::Result<engine::ModelInfo> MakeInfo(const EngineModelOptions& options, model::ModelFiles& files) {
  engine::ModelInfo info;
  info.name = options.name;
  LOQUAT_ASSIGN(info.tokenizer, MakeTokenizer(files));
  std::string source = std::move(files.chat_template);
  if (source.empty() && info.tokenizer != nullptr) source = info.tokenizer->chat_template();
  if (source.empty()) return info;
  LOQUAT_ASSIGN(text::ChatTemplate compiled, text::ChatTemplate::Compile(source));
  info.chat_template = std::make_shared<const text::ChatTemplate>(std::move(compiled));
  return info;
}

base::Error OfModel(const EngineModelOptions& options, base::Error error) {
  error.message = fmt::format("model {} ({}): {}", options.name, options.path, error.message);
  return error;
}

}  // namespace

void Declare(config::Section<EngineModelOptions>& section) {
  section.Key("name", &EngineModelOptions::name).Required().Size(1, 128).NeedsRestart().Help("What requests call it.");
  section.Key("path", &EngineModelOptions::path)
      .Required()
      .Size(1, 4096)
      .NeedsRestart()
      .Help("GGUF file or Hugging Face folder.");
  section.Key("context", &EngineModelOptions::context)
      .Range(0, 1 << 24)
      .NeedsRestart()
      .Help("Longest sequence in tokens; 0: what the model was made for, or kv_bytes hold if that is less.");
  section.Key("kv_bytes", &EngineModelOptions::kv_bytes)
      .Bytes()
      .Range(1 << 20, std::int64_t{1} << 44)
      .NeedsRestart()
      .Help("Memory for keys and values of all sequences and of what stays cached.");
  section.Key("threads", &EngineModelOptions::threads)
      .Range(0, kernels::kTeamThreadsMax)
      .NeedsRestart()
      .Help("Threads that compute; 0: one a core.");
  section.Key("sequences_max", &EngineModelOptions::sequences_max)
      .Range(1, 512)
      .NeedsRestart()
      .Help("Sequences generated at once; more wait in the queue.");
  section.Key("queue_max", &EngineModelOptions::queue_max)
      .Range(1, 100'000)
      .NeedsRestart()
      .Help("Requests that wait in each lane; one more is refused with 429.");
}

bool IsUnderstandingModel(const std::string& path) {
  std::error_code error;
  return std::filesystem::exists(std::filesystem::path(path) / "manifest.json", error);
}

base::Result<pipeline::ServedModel> EngineModels::LoadOne(const EngineModelOptions& options, std::string_view isa) {
  LOQUAT_ASSIGN(const kernels::Isa tier, kernels::ChooseIsa(isa));
  LOQUAT_ASSIGN(model::ModelFiles files, model::OpenModel(options.path));
  if (files.config.architecture == model::Architecture::kBert) {
    return base::Error{.code = base::Code::kUnimplemented, .message = "encoders are not served by this build"};
  }
  LOQUAT_ASSIGN(engine::ModelInfo info, MakeInfo(options, files));
  LOQUAT_ASSIGN(auto decoder, model::LoadDecoder(files.config, std::move(files.weights), tier));
  std::shared_ptr<const model::DecoderModel> shared = std::move(decoder);
  teams_.push_back(std::make_unique<kernels::ThreadTeam>(kernels::ThreadTeamOptions{.threads = options.threads}));

  engine::DecoderEngineOptions engine_options;
  engine_options.kv_bytes = options.kv_bytes;
  engine_options.context = options.context;
  engine_options.queue_max = options.queue_max;
  engine::SchedulerOptions& scheduler = engine_options.loop.scheduler;
  scheduler.sequences_max = options.sequences_max;
  scheduler.batch_sequences_max = std::max<std::uint32_t>(1, options.sequences_max - options.sequences_max / 4);
  auto workspace = shared->NewWorkspace(scheduler.step_tokens_max, *teams_.back());
  auto texts = std::make_shared<TextMaker>(info.tokenizer);
  LOQUAT_ASSIGN(auto engine, engine::DecoderEngine::Create(std::move(info), std::move(shared), std::move(workspace),
                                                           std::move(texts), engine_options, metrics_, clock_));
  auto text = pipeline::TextOfModel(engine->info(), clock_);
  return pipeline::ServedModel{
      .engine = std::move(engine), .text = std::move(text), .created = ModifiedAt(options.path)};
}

base::Status EngineModels::Load(const std::vector<EngineModelOptions>& models, std::string_view isa) {
  std::vector<pipeline::ServedModel> served;
  for (const EngineModelOptions& options : models) {
    auto loaded = LoadOne(options, isa);
    if (!loaded.has_value()) return OfModel(options, std::move(loaded).error());
    served.push_back(*std::move(loaded));
  }
  set_ = pipeline::ModelSet(std::move(served));
  return {};
}

}  // namespace loquat::app
