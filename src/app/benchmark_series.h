// The rounds of one measured quantity, as the benchmark commands show them.
//
// Called from main's thread.

#pragma once

#include <string_view>
#include <vector>

#include "base/json_writer.h"

namespace loquat::app {

double Median(std::vector<double> values);  // Zero of none.

// "NAME": {"median": …, "rounds": […]}; nothing where there are no rounds.
void WriteSeries(base::JsonWriter& json, std::string_view name, const std::vector<double>& values);

// A line on standard output: the median, least and greatest; none where there are no rounds.
void PrintSeries(std::string_view what, std::string_view unit, const std::vector<double>& values);

}  // namespace loquat::app
