#include "pipeline/tokenizer_text.h"

#include <chrono>
#include <optional>
#include <utility>

#include "base/json_value.h"
#include "base/json_writer.h"
#include "text/template/chat_template.h"
#include "text/tokenizer/tokenizer.h"

namespace loquat::pipeline {
namespace {

using engine::TokenId;

constexpr std::size_t kChatJsonBytesMax = std::size_t{256} << 20;  // A body's text, escaped.
constexpr std::size_t kChatJsonDepth = 4;

std::string ChatJson(const ChatPrompt& chat) {
  std::string out;
  base::JsonWriter json(out);
  json.BeginObject();
  json.Key("messages");
  json.BeginArray();
  for (const ChatMessage& message : chat.messages) {
    json.BeginObject();
    json.Key("role");
    json.String(message.role);
    json.Key("content");
    json.String(message.content);
    if (!message.name.empty()) {
      json.Key("name");
      json.String(message.name);
    }
    json.EndObject();
  }
  json.EndArray();
  json.Key("variables");
  json.BeginObject();
  for (const auto& [name, value] : chat.arguments) {
    json.Key(name);
    if (const auto* flag = std::get_if<bool>(&value)) json.Bool(*flag);
    if (const auto* integer = std::get_if<std::int64_t>(&value)) json.Int(*integer);
    if (const auto* number = std::get_if<double>(&value)) json.Double(*number);
    if (const auto* text = std::get_if<std::string>(&value)) json.String(*text);
  }
  json.EndObject();
  json.EndObject();
  return out;
}

// The place within the template, which the message has as well, is no place in the request. A template that does not
// come to its end will not do so later either: nothing to be tried again.
base::Error OfTemplate(base::Error error) {
  error.param.clear();
  if (error.code == base::Code::kResourceExhausted) error.code = base::Code::kFailedPrecondition;
  if (error.reason.empty()) error.reason = "chat_template";
  return error;
}

class TokenizerText final : public ModelText {
 public:
  TokenizerText(std::shared_ptr<const text::Tokenizer> tokenizer, std::shared_ptr<const text::ChatTemplate> chat,
                const base::Clock& clock)
      : tokenizer_(std::move(tokenizer)), chat_(std::move(chat)), clock_(clock) {}

  base::Result<std::vector<TokenId>> Encode(std::string_view words) const override {
    LOQUAT_TRY(CheckTokenizer());
    return tokenizer_->Encode(words);
  }

  base::Result<CutTokens> EncodeWithin(std::string_view words, std::uint32_t limit,
                                       text::TruncationPolicy policy) const override {
    LOQUAT_TRY(CheckTokenizer());
    CutTokens result;
    text::EncodeWorkspace workspace;
    auto report = tokenizer_->EncodeTruncated(words, {}, limit, policy, workspace, result.tokens);
    if (!report.has_value()) {
      base::Error error = std::move(report).error();
      if (error.reason == "too_many_tokens") {
        error.code = base::Code::kInvalidArgument;
        error.reason = "context_length_exceeded";
      }
      return error;
    }
    result.cut = report->tokens_before - report->tokens_after;
    return result;
  }

  base::Result<std::vector<TokenId>> EncodeChat(const ChatPrompt& chat) const override {
    LOQUAT_TRY(CheckTokenizer());
    if (chat_ == nullptr) {
      return base::Error{.code = base::Code::kFailedPrecondition,
                         .message = "the model has no chat template; send its prompt to /v1/completions",
                         .reason = "no_chat_template"};
    }
    auto prompt = Render(chat);
    if (!prompt.has_value()) return OfTemplate(std::move(prompt).error());
    // The template has written what a prompt begins with.
    return tokenizer_->Encode(*prompt, {.add_special = false});
  }

  bool has_chat_template() const override { return chat_ != nullptr && tokenizer_ != nullptr; }

  std::string TokenBytes(TokenId token) const override {
    if (tokenizer_ == nullptr) return {};
    return std::string(tokenizer_->IsSpecial(token) ? tokenizer_->TokenText(token) : tokenizer_->TokenBytes(token));
  }

 private:
  base::Status CheckTokenizer() const {
    if (tokenizer_ != nullptr) return {};
    return base::Error{.code = base::Code::kFailedPrecondition,
                       .message = "the model's files have no tokenizer; send the prompt as token ids",
                       .reason = "no_tokenizer"};
  }

  base::Result<std::string> Render(const ChatPrompt& chat) const {
    base::JsonParser parser({.max_bytes = kChatJsonBytesMax, .max_depth = kChatJsonDepth});
    LOQUAT_ASSIGN(const base::JsonValue root, parser.Parse(ChatJson(chat)));
    LOQUAT_ASSIGN(const base::JsonObject object, root.AsObject());
    const auto named = [this](std::optional<TokenId> token) -> std::optional<std::string_view> {
      if (!token) return std::nullopt;
      return tokenizer_->TokenText(*token);
    };
    const auto since = std::chrono::floor<std::chrono::seconds>(clock_.WallNow().time_since_epoch());
    return chat_->Render({.messages = object.Find("messages"),
                          .bos_token = named(tokenizer_->bos()),
                          .eos_token = named(tokenizer_->eos()),
                          .variables = object.Find("variables"),
                          .now = std::chrono::local_seconds(since)});
  }

  const std::shared_ptr<const text::Tokenizer> tokenizer_;
  const std::shared_ptr<const text::ChatTemplate> chat_;
  const base::Clock& clock_;
};

}  // namespace

std::shared_ptr<const ModelText> TextOfModel(const engine::ModelInfo& info, const base::Clock& clock) {
  return std::make_shared<TokenizerText>(info.tokenizer, info.chat_template, clock);
}

}  // namespace loquat::pipeline
