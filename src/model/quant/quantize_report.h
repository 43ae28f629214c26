// What a quantization did, as JSON and as text for a terminal. Pure functions; any thread.

#pragma once

#include <string>

#include "base/json_writer.h"
#include "model/quant/quantize_model.h"

namespace loquat::model {

// The members of one JSON object that the caller has begun.
void WriteReport(const QuantizeReport& report, base::JsonWriter& json);
// A line a tensor, and the sums.
std::string ReportText(const QuantizeReport& report);

}  // namespace loquat::model
