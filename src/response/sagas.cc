#include "response/sagas.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <functional>
#include <utility>

namespace loquat::response {
namespace {

using boost::asio::awaitable;
using std::chrono::milliseconds;

// How often ended sagas are forgotten, figures shown and the journal looked at; also the wait for a disk that failed.
constexpr std::chrono::seconds kTidyEvery{1};

net::HttpClientOptions ClientOptions(const SagasParts& parts, std::size_t idle_max) {
  // The limits of the actions hold; these only must not be tighter.
  return {.connect_timeout = std::chrono::hours(1),
          .head_timeout = std::chrono::hours(1),
          .stall_timeout = std::chrono::hours(1),
          .idle_connections_max = idle_max,
          .connections_max = 100'000,
          .limits = {.head_bytes_max = 32 * 1024},
          .tls = parts.tls};
}

base::Error Stopping() {
  return {.code = base::Code::kUnavailable, .message = "the server is stopping; ask again", .reason = "draining"};
}

}  // namespace

Sagas::Sagas(const SagasParts& parts, const ActionOptions& options)
    : parts_(parts),
      metrics_(parts.metrics),
      dead_letters_(options.journal + ".dead.jsonl"),
      settings_(Settings{}),
      actions_(std::make_shared<const ActionSet>()),
      pooled_(parts.loop, ClientOptions(parts, 128)),
      fresh_(parts.loop, ClientOptions(parts, 0)),
      caller_(pooled_, fresh_, parts.resolver, parts.clock, parts.user_agent),
      timer_(parts.loop.context()) {}

Sagas::~Sagas() = default;

base::Result<std::unique_ptr<Sagas>> Sagas::Open(const SagasParts& parts, const ActionOptions& options) {
  std::unique_ptr<Sagas> sagas(new Sagas(parts, options));
  LOQUAT_TRY(sagas->Configure(options, {}));
  LOQUAT_TRY(sagas->OpenJournal(options.journal));
  return sagas;
}

base::Status Sagas::OpenJournal(const std::string& path) {
  SagaRecordReader reader;
  std::size_t unreadable = 0;
  base::JournalRecovery recovery;
  const base::MutexLock lock(mutex_);
  const auto replay = [&](std::string_view payload) LOQUAT_REQUIRES(mutex_) {
    auto record = reader.Read(payload);
    const base::Status status = record.has_value() ? table_.Replay(std::move(*record)) : base::Status(record.error());
    if (!status.has_value() && unreadable++ == 0) {
      parts_.log.Error("a record of the journal of actions makes no sense and is passed over",
                       {{"journal", path}, {"error", status.error().message}});
    }
  };
  LOQUAT_ASSIGN(journal_, base::Journal::Open({.path = path}, replay, recovery));
  if (recovery.cut_bytes != 0) {
    parts_.log.Warn(
        "the journal of actions ended in the middle of a record; the rest was put aside",
        {{"journal", path}, {"bytes", recovery.cut_bytes}, {"kept_in", recovery.cut_file}, {"why", recovery.stop}});
  }
  const SagaCounts counts = table_.Counts();
  if (recovery.records != 0) {
    parts_.log.Info("actions taken over from the journal", {{"journal", path},
                                                            {"records", recovery.records},
                                                            {"unreadable", unreadable},
                                                            {"open", counts.running + counts.compensating},
                                                            {"ended", counts.ended}});
  }
  for (std::string& id : table_.OpenIds()) {
    open_.insert(id);
    due_.emplace(parts_.clock.Now(), std::move(id));
  }
  return {};
}

base::Status Sagas::Configure(const ActionOptions& options, const std::vector<boost::asio::ip::tcp::endpoint>& own) {
  Settings settings{.options = options, .policy = {}};
  LOQUAT_ASSIGN(settings.policy, net::TargetPolicy::Create({.allow_http = options.targets.allow_http,
                                                            .allow_hosts = options.targets.allow_hosts,
                                                            .allow_networks = options.targets.allow_networks,
                                                            .ports = options.targets.ports},
                                                           own));
  settings_.Swap(std::move(settings));
  return {};
}

void Sagas::SetActions(std::shared_ptr<const ActionSet> actions) {
  actions_.Swap(std::move(actions));
}

void Sagas::Start() {
  parts_.loop.Post([this] { Pump(); });
}

std::int64_t Sagas::WallMs() const {
  return std::chrono::duration_cast<milliseconds>(parts_.clock.WallNow().time_since_epoch()).count();
}

awaitable<base::Result<std::string>> Sagas::Accept(SagaStart start) {
  const auto settings = settings_.Get();
  SagaAccepted accepted{.id = start.id.empty() ? ids_.RequestId() : std::move(start.id),
                        .tenant = std::move(start.tenant),
                        .request_id = std::move(start.request_id),
                        .traceparent = std::move(start.traceparent),
                        .at_ms = WallMs(),
                        .definition = start.definition->text,
                        .fields = std::move(start.fields)};
  accepted.until_ms = accepted.at_ms + start.definition->timeout.count();
  const std::string id = accepted.id;
  const auto late = std::make_shared<net::LateValue<base::Status>>(co_await boost::asio::this_coro::executor);
  base::Status status;
  {
    // One lock around both: the journal has its records in the order in which the table changed.
    const base::MutexLock lock(mutex_);
    const bool known = table_.Contains(id);
    if (known) co_return id;
    if (draining_) {
      status = Stopping();
    } else {
      std::string record = EncodeSagaRecord(accepted);
      status = table_.Add(std::move(accepted), start.definition, settings->options);
      if (status.has_value()) {
        status = journal_->Append(std::move(record), [late](base::Status done) { late->Set(std::move(done)); });
        if (!status.has_value()) table_.Drop(id);
      }
    }
    if (status.has_value()) open_.insert(id);
  }
  if (!status.has_value()) {
    metrics_.OnRefused(status.error().reason);
    co_return std::move(status).error();
  }
  status = *co_await net::LateValue<base::Status>::Get(late);
  if (!status.has_value()) {
    {
      const base::MutexLock lock(mutex_);
      table_.Drop(id);
      open_.erase(id);
    }
    OnJournalError(status.error());
    base::Error error = std::move(status).error();
    if (error.reason.empty()) error.reason = "journal_failed";
    metrics_.OnRefused(error.reason);
    co_return base::Error{.code = base::Code::kUnavailable,
                          .message = "the action cannot be written down and is not begun: " + error.message,
                          .reason = error.reason};
  }
  metrics_.OnAccepted();
  Launch(id);
  co_return id;
}

awaitable<std::optional<SagaView>> Sagas::Wait(std::string id, base::TimePoint until, base::CancelToken cancel) {
  const auto late = std::make_shared<net::LateValue<bool>>(co_await boost::asio::this_coro::executor);
  bool wait = false;
  {
    const base::MutexLock lock(mutex_);
    wait = open_.contains(id);
    if (wait) waiters_.emplace(id, late);
  }
  if (wait) {
    const base::CancelCallback<std::function<void()>> gone(cancel, [late] { late->Set(false); });
    (void)co_await net::LateValue<bool>::Get(late, until);
  }
  const base::MutexLock lock(mutex_);
  const auto [first, last] = waiters_.equal_range(id);
  const auto mine = std::find_if(first, last, [&](const auto& waiter) { return waiter.second == late; });
  if (mine != last) waiters_.erase(mine);
  co_return table_.View(id);
}

base::Result<SagaView> Sagas::Find(std::string_view id, std::string_view tenant) const {
  const base::MutexLock lock(mutex_);
  auto view = table_.View(id);
  if (view && view->tenant == tenant) return std::move(*view);
  return base::Error{.code = base::Code::kNotFound,
                     .message = "there is no such saga; one that has ended is forgotten after actions.retention",
                     .reason = "saga_unknown"};
}

bool Sagas::Drain(milliseconds timeout) {
  const auto until = std::chrono::steady_clock::now() + timeout;
  const base::MutexLock lock(mutex_);
  draining_ = true;
  while (under_way_ != 0) {
    if (!ended_.WaitUntil(mutex_, until)) return under_way_ == 0;
  }
  return true;
}

void Sagas::Launch(std::string id) {
  {
    const base::MutexLock lock(mutex_);
    ++under_way_;
  }
  boost::asio::co_spawn(parts_.loop.context(), Run(std::move(id)), boost::asio::detached);
}

void Sagas::Pump() {
  const auto settings = settings_.Get();
  const base::TimePoint now = parts_.clock.Now();
  std::vector<std::string> ready;
  {
    const base::MutexLock lock(mutex_);
    if (draining_) return;
    while (!due_.empty() && due_.begin()->first <= now) {
      ready.push_back(std::move(due_.begin()->second));
      due_.erase(due_.begin());
    }
  }
  for (std::string& id : ready) Launch(std::move(id));
  Tidy(settings->options);
  ArmTimer();
}

void Sagas::ArmTimer() {
  base::TimePoint next = parts_.clock.Now() + kTidyEvery;
  {
    const base::MutexLock lock(mutex_);
    if (!due_.empty()) next = std::min(next, due_.begin()->first);
  }
  timer_.expires_at(next);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) Pump();
  });
}

