// A bounded queue between threads that can be closed: a ring (ring.h) plus waiting (wait_list.h).
// Thread-safe to the degree of its ring: Channel<T> any number of pushers and poppers, SpscChannel<T> one of each.
// The channel outlives every call on it and every registered waiter.
//
// A full channel refuses at once (TryPush): that is what servers answer with "try later". Compute threads that own no
// other work may sleep in Pop, PopUntil and PushUntil. Coroutines register a Waiter, which knows no executor:
//
//   while (true) {
//     if (auto item = channel.TryPop(); item || item.error() == ChannelRefusal::kClosed) return item;
//     co_await channel.PopReady();  // Resumes on the notifying thread; an adapter posts to its own executor instead.
//   }
//
// A waiter that was notified and then does not try must call PassOn: its wake-up may have been another one's only one.

#pragma once

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string_view>
#include <utility>

#include "base/deadline.h"
#include "base/result.h"
#include "base/ring.h"
#include "base/wait_list.h"

namespace loquat::base {

enum class ChannelRefusal : std::uint8_t {
  kEmpty,     // TryPop: nothing there now.
  kFull,      // TryPush: no room now.
  kTimedOut,  // PopUntil, PushUntil: the deadline passed first.
  kClosed,    // Push: closed. Pop: closed and drained; nothing ever comes again.
};

// For callers that answer with it. `what` names the channel: "the inference queue is full; try again later".
Error ChannelError(ChannelRefusal refusal, std::string_view what);

template <typename T, typename Ring = MpmcRing<T>>
class Channel {
 public:
  using Popped = std::expected<T, ChannelRefusal>;
  using Pushed = std::expected<void, ChannelRefusal>;

  // Holds at least `capacity` items; see capacity().
  explicit Channel(std::size_t capacity) : ring_(capacity) {}
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  std::size_t capacity() const { return ring_.capacity(); }
  // A snapshot.
  std::size_t size() const { return ring_.size(); }
  bool closed() const { return ring_.closed(); }

  // Never blocks. `item` is moved from only on success.
  [[nodiscard]] Pushed TryPush(T&& item) {
    const PushResult result = ring_.TryPush(std::move(item));
    if (result == PushResult::kOk) {
      AfterPush();
      return {};
    }
    return std::unexpected(result == PushResult::kFull ? ChannelRefusal::kFull : ChannelRefusal::kClosed);
  }
  [[nodiscard]] Pushed TryPush(const T& item) {
    T copy(item);
    return TryPush(std::move(copy));
  }

  // Never blocks.
  [[nodiscard]] Popped TryPop() {
    // Asked before the pop: an item pushed between the two would be missed the other way round.
    const bool drained = ring_.Drained();
    std::optional<T> item = ring_.TryPop();
    if (!item.has_value()) return std::unexpected(drained ? ChannelRefusal::kClosed : ChannelRefusal::kEmpty);
    AfterPop();
    return *std::move(item);
  }

  // Sleeps until there is an item, or the channel is closed and drained.
  [[nodiscard]] Popped Pop() { return PopUntil(Deadline()); }
  // The deadline is one of the system's steady clock. One that has passed still takes an item that is there.
  [[nodiscard]] Popped PopUntil(Deadline deadline) {
    ThreadWaiter waiter;
    while (true) {
      Popped popped = TryPop();
      if (popped.has_value() || popped.error() == ChannelRefusal::kClosed) return popped;
      if (!AwaitPop(waiter)) continue;
      if (waiter.WaitUntil(deadline)) continue;
      if (!poppers_.Remove(waiter)) waiter.WaitUntil(Deadline());  // Notified just now.
      popped = TryPop();
      if (popped.has_value() || popped.error() == ChannelRefusal::kClosed) return popped;
      return std::unexpected(ChannelRefusal::kTimedOut);
    }
  }

