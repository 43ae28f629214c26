#include "response/deliveries.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/this_coro.hpp>
#include <utility>

#include "base/backoff.h"
#include "base/hash.h"
#include "net/late_value.h"

namespace loquat::response {
namespace {

using boost::asio::awaitable;
using std::chrono::milliseconds;

// How often finished ones are forgotten, figures shown and the journal looked at, where nothing else happens.
constexpr std::chrono::seconds kTidyEvery{1};

net::HttpClientOptions ClientOptions(const DeliveriesParts& parts, const CallbackOptions& options) {
  // The limits of the deliveries hold; these only must not be tighter.
  return {.connect_timeout = std::chrono::hours(1),
          .head_timeout = std::chrono::hours(1),
          .idle_per_origin_max = options.limits.sends_host_max,
          .connections_max = 65'536,
          .limits = {.head_bytes_max = 32 * 1024},
          .tls = parts.tls};
}

// The wait after so many failed attempts. The same id gives the same waits, so that nothing has to be kept.
base::Duration WaitAfter(std::uint32_t attempts, std::string_view id, const CallbackRetries& retries) {
  base::Backoff backoff({.first = retries.backoff_first, .ceiling = retries.backoff_max}, base::Hash64(id));
  base::Duration wait{};
  for (std::uint32_t i = 0; i < attempts; ++i) wait = backoff.Next();
  return wait;
}

base::Error AtUrl(base::Error error) {
  error.param = "/callback_url";
  return error;
}

}  // namespace

Deliveries::Deliveries(const DeliveriesParts& parts, const CallbackOptions& options)
    : parts_(parts),
      metrics_(parts.metrics),
      dead_letters_(options.journal + ".dead.jsonl"),
      settings_(CallbackSettings{}),
      client_(parts.loop, ClientOptions(parts, options)),
      sender_(client_, parts.resolver, parts.clock, parts.user_agent),
      timer_(parts.loop.context()),
      table_(parts.clock) {}

Deliveries::~Deliveries() = default;

base::Result<std::unique_ptr<Deliveries>> Deliveries::Open(const DeliveriesParts& parts,
                                                           const CallbackOptions& options) {
  std::unique_ptr<Deliveries> deliveries(new Deliveries(parts, options));
  LOQUAT_TRY(deliveries->Configure(options, {}));
  LOQUAT_TRY(deliveries->OpenJournal(options.journal));
  return deliveries;
}

base::Status Deliveries::OpenJournal(const std::string& path) {
  RecordReader reader;
  std::size_t unreadable = 0;
  base::JournalRecovery recovery;
  const base::MutexLock lock(mutex_);
  const auto replay = [&](std::string_view payload) LOQUAT_REQUIRES(mutex_) {
    auto record = reader.Read(payload);
    if (record.has_value()) {
      table_.Replay(std::move(*record));
    } else if (unreadable++ == 0) {
      parts_.log.Error("a record of the callback journal makes no sense and is passed over",
                       {{"journal", path}, {"error", record.error().message}});
    }
  };
  LOQUAT_ASSIGN(journal_, base::Journal::Open({.path = path}, replay, recovery));
  table_.BeginReplayed();
  if (recovery.cut_bytes != 0) {
    parts_.log.Warn(
        "the callback journal ended in the middle of a record; the rest was put aside",
        {{"journal", path}, {"bytes", recovery.cut_bytes}, {"kept_in", recovery.cut_file}, {"why", recovery.stop}});
  }
  const DeliveryCounts counts = table_.Counts();
  if (recovery.records != 0) {
    parts_.log.Info("callbacks taken over from the journal", {{"journal", path},
                                                              {"records", recovery.records},
                                                              {"unreadable", unreadable},
                                                              {"open", counts.open()},
                                                              {"finished", counts.finished}});
  }
  return {};
}

base::Status Deliveries::Configure(const CallbackOptions& options,
                                   const std::vector<boost::asio::ip::tcp::endpoint>& own) {
  CallbackSettings settings{.options = options, .signer = {}, .policy = {}};
  LOQUAT_ASSIGN(settings.signer, WebhookSigner::Create(options.secrets));
  LOQUAT_ASSIGN(settings.policy, net::TargetPolicy::Create({.allow_http = options.targets.allow_http,
                                                            .allow_hosts = options.targets.allow_hosts,
                                                            .allow_networks = options.targets.allow_networks,
                                                            .ports = options.targets.ports},
                                                           own));
  settings_.Swap(std::move(settings));
  return {};
}

void Deliveries::Start(Work work) {
  work_ = std::move(work);
  parts_.loop.Post([this] { Pump(); });
}

std::int64_t Deliveries::WallMs() const {
  return std::chrono::duration_cast<milliseconds>(parts_.clock.WallNow().time_since_epoch()).count();
}

awaitable<base::Result<std::string>> Deliveries::Accept(CallbackWork work) {
  const auto settings = settings_.Get();
  if (const auto target = settings->policy->CheckUrl(work.url); !target.has_value()) {
    metrics_.OnRefused(target.error().reason);
    co_return AtUrl(target.error());
  }
  work.id = ids_.RequestId();
  work.accepted_ms = WallMs();
  std::string id = work.id;
  const auto late = std::make_shared<net::LateValue<base::Status>>(co_await boost::asio::this_coro::executor);
  base::Status status;
  {
    // One lock around both: the journal has its records in the order in which the table changed.
    const base::MutexLock lock(mutex_);
    if (draining_) {
      status = base::Error{
          .code = base::Code::kUnavailable, .message = "the server is stopping; ask again", .reason = "draining"};
    } else {
      std::string record = EncodeRecord(AcceptedRecord{work});
      status = table_.Add(std::move(work), settings->options.limits);
      if (status.has_value()) {
        status = journal_->Append(std::move(record), [late](base::Status done) { late->Set(std::move(done)); });
        if (!status.has_value()) table_.Drop(id);
      }
    }
  }
  if (!status.has_value()) {
    metrics_.OnRefused(status.error().reason);
    co_return std::move(status).error();
  }
  status = *co_await net::LateValue<base::Status>::Get(late);
  {
    const base::MutexLock lock(mutex_);
    if (status.has_value()) {
      table_.Begin(id);
    } else {
      table_.Drop(id);
    }
  }
  if (!status.has_value()) {
    OnJournalError(status.error());
    base::Error error = std::move(status).error();
    if (error.reason.empty()) error.reason = "journal_failed";
    metrics_.OnRefused(error.reason);
    co_return base::Error{.code = base::Code::kUnavailable,
                          .message = "the request cannot be written down, so no callback is promised: " + error.message,
                          .reason = error.reason};
  }
  metrics_.OnAccepted();
  parts_.loop.Post([this] { Pump(); });
  co_return id;
}

base::Result<DeliveryView> Deliveries::Find(std::string_view id, std::string_view tenant) const {
  const base::MutexLock lock(mutex_);
  auto view = table_.Find(id);
  if (view && view->tenant == tenant) return std::move(*view);
  return base::Error{.code = base::Code::kNotFound,
                     .message =
                         "there is no such delivery; a finished one is forgotten after "
                         "delivery.callbacks.retention",
                     .reason = "delivery_unknown"};
}

std::vector<DeliveryView> Deliveries::List(std::string_view tenant, std::optional<DeliveryState> state,
                                           std::size_t most) const {
  const base::MutexLock lock(mutex_);
  return table_.List(tenant, state, most);
}

bool Deliveries::Drain(milliseconds timeout) {
  const auto until = std::chrono::steady_clock::now() + timeout;
  const base::MutexLock lock(mutex_);
  draining_ = true;
  while (under_way_ != 0) {
    if (!ended_.WaitUntil(mutex_, until)) return under_way_ == 0;
  }
  return true;
}

// Loop thread: starts everything that may start.
void Deliveries::Pump() {
  const auto settings = settings_.Get();
  for (;;) {
    std::optional<CallbackWork> work;
    std::optional<DueSend> send;
    {
      const base::MutexLock lock(mutex_);
      if (draining_ || !work_) return;
      work = table_.TakeWork(settings->options.limits);
      send = table_.TakeSend(settings->options.limits);
      under_way_ += (work ? 1U : 0U) + (send ? 1U : 0U);
    }
    if (!work && !send) break;
    if (work) boost::asio::co_spawn(parts_.loop.context(), RunWork(std::move(*work)), boost::asio::detached);
    if (send) boost::asio::co_spawn(parts_.loop.context(), RunSend(std::move(*send)), boost::asio::detached);
  }
  Tidy(settings->options);
  ArmTimer();
}

void Deliveries::ArmTimer() {
  const base::TimePoint now = parts_.clock.Now();
  base::TimePoint next = now + kTidyEvery;
  {
    const base::MutexLock lock(mutex_);
    // One that is due already waits for a call to end, which pumps.
    if (const base::TimePoint due = table_.NextDue(); due > now) next = std::min(next, due);
  }
  timer_.expires_at(next);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) Pump();
  });
}

