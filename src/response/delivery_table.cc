#include "response/delivery_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "net/url.h"

namespace loquat::response {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t IndexOf(DeliveryState state) {
  return static_cast<std::size_t>(state);
}

std::string HostOf(const std::string& url) {
  const auto parsed = net::ParseHttpUrl(url);
  return parsed.has_value() ? parsed->host : std::string();
}

std::string TargetOf(const std::string& url) {
  const auto parsed = net::ParseHttpUrl(url);
  if (!parsed.has_value()) return {};
  return fmt::format("{}://{}", parsed->secure ? "https" : "http", parsed->Authority());
}

base::Error Full(std::string_view reason, std::string message) {
  base::Error error = base::ResourceExhausted(std::move(message), std::string(reason));
  error.retry_after = milliseconds(1000);
  return error;
}

}  // namespace

std::int64_t DeliveryTable::WallMs() const {
  return std::chrono::duration_cast<milliseconds>(clock_.WallNow().time_since_epoch()).count();
}

DeliveryTable::Entry* DeliveryTable::Get(std::string_view id) {
  const auto number = numbers_.find(id);
  return number == numbers_.end() ? nullptr : &entries_.at(number->second);
}

base::Status DeliveryTable::Add(CallbackWork work, const CallbackLimits& limits) {
  const std::string host = HostOf(work.url);
  if (counts_[IndexOf(DeliveryState::kQueued)] >= limits.queue_max) {
    return Full("callback_queue_full", fmt::format("{} accepted requests wait to be answered; ask again later",
                                                   counts_[IndexOf(DeliveryState::kQueued)]));
  }
  if (open_.size() >= limits.undelivered_max) {
    return Full("callback_undelivered_full",
                fmt::format("{} answers are not delivered yet; ask again later", open_.size()));
  }
  if (bytes_ + work.work.size() > limits.undelivered_bytes_max) {
    return Full("callback_bytes_full",
                fmt::format("the answers not delivered yet take {} bytes; ask again later", bytes_));
  }
  const auto known = hosts_.find(host);
  if (known != hosts_.end() && known->second.open >= limits.undelivered_host_max) {
    return Full("callback_host_full", fmt::format("{} answers for the host {} are not delivered yet; is it reachable?",
                                                  known->second.open, host));
  }
  const std::uint64_t number = ++last_number_;
  numbers_.emplace(work.id, number);
  Entry& entry = entries_[number];
  entry.work = std::move(work);
  entry.host = host;
  entry.number = number;
  Open(entry);
  return {};
}

void DeliveryTable::Open(Entry& entry) {
  open_.insert(entry.number);
  ++counts_[IndexOf(entry.state)];
  bytes_ += entry.bytes();
  ++hosts_[entry.host].open;
}

// Takes it out of everything that counts what is not finished.
void DeliveryTable::Close(Entry& entry) {
  open_.erase(entry.number);
  works_.erase(entry.number);
  --counts_[IndexOf(entry.state)];
  bytes_ -= entry.bytes();
  const auto host = hosts_.find(entry.host);
  --host->second.open;
  Place(*host);
  if (host->second.open == 0) hosts_.erase(host);
}

void DeliveryTable::Begin(std::string_view id) {
  Entry* entry = Get(id);
  if (entry == nullptr) return;
  entry->begun = true;
  works_.insert(entry->number);
}

void DeliveryTable::Drop(std::string_view id) {
  Entry* entry = Get(id);
  if (entry == nullptr) return;
  const std::uint64_t number = entry->number;
  Close(*entry);
  numbers_.erase(numbers_.find(id));
  entries_.erase(number);
}

std::optional<CallbackWork> DeliveryTable::TakeWork(const CallbackLimits& limits) {
  if (works_.empty() || counts_[IndexOf(DeliveryState::kWorking)] >= limits.works_max) return std::nullopt;
  Entry& entry = entries_.at(*works_.begin());
  works_.erase(works_.begin());
  --counts_[IndexOf(entry.state)];
  entry.state = DeliveryState::kWorking;
  ++counts_[IndexOf(entry.state)];
  return entry.work;
}

