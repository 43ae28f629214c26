#include "ingress/stream/event_log.h"

#include <charconv>
#include <utility>

namespace loquat::ingress {
namespace {

std::size_t BytesOf(const LoggedEvent& event) {
  return sizeof event + event.json.size() + event.id.size() + event.revision_of.size();
}

}  // namespace

void Declare(config::Section<StreamLogsOptions>& section) {
  section.Key("streams_max", &StreamLogsOptions::streams_max)
      .Range(0, 1'000'000)
      .Help("Streams whose events are kept; clients of further ones cannot resume.");
  section.Key("bytes_max", &StreamLogsOptions::bytes_max)
      .Bytes()
      .Range(1024, std::size_t{16} << 20)
      .Help("Bytes of events kept of one stream; the oldest go first.");
  section.Key("keep", &StreamLogsOptions::keep)
      .Range(std::chrono::milliseconds(0), std::chrono::milliseconds(600'000))
      .Help("How long a stream is kept, and its turns go on, after its client has dropped.");
}

void StreamLog::Append(LoggedEvent event) {
  const base::MutexLock lock(mutex_);
  if (listener_) listener_(&event);
  if (!event.revision_of.empty() && !events_.empty() && events_.back().revision_of == event.revision_of) {
    bytes_ -= BytesOf(events_.back());
    events_.pop_back();
  }
  bytes_ += BytesOf(event);
  events_.push_back(std::move(event));
  while (bytes_ > bytes_max_ && !events_.empty()) {
    lost_ = events_.front().number;
    bytes_ -= BytesOf(events_.front());
    events_.pop_front();
  }
}

void StreamLog::End() {
  const base::MutexLock lock(mutex_);
  if (std::exchange(ended_, true)) return;
  if (listener_) listener_(nullptr);
}

bool StreamLog::Follow(std::uint64_t number, Listener listener) {
  const base::MutexLock lock(mutex_);
  if (number < lost_) return false;
  for (const LoggedEvent& event : events_) {
    if (event.number > number) listener(&event);
  }
  if (ended_) listener(nullptr);
  listener_ = std::move(listener);
  return true;
}

void StreamLog::Unfollow() {
  const base::MutexLock lock(mutex_);
  listener_ = nullptr;
}

std::shared_ptr<StreamLog> StreamLogs::Add(std::string name, StreamOwner owner) {
  const base::MutexLock lock(mutex_);
  Sweep();
  if (logs_.size() >= options_.streams_max) return nullptr;
  auto log = std::make_shared<StreamLog>(options_.bytes_max);
  logs_.emplace(std::move(name), Entry{.log = log, .owner = std::move(owner)});
  return log;
}

void StreamLogs::Leave(const std::string& name) {
  const base::MutexLock lock(mutex_);
  Sweep();
  leaving_.emplace_back(clock_.Now() + options_.keep, name);
}

StreamLogs::Found StreamLogs::Take(std::string_view event_id, const StreamOwner& owner) {
  const std::size_t dash = event_id.rfind('-');
  if (dash == std::string_view::npos) return {};
  const std::string_view digits = event_id.substr(dash + 1);
  Found found;
  const auto [end, fault] = std::from_chars(digits.data(), digits.data() + digits.size(), found.number);
  if (fault != std::errc{} || end != digits.data() + digits.size()) return {};

  const base::MutexLock lock(mutex_);
  Sweep();
  const auto entry = logs_.find(event_id.substr(0, dash));
  if (entry == logs_.end() || entry->second.owner != owner) return {};
  found.log = std::move(entry->second.log);
  logs_.erase(entry);
  return found;
}

std::size_t StreamLogs::size() const {
  const base::MutexLock lock(mutex_);
  return logs_.size();
}

void StreamLogs::Sweep() {
  const base::TimePoint now = clock_.Now();
  for (; !leaving_.empty() && leaving_.front().first <= now; leaving_.pop_front()) logs_.erase(leaving_.front().second);
}

}  // namespace loquat::ingress
