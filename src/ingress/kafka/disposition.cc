#include "ingress/kafka/disposition.h"

#include "net/http.h"

namespace loquat::ingress::kafka {
namespace {

constexpr int kContentTooLarge = 413;

}  // namespace

Disposition DispositionOf(const base::Error& error) {
  using base::Code;
  switch (error.code) {
    case Code::kUnavailable:
      return Disposition::kHold;
    case Code::kResourceExhausted:
      // One code for two things; HTTP tells them apart.
      return net::HttpStatusOf(error) == kContentTooLarge ? Disposition::kDeadLetter : Disposition::kHold;
    case Code::kDeadlineExceeded:
    case Code::kInternal:
    case Code::kUnknown:
    case Code::kDataLoss:
    case Code::kAborted:
    case Code::kCancelled:
      return Disposition::kRetry;
    default:
      return Disposition::kDeadLetter;
  }
}

ProduceFault ProduceFaultOf(rd_kafka_resp_err_t error) {
  switch (error) {
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE:
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
    case RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP:
      return ProduceFault::kRejected;
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT:
      return ProduceFault::kRefused;
    default:
      return ProduceFault::kPassing;
  }
}

}  // namespace loquat::ingress::kafka
