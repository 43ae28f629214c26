// What becomes of a record that failed: the Kafka column of the table of errors (docs/kafka.md), and what an error of
// producing means. Pure functions.

#pragma once

#include <librdkafka/rdkafka.h>

#include <cstdint>

#include "base/result.h"

namespace loquat::ingress::kafka {

enum class Disposition : std::uint8_t {
  kDeadLetter,  // It will never be answered.
  kRetry,       // It may be the record's fault: a few attempts, then a dead letter.
  kHold,        // It is not the record's fault: its partition waits for as long as it takes.
};

Disposition DispositionOf(const base::Error& error);

enum class ProduceFault : std::uint8_t {
  kRejected,  // The topic will never take this one.
  kRefused,   // The cluster refuses us: somebody has to do something.
  kPassing,   // It may work later.
};

ProduceFault ProduceFaultOf(rd_kafka_resp_err_t error);

}  // namespace loquat::ingress::kafka
