#include "app/engine_models.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <utility>

#include "app/machine_memory.h"
#include "app/model_tokenizer.h"
#include "base/this_thread.h"
#include "engine/decoder_engine.h"
#include "engine/encoder_engine.h"
#include "kernels/transformer_kernels.h"
#include "model/arch/load.h"
#include "model/formats/model_files.h"
#include "pipeline/tokenizer_text.h"
#include "text/template/chat_template.h"
#include "text/tokenizer/detokenizer.h"
#include "text/tokenizer/tokenizer.h"

namespace loquat::app {
namespace {

constexpr std::chrono::seconds kPatience{1};  // What takes less shows no progress.

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
  if (files.tokenizer.ready != nullptr) return std::move(files.tokenizer.ready);
  LOQUAT_ASSIGN(std::optional<text::TokenizerSpec> spec, TakeTokenizerSpec(files));
  if (!spec) return nullptr;
  return text::Tokenizer::Create(*std::move(spec));
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

// Empty: the weights are used where they lie.
std::string NoticeOf(const model::ModelFiles& files, kernels::Isa isa) {
  const kernels::TransformerKernels& tier = kernels::TransformerKernelsFor(isa);
  const auto foreign = [&](const model::Tensor& tensor) {
    return tensor.order == kernels::RowOrder::kInterleaved && !tier.panels;
  };
  if (std::ranges::none_of(files.weights->tensors(), foreign)) return {};
  return fmt::format(
      "packed for {}, computed with {}: its weights are copied back into rows at every start, and take "
      "memory of their own; the model's GGUF or folder would start as fast",
      files.tuned_for, kernels::IsaName(isa));
}

// Says how far the copying is, once a second, if it takes longer than that.
model::LoadProgress ProgressOf(const std::string& model, const LoadEvents& events, const base::Clock& clock) {
  if (!events.progress) return {};
  return [&, said = clock.Now()](std::uint64_t done, std::uint64_t total) mutable {
    const base::TimePoint now = clock.Now();
    if (now - said < kPatience) return;
    said = now;
    events.progress(model, static_cast<double>(done) / static_cast<double>(total));
  };
}

base::Error OfModel(const EngineModelOptions& options, base::Error error) {
  error.message = fmt::format("model {} ({}): {}", options.name, options.path, error.message);
  return error;
}

}  // namespace

void Declare(config::Section<ModelMemoryOptions>& section) {
  section.Key("populate", &ModelMemoryOptions::populate)
      .NeedsRestart()
      .Help("All weights are read from disk and mapped at the start, not as they are first used.");
  section.Key("lock", &ModelMemoryOptions::lock)
      .NeedsRestart()
      .Help("They also stay in memory, whatever else wants it; needs the right to lock as much (ulimit -l).");
  section.Key("huge_pages", &ModelMemoryOptions::huge_pages)
      .NeedsRestart()
      .Help("They are copied into huge pages of this process at the start, and are not shared with others.");
}

void Declare(config::Section<EngineModelOptions>& section) {
  section.Key("name", &EngineModelOptions::name).Required().Size(1, 128).NeedsRestart().Help("What requests call it.");
  section.Key("path", &EngineModelOptions::path)
      .Required()
      .Size(1, 4096)
      .NeedsRestart()
      .Help("GGUF file, Hugging Face folder or packed file.");
  section.Key("context", &EngineModelOptions::context)
      .Range(0, 1 << 24)
      .NeedsRestart()
      .Help("Longest sequence in tokens; 0: what the model was made for, or kv_bytes hold if that is less.");
  section.Key("kv_bytes", &EngineModelOptions::kv_bytes)
      .Bytes()
      .Range(1 << 20, std::int64_t{1} << 44)
      .NeedsRestart()
      .Help("Memory for keys and values of all sequences and of what stays cached; encoders take none.");
  using model::KvType;
  section.Key("kv_type", &EngineModelOptions::kv_type)
      .Names({{"f16", KvType::kF16}, {"bf16", KvType::kBF16}, {"int8", KvType::kInt8}})
      .NeedsRestart()
      .Help(
          "What keys and values are kept as. int8: twice as many tokens in the same memory, each under a scale of its "
          "own; see docs/engine.md for what it costs.");
  section.Key("threads", &EngineModelOptions::threads)
      .Range(0, kernels::kTeamThreadsMax)
      .NeedsRestart()
      .Help("Threads that compute; 0: one a core.");
  section.Key("pin_threads", &EngineModelOptions::pin_threads)
      .NeedsRestart()
      .Help("Each of them stays on a core of its own. For a server that has the machine to itself and runs one model.");
  section.Key("niceness", &EngineModelOptions::niceness)
      .Range(0, base::kNicenessIdle)
      .NeedsRestart()
      .Help(
          "By how much these threads are nicer than those that serve: understanding and connections come first on a "
          "core that both want. 0: they are equal; 20: they run in the system's idle class, on what no other thread of "
          "the machine wants.");
  section.Key("round_to_int8", &EngineModelOptions::round_to_int8)
      .NeedsRestart()
      .Help(
          "An encoder's linear layers in F32, F16 or BF16 are rounded to 8 bits under one scale a row when it is "
          "loaded: "
          "two to four times as fast, see docs/weight_types.md. For machines with AVX2.");
  section.Key("sequences_max", &EngineModelOptions::sequences_max)
      .Range(1, 512)
      .NeedsRestart()
      .Help("Sequences generated at once; more wait in the queue.");
  section.Key("queue_max", &EngineModelOptions::queue_max)
      .Range(1, 100'000)
      .NeedsRestart()
      .Help("Requests that wait in each lane; one more is refused with 429.");
  using model::PackedVerify;
  section.Key("verify", &EngineModelOptions::verify)
      .Names({{"none", PackedVerify::kNone}, {"lazy", PackedVerify::kLazy}, {"full", PackedVerify::kFull}})
      .NeedsRestart()
      .Help(
          "When a packed file's weights are held against its hashes: never, before the first answer, or at the start.");
  section.Sub("memory", &EngineModelOptions::memory).Help("How a packed file's weights are held in memory.");
  section.Sub("speculation", &EngineModelOptions::speculation)
      .Help("Guessing the next tokens of answers that repeat text; no answer changes by it, see docs/engine.md.");
}

bool IsUnderstandingModel(const std::string& path) {
  std::error_code error;
  const std::filesystem::path folder(path);
  return std::filesystem::exists(folder / "manifest.json", error) ||
         (std::filesystem::is_directory(folder, error) && !std::filesystem::exists(folder / "config.json", error));
}

base::Status EngineModels::TakeMemory(const EngineModelOptions& options, const model::ModelFiles& files) {
  MemoryNeed need;
  for (const model::ShardFile& file : files.files) need.weights_bytes += file.bytes;
  if (files.config.architecture != model::Architecture::kBert) need.kv_bytes = options.kv_bytes;
  if (memory_available_) LOQUAT_TRY(CheckMemory(need, memory_taken_, *memory_available_));
  memory_taken_ += need.total();
  return {};
}

base::Result<std::unique_ptr<engine::Engine>> EngineModels::StartDecoder(const EngineModelOptions& options,
                                                                         model::ModelFiles files, kernels::Isa isa,
                                                                         const model::LoadProgress& progress) {
  if (options.round_to_int8) {
    return base::InvalidArgument(
        "round_to_int8 is for encoders, and this model generates text: take it away, or serve a quantized file (Q8_0)");
  }
  LOQUAT_ASSIGN(engine::ModelInfo info, MakeInfo(options, files));
  LOQUAT_ASSIGN(auto loaded,
                model::LoadDecoder(files.config, std::move(files.weights), isa, options.kv_type, progress));
  const std::shared_ptr<const model::DecoderModel> decoder = std::move(loaded);
  engine::DecoderEngineOptions engine_options;
  engine_options.kv_bytes = options.kv_bytes;
  engine_options.context = options.context;
  engine_options.queue_max = options.queue_max;
  engine_options.niceness = static_cast<int>(options.niceness);
  engine_options.loop.speculation = options.speculation;
  engine::SchedulerOptions& scheduler = engine_options.loop.scheduler;
  scheduler.sequences_max = options.sequences_max;
  scheduler.batch_sequences_max = std::max<std::uint32_t>(1, options.sequences_max - options.sequences_max / 4);
  auto workspace = decoder->NewWorkspace(scheduler.step_tokens_max, NewTeam(options));
  auto texts = std::make_shared<TextMaker>(info.tokenizer);
  return engine::DecoderEngine::Create(std::move(info), decoder, std::move(workspace), std::move(texts), engine_options,
                                       metrics_, clock_);
}

base::Result<std::unique_ptr<engine::Engine>> EngineModels::StartEncoder(const EngineModelOptions& options,
                                                                         model::ModelFiles files, kernels::Isa isa,
                                                                         const model::LoadProgress& progress) {
  if (options.context > files.config.context) {
    return base::InvalidArgument(fmt::format("a context of {} tokens is more than the {} that the model was made for",
                                             options.context, files.config.context));
  }
  if (options.context > 0) files.config.context = options.context;
  LOQUAT_ASSIGN(engine::ModelInfo info, MakeInfo(options, files));
  const auto numbers = options.round_to_int8 ? model::LinearNumbers::kInt8 : model::LinearNumbers::kStored;
  LOQUAT_ASSIGN(auto loaded, model::LoadEncoder(files.config, std::move(files.weights), isa, numbers, progress));
  const std::shared_ptr<const model::EncoderModel> encoder = std::move(loaded);
  engine::EncoderEngineOptions engine_options;
  engine_options.queue_max = options.queue_max;
  engine_options.niceness = static_cast<int>(options.niceness);
  std::uint32_t& batch_tokens = engine_options.loop.batch_tokens_max;
  batch_tokens = std::max(batch_tokens, encoder->config().context);  // The longest text is a batch.
  auto workspace = encoder->NewWorkspace(batch_tokens, NewTeam(options));
  return engine::EncoderEngine::Create(std::move(info), encoder, std::move(workspace), engine_options, metrics_,
                                       clock_);
}

kernels::ThreadTeam& EngineModels::NewTeam(const EngineModelOptions& options) {
  return *teams_.emplace_back(std::make_unique<kernels::ThreadTeam>(kernels::ThreadTeamOptions{
      .threads = options.threads, .pin = options.pin_threads, .niceness = static_cast<int>(options.niceness)}));
}

base::Result<pipeline::ServedModel> EngineModels::LoadOne(const EngineModelOptions& options, kernels::Isa isa,
                                                          const LoadEvents& events) {
  const model::PackedOptions packed{.verify = options.verify,
                                    .populate = options.memory.populate,
                                    .lock = options.memory.lock,
                                    .huge_pages = options.memory.huge_pages};
  LOQUAT_ASSIGN(model::ModelFiles files, model::OpenModel(options.path, packed));
  LOQUAT_TRY(TakeMemory(options, files));
  const std::string notice = NoticeOf(files, isa);
  if (!notice.empty() && events.notice) events.notice(options.name, notice);
  const model::LoadProgress progress = ProgressOf(options.name, events, clock_);
  const bool encodes = files.config.architecture == model::Architecture::kBert;
  LOQUAT_ASSIGN(std::shared_ptr<engine::Engine> engine, encodes
                                                            ? StartEncoder(options, std::move(files), isa, progress)
                                                            : StartDecoder(options, std::move(files), isa, progress));
  auto text = pipeline::TextOfModel(engine->info(), clock_);
  return pipeline::ServedModel{
      .engine = std::move(engine), .text = std::move(text), .created = ModifiedAt(options.path)};
}

base::Status EngineModels::Load(const std::vector<EngineModelOptions>& models, std::string_view isa,
                                const LoadEvents& events) {
  memory_available_ = AvailableMemory();
  memory_taken_ = 0;
  LOQUAT_ASSIGN(const kernels::Isa tier, kernels::ChooseIsa(isa));
  std::vector<pipeline::ServedModel> served;
  for (const EngineModelOptions& options : models) {
    auto loaded = LoadOne(options, tier, events);
    if (!loaded.has_value()) return OfModel(options, std::move(loaded).error());
    served.push_back(*std::move(loaded));
  }
  set_ = pipeline::ModelSet(std::move(served));
  return {};
}

}  // namespace loquat::app
