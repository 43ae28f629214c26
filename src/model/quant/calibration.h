// Which inputs of each linear layer matter, learnt by running the model over a text: the error that a rounded weight
// makes in an output is its own error times the input that it meets, so that with inputs x the expected square is
//     sum over columns i of E[x[i]^2] * (w[i] - stored[i])^2,
// as long as the errors of two weights do not go together. Frantar et al., "GPTQ", 2022, section 2 has the whole form;
// its diagonal is what llama.cpp calls an importance matrix. Functions; any thread, each call with a team of its own.

#pragma once

#include <functional>
#include <memory>

#include "base/result.h"
#include "kernels/thread_team.h"
#include "model/quant/quantize_model.h"
#include "model/quant/text_windows.h"

namespace loquat::model {

// Called with tokens done and tokens in all; false stops, which is kCancelled.
using CalibrationProgress = std::function<bool(std::uint64_t done, std::uint64_t total)>;

// For each tensor that a linear layer multiplies by: the mean of the square of each input, divided by the mean of those
// of the tensor's columns, and at least kImportanceMin, since a text shows what is, not what will never be.
inline constexpr float kImportanceMin = 1e-3F;
base::Result<Importance> Calibrate(const QuantizeSource& source, const TokenWindows& windows, kernels::ThreadTeam& team,
                                   const CalibrationProgress& progress = {});

}  // namespace loquat::model
