// An engine that says what a test has written down for it, and a tokenizer of one token a byte. Test code only.
//
// A generation's script plays on the engine's own thread as soon as it is asked for; one that holds waits for Release
// or for its cancellation. Thread-safe.

#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "engine/engine.h"
#include "pipeline/model_set.h"
#include "pipeline/model_text.h"

namespace loquat::pipeline {

class ByteText final : public ModelText {
 public:
  base::Result<std::vector<engine::TokenId>> Encode(std::string_view text) const override {
    std::vector<engine::TokenId> tokens;
    for (const char c : text) tokens.push_back(static_cast<unsigned char>(c));
    return tokens;
  }
  base::Result<CutTokens> EncodeWithin(std::string_view text, std::uint32_t limit,
                                       text::TruncationPolicy policy) const override {
    LOQUAT_ASSIGN(const text::Cut cut, text::PlanTruncation(static_cast<std::uint32_t>(text.size()), limit, policy));
    std::string left(text);
    left.erase(cut.begin, cut.size());
    LOQUAT_ASSIGN(std::vector<engine::TokenId> tokens, Encode(left));
    return CutTokens{.tokens = std::move(tokens), .cut = cut.size()};
  }
  // "<user>hi<assistant>"; an argument is written as its name.
  base::Result<std::vector<engine::TokenId>> EncodeChat(const ChatPrompt& chat) const override {
    std::string text;
    for (const auto& [name, value] : chat.arguments) text += "[" + name + "]";
    for (const ChatMessage& message : chat.messages) text += "<" + message.role + ">" + message.content;
    return Encode(text + "<assistant>");
  }
  bool has_chat_template() const override { return true; }
  std::string TokenBytes(engine::TokenId token) const override { return std::string(1, static_cast<char>(token)); }
};

struct FakeScript {
  std::string text = "Hello";  // A token a byte; each byte is a delta of its own.
  engine::Finish finish = engine::Finish::kStop;
  base::Status status;                         // An error: the generation fails after the text.
  base::Status refusal;                        // An error: it is refused at once.
  std::size_t hold_after = std::string::npos;  // Waits for Release after so many bytes.
};

class FakeEngine final : public engine::Engine {
 public:
  explicit FakeEngine(std::string name, std::uint32_t context = 256) {
    info_.name = std::move(name);
    info_.context = context;
    info_.vocabulary = 256;
    info_.can_generate = true;
  }
  ~FakeEngine() override {
    Release();
    std::vector<std::thread> threads;
    {
      const base::MutexLock lock(mutex_);
      threads.swap(threads_);
    }
    for (std::thread& thread : threads) thread.join();
  }

  engine::ModelInfo& mutable_info() { return info_; }
  void set_script(FakeScript script) {
    const base::MutexLock lock(mutex_);
    script_ = std::move(script);
  }
  void set_health(base::Status health) {
    const base::MutexLock lock(mutex_);
    health_ = std::move(health);
  }
  // Lets whoever holds go on, now and later.
  void Release() {
    const base::MutexLock lock(mutex_);
    released_ = true;
    changed_.NotifyAll();
  }
  engine::GenerateRequest last_request() const {
    const base::MutexLock lock(mutex_);
    return request_;
  }
  base::Deadline last_deadline() const {
    const base::MutexLock lock(mutex_);
    return deadline_;
  }
  // Waits until so many generations were cut off by their readers.
  void AwaitCancelled(int count) {
    base::MutexLock lock(mutex_);
    while (cancelled_ < count) changed_.Wait(mutex_);
  }

  const engine::ModelInfo& info() const override { return info_; }

  base::Result<engine::GenerationHandle> Generate(const base::CallContext& call, engine::GenerateRequest request,
                                                  std::shared_ptr<engine::GenerationSink> sink) override {
    const base::MutexLock lock(mutex_);
    if (!script_.refusal.has_value()) return script_.refusal.error();
    request_ = request;
    deadline_ = call.deadline;
    base::CancelSource source;
    threads_.emplace_back([this, script = script_, asked = std::move(request), the_sink = std::move(sink),
                           token = source.token(),
                           client = call.cancel] { Play(script, asked, *the_sink, token, client); });
    return engine::GenerationHandle(source);
  }