void Deliveries::Tidy(const CallbackOptions& options) {
  const base::MutexLock lock(mutex_);
  const DeliveryCounts counts = table_.Counts();
  metrics_.Show(counts, journal_->size(), WallMs());
  const base::TimePoint now = parts_.clock.Now();
  if (now - tidied_ < kTidyEvery && tidied_ != base::TimePoint{}) return;
  tidied_ = now;
  table_.Expire(options);
  const std::size_t size = journal_->size();
  const bool large = size > options.compact_bytes && size > 2 * std::max(compacted_bytes_, counts.bytes);
  if (!large && !journal_->broken()) return;
  std::vector<std::string> live = table_.Snapshot();
  compacted_bytes_ = 0;
  for (const std::string& record : live) compacted_bytes_ += record.size() + base::kJournalRecordHeadBytes;
  journal_->Replace(std::move(live), [this](const base::Status& status) {
    if (!status.has_value()) OnJournalError(status.error());
  });
}

awaitable<void> Deliveries::RunWork(CallbackWork work) {
  const base::TimePoint start = parts_.clock.Now();
  std::string body = co_await work_(work);
  metrics_.OnWork(parts_.clock.Now() - start);
  const auto late = std::make_shared<net::LateValue<base::Status>>(parts_.loop.executor());
  base::Status status = journal_->Append(EncodeRecord(ResultRecord{.id = work.id, .body = body}),
                                         [late](base::Status done) { late->Set(std::move(done)); });
  if (status.has_value()) status = *co_await net::LateValue<base::Status>::Get(late);
  // Without the record the answer goes out all the same; after a crash it would be made again.
  if (!status.has_value()) OnJournalError(status.error());
  {
    const base::MutexLock lock(mutex_);
    table_.FinishWork(work.id, std::move(body));
  }
  EndedOne();
}

