// Open-loop load on an HTTP server: requests are planned at a constant rate, and each latency counts from the moment
// its request was planned for, so that a server that stalls is charged for all the requests that had to wait (G. Tene,
// "How NOT to Measure Latency"; the coordinated omission problem).
//
// One thread runs the whole load. Blocks until it is over.

#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "net/url.h"
#include "observe/latency_histogram.h"

namespace loquat::app {

inline constexpr double kLoadSecondsMax = 86'400;

struct LoadPlan {
  net::HttpUrl url;
  double rate = 1000;  // Requests a second over all connections; zero: each connection sends as soon as it is answered.
  std::chrono::duration<double> duration{10};
  std::uint32_t connections = 16;
  // The whole bytes of request `i` of connection `connection`; views live until the next call for that connection.
  std::vector<std::vector<std::string>> requests;  // [connection][any number >= 1], sent in turn.
  // Called about every second with the share that is done and the requests answered so far.
  std::function<void(double fraction, std::uint64_t answered)> progress;
};

struct LoadResult {
  observe::LatencyHistogram latency;  // Nanoseconds, from the planned moment; without a rate, from the sending.
  observe::LatencyHistogram service;  // Nanoseconds, from the sending.
  std::map<int, std::uint64_t> statuses;
  // Connections lost in the middle of a request, and attempts to connect that failed.
  std::uint64_t errors = 0;
  std::string first_error;
  double seconds = 0;
  std::uint64_t unsent = 0;  // Planned for the duration and not sent before its end.
};

// With a rate, each request planned for the duration is answered, unsent, or among the errors. invalid_argument: the
// plan has no connection, no request, or a rate or duration out of range.
base::Result<LoadResult> RunLoad(const LoadPlan& plan);

}  // namespace loquat::app
