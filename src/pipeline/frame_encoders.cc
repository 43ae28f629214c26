#include "pipeline/frame_encoders.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "text/tokenizer/tokenizer.h"

namespace loquat::pipeline {
namespace {

using std::chrono::milliseconds;

constexpr std::uint32_t kSlotContextMin = 3;  // [CLS], a piece, [SEP].

base::Error At(std::string_view key, std::string message) {
  return base::InvalidArgument(std::move(message), std::string(key));
}

std::string LabelsKey(const std::string& model, const std::string& option) {
  return fmt::format("/encoders/classifiers/{}/{}", model, option);
}

bool Contains(const std::vector<std::string>& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

ClassifierOptions OptionsOf(const EncoderOptions& options, const std::string& model) {
  const auto found = options.classifiers.find(model);
  return found == options.classifiers.end() ? ClassifierOptions{} : found->second;
}

// An order that leaves everything to the assistant asks for nothing.
bool AssistantAlone(const std::vector<std::string>& order, std::string_view assistant) {
  return std::ranges::all_of(order, [&](const std::string& name) { return name == assistant; });
}

base::Result<const ServedModel*> Find(const ModelSet& models, const std::string& name, std::string_view key) {
  auto found = models.Find(name, key);
  if (!found.has_value()) return At(key, found.error().message);
  return found;
}

base::Error InLabels(const std::string& model, base::Error error) {
  error.message = fmt::format("model {}: {}", model, error.message);
  error.param = LabelsKey(model, error.param);
  return error;
}

void DeclareOrder(config::KeyBuilder<std::vector<std::string>> key, std::string_view help) {
  key.Size(1, 128)
      .Check([](const std::vector<std::string>& order) -> base::Status {
        if (order.size() > kOrderedModelsMax) return At("", fmt::format("at most {} models", kOrderedModelsMax));
        for (auto name = order.begin(); name != order.end(); ++name) {
          if (std::find(std::next(name), order.end(), *name) != order.end()) {
            return At("", fmt::format("\"{}\" stands twice", *name));
          }
        }
        return {};
      })
      .NeedsRestart()
      .Help(help);
}

}  // namespace

void Declare(config::Section<EmbeddingOptions>& section) {
  section.Key("model", &EmbeddingOptions::model)
      .Size(0, 128)
      .NeedsRestart()
      .Help("An encoder of `models`; empty: frames have no embedding.");
  section.Key("always", &EmbeddingOptions::always)
      .NeedsRestart()
      .Help("Every frame has one; otherwise those of requests that name the feature \"embedding\".");
  section.Key("timeout", &EmbeddingOptions::timeout)
      .Range(milliseconds(1), milliseconds(60'000))
      .NeedsRestart()
      .Help("After it the frame goes without, and says so.");
}

void Declare(config::Section<ClassifierOptions>& section) {
  section.Key("labels", &ClassifierOptions::labels)
      .NeedsRestart()
      .Help(
          "What the model's labels are called here: intents, or for slots entities (\"city\" or \"city.from\") by the "
          "label without its B- or I-; an empty entity is passed over. A label that is not listed keeps its name.");
  section.Key("out_of_scope_labels", &ClassifierOptions::out_of_scope_labels)
      .NeedsRestart()
      .Help("Labels that are no intent but say that the text is out of scope.");
  section.Key("out_of_scope_below", &ClassifierOptions::out_of_scope_below)
      .Range(0.0, 1.0)
      .NeedsRestart()
      .Help("Text whose best intent is less likely than this is out of scope; 0: none for that reason.");
  section.Key("temperature", &ClassifierOptions::temperature)
      .Range(0.01, 100.0)
      .NeedsRestart()
      .Help("Logits are divided by it before the softmax: calibrates how sure the model is.");
  section.Key("timeout", &ClassifierOptions::timeout)
      .Range(milliseconds(1), milliseconds(60'000))
      .NeedsRestart()
      .Help("After it the model is passed over, and the frame says so.");
}

void Declare(config::Section<EncoderOptions>& section) {
  section.Sub("embedding", &EncoderOptions::embedding).Help("A vector of length one for the text.");
  DeclareOrder(section.Key("intent_order", &EncoderOptions::intent_order),
               "Who ranks intents: names of sequence classifiers among `models`, and model.name for the assistant's "
               "own. The first that is sure has the word, else the last. Empty: the assistant alone.");
  DeclareOrder(section.Key("slot_order", &EncoderOptions::slot_order),
               "Who marks slots: names of token classifiers among `models`, and model.name for the assistant's own. "
               "Where slots overlap, the earlier model's stand. Empty: the assistant alone.");
  section.Key("sure_at", &EncoderOptions::sure_at)
      .Range(0.0, 1.0)
      .NeedsRestart()
      .Help("A model whose best intent has this confidence, in scope, is sure.");
  section.Sub("classifiers", &EncoderOptions::classifiers).NeedsRestart().Help("By the name of the model.");
}

base::Status CheckEncoderNames(const EncoderOptions& options, const std::vector<std::string>& models,
                               const std::string& assistant) {
  const auto known = [&](const std::string& name, std::string_view key) -> base::Status {
    if (Contains(models, name)) return {};
    return At(key, fmt::format("there is no model \"{}\" among `models`{}", name,
                               models.empty() ? ", which is empty" : fmt::format(": {}", fmt::join(models, ", "))));
  };
  if (!options.embedding.model.empty()) LOQUAT_TRY(known(options.embedding.model, "/encoders/embedding/model"));
  for (const std::string& name : options.intent_order) {
    if (name != assistant) LOQUAT_TRY(known(name, "/encoders/intent_order"));
  }
  for (const std::string& name : options.slot_order) {
    if (name != assistant) LOQUAT_TRY(known(name, "/encoders/slot_order"));
  }
  const bool ambiguous = Contains(models, assistant) && !(options.intent_order.empty() && options.slot_order.empty());
  if (ambiguous) {
    return At("/encoders",
              fmt::format("\"{}\" is the assistant's name and that of one of `models`; set model.name", assistant));
  }
  for (const auto& [name, classifier] : options.classifiers) {
    if (Contains(options.intent_order, name) || Contains(options.slot_order, name)) continue;
    return At("/encoders/classifiers/" + name,
              fmt::format("\"{}\" stands in neither intent_order nor slot_order, so nobody would ask it", name));
  }
  return {};
}

base::Result<std::shared_ptr<const FrameEncoders>> FrameEncoders::Create(const EncoderOptions& options,
                                                                         const ModelSet& models,
                                                                         std::shared_ptr<const Assistant> assistant) {
  const bool nothing = options.embedding.model.empty() && AssistantAlone(options.intent_order, assistant->name) &&
                       AssistantAlone(options.slot_order, assistant->name);
  if (nothing) return nullptr;
  std::shared_ptr<FrameEncoders> encoders(new FrameEncoders(options, std::move(assistant)));
  LOQUAT_TRY(encoders->AddEmbedding(models));
  LOQUAT_TRY(encoders->AddIntents(models));
  LOQUAT_TRY(encoders->AddSlots(models));
  return encoders;
}

base::Status FrameEncoders::AddEmbedding(const ModelSet& models) {
  constexpr std::string_view kKey = "/encoders/embedding/model";
  const std::string& name = options_.embedding.model;
  if (name.empty()) return {};
  LOQUAT_ASSIGN(embedding_model_, Find(models, name, kKey));
  if (embedding_model_->info().can_embed) return {};
  return At(kKey, fmt::format("{} makes no embeddings; name an encoder", name));
}

base::Status FrameEncoders::AddIntents(const ModelSet& models) {
  constexpr std::string_view kKey = "/encoders/intent_order";
  if (AssistantAlone(options_.intent_order, assistant_->name)) return {};
  for (const std::string& name : options_.intent_order) {
    if (name == assistant_->name) {
      intents_.emplace_back();
      continue;
    }
    LOQUAT_ASSIGN(const ServedModel* model, Find(models, name, kKey));
    const engine::ModelInfo& info = model->info();
    if (!info.can_classify || info.tokenizer == nullptr) {
      return At(kKey, fmt::format("{} is no sequence classifier with a tokenizer and ranks no intents", name));
    }
    const ClassifierOptions own = OptionsOf(options_, name);
    auto reader = understanding::EncoderIntents::Create(
        info.labels,
        {.names = own.labels,
         .out_of_scope_labels = own.out_of_scope_labels,
         .out_of_scope_below = own.out_of_scope_below,
         .temperature = own.temperature},
        [this](std::string_view intent) { return assistant_->KnowsIntent(intent); });
    if (!reader.has_value()) return InLabels(name, std::move(reader).error());
    intents_.push_back({.model = model, .reader = *std::move(reader), .timeout = own.timeout});
  }
  return {};
}

base::Status FrameEncoders::AddSlots(const ModelSet& models) {
  constexpr std::string_view kKey = "/encoders/slot_order";
  if (AssistantAlone(options_.slot_order, assistant_->name)) return {};
  for (const std::string& name : options_.slot_order) {
    if (name == assistant_->name) {
      slots_.emplace_back();
      continue;
    }
    LOQUAT_ASSIGN(const ServedModel* model, Find(models, name, kKey));
    const engine::ModelInfo& info = model->info();
    if (!info.can_label_tokens) return At(kKey, fmt::format("{} is no token classifier and marks no slots", name));
    const text::Tokenizer* tokenizer = info.tokenizer.get();
    const bool word_piece = tokenizer != nullptr && tokenizer->kind() == text::TokenizerKind::kWordPiece &&
                            tokenizer->cls() && tokenizer->sep() && info.context >= kSlotContextMin;
    if (!word_piece) {
      return At(kKey, fmt::format("{} has no WordPiece tokenizer with [CLS] and [SEP], by which the places of words in "
                                  "the text are known",
                                  name));
    }
    const ClassifierOptions own = OptionsOf(options_, name);
    if (!own.out_of_scope_labels.empty()) {
      return At(LabelsKey(name, "out_of_scope_labels"), fmt::format("model {} marks slots, it ranks no intents", name));
    }
    auto reader = understanding::EncoderSlots::Create(
        info.labels, {.names = own.labels, .temperature = own.temperature},
        [this](std::string_view entity) { return assistant_->KnowsEntity(entity); });
    if (!reader.has_value()) return InLabels(name, std::move(reader).error());
    slots_.push_back({.model = model, .reader = *std::move(reader), .timeout = own.timeout});
  }
  return {};
}

bool FrameEncoders::assistant_ranks() const {
  return intents_.empty() || std::ranges::any_of(intents_, [](const auto& source) { return source.model == nullptr; });
}

bool FrameEncoders::assistant_tags() const {
  return slots_.empty() || std::ranges::any_of(slots_, [](const auto& source) { return source.model == nullptr; });
}

}  // namespace loquat::pipeline