  // Sleeps until there is room, the channel is closed, or the deadline has passed.
  [[nodiscard]] Pushed PushUntil(T&& item, Deadline deadline) {
    ThreadWaiter waiter;
    while (true) {
      Pushed pushed = TryPush(std::move(item));
      if (pushed.has_value() || pushed.error() == ChannelRefusal::kClosed) return pushed;
      if (!AwaitPush(waiter)) continue;
      if (waiter.WaitUntil(deadline)) continue;
      if (!pushers_.Remove(waiter)) waiter.WaitUntil(Deadline());
      pushed = TryPush(std::move(item));
      if (pushed.has_value() || pushed.error() == ChannelRefusal::kClosed) return pushed;
      return std::unexpected(ChannelRefusal::kTimedOut);
    }
  }

  // Refuses later pushes; what is inside can still be popped. Wakes everybody. Any thread, any number of times.
  void Close() {
    ring_.Close();
    WaitList::FenceBeforeLook();
    poppers_.WakeAll();
    pushers_.WakeAll();
  }

  // Registers `waiter` for one call, when a pop (a push) is worth another try: an item (room) came, or the end.
  // False: try right away, nothing was registered. After true, touch the waiter only from its Notify or by a Cancel.
  [[nodiscard]] bool AwaitPop(Waiter& waiter) {
    return poppers_.AddUnless(waiter, [this] { return PopHasChance(); });
  }
  [[nodiscard]] bool AwaitPush(Waiter& waiter) {
    return pushers_.AddUnless(waiter, [this] { return PushHasChance(); });
  }
  // True: will not be notified. False: its Notify was called, is running, or comes at once; wait for it, then PassOn.
  [[nodiscard]] bool CancelPop(Waiter& waiter) { return poppers_.Remove(waiter); }
  [[nodiscard]] bool CancelPush(Waiter& waiter) { return pushers_.Remove(waiter); }
  // Hands a wake-up that is not used to the next waiter.
  void PassOn() {
    WaitList::FenceBeforeLook();
    WakePoppers();
    WakePushers();
  }

  // co_await channel.PopReady(): goes on when a pop is worth a try, on the thread that made it so.
  class ReadyAwaiter final : Waiter {
   public:
    bool await_ready() const noexcept { return false; }
    bool await_suspend(std::coroutine_handle<> coroutine) noexcept {
      coroutine_ = coroutine;
      return pop_ ? channel_.AwaitPop(*this) : channel_.AwaitPush(*this);
    }
    void await_resume() const noexcept {}

   private:
    friend class Channel;
    ReadyAwaiter(Channel& channel, bool pop) : channel_(channel), pop_(pop) {}
    void Notify() noexcept override { coroutine_.resume(); }

    Channel& channel_;
    const bool pop_;
    std::coroutine_handle<> coroutine_;
  };
  [[nodiscard]] ReadyAwaiter PopReady() { return ReadyAwaiter(*this, true); }
  [[nodiscard]] ReadyAwaiter PushReady() { return ReadyAwaiter(*this, false); }

 private:
  bool PopHasChance() const { return ring_.CanPop() || ring_.Drained(); }
  bool PushHasChance() const { return ring_.CanPush() || ring_.closed(); }

  // Each success wakes one on the other side, and one on its own side if there is more to do: a wake-up may have come
  // while an older push was half done, when its receiver could see nothing, and went back to sleep.
  void AfterPush() {
    WaitList::FenceBeforeLook();
    if (poppers_.Any()) poppers_.WakeOne();
    WakePushers();
  }
  void AfterPop() {
    WaitList::FenceBeforeLook();
    if (pushers_.Any()) pushers_.WakeOne();
    WakePoppers();
  }
  void WakePoppers() {
    if (!poppers_.Any()) return;
    if (ring_.CanPop()) {
      poppers_.WakeOne();
    } else if (ring_.Drained()) {
      poppers_.WakeAll();  // The last item went after Close had woken them.
    }
  }
  void WakePushers() {
    if (pushers_.Any() && ring_.CanPush()) pushers_.WakeOne();
  }

  Ring ring_;
  alignas(kCacheLineBytes) WaitList poppers_;
  alignas(kCacheLineBytes) WaitList pushers_;
};

template <typename T>
using SpscChannel = Channel<T, SpscRing<T>>;

}  // namespace loquat::base
