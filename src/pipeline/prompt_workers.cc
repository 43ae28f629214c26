#include "pipeline/prompt_workers.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace loquat::pipeline {
namespace {

namespace asio = boost::asio;

// The caller waits, and so keeps `work` alive.
asio::awaitable<void> Call(const std::function<void()>* work) {
  (*work)();
  co_return;
}

}  // namespace

asio::awaitable<void> PromptWorkers::Run(std::size_t bytes, const std::function<void()>& work) {
  if (bytes <= kPromptBytesInlineMax) {
    work();
  } else {
    co_await asio::co_spawn(pool_, Call(&work), asio::use_awaitable);
  }
}

}  // namespace loquat::pipeline
