#include "app/chat_partner.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <utility>

#include "app/command_line.h"
#include "app/engine_models.h"
#include "app/progress_bar.h"
#include "base/channel.h"
#include "base/mutex.h"
#include "observe/metrics.h"
#include "pipeline/model_set.h"

namespace loquat::app {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kPiecesMax = 4096;  // The terminal is behind by at most so many.

struct Piece {
  std::string text;
  bool last = false;
};

// Hands the engine's words to the thread that prints them.
class PieceSink final : public engine::GenerationSink {
 public:
  bool OnDelta(const engine::Delta& delta) override {
    if (delta.text.empty()) return true;
    return pieces_.TryPush(Piece{.text = std::string(delta.text)}).has_value();
  }
  void OnEnd(const engine::GenerationEnd& end) override {
    end_ = end;
    pieces_.Close();  // Who pops the end sees what was written before.
  }

  auto Pop() { return pieces_.Pop(); }
  // After Pop has said that nothing comes any more.
  const engine::GenerationEnd& end() const { return end_; }

 private:
  base::Channel<Piece> pieces_{kPiecesMax};
  engine::GenerationEnd end_;
};

class LocalPartner final : public ChatPartner {
 public:
  explicit LocalPartner(const ChatArguments& arguments) : arguments_(arguments) {}

  base::Status Load() {
    const std::string name = std::filesystem::path(arguments_.model).filename().string();
    EngineModelOptions options{.name = name.empty() ? "model" : name, .path = arguments_.model};
    options.context = arguments_.context;
    options.threads = arguments_.threads;
    options.sequences_max = 1;
    {
      ProgressBar bar(STDERR_FILENO, clock_);
      const LoadEvents events{
          .progress = [&](const std::string&, double done) { bar.Show(done, "putting in order"); },
          .notice = [](const std::string& model,
                       const std::string& notice) { fmt::print(stderr, "{}: {}\n", model, notice); }};
      LOQUAT_TRY(models_.Load({options}, ForcedIsa().force_isa, events));
    }
    const pipeline::ServedModel& model = models_.set().all().front();
    if (model.info().can_generate && model.text->has_chat_template()) return {};
    return base::FailedPrecondition(
        fmt::format("{} has no chat template: it completes text, and cannot chat", arguments_.model));
  }

  const std::string& name() const override { return models_.set().all().front().info().name; }

  base::Result<ChatAnswer> Answer(const std::vector<pipeline::ChatMessage>& messages, const OnText& on_text) override {
    const pipeline::ServedModel& model = models_.set().all().front();
    engine::GenerateRequest request;
    LOQUAT_ASSIGN(request.prompt, model.text->EncodeChat({.messages = messages, .arguments = {}}));
    request.sampling.temperature = static_cast<float>(arguments_.temperature);
    request.tokens_max = arguments_.tokens_max;
    request.session = "chat";
    base::CancelSource stop;
    {
      const base::MutexLock lock(mutex_);
      stop_ = stop;
    }
    base::CallContext call{.request_id = "chat", .trace = {}, .received_at = Clock::now(), .tenant = "terminal"};
    call.cancel = stop.token();
    const auto sink = std::make_shared<PieceSink>();
    LOQUAT_ASSIGN(const engine::GenerationHandle handle, model.engine->Generate(call, std::move(request), sink));
    ChatAnswer answer;
    for (auto piece = sink->Pop(); piece.has_value(); piece = sink->Pop()) {
      answer.text += piece->text;
      on_text(piece->text);
    }
    const engine::GenerationEnd& end = sink->end();
    answer.stopped = stop.cancelled();
    if (!end.status.has_value() && !answer.stopped) return end.status.error();
    answer.tokens = end.usage.generated_tokens;
    answer.prompt_tokens = end.usage.prompt_tokens;
    answer.first_token = end.first_token;
    answer.total = end.total;
    return answer;
  }

  void Stop() override {
    const base::MutexLock lock(mutex_);
    stop_.Cancel();
  }

 private:
  const ChatArguments arguments_;
  const base::SystemClock clock_;
  observe::Registry metrics_;
  EngineModels models_{metrics_, clock_};
  base::Mutex mutex_;
  base::CancelSource stop_ LOQUAT_GUARDED_BY(mutex_);
};

}  // namespace

base::Result<std::unique_ptr<ChatPartner>> ChatWithModel(const ChatArguments& arguments) {
  auto partner = std::make_unique<LocalPartner>(arguments);
  LOQUAT_TRY(partner->Load());
  return partner;
}

}  // namespace loquat::app
