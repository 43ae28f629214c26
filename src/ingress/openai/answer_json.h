// How answers are written: OpenAI's chat.completion and text_completion objects, whole and in chunks. An AnswerWriter
// belongs to one answer and its I/O thread; what it refers to outlives it.

#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_writer.h"
#include "pipeline/generate.h"

namespace loquat::ingress::openai {

enum class AnswerForm : std::uint8_t { kChat, kCompletion };

struct AnswerOptions {
  AnswerForm form = AnswerForm::kChat;
  std::string request_id;
  std::int64_t created = 0;  // Unix time in seconds.
  bool include_usage = false;
  bool return_token_ids = false;
  std::optional<std::uint32_t> top_logprobs;
  std::uint32_t choices = 1;  // Of each prompt.
};

class AnswerWriter {
 public:
  AnswerWriter(AnswerOptions options, const pipeline::Generation& generation);

  // The whole answer; `choices` by number.
  std::string Whole(std::span<const pipeline::AnswerDelta> choices);

  // The events of a stream, appended to `out` as they go over the wire: what a delta brings (before a choice's first
  // text its role, after its last the reason why it ended), the numbers of tokens, the end, an error in its place.
  void AppendDelta(const pipeline::AnswerDelta& delta, std::string& out);
  void AppendUsage(std::string& out);
  static void AppendDone(std::string& out);
  static void AppendError(const base::Error& error, std::string& out);

 private:
  struct ChoiceState {
    bool begun = false;
    std::uint64_t offset = 0;  // Code points of the text that the tokens before make.
  };

  bool chat() const { return options_.form == AnswerForm::kChat; }
  void BeginAnswer(std::string_view object, base::JsonWriter& json);
  void WriteUsage(base::JsonWriter& json) const;
  void WriteChoice(const pipeline::AnswerDelta& choice, base::JsonWriter& json);
  // A chunk of one choice; `write` writes its delta or text and what else belongs to it.
  template <typename Write>
  void AppendChunk(std::uint32_t choice, Write write, std::string& out);
  void AppendRole(std::uint32_t choice, std::string& out);

  void WriteLogprobs(const pipeline::AnswerDelta& delta, base::JsonWriter& json);
  void WriteChatLogprobs(const pipeline::AnswerDelta& delta, base::JsonWriter& json) const;
  void WriteLegacyLogprobs(const pipeline::AnswerDelta& delta, base::JsonWriter& json);
  void WriteTokenIds(const pipeline::AnswerDelta& delta, base::JsonWriter& json) const;
  std::size_t stride() const { return std::size_t{1} + options_.top_logprobs.value_or(0); }

  const AnswerOptions options_;
  const pipeline::Generation& generation_;
  const std::string id_;
  std::vector<ChoiceState> states_;
};

}  // namespace loquat::ingress::openai