void Sagas::Tidy(const ActionOptions& options) {
  const base::TimePoint now = parts_.clock.Now();
  if (now - tidied_ < kTidyEvery && tidied_ != base::TimePoint{}) return;
  tidied_ = now;
  const base::MutexLock lock(mutex_);
  table_.Expire(options, WallMs());
  const SagaCounts counts = table_.Counts();
  const std::size_t size = journal_->size();
  metrics_.Show(counts, size, WallMs());
  const bool large = size > options.compact_bytes && size > 2 * std::max(compacted_bytes_, counts.bytes);
  if (!large && !journal_->broken()) return;
  std::vector<std::string> live = table_.Snapshot();
  compacted_bytes_ = 0;
  for (const std::string& record : live) compacted_bytes_ += record.size() + base::kJournalRecordHeadBytes;
  journal_->Replace(std::move(live), [this](const base::Status& status) {
    if (!status.has_value()) OnJournalError(status.error());
  });
}

awaitable<void> Sagas::Run(std::string id) {
  bool waits = false;
  for (bool on = true; on;) {
    const auto settings = settings_.Get();
    SagaNext next{.call = {}, .outcome = {}};
    {
      const base::MutexLock lock(mutex_);
      const Saga* saga = table_.Find(id);
      if (draining_ || saga == nullptr) break;
      const std::int64_t now_ms = WallMs();
      next = saga->Next(now_ms, settings->options.undo_for);
      waits = next.kind == SagaNext::Kind::kCall && next.due_ms > now_ms;
      if (waits) due_.emplace(parts_.clock.Now() + milliseconds(next.due_ms - now_ms), id);
    }
    if (next.kind == SagaNext::Kind::kEnded) OnEnd(id);
    if (waits || next.kind == SagaNext::Kind::kEnded) break;
    if (next.kind == SagaNext::Kind::kCall) {
      on = co_await CallStep(std::move(next.call));
    } else {
      on = co_await Settle(std::move(next.outcome));
    }
  }
  {
    const base::MutexLock lock(mutex_);
    --under_way_;
    ended_.NotifyAll();
  }
  if (waits) ArmTimer();
}

