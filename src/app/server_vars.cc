#include "app/server_vars.h"

#include <fmt/format.h>

#include "app/version.h"
#include "base/json_writer.h"

namespace loquat::app {
namespace {

void Number(base::JsonWriter& json, std::string_view key, std::uint64_t value) {
  json.Key(key);
  json.Uint(value);
}

void WriteLatency(base::JsonWriter& json, const observe::LatencyHistogram& histogram) {
  json.BeginObject();
  Number(json, "count", histogram.count());
  for (const double percent : {50.0, 90.0, 99.0, 99.9}) {
    json.Key(fmt::format("p{}", percent));
    json.Fixed(static_cast<double>(histogram.Percentile(percent)) / 1e3, 1);
  }
  json.Key("max");
  json.Fixed(static_cast<double>(histogram.max()) / 1e3, 1);
  json.EndObject();
}

}  // namespace

void WriteVars(const ServerVars& vars, std::string& out) {
  base::JsonWriter json(out);
  json.BeginObject();
  json.Key("version");
  json.String(kVersion);
  json.Key("uptime_seconds");
  json.Fixed(vars.uptime_seconds, 3);
  json.Key("start_ms");
  json.Fixed(vars.start_ms, 3);
  json.Key("model");
  json.BeginObject();
  json.Key("name");
  json.String(vars.assistant->name);
  json.Key("path");
  json.String(vars.assistant->path);
  Number(json, "intents", vars.assistant->understander->intents().size());
  json.EndObject();
  Number(json, "connections", vars.connections);
  Number(json, "requests_in_flight", vars.exchanges);
  json.Key("sessions");
  json.BeginObject();
  Number(json, "count", vars.sessions.sessions);
  Number(json, "bytes", vars.sessions.bytes);
  Number(json, "expired", vars.sessions.expired);
  Number(json, "evicted", vars.sessions.evicted);
  Number(json, "conflicts", vars.sessions.conflicts);
  json.EndObject();
  json.Key("latency_us");
  json.BeginObject();
  for (const auto& [route, histogram] : vars.latencies) {
    json.Key(route);
    WriteLatency(json, histogram);
  }
  json.EndObject();
  json.EndObject();
  out += '\n';
}

}  // namespace loquat::app
