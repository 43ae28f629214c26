#include "ingress/kafka/producer_client.h"

#include <array>
#include <utility>

#include "ingress/kafka/client_properties.h"
#include "ingress/kafka/consumer_client.h"

namespace loquat::ingress::kafka {
namespace {

constexpr int kPurgeStepMs = 20;
constexpr int kPurgeStepsMax = 250;

struct Opaque {
  ProducerEvents* events;
  observe::Logger* log;
};

Opaque& Of(void* opaque) {
  return *static_cast<Opaque*>(opaque);
}

// Null is no value; an empty one has an address.
const char* AddressOf(const std::optional<std::string_view>& bytes) {
  if (!bytes) return nullptr;
  return bytes->empty() ? "" : bytes->data();
}

}  // namespace

base::Result<std::unique_ptr<ProducerClient>> ProducerClient::Open(const KafkaOptions& options, Wakeup& wakeup,
                                                                   ProducerEvents& events, observe::Logger& log) {
  LOQUAT_ASSIGN(Conf conf, ProducerConf(options));
  auto opaque = std::make_unique<Opaque>(Opaque{&events, &log});
  rd_kafka_conf_set_opaque(conf.get(), opaque.get());
  rd_kafka_conf_set_dr_msg_cb(conf.get(), [](rd_kafka_t*, const rd_kafka_message_t* message, void* of) {
    InFlightPtr record = std::move(static_cast<InFlight*>(message->_private)->self);
    Of(of).events->OnDelivered(std::move(record), message->err);
  });
  rd_kafka_conf_set_error_cb(conf.get(), [](rd_kafka_t*, int error, const char* text, void* of) {
    Of(of).events->OnProducerError(static_cast<rd_kafka_resp_err_t>(error), text);
  });
  rd_kafka_conf_set_log_cb(conf.get(), [](const rd_kafka_t* client, int level, const char* facility, const char* text) {
    ForwardLog(*Of(rd_kafka_opaque(client)).log, level, facility, text);
  });
  std::array<char, 512> why{};
  rd_kafka_t* client = rd_kafka_new(RD_KAFKA_PRODUCER, conf.get(), why.data(), why.size());
  if (client == nullptr) return base::Internal(std::string("the Kafka producer cannot be made: ") + why.data());
  (void)conf.release();
  (void)opaque.release();
  return std::unique_ptr<ProducerClient>(new ProducerClient(client, wakeup));
}

ProducerClient::ProducerClient(rd_kafka_t* client, Wakeup& wakeup)
    : client_(client), wakeup_(wakeup), events_(rd_kafka_queue_get_main(client)) {
  wakeup_.ListenTo(*events_);
}

ProducerClient::~ProducerClient() {
  (void)rd_kafka_purge(client_, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
  for (int i = 0; i < kPurgeStepsMax && rd_kafka_outq_len(client_) > 0; ++i) (void)rd_kafka_poll(client_, kPurgeStepMs);
  wakeup_.Forget(*events_);
  events_.reset();
  const std::unique_ptr<Opaque> opaque(&Of(rd_kafka_opaque(client_)));
  rd_kafka_destroy(client_);
}

rd_kafka_resp_err_t ProducerClient::Produce(const std::string& topic, std::optional<std::string_view> key,
                                            std::optional<std::string_view> value, Headers headers,
                                            InFlightPtr record) {
  const std::size_t key_bytes = key ? key->size() : 0;
  const std::size_t value_bytes = value ? value->size() : 0;
  const rd_kafka_resp_err_t error = rd_kafka_producev(
      client_, RD_KAFKA_V_TOPIC(topic.c_str()), RD_KAFKA_V_MSGFLAGS(0), RD_KAFKA_V_KEY(AddressOf(key), key_bytes),
      RD_KAFKA_V_VALUE(const_cast<char*>(AddressOf(value)), value_bytes), RD_KAFKA_V_HEADERS(headers.get()),
      RD_KAFKA_V_OPAQUE(record.get()), RD_KAFKA_V_END);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return error;
  (void)headers.release();
  InFlight& one = *record;
  one.self = std::move(record);
  return error;
}

void ProducerClient::Poll() {
  (void)rd_kafka_poll(client_, 0);
}

}  // namespace loquat::ingress::kafka
