#include "app/benchmark_series.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>

namespace loquat::app {

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

void WriteSeries(base::JsonWriter& json, std::string_view name, const std::vector<double>& values) {
  if (values.empty()) return;
  json.Key(name);
  json.BeginObject();
  json.Key("median");
  json.Fixed(Median(values), 3);
  json.Key("rounds");
  json.BeginArray();
  for (const double value : values) json.Fixed(value, 3);
  json.EndArray();
  json.EndObject();
}

void PrintSeries(std::string_view what, std::string_view unit, const std::vector<double>& values) {
  if (values.empty()) return;
  const auto [least, most] = std::ranges::minmax_element(values);
  fmt::print("{:<24} {:10.1f} {} (rounds {:.1f} to {:.1f})\n", what, Median(values), unit, *least, *most);
}

}  // namespace loquat::app
