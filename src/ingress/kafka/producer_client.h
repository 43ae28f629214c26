// The idempotent producer of results and dead letters. Where librdkafka declares it broken (a fatal error), another one
// takes its place; what it had not delivered comes back as failed.
//
// One thread makes, uses and destroys it; its events run on that thread, inside Poll. The references outlive it.

#pragma once

#include <librdkafka/rdkafka.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "ingress/kafka/client_handles.h"
#include "ingress/kafka/in_flight.h"
#include "ingress/kafka/kafka_options.h"
#include "ingress/kafka/out_headers.h"
#include "observe/log.h"

namespace loquat::ingress::kafka {

class ProducerEvents {
 public:
  virtual ~ProducerEvents() = default;
  virtual void OnDelivered(InFlightPtr record, rd_kafka_resp_err_t error) = 0;
  virtual void OnProducerError(rd_kafka_resp_err_t error, std::string_view text) = 0;
};

class ProducerClient {
 public:
  static base::Result<std::unique_ptr<ProducerClient>> Open(const KafkaOptions& options, Wakeup& wakeup,
                                                            ProducerEvents& events, observe::Logger& log);
  // Drops what is not delivered, by OnDelivered.
  ~ProducerClient();
  ProducerClient(const ProducerClient&) = delete;
  ProducerClient& operator=(const ProducerClient&) = delete;

  // OnDelivered comes from a later Poll, unless this gives an error at once. The key is copied; the value stays where
  // it is for as long as the record is here.
  rd_kafka_resp_err_t Produce(const std::string& topic, std::optional<std::string_view> key,
                              std::optional<std::string_view> value, Headers headers, InFlightPtr record);
  void Poll();
  bool broken() const { return rd_kafka_fatal_error(client_, nullptr, 0) != RD_KAFKA_RESP_ERR_NO_ERROR; }

 private:
  ProducerClient(rd_kafka_t* client, Wakeup& wakeup);

  rd_kafka_t* const client_;
  Wakeup& wakeup_;
  Queue events_;
};

}  // namespace loquat::ingress::kafka
