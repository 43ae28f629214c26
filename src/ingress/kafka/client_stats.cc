#include "ingress/kafka/client_stats.h"

namespace loquat::ingress::kafka {

base::Result<ClientStats> ReadStats(std::string_view json, base::JsonParser& parser) {
  LOQUAT_ASSIGN(const base::JsonValue root, parser.Parse(json));
  LOQUAT_ASSIGN(const base::JsonObject fields, root.AsObject());
  LOQUAT_ASSIGN(const base::JsonObject brokers, fields.Find("brokers").AsObject());
  ClientStats stats;
  for (const auto& [name, value] : brokers) {
    LOQUAT_ASSIGN(const base::JsonObject broker, value.AsObject());
    LOQUAT_ASSIGN(const std::string_view state, broker.Find("state").AsString());
    // UPDATE: connected, and asked for its version again.
    if (state == "UP" || state == "UPDATE") ++stats.brokers_up;
  }
  if (fields.Has("cgrp")) {
    LOQUAT_ASSIGN(const base::JsonObject group, fields.Find("cgrp").AsObject());
    LOQUAT_ASSIGN(const std::string_view join_state, group.Find("join_state").AsString());
    stats.group_steady = join_state == "steady";
  }
  return stats;
}

}  // namespace loquat::ingress::kafka
