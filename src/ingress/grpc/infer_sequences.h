// The tokens of sequences that Inference.StreamInfer goes on with: what the next turn's new tokens come after. Keys and
// values are the engine's, which finds them again by these tokens.
//
// Thread-safe. It outlives its leases. Sequences that nobody uses are forgotten, least recently used first, when one of
// the bounds is reached.

#pragma once

#include <cstddef>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "pipeline/generate.h"

namespace loquat::ingress::grpc {

inline constexpr std::size_t kSequencesMax = 1024;                        // As many as an engine keeps sessions.
inline constexpr std::size_t kSequenceTokensMax = std::size_t{16} << 20;  // Of all of them: 64 MiB.

class InferSequences {
 public:
  // One call's hold on a sequence, or on one of its own that ends with it. Moves; one thread.
  class Lease {
   public:
    Lease() = default;
    ~Lease();
    Lease(Lease&& other) noexcept;
    Lease& operator=(Lease&& other) = delete;

    std::vector<engine::TokenId>& tokens() { return tokens_; }

   private:
    friend class InferSequences;
    InferSequences* sequences_ = nullptr;
    std::string key_;
    std::vector<engine::TokenId> tokens_;
  };

  explicit InferSequences(std::size_t sequences_max = kSequencesMax, std::size_t tokens_max = kSequenceTokensMax)
      : sequences_max_(sequences_max), tokens_max_(tokens_max) {}
  InferSequences(const InferSequences&) = delete;
  InferSequences& operator=(const InferSequences&) = delete;

  // An empty key: a sequence that nobody finds again. Errors: aborted "stream_in_use" where another call has it.
  base::Result<Lease> Take(std::string key) LOQUAT_EXCLUDES(mutex_);

  // Snapshots.
  std::size_t size() const LOQUAT_EXCLUDES(mutex_);
  std::size_t tokens() const LOQUAT_EXCLUDES(mutex_);

 private:
  struct Sequence {
    bool taken = false;
    std::vector<engine::TokenId> tokens;     // Empty while it is taken.
    std::list<std::string>::iterator place;  // In idle_; meaningless while it is taken.
  };

  void GiveBack(const std::string& key, std::vector<engine::TokenId> tokens) LOQUAT_EXCLUDES(mutex_);

  const std::size_t sequences_max_, tokens_max_;
  mutable base::Mutex mutex_;
  std::map<std::string, Sequence> sequences_ LOQUAT_GUARDED_BY(mutex_);
  std::list<std::string> idle_ LOQUAT_GUARDED_BY(mutex_);  // Least recently used first.
  std::size_t idle_tokens_ LOQUAT_GUARDED_BY(mutex_) = 0;
};

}  // namespace loquat::ingress::grpc
