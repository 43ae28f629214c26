#include "ingress/kafka/client_handles.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

#include "base/check.h"

namespace loquat::ingress::kafka {
namespace {

constexpr std::uint64_t kOne = 1;  // What librdkafka writes to the eventfd.

}  // namespace

Wakeup::Wakeup() : descriptor_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  LOQUAT_CHECK(descriptor_ >= 0, "there is a file descriptor left for an eventfd");
}
Wakeup::~Wakeup() {
  ::close(descriptor_);
}

void Wakeup::Wake() {
  // It fails only where the count is at its end, and then the waiter is awake.
  (void)!::write(descriptor_, &kOne, sizeof kOne);
}

void Wakeup::Wait(std::chrono::milliseconds most) {
  pollfd one{.fd = descriptor_, .events = POLLIN, .revents = 0};
  if (::poll(&one, 1, static_cast<int>(most.count())) <= 0) return;
  std::uint64_t count = 0;
  (void)!::read(descriptor_, &count, sizeof count);
}

void Wakeup::ListenTo(rd_kafka_queue_t& queue) {
  rd_kafka_queue_io_event_enable(&queue, descriptor_, &kOne, sizeof kOne);
}
void Wakeup::Forget(rd_kafka_queue_t& queue) {
  rd_kafka_queue_io_event_enable(&queue, -1, nullptr, 0);
}

}  // namespace loquat::ingress::kafka
