// What `loquat model quantize` and `compare` share: a text file as windows of tokens, and a comparison with its
// progress shown. Called from main's thread.

#pragma once

#include <functional>
#include <string>

#include "base/result.h"
#include "kernels/thread_team.h"
#include "model/formats/model_files.h"
#include "model/quant/model_comparison.h"
#include "model/quant/text_windows.h"

namespace loquat::app {

// By the tokenizer and for the context of `files`; errors name the text's path.
base::Result<model::TokenWindows> ReadWindows(const model::ModelFiles& files, const std::string& path);

// On the tier that LOQUAT_FORCE_ISA names, or the best. `go_on` is asked after every step; false ends with kCancelled.
base::Result<model::ModelComparison> CompareWithProgress(const model::ComparedModel& before,
                                                         const model::ComparedModel& after,
                                                         const model::TokenWindows& windows, kernels::ThreadTeam& team,
                                                         const std::function<bool()>& go_on);

}  // namespace loquat::app
