#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <thread>

#include "app/chat_partner.h"
#include "app/command_line.h"
#include "app/commands.h"

namespace loquat::app {
namespace {

constexpr int kExitInterrupted = 130;  // As a shell reports a death by SIGINT.

// Ctrl-C: the first one during an answer stops the answer; a second one, or one between answers, ends the program.
class InterruptWatch {
 public:
  explicit InterruptWatch(ChatPartner& partner) : partner_(partner) {
    sigemptyset(&signals_);
    sigaddset(&signals_, SIGINT);
    thread_ = std::jthread([this](const std::stop_token& stop) { Watch(stop); });
  }

  void BeginAnswer() { state_.store(State::kAnswering); }
  void EndAnswer() { state_.store(State::kIdle); }

 private:
  enum class State : std::uint8_t { kIdle, kAnswering, kStopping };

  void Watch(const std::stop_token& stop) {
    constexpr timespec kLook{.tv_sec = 0, .tv_nsec = 100'000'000};
    while (!stop.stop_requested()) {
      if (sigtimedwait(&signals_, nullptr, &kLook) != SIGINT) continue;
      State answering = State::kAnswering;
      if (!state_.compare_exchange_strong(answering, State::kStopping)) {
        fmt::print("\n");
        std::fflush(stdout);
        std::_Exit(kExitInterrupted);
      }
      partner_.Stop();
    }
  }

  ChatPartner& partner_;
  sigset_t signals_;
  std::atomic<State> state_{State::kIdle};
  std::jthread thread_;
};

double Seconds(std::chrono::nanoseconds duration) {
  return std::chrono::duration<double>(duration).count();
}

void PrintFigures(const ChatAnswer& answer) {
  // The first token waits for the prompt; the speed is that of the others.
  const double seconds = Seconds(answer.total - answer.first_token);
  const double rate = answer.tokens > 1 && seconds > 0 ? (answer.tokens - 1) / seconds : 0;
  if (answer.stopped) {
    fmt::print(stderr, "[stopped after {:.2f} s]\n", Seconds(answer.total));
  } else {
    fmt::print(stderr, "[{} tokens, {:.1f} tokens/s, first after {:.2f} s, prompt of {} tokens]\n", answer.tokens, rate,
               Seconds(answer.first_token), answer.prompt_tokens);
  }
}

int Converse(ChatPartner& partner, const ChatArguments& arguments) {
  const bool terminal = isatty(STDIN_FILENO) == 1;
  std::vector<pipeline::ChatMessage> messages;
  if (!arguments.system.empty()) messages.push_back({.role = "system", .content = arguments.system, .name = {}});
  if (terminal) {
    fmt::print(stderr, "Talking with {}. Ctrl-C stops an answer, Ctrl-D ends.\n", partner.name());
  }
  InterruptWatch watch(partner);
  std::string line;
  for (;;) {
    if (terminal) {
      fmt::print("> ");
      std::fflush(stdout);
    }
    if (!std::getline(std::cin, line)) break;
    if (line.empty()) continue;
    messages.push_back({.role = "user", .content = line, .name = {}});
    watch.BeginAnswer();
    const auto answer = partner.Answer(messages, [](std::string_view piece) {
      fmt::print("{}", piece);
      std::fflush(stdout);
    });
    watch.EndAnswer();
    fmt::print("\n");
    std::fflush(stdout);
    if (!answer.has_value()) {
      Fail(answer.error());
      if (!terminal) return kExitFailure;
      messages.pop_back();
      continue;
    }
    PrintFigures(*answer);
    messages.push_back({.role = "assistant", .content = answer->text, .name = {}});
  }
  if (terminal) fmt::print("\n");
  return kExitOk;
}

}  // namespace

int Chat(const ChatArguments& arguments) {
  if (arguments.model.empty() == arguments.url.empty()) {
    Fail(base::InvalidArgument("give one of --model PATH and --url URL"));
    return kExitUsage;
  }
  // Before any thread starts, so that all of them leave the signal to the watch.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  auto partner = arguments.url.empty() ? ChatWithModel(arguments) : ChatWithServer(arguments);
  const int code = partner.has_value() ? Converse(**partner, arguments) : Fail(partner.error());
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
  return code;
}

}  // namespace loquat::app
