// Where an engine's thread lays down an encoder's answer and the coroutine of the call picks it up.
//
// Thread-safe; the first answer stands, so that whoever gives up first (client, server, deadline) is the one that is
// heard. One coroutine waits, once. Held by a shared pointer: the engine may answer after the coroutine has gone.

#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <utility>

#include "base/mutex.h"
#include "base/result.h"
#include "engine/engine.h"
#include "pipeline/signal.h"

namespace loquat::pipeline {

class EncodeAnswer {
 public:
  void Set(base::Result<engine::EncodeResult> result) LOQUAT_EXCLUDES(mutex_) {
    {
      const base::MutexLock lock(mutex_);
      if (set_) return;
      set_ = true;
      result_ = std::move(result);
    }
    there_.Notify();
  }

  boost::asio::awaitable<base::Result<engine::EncodeResult>> Get() LOQUAT_EXCLUDES(mutex_) {
    for (;;) {
      {
        const base::MutexLock lock(mutex_);
        if (set_) co_return std::move(result_);
      }
      co_await there_.Wait();
    }
  }

 private:
  Signal there_;
  base::Mutex mutex_;
  bool set_ LOQUAT_GUARDED_BY(mutex_) = false;
  base::Result<engine::EncodeResult> result_ LOQUAT_GUARDED_BY(mutex_);
};

}  // namespace loquat::pipeline
