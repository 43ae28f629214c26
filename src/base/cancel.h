// Cancellation: a CancelSource is told once; every CancelToken made from it sees it, and callbacks run once.
// Thread-safe. A token keeps the shared state alive, so it may outlive the source. A default token is never cancelled.

#pragma once

#include <stop_token>
#include <utility>

namespace loquat::base {

class CancelToken {
 public:
  CancelToken() = default;
  bool cancelled() const { return token_.stop_requested(); }
  // False when nobody can ever cancel: the caller may skip its bookkeeping.
  bool can_be_cancelled() const { return token_.stop_possible(); }

 private:
  friend class CancelSource;
  template <typename F>
  friend class CancelCallback;
  explicit CancelToken(std::stop_token token) : token_(std::move(token)) {}

  std::stop_token token_;
};

class CancelSource {
 public:
  CancelToken token() const { return CancelToken(source_.get_token()); }
  // Runs the callbacks on this thread, before it returns. Later calls do nothing.
  void Cancel() { source_.request_stop(); }
  bool cancelled() const { return source_.stop_requested(); }

 private:
  std::stop_source source_;
};

// Calls `f` when the token is cancelled (at once if it already is), on the cancelling thread, until destroyed.
// The destructor waits for a call that is running on another thread.
template <typename F>
class CancelCallback {
 public:
  CancelCallback(const CancelToken& token, F f) : callback_(token.token_, std::move(f)) {}

 private:
  std::stop_callback<F> callback_;
};

}  // namespace loquat::base
