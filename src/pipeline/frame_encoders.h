// Encoders of this server that add to a frame: an embedding of the text, and classifiers that rank intents and mark
// slots beside the assistant's own model, in a configured order.
//
// EncoderOptions is a plain value, the configuration's section `encoders`. FrameEncoders is it, checked against what
// the server runs: immutable once made, safe from any thread. FrameReading is one frame's, and belongs to the coroutine
// of its call. The model set and the workers outlive all of them.
//
// Intents: the models of the order are asked in turn until one is sure, which is to say that its best intent has
// `sure_at` and the text is not out of scope to it. Where none is, the last one that answered has the word. Slots: all
// models of the order are asked; where slots overlap, the earlier model's stand. A model that fails is noted in the
// frame and passed over; only where no model of an order answers does the call fail.

#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/call_context.h"
#include "base/clock.h"
#include "base/result.h"
#include "config/section.h"
#include "domain/frame.h"
#include "pipeline/assistant.h"
#include "pipeline/encode_call.h"
#include "pipeline/model_set.h"
#include "pipeline/prompt_workers.h"
#include "understanding/encoder_intents.h"
#include "understanding/encoder_slots.h"

namespace loquat::pipeline {

inline constexpr std::size_t kOrderedModelsMax = 8;  // Of one order.

struct EmbeddingOptions {
  std::string model;    // Empty: frames have no embedding.
  bool always = false;  // False: where a request names the feature.
  std::chrono::milliseconds timeout{1000};
};
void Declare(config::Section<EmbeddingOptions>& section);

struct ClassifierOptions {
  std::map<std::string, std::string> labels;     // To intents; without "B-" and "I-", to entities.
  std::vector<std::string> out_of_scope_labels;  // Of a model for intents.
  double out_of_scope_below = 0;
  double temperature = 1;
  std::chrono::milliseconds timeout{1000};
};
void Declare(config::Section<ClassifierOptions>& section);

struct EncoderOptions {
  EmbeddingOptions embedding;
  std::vector<std::string> intent_order, slot_order;  // Empty: the assistant alone.
  double sure_at = 0.5;
  std::map<std::string, ClassifierOptions> classifiers;  // By model.
};
void Declare(config::Section<EncoderOptions>& section);

// Every model named is one of `models`, or in an order `assistant`; every classifier stands in an order. Errors name
// the key in Error::param ("/encoders/intent_order").
base::Status CheckEncoderNames(const EncoderOptions& options, const std::vector<std::string>& models,
                               const std::string& assistant);

class FrameEncoders {
 public:
  struct IntentSource {
    const ServedModel* model = nullptr;  // Null: the assistant.
    std::optional<understanding::EncoderIntents> reader;
    std::chrono::milliseconds timeout{};
  };
  struct SlotSource {
    const ServedModel* model = nullptr;  // Null: the assistant.
    std::optional<understanding::EncoderSlots> reader;
    std::chrono::milliseconds timeout{};
  };

  // Null where nothing is configured. `assistant`'s name stands for it in the orders. Errors name the key in
  // Error::param: a model that is not there or has not the head; labels that are not the assistant's.
  static base::Result<std::shared_ptr<const FrameEncoders>> Create(const EncoderOptions& options,
                                                                   const ModelSet& models,
                                                                   std::shared_ptr<const Assistant> assistant);

  const EmbeddingOptions& embedding() const { return options_.embedding; }
  const ServedModel* embedding_model() const { return embedding_model_; }
  const std::vector<IntentSource>& intents() const { return intents_; }  // Empty: the assistant alone.
  const std::vector<SlotSource>& slots() const { return slots_; }        // Empty: the assistant alone.
  bool assistant_ranks() const;
  bool assistant_tags() const;
  double sure_at() const { return options_.sure_at; }
  const Assistant& assistant() const { return *assistant_; }

 private:
  explicit FrameEncoders(EncoderOptions options, std::shared_ptr<const Assistant> assistant)
      : options_(std::move(options)), assistant_(std::move(assistant)) {}
  base::Status AddEmbedding(const ModelSet& models);
  base::Status AddIntents(const ModelSet& models);
  base::Status AddSlots(const ModelSet& models);

  const EncoderOptions options_;
  const std::shared_ptr<const Assistant> assistant_;
  const ServedModel* embedding_model_ = nullptr;
  std::vector<IntentSource> intents_;
  std::vector<SlotSource> slots_;
};

class FrameReading {
 public:
  struct Question {
    std::string_view text;
    bool intent = false, slots = false, embedding = false;
    std::uint32_t ranking_max = 0;  // Zero: all.
    understanding::Truncation truncation = understanding::Truncation::kHead;
  };

  // Everything referred to outlives it.
  FrameReading(const FrameEncoders& encoders, PromptWorkers& workers, const base::Clock& clock,
               const base::CallContext& call, base::CancelToken stop, const Question& question);

  // Asks whom it surely needs; they answer while the assistant's model runs.
  boost::asio::awaitable<void> Ask();
  // Adds what they say to the frame that the assistant's model has filled. Errors: cancelled; invalid_argument
  // "text_too_long" where the policy is to refuse; the last model's where no model of an order answers.
  boost::asio::awaitable<base::Status> Finish(domain::Frame& frame);
  bool added_slots() const { return added_slots_; }

 private:
  struct Asked {
    std::unique_ptr<EncodeCall> call;
    understanding::WordTokens words;  // Of a model for slots.
    std::uint32_t tokens_left_out = 0;
    bool wordless = false;  // Nothing to ask about.
    base::Status status;    // Why it could not be asked.
  };

  boost::asio::awaitable<void> AskEmbedding();
  boost::asio::awaitable<void> AskIntent(std::size_t index);
  boost::asio::awaitable<void> AskSlots(std::size_t index);
  void Send(const ServedModel& model, std::chrono::milliseconds timeout, std::vector<engine::TokenId> tokens,
            engine::EncodeOutput output, Asked& asked);
  static boost::asio::awaitable<base::Result<std::vector<float>>> RowOf(Asked& asked);

  boost::asio::awaitable<base::Status> ReadEmbedding(domain::Frame& frame);
  boost::asio::awaitable<base::Status> ReadIntents(domain::Frame& frame);
  // What the model says, in place of the frame's ranking.
  boost::asio::awaitable<base::Status> ReadIntent(std::size_t index, domain::Frame& frame);
  boost::asio::awaitable<base::Status> ReadSlotsOf(std::size_t index, std::string_view text,
                                                   std::vector<domain::Slot>& slots, domain::Frame& frame);
  bool Sure(const domain::Frame& frame) const;
  boost::asio::awaitable<base::Status> ReadSlots(domain::Frame& frame);
  // What a failure is to the call: an error, or a note in the frame.
  base::Status Note(std::string_view feature, const ServedModel& model, const base::Error& error,
                    domain::Frame& frame) const;

  const FrameEncoders& encoders_;
  PromptWorkers& workers_;
  const base::Clock& clock_;
  const base::CallContext& call_;
  const base::CancelToken stop_;
  const Question question_;
  boost::asio::any_io_executor executor_;  // Of the call's coroutine; set by Ask.
  Asked embedding_;
  std::vector<Asked> intents_, slots_;
  bool added_slots_ = false;
};

}  // namespace loquat::pipeline
