// etcd's v3 API over gRPC. The following thread uses the connections; Stop is for any thread. One channel a connection,
// which shares nothing with others: a new try is a new connection.

#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "base/result.h"
#include "config/etcd/client.h"
#include "config/etcd/etcd_options.h"

namespace loquat::config::etcd {

class GrpcClient final : public Client {
 public:
  // Reads the certificates. Errors: those of files, named by key.
  static base::Result<std::unique_ptr<GrpcClient>> Create(const EtcdOptions& options);
  ~GrpcClient() override;

  std::size_t endpoint_count() const override;
  std::string endpoint(std::size_t index) const override;
  base::Result<std::unique_ptr<Connection>> Connect(std::size_t index) override;
  void Stop() override;

  struct State;  // Of the source file alone.

 private:
  explicit GrpcClient(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

}  // namespace loquat::config::etcd
