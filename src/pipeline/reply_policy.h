// When a reply is made by a local model instead of taken from the domain's words, by which one, and within which
// limits.
//
// ReplyPolicy is a plain value, the configuration's section `reply`. ReplyRule is it, checked against what the server
// runs: immutable once made, safe from any thread.

#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/section.h"
#include "context/dialogue.h"
#include "domain/frame.h"
#include "pipeline/assistant.h"
#include "pipeline/model_set.h"
#include "text/template/prompt_template.h"

namespace loquat::pipeline {

inline constexpr std::size_t kReplyIntentsMax = 1024;
inline constexpr std::size_t kReplyStopsMax = 16;
inline constexpr std::size_t kReplyStopBytesMax = 256;
inline constexpr std::uint32_t kReplyTokensMax = 4096;
inline constexpr std::uint32_t kReplyTurnsMax = 10;  // The window of a session, kSessionTurnsMax.

inline constexpr std::string_view kReplyInstructions =
    "You are a helpful assistant. Answer in the user's language, briefly and to the point. Say so when you do not "
    "know.";

struct ReplyPolicy {
  std::string model;                 // Empty: every reply is the domain's.
  double confidence_min = 0;         // An intent surer than this or as sure keeps the domain's reply. Zero: any does.
  bool out_of_scope = true;          // The model answers what is out of scope.
  std::vector<std::string> intents;  // What the model answers however sure the intent is.
  std::string instructions = std::string(kReplyInstructions);  // The system message; empty: none.
  std::uint32_t turns_max = kReplyTurnsMax;                    // Of the session in the prompt. Zero: none.
  std::uint32_t tokens_max = 256;                              // Of the reply.
  float temperature = 0.7F;                                    // Zero: greedy.
  float top_p = 1.0F;                                          // One: all.
  std::vector<std::string> stop;
  std::chrono::milliseconds timeout{10'000};  // From the frame to the end of the reply.
};

void Declare(config::Section<ReplyPolicy>& section);

// What the instructions may name.
struct ReplyFields {
  std::string_view intent, confidence, locale, slots, missing, reply;
};

class ReplyRule {
 public:
  // Null for a policy without a model. Errors name the key in Error::param ("/reply/model"): a model that there is not,
  // that does not generate or has no chat template; an intent that the assistant does not know; instructions that name
  // another field than ReplyFields has; limits that the model's context does not hold.
  static base::Result<std::shared_ptr<const ReplyRule>> Create(const ReplyPolicy& policy, const ModelSet& models,
                                                               const Assistant& assistant);

  const ReplyPolicy& policy() const { return policy_; }

  // Why the model answers this frame; empty: it does not. `step` is what the dialogue made of it: a text that it took
  // as the answer to its own question is no matter for the model, however unsure its intent.
  std::string Why(const domain::Frame& frame, const context::DialogueStep& step) const;

  std::string Instructions(const ReplyFields& fields) const;

 private:
  explicit ReplyRule(ReplyPolicy policy) : policy_(std::move(policy)) {}
  base::Status CompileInstructions();

  ReplyPolicy policy_;
  text::PromptTemplate instructions_;
  std::vector<std::size_t> fields_;  // Of those in ReplyFields, which the instructions name, in order.
};

}  // namespace loquat::pipeline
