// An exchange without a connection, for tests: made from a method and a target, it keeps what is answered. One thread.
// Test code only.

#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/strings.h"
#include "net/http.h"

namespace loquat::ingress {

class FakeExchange final : public net::HttpExchange {
 public:
  using OwnedHeaders = std::vector<std::pair<std::string, std::string>>;

  FakeExchange(std::string method, std::string target, OwnedHeaders request_headers = {}, std::string request_body = {},
               base::TimePoint arrived_at = {})
      : method_(std::move(method)),
        target_(std::move(target)),
        request_headers_(std::move(request_headers)),
        request_body_(std::move(request_body)) {
    for (const auto& [name, value] : request_headers_) header_views_.push_back({name, value});
    request_.method = method_;
    request_.target = target_;
    request_.path = std::string_view(target_).substr(0, target_.find('?'));
    request_.headers = header_views_;
    request_.body = request_body_;
    request_.peer = "127.0.0.1:1";
    received_at_ = arrived_at;
  }

  // Has the handler serve it, on a loop that ends when the handler has.
  void ServeBy(net::HttpHandler& handler) {
    boost::asio::io_context loop(1);
    set_loop(loop);
    boost::asio::co_spawn(loop, handler.Handle(*this), [](const std::exception_ptr& thrown) {
      if (thrown) std::rethrow_exception(thrown);
    });
    loop.run();
  }

  boost::asio::any_io_executor executor() const override { return loop_->get_executor(); }

  void Respond(int status, std::span<const net::HttpHeader> headers, std::string_view body) override {
    Begin(status, headers);
    body_ = body;
    finished_ = true;
  }
  void RespondOwned(int status, std::span<const net::HttpHeader> headers, std::string body) override {
    Respond(status, headers, body);
  }
  void BeginStream(int status, std::span<const net::HttpHeader> headers) override {
    Begin(status, headers);
    streamed_ = true;
  }
  boost::asio::awaitable<base::Status> Write(std::string_view chunk) override {
    if (client_.cancelled()) co_return base::Cancelled("the client is gone");
    body_ += chunk;
    co_return base::Status();
  }
  boost::asio::awaitable<base::Status> Finish() override {
    finished_ = true;
    co_return base::Status();
  }
  base::CancelToken WatchDisconnect() override { return client_.token(); }

  // What the client does.
  void Disconnect() { client_.Cancel(); }
  // Where the handler's posts go; the loop outlives the exchange.
  void set_loop(boost::asio::io_context& loop) { loop_ = &loop; }

  // What was answered.
  const std::string& body() const { return body_; }
  bool streamed() const { return streamed_; }
  bool finished() const { return finished_; }
  const OwnedHeaders& headers() const { return headers_; }
  // The first header of that name in any case; "(none)" without one.
  std::string Header(std::string_view name) const {
    for (const auto& [key, value] : headers_) {
      if (base::EqualsIgnoringAsciiCase(key, name)) return value;
    }
    return "(none)";
  }

 private:
  void Begin(int status, std::span<const net::HttpHeader> headers) {
    LOQUAT_CHECK(!answered_, "an exchange is answered once");
    answered_ = true;
    status_ = status;
    for (const net::HttpHeader& header : headers) headers_.emplace_back(header.name, header.value);
  }

  const std::string method_;
  const std::string target_;
  const OwnedHeaders request_headers_;
  const std::string request_body_;
  std::vector<net::HttpHeader> header_views_;
  base::CancelSource client_;
  boost::asio::io_context own_loop_;
  boost::asio::io_context* loop_ = &own_loop_;

  OwnedHeaders headers_;
  std::string body_;
  bool streamed_ = false;
  bool finished_ = false;
};

}  // namespace loquat::ingress