void DeliveryTable::FinishWork(std::string_view id, std::string body) {
  Entry* entry = Get(id);
  if (entry == nullptr || entry->state != DeliveryState::kWorking) return;
  bytes_ -= entry->bytes();
  entry->body = std::make_shared<const std::string>(std::move(body));
  entry->work.work.clear();
  bytes_ += entry->bytes();
  --counts_[IndexOf(entry->state)];
  entry->state = DeliveryState::kDelivering;
  ++counts_[IndexOf(entry->state)];
  Plan(*entry, clock_.Now());
}

void DeliveryTable::Plan(Entry& entry, base::TimePoint at) {
  entry.next_ms = WallMs() + std::chrono::duration_cast<milliseconds>(at - clock_.Now()).count();
  const auto host = hosts_.find(entry.host);
  host->second.due.emplace(at, entry.number);
  Place(*host);
}

void DeliveryTable::Place(Hosts::value_type& named) {
  auto& [name, host] = named;
  if (std::exchange(host.in_turns, false)) turns_.erase({host.turn, name});
  if (host.due.empty() || host.sending >= sends_host_max_) return;
  host.turn = std::max(host.due.begin()->first, host.served);
  host.in_turns = true;
  turns_.emplace(host.turn, name);
}

std::optional<DueSend> DeliveryTable::TakeSend(const CallbackLimits& limits) {
  if (limits.sends_host_max != sends_host_max_) {
    sends_host_max_ = limits.sends_host_max;
    for (auto& host : hosts_) Place(host);
  }
  if (sending_ >= limits.sends_max || turns_.empty() || turns_.begin()->first > clock_.Now()) return std::nullopt;
  const auto host = hosts_.find(turns_.begin()->second);
  Entry& entry = entries_.at(host->second.due.begin()->second);
  host->second.due.erase(host->second.due.begin());
  host->second.served = clock_.Now();
  ++host->second.sending;
  ++sending_;
  Place(*host);
  entry.next_ms = 0;
  return DueSend{.id = entry.work.id,
                 .url = entry.work.url,
                 .traceparent = entry.work.traceparent,
                 .body = entry.body,
                 .accepted_ms = entry.work.accepted_ms,
                 .attempt = entry.attempts_made + 1};
}

void DeliveryTable::Note(Entry& entry, DeliveryAttempt attempt) {
  entry.attempts_made = std::max(entry.attempts_made, attempt.number);
  if (entry.attempts.size() >= kAttemptsKept) entry.attempts.pop_front();
  entry.attempts.push_back(std::move(attempt));
}

void DeliveryTable::Retry(std::string_view id, DeliveryAttempt attempt, base::TimePoint at) {
  Entry* entry = Get(id);
  if (entry == nullptr) return;
  Note(*entry, std::move(attempt));
  --sending_;
  --hosts_.find(entry->host)->second.sending;
  Plan(*entry, at);
}

void DeliveryTable::Finish(std::string_view id, DeliveryAttempt attempt, DeliveryState state, std::string reason) {
  Entry* entry = Get(id);
  if (entry == nullptr) return;
  Note(*entry, std::move(attempt));
  --sending_;
  --hosts_.find(entry->host)->second.sending;
  Close(*entry);
  entry->state = state;
  entry->reason = std::move(reason);
  entry->finished_ms = WallMs();
  entry->next_ms = 0;
  entry->body.reset();
  entry->work.work.clear();
  finished_.push_back(entry->number);
}

base::TimePoint DeliveryTable::NextDue() const {
  return turns_.empty() ? base::TimePoint::max() : turns_.begin()->first;
}

void DeliveryTable::Expire(const CallbackOptions& options) {
  const std::int64_t oldest = WallMs() - options.retention.count();
  while (!finished_.empty()) {
    const auto entry = entries_.find(finished_.front());
    if (finished_.size() <= options.finished_max && entry->second.finished_ms > oldest) return;
    numbers_.erase(entry->second.work.id);
    entries_.erase(entry);
    finished_.pop_front();
  }
}

DeliveryView DeliveryTable::ViewOf(const Entry& entry) {
  return {.id = entry.work.id,
          .request_id = entry.work.request_id,
          .target = TargetOf(entry.work.url),
          .tenant = entry.work.tenant,
          .state = entry.state,
          .accepted_ms = entry.work.accepted_ms,
          .finished_ms = entry.finished_ms,
          .next_attempt_ms = entry.next_ms,
          .attempts_made = entry.attempts_made,
          .attempts = {entry.attempts.begin(), entry.attempts.end()},
          .reason = entry.reason};
}

