#include "ingress/grpc/infer_sequences.h"

#include <utility>

namespace loquat::ingress::grpc {

InferSequences::Lease::~Lease() {
  if (sequences_ != nullptr) sequences_->GiveBack(key_, std::move(tokens_));
}

InferSequences::Lease::Lease(Lease&& other) noexcept
    : sequences_(std::exchange(other.sequences_, nullptr)),
      key_(std::move(other.key_)),
      tokens_(std::move(other.tokens_)) {}

base::Result<InferSequences::Lease> InferSequences::Take(std::string key) {
  Lease lease;
  if (key.empty()) return lease;
  const base::MutexLock lock(mutex_);
  Sequence& sequence = sequences_[key];
  if (sequence.taken) {
    return base::Error{.code = base::Code::kAborted,
                       .message = "another call goes on with this session and stream; end it first",
                       .reason = "stream_in_use",
                       .param = "/stream_id"};
  }
  sequence.taken = true;
  if (!sequence.tokens.empty()) {
    idle_.erase(sequence.place);
    idle_tokens_ -= sequence.tokens.size();
    lease.tokens_ = std::exchange(sequence.tokens, {});
  }
  lease.sequences_ = this;
  lease.key_ = std::move(key);
  return lease;
}

void InferSequences::GiveBack(const std::string& key, std::vector<engine::TokenId> tokens) {
  const base::MutexLock lock(mutex_);
  const auto found = sequences_.find(key);
  if (tokens.empty()) {
    sequences_.erase(found);
    return;
  }
  idle_tokens_ += tokens.size();
  found->second = {.taken = false, .tokens = std::move(tokens), .place = idle_.insert(idle_.end(), key)};
  while (idle_.size() > sequences_max_ || idle_tokens_ > tokens_max_) {
    const auto oldest = sequences_.find(idle_.front());
    idle_tokens_ -= oldest->second.tokens.size();
    sequences_.erase(oldest);
    idle_.pop_front();
  }
}

std::size_t InferSequences::size() const {
  const base::MutexLock lock(mutex_);
  return idle_.size();
}

std::size_t InferSequences::tokens() const {
  const base::MutexLock lock(mutex_);
  return idle_tokens_;
}

}  // namespace loquat::ingress::grpc
