// GET and DELETE /v1/sessions/{id}, POST /v1/sessions/{id}/fork. The use cases outlive the endpoints.

#pragma once

#include "ingress/http/router.h"
#include "observe/trace.h"
#include "pipeline/sessions.h"

namespace loquat::ingress {

class GetSessionEndpoint final : public Endpoint {
 public:
  explicit GetSessionEndpoint(pipeline::SessionUseCases& sessions) : sessions_(sessions) {}
  boost::asio::awaitable<void> Serve(HttpCall& call) override;

 private:
  pipeline::SessionUseCases& sessions_;
};

class DeleteSessionEndpoint final : public Endpoint {
 public:
  explicit DeleteSessionEndpoint(pipeline::SessionUseCases& sessions) : sessions_(sessions) {}
  boost::asio::awaitable<void> Serve(HttpCall& call) override;

 private:
  pipeline::SessionUseCases& sessions_;
};

// The body is empty, or {"id": "the new session's id"}; without one an id is made.
class ForkSessionEndpoint final : public Endpoint {
 public:
  explicit ForkSessionEndpoint(pipeline::SessionUseCases& sessions) : sessions_(sessions) {}
  boost::asio::awaitable<void> Serve(HttpCall& call) override;

 private:
  pipeline::SessionUseCases& sessions_;
  observe::IdGenerator ids_;
};

}  // namespace loquat::ingress
