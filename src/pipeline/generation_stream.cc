#include "pipeline/generation_stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace loquat::pipeline {
namespace {

std::size_t BytesOf(const engine::Delta& delta) {
  return delta.text.size() + delta.tokens.size_bytes() + delta.logprobs.size_bytes();
}

base::Error SlowReader(std::size_t bytes) {
  return {.code = base::Code::kResourceExhausted,
          .message = fmt::format("the answer was cut: its reader fell more than {} KiB behind; read faster, or ask "
                                 "without \"stream\"",
                                 bytes / 1024),
          .reason = "slow_reader"};
}

}  // namespace

class GenerationStream::Source final : public engine::GenerationSink {
 public:
  Source(std::shared_ptr<GenerationStream> stream, std::uint32_t first_choice)
      : stream_(std::move(stream)), first_choice_(first_choice) {}

  bool OnDelta(const engine::Delta& delta) override { return stream_->Add(first_choice_, delta); }
  void OnEnd(const engine::GenerationEnd& end) override { stream_->End(end); }

 private:
  const std::shared_ptr<GenerationStream> stream_;
  const std::uint32_t first_choice_;
};

std::shared_ptr<engine::GenerationSink> GenerationStream::AddSource(std::uint32_t first_choice) {
  const base::MutexLock lock(mutex_);
  ++running_;
  return std::make_shared<Source>(shared_from_this(), first_choice);
}

void GenerationStream::RemoveSource() {
  const base::MutexLock lock(mutex_);
  --running_;
}

AnswerDelta& GenerationStream::PendingOf(std::uint32_t choice) {
  const auto found = std::ranges::find(pending_, choice, &AnswerDelta::choice);
  if (found != pending_.end()) return *found;
  pending_.emplace_back().choice = choice;
  return pending_.back();
}

bool GenerationStream::Add(std::uint32_t first_choice, const engine::Delta& delta) {
  bool wanted = false;
  {
    const base::MutexLock lock(mutex_);
    if (!status_.has_value()) return false;
    const std::size_t bytes = pending_bytes_ + BytesOf(delta);
    // What comes in one piece is taken from an engine whose reader is up to date, however large.
    wanted = buffer_bytes_max_ == 0 || pending_bytes_ == 0 || bytes <= buffer_bytes_max_;
    if (!wanted) {
      status_ = SlowReader(buffer_bytes_max_);
      pending_.clear();
    } else {
      pending_bytes_ = bytes;
      AnswerDelta& pending = PendingOf(first_choice + delta.choice);
      pending.text += delta.text;
      pending.tokens.insert(pending.tokens.end(), delta.tokens.begin(), delta.tokens.end());
      pending.logprobs.insert(pending.logprobs.end(), delta.logprobs.begin(), delta.logprobs.end());
      if (delta.finish) pending.finish = delta.finish;
    }
  }
  news_.Notify();
  return wanted;
}

void GenerationStream::End(const engine::GenerationEnd& end) {
  {
    const base::MutexLock lock(mutex_);
    --running_;
    usage_.prompt_tokens += end.usage.prompt_tokens;
    usage_.cached_prompt_tokens += end.usage.cached_prompt_tokens;
    usage_.generated_tokens += end.usage.generated_tokens;
    if (!end.status.has_value() && status_.has_value()) status_ = end.status;
  }
  news_.Notify();
}

void GenerationStream::Abort(base::Error error) {
  {
    const base::MutexLock lock(mutex_);
    if (status_.has_value()) status_ = std::move(error);
  }
  news_.Notify();
}

boost::asio::awaitable<bool> GenerationStream::Next(std::vector<AnswerDelta>& deltas) {
  deltas.clear();
  for (;;) {
    {
      const base::MutexLock lock(mutex_);
      // What was said before a failure still goes out.
      if (!pending_.empty()) {
        std::swap(deltas, pending_);
        pending_bytes_ = 0;
        co_return true;
      }
      if (running_ == 0 || !status_.has_value()) co_return false;
    }
    co_await news_.Wait();
  }
}

engine::Usage GenerationStream::usage() const {
  const base::MutexLock lock(mutex_);
  return usage_;
}

base::Status GenerationStream::status() const {
  const base::MutexLock lock(mutex_);
  return status_;
}

}  // namespace loquat::pipeline
