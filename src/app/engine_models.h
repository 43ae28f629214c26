// The models that run in this server: each file is opened, given an engine with threads of its own, and put on the
// road. The one place where formats, architectures, tokenizers and engines meet.
//
// Load once, before serving; set() is constant then and safe from any thread. References outlive it.

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "config/section.h"
#include "engine/engine.h"
#include "engine/speculation_options.h"
#include "kernels/isa.h"
#include "kernels/thread_team.h"
#include "model/arch/load.h"
#include "model/formats/model_files.h"
#include "observe/metrics.h"
#include "pipeline/model_set.h"

namespace loquat::app {

inline constexpr std::size_t kEngineModelsMax = 64;

// Of a packed file's weights.
struct ModelMemoryOptions {
  bool populate = false;
  bool lock = false;
  bool huge_pages = false;
};
void Declare(config::Section<ModelMemoryOptions>& section);

struct EngineModelOptions {
  std::string name;
  std::string path;           // A GGUF file, a Hugging Face folder or a packed file.
  std::uint32_t context = 0;  // Longest sequence in tokens; zero: what the model was made for and the memory holds.
  std::size_t kv_bytes = std::size_t{512} << 20;            // Of keys and values.
  model::KvType kv_type = model::KvType::kF16;              // What they are kept as.
  std::uint32_t threads = 0;                                // Zero: one a core.
  bool pin_threads = false;                                 // Each to a core of its own.
  bool round_to_int8 = false;                               // Encoders: linear layers, when they are loaded.
  std::uint32_t niceness = 10;                              // Of the threads that compute.
  std::uint32_t sequences_max = 64;                         // Generated at once.
  std::uint32_t queue_max = 256;                            // Requests that wait.
  model::PackedVerify verify = model::PackedVerify::kLazy;  // Of packed files.
  ModelMemoryOptions memory;
  engine::SpeculationOptions speculation;
};
void Declare(config::Section<EngineModelOptions>& section);

// What is worth saying while a model loads, each to be left empty where nobody listens. Called on the thread that
// loads.
struct LoadEvents {
  // Copying weights into another order takes longer than a second; `fraction` of it is done.
  std::function<void(const std::string& model, double fraction)> progress;
  // Something that slows this model down, and what to do; at most once a model.
  std::function<void(const std::string& model, const std::string& notice)> notice;
};

// Whether `path` is a folder of the understanding's own kind: it has a manifest.json, or at least no config.json. All
// others are for an engine.
bool IsUnderstandingModel(const std::string& path);

class EngineModels {
 public:
  EngineModels(observe::Registry& metrics, const base::Clock& clock) : metrics_(metrics), clock_(clock) {}
  EngineModels(const EngineModels&) = delete;
  EngineModels& operator=(const EngineModels&) = delete;

  // `isa` as kernels::ChooseIsa takes it. Errors name the model and what is wrong with its files, or which memory does
  // not suffice; nothing is served then.
  base::Status Load(const std::vector<EngineModelOptions>& models, std::string_view isa, const LoadEvents& events = {});

  const pipeline::ModelSet& set() const { return set_; }

 private:
  base::Result<pipeline::ServedModel> LoadOne(const EngineModelOptions& options, kernels::Isa isa,
                                              const LoadEvents& events);
  // Counts what the model will take, or says that it is not there.
  base::Status TakeMemory(const EngineModelOptions& options, const model::ModelFiles& files);
  base::Result<std::unique_ptr<engine::Engine>> StartDecoder(const EngineModelOptions& options, model::ModelFiles files,
                                                             kernels::Isa isa, const model::LoadProgress& progress);
  base::Result<std::unique_ptr<engine::Engine>> StartEncoder(const EngineModelOptions& options, model::ModelFiles files,
                                                             kernels::Isa isa, const model::LoadProgress& progress);
  kernels::ThreadTeam& NewTeam(const EngineModelOptions& options);

  observe::Registry& metrics_;
  const base::Clock& clock_;
  std::optional<std::uint64_t> memory_available_;            // Before the first model. None: the kernel does not say.
  std::uint64_t memory_taken_ = 0;                           // By the models so far.
  std::vector<std::unique_ptr<kernels::ThreadTeam>> teams_;  // Outlive the engines.
  pipeline::ModelSet set_;
};

}  // namespace loquat::app
