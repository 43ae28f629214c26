#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "app/command_line.h"
#include "app/commands.h"
#include "app/load_generator.h"
#include "app/open_files.h"
#include "app/progress_bar.h"
#include "base/json_writer.h"
#include "net/http_client.h"

namespace loquat::app {
namespace {

constexpr double kPercentiles[] = {50, 90, 99, 99.9, 99.99};
constexpr std::array<std::string_view, 8> kMix = {"帮我订明天去上海的火车票",
                                                  "北京后天会下雨吗",
                                                  "早上七点半叫我起床",
                                                  "把客厅的灯调暗一点",
                                                  "book a table for four at 7 pm",
                                                  "play some jazz",
                                                  "what's the weather in Paris tomorrow",
                                                  "转五百块给张伟"};

std::string Body(std::string_view text, const std::string& session) {
  std::string body;
  base::JsonWriter json(body);
  json.BeginObject();
  json.Key("text");
  json.String(text);
  if (!session.empty()) {
    json.Key("session");
    json.String(session);
  }
  json.EndObject();
  return body;
}

base::Result<LoadPlan> MakePlan(const BenchServerArguments& arguments) {
  LoadPlan plan{.rate = arguments.rate,
                .duration = std::chrono::duration<double>(arguments.seconds),
                .connections = arguments.connections};
  LOQUAT_ASSIGN(plan.url, net::ParseHttpUrl(arguments.url));
  plan.url.target = "/v1/understand";
  if (plan.url.secure) return base::InvalidArgument("--url: the load generator speaks plain HTTP");
  for (std::uint32_t i = 0; i < arguments.connections; ++i) {
    std::vector<std::string>& requests = plan.requests.emplace_back();
    const std::string session = arguments.sessions ? fmt::format("bench-{}", i) : std::string();
    for (std::size_t k = 0; k < kMix.size(); ++k) {
      const std::string_view text =
          arguments.text.empty() ? kMix[(i + k) % kMix.size()] : std::string_view(arguments.text);
      LOQUAT_ASSIGN(std::string bytes,
                    net::SerializeRequest(plan.url, {.method = "POST",
                                                     .headers = {{"Content-Type", "application/json"}},
                                                     .body = Body(text, session)}));
      requests.push_back(std::move(bytes));
    }
  }
  return plan;
}

void WriteHistogram(const observe::LatencyHistogram& histogram, base::JsonWriter& json) {
  json.BeginObject();
  for (const double percent : kPercentiles) {
    json.Key(fmt::format("p{}", percent));
    json.Fixed(static_cast<double>(histogram.Percentile(percent)) / 1e3, 1);
  }
  json.Key("max");
  json.Fixed(static_cast<double>(histogram.max()) / 1e3, 1);
  json.Key("mean");
  json.Fixed(histogram.mean() / 1e3, 1);
  json.EndObject();
}

void PrintJson(const LoadResult& result, const BenchServerArguments& arguments) {
  std::string out;
  base::JsonWriter json(out);
  json.BeginObject();
  json.Key("rate");
  json.Double(arguments.rate);
  json.Key("connections");
  json.Uint(arguments.connections);
  json.Key("seconds");
  json.Fixed(result.seconds, 3);
  json.Key("requests");
  json.Uint(result.latency.count());
  json.Key("requests_per_second");
  json.Fixed(static_cast<double>(result.latency.count()) / result.seconds, 1);
  json.Key("unsent");
  json.Uint(result.unsent);
  json.Key("errors");
  json.Uint(result.errors);
  json.Key("statuses");
  json.BeginObject();
  for (const auto& [status, count] : result.statuses) {
    json.Key(std::to_string(status));
    json.Uint(count);
  }
  json.EndObject();
  json.Key("latency_us");
  WriteHistogram(result.latency, json);
  json.Key("service_us");
  WriteHistogram(result.service, json);
  json.EndObject();
  fmt::print("{}\n", out);
}

void PrintText(const LoadResult& result, const BenchServerArguments& arguments) {
  fmt::print("{} requests in {:.1f} s: {:.0f} a second over {} connections\n", result.latency.count(), result.seconds,
             static_cast<double>(result.latency.count()) / result.seconds, arguments.connections);
  for (const auto& [status, count] : result.statuses) fmt::print("  status {}: {}\n", status, count);
  if (result.errors > 0) fmt::print("  connection errors: {} ({})\n", result.errors, result.first_error);
  if (result.unsent > 0)
    fmt::print("  planned but not sent in time: {}; the server or this machine cannot keep the rate\n", result.unsent);
  fmt::print("latency from the {} in microseconds\n", arguments.rate > 0 ? "planned send time" : "send time");
  for (const double percent : kPercentiles) {
    fmt::print("  p{:<6} {:10.1f}\n", percent, static_cast<double>(result.latency.Percentile(percent)) / 1e3);
  }
  fmt::print("  max     {:10.1f}\n", static_cast<double>(result.latency.max()) / 1e3);
}

}  // namespace

int BenchServer(const BenchServerArguments& arguments) {
  if (arguments.connections == 0 || arguments.seconds <= 0 || arguments.rate < 0) {
    Fail(base::InvalidArgument("--connections and --seconds are more than 0, --rate is 0 or more"));
    return kExitUsage;
  }
  RaiseOpenFilesLimit(arguments.connections + kOtherFilesMax);
  auto plan = MakePlan(arguments);
  if (!plan.has_value()) return Fail(plan.error());
  const base::SystemClock clock;
  base::Result<LoadResult> result = base::Internal("the load did not start");
  {
    ProgressBar bar(STDERR_FILENO, clock);
    plan->progress = [&](double fraction, std::uint64_t answered) {
      bar.Show(fraction, fmt::format("{} answered", answered));
    };
    result = RunLoad(*plan);
  }
  if (!result.has_value()) return Fail(result.error());
  if (arguments.json) {
    PrintJson(*result, arguments);
  } else {
    PrintText(*result, arguments);
  }
  const bool all_good = result->errors == 0 && result->latency.count() > 0 && result->statuses.size() == 1 &&
                        result->statuses.begin()->first == 200;
  return all_good ? kExitOk : kExitFailure;
}

}  // namespace loquat::app