std::optional<DeliveryView> DeliveryTable::Find(std::string_view id) const {
  const auto number = numbers_.find(id);
  if (number == numbers_.end()) return std::nullopt;
  return ViewOf(entries_.at(number->second));
}

std::vector<DeliveryView> DeliveryTable::List(std::string_view tenant, std::optional<DeliveryState> state,
                                              std::size_t most) const {
  std::vector<DeliveryView> views;
  for (auto entry = entries_.rbegin(); entry != entries_.rend() && views.size() < most; ++entry) {
    if (entry->second.work.tenant == tenant && (!state || entry->second.state == *state)) {
      views.push_back(ViewOf(entry->second));
    }
  }
  return views;
}

DeliveryCounts DeliveryTable::Counts() const {
  DeliveryCounts counts{
      .by_state = {counts_[0], counts_[1], counts_[2]}, .finished = finished_.size(), .bytes = bytes_};
  if (!open_.empty()) counts.oldest_accepted_ms = entries_.at(*open_.begin()).work.accepted_ms;
  return counts;
}

void DeliveryTable::Replay(DeliveryRecord record) {
  if (auto* accepted = std::get_if<AcceptedRecord>(&record)) {
    if (numbers_.contains(accepted->work.id)) return;
    const std::uint64_t number = ++last_number_;
    numbers_.emplace(accepted->work.id, number);
    Entry& entry = entries_[number];
    entry.host = HostOf(accepted->work.url);
    entry.work = std::move(accepted->work);
    entry.number = number;
    return;
  }
  if (auto* result = std::get_if<ResultRecord>(&record)) {
    if (Entry* entry = Get(result->id); entry != nullptr) {
      entry->body = std::make_shared<const std::string>(std::move(result->body));
      entry->work.work.clear();
      if (!IsFinished(entry->state)) entry->state = DeliveryState::kDelivering;
    }
    return;
  }
  if (auto* attempt = std::get_if<AttemptRecord>(&record)) {
    if (Entry* entry = Get(attempt->id); entry != nullptr) {
      Note(*entry, std::move(attempt->attempt));
      entry->next_ms = attempt->next_ms;
    }
    return;
  }
  const auto& ended = std::get<EndedRecord>(record);
  Entry* entry = Get(ended.id);
  if (entry == nullptr || IsFinished(entry->state)) return;
  entry->state = ended.state;
  entry->reason = ended.reason;
  entry->finished_ms = ended.at_ms;
  entry->next_ms = 0;
  entry->body.reset();
  entry->work.work.clear();
  finished_.push_back(entry->number);
}

void DeliveryTable::BeginReplayed() {
  const std::int64_t wall = WallMs();
  for (auto& [number, entry] : entries_) {
    if (IsFinished(entry.state)) continue;
    entry.begun = true;
    Open(entry);
    if (entry.state == DeliveryState::kDelivering) {
      // A clock that jumped must not put a call off for ever.
      const std::int64_t left =
          std::clamp<std::int64_t>(entry.next_ms - wall, 0, milliseconds(std::chrono::hours(24)).count());
      Plan(entry, clock_.Now() + milliseconds(left));
    } else {
      works_.insert(number);
    }
  }
}

std::vector<std::string> DeliveryTable::Snapshot() const {
  std::vector<std::string> records;
  const auto write = [&records](const Entry& entry) {
    records.push_back(EncodeRecord(AcceptedRecord{entry.work}));
    if (entry.body) records.push_back(EncodeRecord(ResultRecord{.id = entry.work.id, .body = *entry.body}));
    for (const DeliveryAttempt& attempt : entry.attempts) {
      records.push_back(EncodeRecord(AttemptRecord{.id = entry.work.id, .attempt = attempt, .next_ms = entry.next_ms}));
    }
    if (!IsFinished(entry.state)) return;
    records.push_back(EncodeRecord(
        EndedRecord{.id = entry.work.id, .at_ms = entry.finished_ms, .state = entry.state, .reason = entry.reason}));
  };
  // Finished ones come first and in the order of finishing, which is the order in which they are forgotten.
  for (const std::uint64_t number : finished_) write(entries_.at(number));
  for (const std::uint64_t number : open_) write(entries_.at(number));
  return records;
}

}  // namespace loquat::response