const ActionCaller::Headers* Sagas::HeadersFor(const CallDefinition& call, const ActionSet& set) const {
  // Those of the file in force, since a secret may have changed; else those that the saga began with.
  if (const auto* headers = set.HeadersOf(call.action)) return headers;
  return call.has_header_values ? &call.headers : nullptr;
}

awaitable<bool> Sagas::CallStep(SagaCall call) {
  if (!co_await Persist(SagaStarted{.call = call})) co_return false;
  const auto settings = settings_.Get();
  const auto set = actions();
  std::shared_ptr<const SagaDefinition> definition;
  FieldValues fields;
  std::string key, traceparent;
  base::TimePoint until = base::TimePoint::max();
  {
    const base::MutexLock lock(mutex_);
    const Saga& saga = *table_.Find(call.id);
    definition = saga.shared_definition();
    fields = saga.fields();
    key = saga.KeyOf(call.step, call.undo);
    traceparent = saga.accepted().traceparent;
    if (!call.undo) until = parts_.clock.Now() + milliseconds(saga.accepted().until_ms - WallMs());
  }
  const StepDefinition& step = definition->steps[call.step];
  const CallDefinition& called = call.undo ? *step.undo : step.call;
  const base::TimePoint start = parts_.clock.Now();
  const std::int64_t at_ms = WallMs();
  CallResult result{.outcome = "no_headers",
                    .detail = "the secrets of this call are of an action that actions.yml no longer has",
                    .may_pass = call.undo,
                    .results = {}};
  if (const auto* headers = HeadersFor(called, *set)) {
    result = co_await caller_.Call(*settings->policy, called, *headers, fields, key, traceparent, until);
  }
  const base::Duration took = parts_.clock.Now() - start;
  metrics_.OnCall(called.action, call.undo, result.outcome, took);
  SagaOutcome outcome{.call = call,
                      .at_ms = at_ms,
                      .duration_ms = std::chrono::duration_cast<milliseconds>(took).count(),
                      .status = result.status,
                      .outcome = std::string(result.outcome),
                      .detail = result.detail.substr(0, kCallDetailBytesMax),
                      .verdict = VerdictOf(called, result, call.attempt, call.undo),
                      .unsure = result.unsure,
                      .results = std::move(result.results)};
  if (outcome.verdict == CallVerdict::kRetry) {
    outcome.next_ms = WallMs() + WaitAfterCall(called, result, call.attempt, key).count();
  }
  co_return co_await Settle(std::move(outcome));
}

