// Threads that turn long prompts into tokens, so that the I/O threads do not compute: rendering a template and
// tokenising a megabyte takes milliseconds. Short prompts are done where they are, which is quicker than a change of
// threads.
//
// Run from any coroutine. Stop, or the destructor, waits for what has begun; the loops of the waiting coroutines are
// alive until then.

#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cstddef>
#include <functional>

namespace loquat::pipeline {

inline constexpr std::size_t kPromptBytesInlineMax = 16 * 1024;

class PromptWorkers {
 public:
  explicit PromptWorkers(std::size_t threads = 1) : pool_(threads) {}

  // Calls `work`, here when it concerns few bytes, else on a worker while the coroutine waits.
  boost::asio::awaitable<void> Run(std::size_t bytes, const std::function<void()>& work);
  void Stop() { pool_.join(); }

 private:
  boost::asio::thread_pool pool_;
};

}  // namespace loquat::pipeline
