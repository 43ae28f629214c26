#include "net/redis_client.h"

#include <fmt/format.h>

#include <array>
#include <boost/asio/async_result.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "net/tls.h"

namespace loquat::net {
namespace {

base::TimePoint Now() {
  return std::chrono::steady_clock::now();
}

base::Error Lost(const std::string& why) {
  return {.code = base::Code::kUnavailable, .message = "the connection to Redis broke: " + why, .reason = "redis_lost"};
}

// What an error reply during the greeting means for who runs this server. The text is Redis's own.
base::Error Refused(std::string_view doing, const RespValue& reply) {
  const std::string_view code = reply.error_code();
  const bool login = code == "WRONGPASS" || code == "NOAUTH" || code == "NOPERM" || doing == "AUTH";
  return {.code = login ? base::Code::kUnauthenticated : base::Code::kUnavailable,
          .message = fmt::format("Redis refused {}: {}", doing, reply.text),
          .reason = login ? "redis_login" : "redis_refused"};
}

}  // namespace

std::string_view RedisOutcomeName(RedisOutcome outcome) {
  static constexpr std::array<std::string_view, 6> kNames = {"ok", "error", "timeout", "lost", "away", "full"};
  return kNames[static_cast<std::size_t>(outcome)];
}

RedisClient::RedisClient(EventLoop& loop, RedisClientOptions options, RedisObserver& observer)
    : loop_(loop),
      options_(std::move(options)),
      observer_(observer),
      backoff_(options_.backoff, options_.backoff_seed) {
  loop_.Post([this] {
    loop_.AddDeadline(*this);
    ticking_ = true;
    asio::co_spawn(loop_.context(), Run(), asio::detached);
  });
}

RedisClient::~RedisClient() {
  if (ticking_) loop_.RemoveDeadline(*this);
}

asio::awaitable<base::Result<RespValue>> RedisClient::Call(std::span<const std::string_view> arguments) {
  if (state_ == State::kAway) {
    observer_.OnCommand(RedisOutcome::kAway, {});
    co_return base::Error{.code = base::Code::kUnavailable,
                          .message = "Redis is away: " + away_because_,
                          .reason = "redis_away",
                          .retry_after = std::chrono::seconds(1)};
  }
  std::size_t bytes = 0;
  for (const std::string_view argument : arguments) bytes += argument.size();
  if (pending_.size() >= options_.in_flight_max || unsent_.size() + bytes > options_.unsent_bytes_max) {
    observer_.OnCommand(RedisOutcome::kFull, {});
    co_return base::Error{
        .code = base::Code::kResourceExhausted,
        .message = fmt::format("{} commands and {} unsent bytes wait for Redis; try again in a moment", pending_.size(),
                               unsent_.size()),
        .reason = "redis_full",
        .retry_after = std::chrono::seconds(1)};
  }
  AppendRespCommand(arguments, unsent_);
  FlushSoon();
  co_return co_await asio::async_initiate<const asio::use_awaitable_t<>, void(base::Result<RespValue>)>(
      [this](auto handler) { pending_.push_back({.done = std::move(handler), .since = Now()}); }, asio::use_awaitable);
}

asio::awaitable<void> RedisClient::Run() {
  for (;;) {
    auto link = co_await Connect();
    if (!link) {
      GoAway(link.error());
      co_await SleepFor(backoff_.Next());
      continue;
    }
    link_ = std::move(*link);
    answered_ = false;
    state_ = State::kReady;
    observer_.OnReady();
    FlushSoon();
    const base::Error why = co_await ReadReplies(link_);
    link_->conn->Close();
    link_.reset();
    // Unless the silence of the server has failed them already.
    FailPending(why, RedisOutcome::kLost);
    if (answered_) backoff_.Reset();
    if (answered_ && state_ == State::kReady) {
      state_ = State::kFirstTry;
      continue;
    }
    if (state_ != State::kAway) GoAway(why);
    co_await SleepFor(backoff_.Next());
  }
}

asio::awaitable<base::Result<RedisClient::LinkPtr>> RedisClient::Connect() {
  const base::TimePoint until = Now() + options_.connect_timeout;
  const auto fd = co_await ConnectStream(loop_, options_.address, until);
  if (!fd) co_return fd.error();
  auto link = std::make_shared<Link>(
      Link{.conn = options_.tls ? MakeTlsClientConn(loop_, *fd, *options_.tls, options_.address.host)
                                : MakePlainConn(loop_, *fd),
           .parser = RespParser(options_.limits),
           .replies = {}});
  link->conn->SetReadDeadline(until);
  link->conn->SetWriteDeadline(until);
  LOQUAT_CO_TRY(co_await link->conn->Handshake());
  LOQUAT_CO_TRY(co_await Greet(*link, until));
  link->conn->SetReadDeadline(base::TimePoint::max());
  co_return link;
}

base::Status RedisClient::Parse(Link& link, std::span<const char> bytes,
                                const std::function<base::Status(RespValue)>& take) {
  std::string_view rest(bytes.data(), bytes.size());
  while (!rest.empty()) {
    LOQUAT_ASSIGN(auto value, link.parser.Next(rest));
    // Pushes belong to no command: what is not subscribed to is of no use.
    if (value && value->type != RespType::kPush) LOQUAT_TRY(take(std::move(*value)));
  }
  return {};
}

asio::awaitable<base::Result<RespValue>> RedisClient::Ask(Link& link, std::span<const std::string_view> arguments,
                                                          base::TimePoint until) {
  std::string command;
  AppendRespCommand(arguments, command);
  link.conn->SetWriteDeadline(until);
  LOQUAT_CO_TRY(co_await link.conn->WriteAll(command));
  while (link.replies.empty()) {
    std::array<char, 2048> room;
    LOQUAT_CO_ASSIGN(const std::size_t bytes, co_await link.conn->Read(room));
    if (bytes == 0) co_return Lost("Redis closed it during the greeting");
    LOQUAT_CO_TRY(Parse(link, {room.data(), bytes}, [&link](RespValue value) -> base::Status {
      link.replies.push_back(std::move(value));
      return {};
    }));
  }
  RespValue reply = std::move(link.replies.front());
  link.replies.pop_front();
  co_return reply;
}

// HELLO 3 with all in it; a server that knows no HELLO (before 6.0) speaks RESP2 and gets AUTH by itself.
asio::awaitable<base::Status> RedisClient::Authenticate(Link& link, base::TimePoint until) {
  std::vector<std::string_view> hello = {"HELLO", "3"};
  const std::string_view user = options_.username.empty() ? std::string_view("default") : options_.username;
  if (!options_.password.empty()) hello.insert(hello.end(), {"AUTH", user, options_.password});
  LOQUAT_CO_ASSIGN(const RespValue greeted, co_await Ask(link, hello, until));
  if (!greeted.is_error()) co_return base::Status();
  const bool old = greeted.error_code() == "ERR" || greeted.error_code() == "NOPROTO";
  if (!old) co_return Refused("the greeting", greeted);
  if (options_.password.empty()) co_return base::Status();
  std::vector<std::string_view> auth = {"AUTH"};
  if (!options_.username.empty()) auth.push_back(options_.username);
  auth.push_back(options_.password);
  LOQUAT_CO_ASSIGN(const RespValue known, co_await Ask(link, auth, until));
  if (known.is_error()) co_return Refused("AUTH", known);
  co_return base::Status();
}

asio::awaitable<base::Status> RedisClient::Greet(Link& link, base::TimePoint until) {
  LOQUAT_CO_TRY(co_await Authenticate(link, until));
  const std::string database = std::to_string(options_.database);
  std::vector<std::vector<std::string_view>> commands = {{"CLIENT", "SETNAME", options_.client_name},
                                                         {"SELECT", database}};
  const auto greeting = options_.greeting ? options_.greeting() : std::vector<std::vector<std::string>>();
  for (const auto& command : greeting) commands.emplace_back(command.begin(), command.end());
  std::vector<RespValue> replies;
  for (const auto& command : commands) {
    LOQUAT_CO_ASSIGN(RespValue reply, co_await Ask(link, command, until));
    // The name is a courtesy, which the rights of a user need not include.
    if (reply.is_error() && command.front() != "CLIENT") co_return Refused(command.front(), reply);
    replies.push_back(std::move(reply));
  }
  const auto own = replies.size() - greeting.size();
  co_return observer_.OnGreeted(std::span<const RespValue>(replies).subspan(own));
}

asio::awaitable<base::Error> RedisClient::ReadReplies(LinkPtr link) {
  const std::function<base::Status(RespValue)> take = [this](RespValue reply) { return OnReply(std::move(reply)); };
  for (;;) {
    // Nothing runs between the read and the end of parsing, so the loop's scratch room is ours.
    const std::span<char> room = loop_.read_scratch();
    const auto got = link->conn->TryRead(room);
    if (!got) co_return Lost(got.error().message);
    if (got->blocked) {
      if (const auto waited = co_await link->conn->WaitReadable(); !waited) co_return Lost(waited.error().message);
      continue;
    }
    if (got->bytes == 0) co_return Lost("Redis closed it");
    if (const auto parsed = Parse(*link, room.first(got->bytes), take); !parsed) {
      answered_ = false;  // What speaks so is no Redis: it is not tried again at once.
      co_return Lost(parsed.error().message);
    }
  }
}

base::Status RedisClient::OnReply(RespValue reply) {
  if (pending_.empty()) return base::DataLoss("a reply came that no command had asked for");
  answered_ = true;
  Pending pending = std::move(pending_.front());
  pending_.pop_front();
  const RedisOutcome outcome = reply.is_error() ? RedisOutcome::kError : RedisOutcome::kOk;
  Complete(std::move(pending), std::move(reply), outcome);
  return {};
}

// Through the loop's queue: whoever waits must not run in the middle of parsing.
void RedisClient::Complete(Pending pending, base::Result<RespValue> result, RedisOutcome outcome) {
  observer_.OnCommand(outcome, Now() - pending.since);
  asio::post(loop_.context(),
             [done = std::move(pending.done), result = std::move(result)]() mutable { done(std::move(result)); });
}

void RedisClient::FailPending(const base::Error& error, RedisOutcome outcome) {
  unsent_.clear();
  for (std::deque<Pending> failed = std::exchange(pending_, {}); Pending & pending : failed) {
    Complete(std::move(pending), error, outcome);
  }
}

void RedisClient::FlushSoon() {
  if (!link_ || link_->writing || unsent_.empty() || std::exchange(link_->flush_due, true)) return;
  // What other coroutines add until the loop comes to it goes out in the same write.
  asio::post(loop_.context(), [this, link = link_] {
    link->flush_due = false;
    if (link == link_ && !link->writing) Flush(link);
  });
}

void RedisClient::Flush(const LinkPtr& link) {
  while (!unsent_.empty()) {
    const std::string_view piece = unsent_;
    const auto sent = link->conn->TryWrite({&piece, 1});
    if (!sent) return link->conn->Close();  // The reader hears of it.
    unsent_.erase(0, sent->bytes);
    if (sent->blocked) break;
  }
  if (unsent_.empty()) return;
  link->writing = true;
  asio::co_spawn(loop_.context(), WriteRest(link), asio::detached);
}

asio::awaitable<void> RedisClient::WriteRest(LinkPtr link) {
  while (link == link_ && !unsent_.empty()) {
    const std::string batch = std::exchange(unsent_, {});
    link->conn->SetWriteDeadline(Now() + options_.command_timeout);
    if (const auto written = co_await link->conn->WriteAll(batch); !written) {
      link->conn->Close();
      break;
    }
  }
  link->writing = false;
}

void RedisClient::GoAway(const base::Error& why) {
  away_because_ = why.message;
  FailPending(why, RedisOutcome::kLost);
  if (std::exchange(state_, State::kAway) != State::kAway) observer_.OnAway(why);
}

// Replies come in order: when the oldest is late, so are all behind it. Closing the connection makes sure that a reply
// which comes after all meets nobody.
void RedisClient::OnTick(base::TimePoint now) {
  if (pending_.empty() || now - pending_.front().since < options_.command_timeout) return;
  const base::Error late{.code = base::Code::kDeadlineExceeded,
                         .message = fmt::format("Redis did not answer within {} ms", options_.command_timeout.count()),
                         .reason = "redis_timeout"};
  FailPending(late, RedisOutcome::kTimeout);
  GoAway(late);
  if (link_) link_->conn->Close();
}

}  // namespace loquat::net
