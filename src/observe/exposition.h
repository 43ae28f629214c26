// The lines of Prometheus' text format 0.0.4 (https://prometheus.io/docs/instrumenting/exposition_formats/).
// Pure functions that append to `out`; safe from any thread.

#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "observe/metrics.h"

namespace loquat::observe {

// "# HELP" and "# TYPE", with backslash and newline escaped in the help.
void AppendHeader(std::string_view name, MetricType type, std::string_view help, std::string& out);

// One sample line. REQUIRES: as many values as labels; values are UTF-8.
void AppendSample(std::string_view name, std::span<const std::string> labels, std::span<const std::string> values,
                  double value, std::string& out);

// All sample lines of one series.
void AppendInstrument(std::string_view name, std::span<const std::string> labels, std::span<const std::string> values,
                      const Counter& counter, std::string& out);
void AppendInstrument(std::string_view name, std::span<const std::string> labels, std::span<const std::string> values,
                      const Gauge& gauge, std::string& out);
void AppendInstrument(std::string_view name, std::span<const std::string> labels, std::span<const std::string> values,
                      const Histogram& histogram, std::string& out);

}  // namespace loquat::observe