awaitable<void> Deliveries::RunSend(DueSend send) {
  const auto settings = settings_.Get();
  const base::TimePoint start = parts_.clock.Now();
  const std::int64_t at_ms = WallMs();
  const SendOutcome outcome = co_await sender_.Send(
      *settings, {.id = send.id, .url = send.url, .traceparent = send.traceparent, .body = *send.body});
  const base::Duration took = parts_.clock.Now() - start;
  metrics_.OnAttempt(outcome.outcome, took);
  Settle(send, *settings, outcome,
         {.number = send.attempt,
          .at_ms = at_ms,
          .duration_ms = std::chrono::duration_cast<milliseconds>(took).count(),
          .status = outcome.status,
          .outcome = std::string(outcome.outcome),
          .detail = outcome.detail.substr(0, kDetailBytesMax)});
  EndedOne();
}

void Deliveries::EndedOne() {
  {
    const base::MutexLock lock(mutex_);
    --under_way_;
    ended_.NotifyAll();
  }
  Pump();
}

void Deliveries::Settle(const DueSend& send, const CallbackSettings& settings, const SendOutcome& outcome,
                        DeliveryAttempt attempt) {
  const CallbackRetries& retries = settings.options.retries;
  const std::int64_t now_ms = WallMs();
  std::string reason;
  base::Duration wait{};
  if (outcome.verdict == SendVerdict::kFinal) {
    reason = outcome.outcome;
  } else if (outcome.verdict == SendVerdict::kRetry) {
    wait = std::max<base::Duration>(WaitAfter(send.attempt, send.id, retries), outcome.retry_after);
    const std::int64_t next_ms = now_ms + std::chrono::duration_cast<milliseconds>(wait).count();
    if (send.attempt >= retries.attempts_max)
      reason = "attempts";
    else if (next_ms - send.accepted_ms > retries.give_up_after.count())
      reason = "time";
    if (reason.empty()) {
      const base::MutexLock lock(mutex_);
      Write(AttemptRecord{.id = send.id, .attempt = attempt, .next_ms = next_ms});
      table_.Retry(send.id, std::move(attempt), parts_.clock.Now() + wait);
      return;
    }
  }
  const bool delivered = outcome.verdict == SendVerdict::kDelivered;
  if (delivered) {
    metrics_.OnDelivered(milliseconds(now_ms - send.accepted_ms));
  } else {
    Bury(send, attempt, reason);
  }
  const DeliveryState state = delivered ? DeliveryState::kDelivered : DeliveryState::kDead;
  const base::MutexLock lock(mutex_);
  Write(AttemptRecord{.id = send.id, .attempt = attempt, .next_ms = 0});
  Write(EndedRecord{.id = send.id, .at_ms = now_ms, .state = state, .reason = reason});
  table_.Finish(send.id, std::move(attempt), state, std::move(reason));
}

// The letter is on disk before the journal says that the delivery is over.
void Deliveries::Bury(const DueSend& send, const DeliveryAttempt& attempt, const std::string& reason) {
  metrics_.OnDead(reason);
  const std::optional<DeliveryView> view = [&] {
    const base::MutexLock lock(mutex_);
    return table_.Find(send.id);
  }();
  parts_.log.Warn("a callback is given up", {{"delivery", send.id},
                                             {"target", view ? view->target : std::string()},
                                             {"reason", reason},
                                             {"attempts", send.attempt},
                                             {"last", attempt.detail}});
  DeadLetter letter{.id = send.id,
                    .url = send.url,
                    .request_id = view ? view->request_id : std::string(),
                    .reason = reason,
                    .accepted_ms = send.accepted_ms,
                    .dead_ms = WallMs(),
                    .attempts = send.attempt,
                    .last_status = attempt.status,
                    .last_detail = attempt.detail,
                    .body = *send.body};
  journal_->Post([this, letter = std::move(letter)] {
    const base::Status written = dead_letters_.Append(letter);
    if (!written.has_value()) OnJournalError(written.error());
  });
}

void Deliveries::Write(const DeliveryRecord& record) {
  const base::Status status = journal_->Append(EncodeRecord(record), [this](const base::Status& done) {
    if (!done.has_value()) OnJournalError(done.error());
  });
  if (!status.has_value()) OnJournalError(status.error());
}

void Deliveries::OnJournalError(const base::Error& error) {
  metrics_.OnJournalError();
  parts_.log.Error("callbacks cannot be written down", {{"error", error.message}});
}

}  // namespace loquat::response
