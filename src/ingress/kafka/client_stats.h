// What librdkafka's statistics say that we want to know (STATISTICS.md of v2.0.2). Pure but for the parser.

#pragma once

#include <cstddef>
#include <string_view>

#include "base/json_value.h"
#include "base/result.h"

namespace loquat::ingress::kafka {

struct ClientStats {
  std::size_t brokers_up = 0;
  bool group_steady = false;  // No rebalance is under way. Of a consumer.
};

// Errors: internal for what is no such JSON.
base::Result<ClientStats> ReadStats(std::string_view json, base::JsonParser& parser);

}  // namespace loquat::ingress::kafka
