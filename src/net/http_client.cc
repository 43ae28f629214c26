#include "net/http_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "net/http_text.h"

namespace loquat::net {
namespace {

base::TimePoint Now() {
  return std::chrono::steady_clock::now();
}

std::string OriginOf(const HttpUrl& url, const HttpRoute& route) {
  std::string origin = fmt::format("{}://{}:{}", url.secure ? "https" : "http", url.host, url.port);
  for (const auto& endpoint : route.addresses) {
    origin += fmt::format(" {}:{}", endpoint.address().to_string(), endpoint.port());
  }
  return origin;
}

bool IsSafe(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "OPTIONS";
}

}  // namespace

std::string_view HttpFetched::Header(std::string_view lower_case_name) const {
  const auto found = std::ranges::find(headers, lower_case_name, [](const auto& header) { return header.first; });
  return found == headers.end() ? std::string_view() : std::string_view(found->second);
}

base::Result<std::string> SerializeRequest(const HttpUrl& url, const HttpFetch& fetch) {
  if (fetch.method.empty() || !std::ranges::all_of(fetch.method, IsTokenChar)) {
    return base::InvalidArgument(fmt::format("'{}' is no HTTP method", fetch.method));
  }
  std::string out = fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\n", fetch.method, url.target, url.Authority());
  for (const auto& [name, value] : fetch.headers) {
    if (name.empty() || !std::ranges::all_of(name, IsTokenChar) || !std::ranges::all_of(value, IsFieldChar)) {
      return base::InvalidArgument(fmt::format("the header '{}' has characters that a header may not have", name));
    }
    out += fmt::format("{}: {}\r\n", name, value);
  }
  if (!fetch.body.empty() || !IsSafe(fetch.method)) out += fmt::format("Content-Length: {}\r\n", fetch.body.size());
  out += "\r\n";
  out += fetch.body;
  return out;
}

std::unique_ptr<HttpClientConnection> HttpClient::TakeIdle(const std::string& origin) {
  const auto found = pool_.find(origin);
  if (found == pool_.end()) return nullptr;
  std::unique_ptr<HttpClientConnection> connection;
  while (!connection && !found->second.empty()) {
    Pooled pooled = std::move(found->second.back());
    found->second.pop_back();
    --idle_;
    if (Now() - pooled.since < options_.idle_max && !pooled.connection->conn().PeerGone()) {
      connection = std::move(pooled.connection);
    }
  }
  if (found->second.empty()) pool_.erase(found);
  return connection;
}

// Nobody may ever call their origin again, and a peer that closed keeps our descriptor. Linear in the idle ones, which
// are few.
void HttpClient::TrimIdle(std::size_t keep) {
  const base::TimePoint oldest_used = Now() - options_.idle_max;
  for (;;) {
    // The front of each queue is its oldest.
    const auto oldest =
        std::ranges::min_element(pool_, {}, [](const auto& origin) { return origin.second.front().since; });
    if (oldest == pool_.end() || (idle_ <= keep && oldest->second.front().since > oldest_used)) return;
    oldest->second.pop_front();
    --idle_;
    if (oldest->second.empty()) pool_.erase(oldest);
  }
}

asio::awaitable<base::Result<HttpClient::Stream>> HttpClient::Open(HttpFetch fetch) {
  auto url = ParseHttpUrl(fetch.url);
  if (!url) co_return std::move(url).error();
  auto request = SerializeRequest(*url, fetch);
  if (!request) co_return std::move(request).error();
  Stream stream{.connection = nullptr, .head = nullptr, .origin = OriginOf(*url, fetch.route)};
  for (bool first = true;; first = false) {
    stream.connection = first ? TakeIdle(stream.origin) : nullptr;
    const bool reused = stream.connection != nullptr;
    if (!reused) {
      TrimIdle(options_.connections_max - std::min(options_.connections_max, in_use_ + 1));
      if (connections() >= options_.connections_max) {
        co_return base::Error{.code = base::Code::kResourceExhausted,
                              .message = fmt::format("all {} client connections are in use", options_.connections_max),
                              .reason = "client_connections"};
      }
      ++in_use_;
      auto made = co_await HttpClientConnection::Connect(loop_, *url, options_, fetch.route);
      --in_use_;
      if (!made) co_return std::move(made).error();
      stream.connection = std::move(*made);
    }
    ++in_use_;
    stream.connection->set_until(fetch.route.until);
    auto head = co_await stream.connection->Send(*request, fetch.method == "HEAD");
    if (head) {
      stream.head = *head;
      co_return stream;
    }
    --in_use_;
    const bool again =
        reused && (fetch.repeatable || IsSafe(fetch.method)) && head.error().code == base::Code::kUnavailable;
    if (!again) co_return std::move(head).error();
  }
}

void HttpClient::GiveBack(Stream stream) {
  if (!stream.connection) return;
  --in_use_;
  if (!stream.connection->reusable()) return;
  auto& idle = pool_[stream.origin];
  idle.push_back({.connection = std::move(stream.connection), .since = Now()});
  ++idle_;
  if (idle.size() > options_.idle_per_origin_max) {
    idle.pop_front();
    --idle_;
  }
  TrimIdle(options_.idle_connections_max);
}

asio::awaitable<base::Result<HttpFetched>> HttpClient::Fetch(HttpFetch fetch) {
  auto stream = co_await Open(std::move(fetch));
  if (!stream) co_return std::move(stream).error();
  HttpFetched fetched{.status = stream->head->status, .headers = {}, .body = {}};
  for (const HttpHeader& header : stream->head->headers) {
    fetched.headers.emplace_back(std::string(header.name), std::string(header.value));
  }
  for (;;) {
    const auto piece = co_await stream->connection->ReadBody();
    base::Status status;
    if (!piece) {
      status = piece.error();
    } else if (fetched.body.size() + piece->size() > options_.body_bytes_max) {
      status = base::Error{.code = base::Code::kResourceExhausted,
                           .message = fmt::format("the answer is larger than {} bytes", options_.body_bytes_max),
                           .reason = "answer_too_large"};
    }
    const bool done = !status || piece->empty();
    if (!done) {
      fetched.body += *piece;
      continue;
    }
    GiveBack(std::move(*stream));
    if (!status) co_return std::move(status).error();
    co_return fetched;
  }
}

}  // namespace loquat::net
