#include "ingress/openai/answer_json.h"

#include <utility>

#include "ingress/openai/error_form.h"
#include "ingress/openai/token_json.h"
#include "net/sse.h"

namespace loquat::ingress::openai {
namespace {

using base::JsonWriter;
using engine::Finish;
using pipeline::AnswerDelta;

std::string_view FinishName(Finish finish) {
  return finish == Finish::kLength ? "length" : "stop";
}

// A choice that was broken off has no reason of its own: the stream's error tells.
bool Ended(const AnswerDelta& delta) {
  return delta.finish == Finish::kStop || delta.finish == Finish::kLength;
}

void WriteFinish(const AnswerDelta& delta, JsonWriter& json) {
  json.Key("finish_reason");
  if (Ended(delta)) {
    json.String(FinishName(*delta.finish));
  } else {
    json.Null();
  }
}

void WriteIds(std::span<const engine::TokenId> tokens, JsonWriter& json) {
  json.BeginArray();
  for (const engine::TokenId token : tokens) json.Int(token);
  json.EndArray();
}

void AppendEvent(std::string_view data, std::string& out) {
  net::AppendSseEvent(out, {.data = data, .event = {}, .id = {}, .retry = {}});
}

}  // namespace

AnswerWriter::AnswerWriter(AnswerOptions options, const pipeline::Generation& generation)
    : options_(std::move(options)),
      generation_(generation),
      id_((chat() ? "chatcmpl-" : "cmpl-") + options_.request_id),
      states_(generation.prompts().size() * options_.choices) {}

void AnswerWriter::BeginAnswer(std::string_view object, JsonWriter& json) {
  json.BeginObject();
  json.Key("id");
  json.String(id_);
  json.Key("object");
  json.String(object);
  json.Key("created");
  json.Int(options_.created);
  json.Key("model");
  json.String(generation_.model().info().name);
}

void AnswerWriter::WriteUsage(JsonWriter& json) const {
  const engine::Usage usage = generation_.usage();
  json.BeginObject();
  json.Key("prompt_tokens");
  json.Uint(usage.prompt_tokens);
  json.Key("completion_tokens");
  json.Uint(usage.generated_tokens);
  json.Key("total_tokens");
  json.Uint(std::uint64_t{usage.prompt_tokens} + usage.generated_tokens);
  json.Key("prompt_tokens_details");
  json.BeginObject();
  json.Key("cached_tokens");
  json.Uint(usage.cached_prompt_tokens);
  json.EndObject();
  json.EndObject();
}

void AnswerWriter::WriteTokenIds(const AnswerDelta& delta, JsonWriter& json) const {
  if (!options_.return_token_ids) return;
  json.Key("token_ids");
  WriteIds(delta.tokens, json);
}

void AnswerWriter::WriteChatLogprobs(const AnswerDelta& delta, JsonWriter& json) const {
  const pipeline::ModelText& text = *generation_.model().text;
  json.BeginObject();
  json.Key("content");
  json.BeginArray();
  for (std::size_t i = 0; i + stride() <= delta.logprobs.size(); i += stride()) {
    WriteChatLogprob(std::span(delta.logprobs).subspan(i, stride()), text, json);
  }
  json.EndArray();
  json.Key("refusal");
  json.Null();
  json.EndObject();
}

void AnswerWriter::WriteLegacyLogprobs(const AnswerDelta& delta, JsonWriter& json) {
  WriteLegacyLogprobObject(delta.logprobs, stride(), *generation_.model().text, states_[delta.choice].offset, json);
}

void AnswerWriter::WriteLogprobs(const AnswerDelta& delta, JsonWriter& json) {
  json.Key("logprobs");
  if (!options_.top_logprobs || delta.logprobs.empty()) {
    json.Null();
  } else if (chat()) {
    WriteChatLogprobs(delta, json);
  } else {
    WriteLegacyLogprobs(delta, json);
  }
}

void AnswerWriter::WriteChoice(const AnswerDelta& choice, JsonWriter& json) {
  json.BeginObject();
  json.Key("index");
  json.Uint(choice.choice);
  if (chat()) {
    json.Key("message");
    json.BeginObject();
    json.Key("role");
    json.String("assistant");
    json.Key("content");
    json.String(choice.text);
    json.Key("refusal");
    json.Null();
    json.EndObject();
  } else {
    json.Key("text");
    json.String(choice.text);
  }
  WriteLogprobs(choice, json);
  WriteFinish(choice, json);
  WriteTokenIds(choice, json);
  if (options_.return_token_ids && !chat()) {
    json.Key("prompt_token_ids");
    WriteIds(generation_.prompts()[choice.choice / options_.choices], json);
  }
  json.EndObject();
}

std::string AnswerWriter::Whole(std::span<const AnswerDelta> choices) {
  std::string out;
  JsonWriter json(out);
  BeginAnswer(chat() ? "chat.completion" : "text_completion", json);
  json.Key("choices");
  json.BeginArray();
  for (const AnswerDelta& choice : choices) WriteChoice(choice, json);
  json.EndArray();
  json.Key("usage");
  WriteUsage(json);
  if (options_.return_token_ids && chat()) {
    json.Key("prompt_token_ids");
    WriteIds(generation_.prompts().front(), json);
  }
  json.EndObject();
  out += '\n';
  return out;
}

template <typename Write>
void AnswerWriter::AppendChunk(std::uint32_t choice, Write write, std::string& out) {
  std::string data;
  JsonWriter json(data);
  BeginAnswer(chat() ? "chat.completion.chunk" : "text_completion", json);
  json.Key("choices");
  json.BeginArray();
  json.BeginObject();
  json.Key("index");
  json.Uint(choice);
  write(json);
  json.EndObject();
  json.EndArray();
  // As OpenAI: with usage asked for, every chunk has the key, and all but the last have no value.
  if (options_.include_usage) {
    json.Key("usage");
    json.Null();
  }
  json.EndObject();
  AppendEvent(data, out);
}

void AnswerWriter::AppendRole(std::uint32_t choice, std::string& out) {
  ChoiceState& state = states_[choice];
  if (std::exchange(state.begun, true)) return;
  if (!chat() && !options_.return_token_ids) return;
  AppendChunk(
      choice,
      [&](JsonWriter& json) {
        if (chat()) {
          json.Key("delta");
          json.BeginObject();
          json.Key("role");
          json.String("assistant");
          json.Key("content");
          json.String("");
          json.EndObject();
        } else {
          json.Key("text");
          json.String("");
        }
        json.Key("logprobs");
        json.Null();
        json.Key("finish_reason");
        json.Null();
        if (!options_.return_token_ids) return;
        json.Key("prompt_token_ids");
        WriteIds(generation_.prompts()[choice / options_.choices], json);
      },
      out);
}

void AnswerWriter::AppendDelta(const AnswerDelta& delta, std::string& out) {
  AppendRole(delta.choice, out);
  const bool says =
      !delta.text.empty() || !delta.logprobs.empty() || (options_.return_token_ids && !delta.tokens.empty());
  const auto write_text = [&](std::string_view text, bool delta_empty, JsonWriter& json) {
    if (chat()) {
      json.Key("delta");
      json.BeginObject();
      if (!delta_empty) {
        json.Key("content");
        json.String(text);
      }
      json.EndObject();
    } else {
      json.Key("text");
      json.String(text);
    }
  };
  if (says) {
    AppendChunk(
        delta.choice,
        [&](JsonWriter& json) {
          write_text(delta.text, false, json);
          WriteLogprobs(delta, json);
          json.Key("finish_reason");
          json.Null();
          WriteTokenIds(delta, json);
        },
        out);
  }
  if (!Ended(delta)) return;
  AppendChunk(
      delta.choice,
      [&](JsonWriter& json) {
        write_text("", true, json);
        json.Key("logprobs");
        json.Null();
        WriteFinish(delta, json);
      },
      out);
}

void AnswerWriter::AppendUsage(std::string& out) {
  if (!options_.include_usage) return;
  std::string data;
  JsonWriter json(data);
  BeginAnswer(chat() ? "chat.completion.chunk" : "text_completion", json);
  json.Key("choices");
  json.BeginArray();
  json.EndArray();
  json.Key("usage");
  WriteUsage(json);
  json.EndObject();
  AppendEvent(data, out);
}

void AnswerWriter::AppendDone(std::string& out) {
  AppendEvent("[DONE]", out);
}

void AnswerWriter::AppendError(const base::Error& error, std::string& out) {
  std::string data;
  JsonWriter json(data);
  json.BeginObject();
  json.Key("error");
  WriteErrorObject(error, json);
  json.EndObject();
  AppendEvent(data, out);
}

}  // namespace loquat::ingress::openai