awaitable<bool> Sagas::Settle(SagaOutcome outcome) {
  if (outcome.call.undo && outcome.verdict == CallVerdict::kFailed) Bury(outcome);
  if (outcome.call.undo && outcome.verdict != CallVerdict::kRetry) {
    const base::MutexLock lock(mutex_);
    const SagaDefinition& definition = table_.Find(outcome.call.id)->definition();
    metrics_.OnUndo(definition.steps[outcome.call.step].undo->action, outcome.verdict == CallVerdict::kDone);
  }
  co_return co_await Persist(std::move(outcome));
}

awaitable<bool> Sagas::Persist(SagaRecord record) {
  const std::string payload = EncodeSagaRecord(record);
  for (bool applied = false;; applied = true) {
    const auto late = std::make_shared<net::LateValue<base::Status>>(parts_.loop.executor());
    base::Status status;
    {
      // One lock around both, as in Accept.
      const base::MutexLock lock(mutex_);
      if (!applied) {
        const base::Status fits = table_.Apply(record);
        LOQUAT_CHECK(fits.has_value(), "what the saga asked for is what it takes");
      }
      status = journal_->Append(payload, [late](base::Status done) { late->Set(std::move(done)); });
    }
    if (status.has_value()) status = *co_await net::LateValue<base::Status>::Get(late);
    if (status.has_value()) co_return true;
    OnJournalError(status.error());
    {
      const base::MutexLock lock(mutex_);
      if (draining_) co_return false;
    }
    co_await Pause();
  }
}

awaitable<void> Sagas::Pause() {
  boost::asio::steady_timer timer(parts_.loop.executor());
  timer.expires_after(kTidyEvery);
  (void)co_await timer.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
}

// The letter is on disk before the journal says that the step is given up.
void Sagas::Bury(const SagaOutcome& outcome) {
  DeadLetter letter;
  {
    const base::MutexLock lock(mutex_);
    const Saga& saga = *table_.Find(outcome.call.id);
    const CallDefinition& call = *saga.definition().steps[outcome.call.step].undo;
    const auto request = FillIn(call, saga.fields());
    letter = {.id = saga.KeyOf(outcome.call.step, true),
              .url = request.has_value() ? request->url : std::string(),
              .request_id = saga.accepted().request_id,
              .reason = outcome.outcome,
              .accepted_ms = saga.accepted().at_ms,
              .dead_ms = outcome.at_ms,
              .attempts = saga.steps()[outcome.call.step].undo.attempts,
              .last_status = outcome.status,
              .last_detail = outcome.detail,
              .body = request.has_value() ? request->body : std::string()};
  }
  parts_.log.Error("a step of an action cannot be undone and is given up; undo it by hand",
                   {{"key", letter.id}, {"reason", letter.reason}, {"detail", letter.last_detail}});
  journal_->Post([this, letter = std::move(letter)] {
    const base::Status written = dead_letters_.Append(letter);
    if (!written.has_value()) OnJournalError(written.error());
  });
}

void Sagas::OnEnd(const std::string& id) {
  std::vector<Waiter> waiters;
  SagaState state{};
  std::int64_t took_ms = 0;
  {
    const base::MutexLock lock(mutex_);
    const Saga& saga = *table_.Find(id);
    state = saga.state();
    took_ms = saga.ended_ms() - saga.accepted().at_ms;
    open_.erase(id);
    const auto [first, last] = waiters_.equal_range(id);
    for (auto waiter = first; waiter != last; ++waiter) waiters.push_back(waiter->second);
    waiters_.erase(first, last);
  }
  metrics_.OnEnded(state, milliseconds(took_ms));
  for (const Waiter& waiter : waiters) waiter->Set(true);
}

void Sagas::OnJournalError(const base::Error& error) {
  metrics_.OnJournalError();
  parts_.log.Error("actions cannot be written down", {{"error", error.message}});
}

}  // namespace loquat::response
