#include "observe/exposition.h"

#include <fmt/format.h>

#include <cmath>
#include <iterator>

namespace loquat::observe {
namespace {

using Strings = std::span<const std::string>;

void AppendEscaped(std::string_view text, bool quotes, std::string& out) {
  for (const char c : text) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '"' && quotes) {
      out += "\\\"";
    } else {
      out += c;
    }
  }
}

void AppendNumber(double value, std::string& out) {
  if (std::isnan(value)) {
    out += "NaN";
  } else if (std::isinf(value)) {
    out += value > 0 ? "+Inf" : "-Inf";
  } else {
    fmt::format_to(std::back_inserter(out), "{}", value);
  }
}

// `name{a="1",le="0.5"}`; `le` may be empty.
void AppendSeries(std::string_view name, std::string_view suffix, Strings labels, Strings values, std::string_view le,
                  std::string& out) {
  out += name;
  out += suffix;
  if (!labels.empty() || !le.empty()) {
    char separator = '{';
    for (std::size_t i = 0; i < labels.size(); ++i) {
      out += separator;
      separator = ',';
      out += labels[i];
      out += "=\"";
      AppendEscaped(values[i], true, out);
      out += '"';
    }
    if (!le.empty()) {
      out += separator;
      out += "le=\"";
      out += le;
      out += '"';
    }
    out += '}';
  }
  out += ' ';
}

void AppendCount(std::uint64_t count, std::string& out) {
  fmt::format_to(std::back_inserter(out), "{}\n", count);
}

}  // namespace

void AppendHeader(std::string_view name, MetricType type, std::string_view help, std::string& out) {
  constexpr std::string_view kTypes[] = {"counter", "gauge", "histogram"};
  out += "# HELP ";
  out += name;
  out += ' ';
  AppendEscaped(help, false, out);
  out += "\n# TYPE ";
  out += name;
  out += ' ';
  out += kTypes[static_cast<std::size_t>(type)];
  out += '\n';
}

void AppendSample(std::string_view name, Strings labels, Strings values, double value, std::string& out) {
  AppendSeries(name, "", labels, values, "", out);
  AppendNumber(value, out);
  out += '\n';
}

void AppendInstrument(std::string_view name, Strings labels, Strings values, const Counter& counter, std::string& out) {
  AppendSeries(name, "", labels, values, "", out);
  AppendCount(counter.value(), out);
}

void AppendInstrument(std::string_view name, Strings labels, Strings values, const Gauge& gauge, std::string& out) {
  AppendSample(name, labels, values, gauge.value(), out);
}

void AppendInstrument(std::string_view name, Strings labels, Strings values, const Histogram& histogram,
                      std::string& out) {
  const Histogram::Snapshot snapshot = histogram.Read();
  const std::span<const double> bounds = histogram.bounds();
  std::uint64_t cumulative = 0;
  std::string le;
  for (std::size_t i = 0; i < bounds.size(); ++i) {
    cumulative += snapshot.counts[i];
    le.clear();
    AppendNumber(bounds[i], le);
    AppendSeries(name, "_bucket", labels, values, le, out);
    AppendCount(cumulative, out);
  }
  AppendSeries(name, "_bucket", labels, values, "+Inf", out);
  AppendCount(snapshot.count, out);
  AppendSeries(name, "_sum", labels, values, "", out);
  AppendNumber(snapshot.sum, out);
  out += '\n';
  AppendSeries(name, "_count", labels, values, "", out);
  AppendCount(snapshot.count, out);
}

}  // namespace loquat::observe
