// Between the messages of loquat.v1.Inference and the pipeline's generations. An error names the field by a JSON
// pointer, as "/options/top_p".
//
// Pure functions.

#pragma once

#include <loquat/v1/inference.pb.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/result.h"
#include "pipeline/generate.h"

namespace loquat::ingress::grpc {

inline constexpr std::size_t kModelNameBytesMax = 256;
inline constexpr int kStopStringsMax = 64;
inline constexpr std::size_t kStopStringBytesMax = 512;
inline constexpr std::uint32_t kInferTokensMax = 1U << 30;  // GenerationOptions.tokens_max.
// What one turn may bring in pieces, before the model's own limit is looked at.
inline constexpr std::size_t kTurnTokensMax = std::size_t{1} << 20;

// The ids of the first message: a session, its stream, a model.
base::Status CheckFirst(const loquat::v1::StreamInferRequest& message);
// A later message names the same ones or none.
base::Status CheckLater(const loquat::v1::StreamInferRequest& first, const loquat::v1::StreamInferRequest& message);

// How a turn is generated. What depends on the model is checked where the model is known.
base::Status ReadOptions(const loquat::v1::GenerationOptions& options, engine::GenerateRequest& request);

// The pipeline's word for where the fault lies, in the terms of these messages.
base::Error AtMessage(base::Error error);

// A piece of an answer; false where there is nothing in it to be said.
bool WriteDelta(const pipeline::AnswerDelta& delta, loquat::v1::StreamInferResponse& message);
void WriteFinal(engine::Finish finish, const engine::Usage& usage, std::size_t position,
                loquat::v1::StreamInferResponse& message);

}  // namespace loquat::ingress::grpc
