// manifest.json as text: writing and strict reading. Pure functions; any thread.

#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "understanding/model_folder.h"

namespace loquat::understanding {

// One line of JSON, the same for the same manifest. Its last member is the SHA-256 of every byte before it, so that a
// flipped bit in a label or a number is found.
std::string FormatManifest(const ModelManifest& manifest);

// `name` stands for the file in errors. kDataLoss: damaged; kFailedPrecondition: a newer version or another kind.
// The sections are in bounds, aligned, without overlap and within kWeightsBytesMax.
base::Result<ModelManifest> ParseManifest(std::string_view name, std::string_view text);

}  // namespace loquat::understanding