  // Each text's vector is its length and its first token, before normalisation.
  base::Status Encode(const base::CallContext&, engine::EncodeRequest request, engine::EncodeDone done) override {
    const base::MutexLock lock(mutex_);
    if (!script_.refusal.has_value()) return script_.refusal;
    threads_.emplace_back([asked = std::move(request), tell = std::move(done), status = script_.status]() mutable {
      if (!status.has_value()) return tell(status.error());
      engine::EncodeResult result;
      for (const auto& text : asked.texts) {
        result.rows.push_back({static_cast<float>(text.size()), static_cast<float>(text.front())});
        result.tokens += static_cast<std::uint32_t>(text.size());
      }
      tell(std::move(result));
    });
    return {};
  }
  base::Status Health() const override {
    const base::MutexLock lock(mutex_);
    return health_;
  }
  engine::EngineStats Stats() const override { return {}; }

 private:
  void Play(const FakeScript& script, const engine::GenerateRequest& request, engine::GenerationSink& sink,
            const base::CancelToken& handle, const base::CancelToken& client) {
    engine::GenerationEnd end{.status = script.status, .usage = {}};
    end.usage.prompt_tokens = static_cast<std::uint32_t>(request.prompt.size());
    end.usage.cached_prompt_tokens = 3;
    const std::size_t most = request.tokens_max == 0 ? script.text.size() : request.tokens_max;
    const std::string text = script.text.substr(0, most);
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (i == script.hold_after) Hold(handle, client);
      if (handle.cancelled() || client.cancelled() || !Say(text[i], request, sink)) {
        end.status = base::Cancelled("nobody reads");
        const base::MutexLock lock(mutex_);
        ++cancelled_;
        changed_.NotifyAll();
        break;
      }
      end.usage.generated_tokens += request.choices;
    }
    const bool cut = text.size() < script.text.size();
    for (std::uint32_t choice = 0; choice < request.choices && end.status.has_value(); ++choice) {
      sink.OnDelta({.choice = choice, .finish = cut ? engine::Finish::kLength : script.finish});
    }
    sink.OnEnd(end);
  }

  static bool Say(char byte, const engine::GenerateRequest& request, engine::GenerationSink& sink) {
    const engine::TokenId token = static_cast<unsigned char>(byte);
    std::vector<engine::TokenLogprob> logprobs;
    if (request.top_logprobs) {
      for (std::uint32_t i = 0; i <= *request.top_logprobs; ++i) {
        logprobs.push_back({static_cast<engine::TokenId>(token + (i == 0 ? 0 : i - 1)), -0.5F * static_cast<float>(i)});
      }
    }
    for (std::uint32_t choice = 0; choice < request.choices; ++choice) {
      if (!sink.OnDelta({.choice = choice, .text = {&byte, 1}, .tokens = {&token, 1}, .logprobs = logprobs})) {
        return false;
      }
    }
    return true;
  }

  void Hold(const base::CancelToken& handle, const base::CancelToken& client) {
    const auto wake = [this] {
      const base::MutexLock lock(mutex_);
      changed_.NotifyAll();
    };
    const base::CancelCallback<decltype(wake)> on_handle(handle, wake);
    const base::CancelCallback<decltype(wake)> on_client(client, wake);
    base::MutexLock lock(mutex_);
    while (!released_ && !handle.cancelled() && !client.cancelled()) changed_.Wait(mutex_);
  }

  engine::ModelInfo info_;

  mutable base::Mutex mutex_;
  base::CondVar changed_;
  base::Status health_ LOQUAT_GUARDED_BY(mutex_);
  FakeScript script_ LOQUAT_GUARDED_BY(mutex_);
  engine::GenerateRequest request_ LOQUAT_GUARDED_BY(mutex_);
  base::Deadline deadline_ LOQUAT_GUARDED_BY(mutex_);
  bool released_ LOQUAT_GUARDED_BY(mutex_) = false;
  int cancelled_ LOQUAT_GUARDED_BY(mutex_) = 0;
  std::vector<std::thread> threads_ LOQUAT_GUARDED_BY(mutex_);
};

inline ServedModel Serve(std::shared_ptr<engine::Engine> engine) {
  return {.engine = std::move(engine), .text = std::make_shared<ByteText>(), .created = 1'700'000'000};
}

}  // namespace loquat::pipeline
