// What several commands share: saying errors, finding the bundled model, loading options.
//
// Called from main's thread.

#pragma once

#include <string>
#include <vector>

#include "app/options.h"
#include "base/result.h"
#include "config/load.h"

namespace loquat::app {

// "loquat: MESSAGE" on standard error; returns kExitFailure.
int Fail(const base::Error& error);

// The folder of the assistant that ships: models/assistant in the working directory, in the source tree that the
// program was built in, or in ../share/loquat beside the program. Empty where there is none.
std::string BundledModelPath();
// `path`, or the bundled model's where it is empty.
base::Result<std::string> ModelPathOr(const std::string& path);

// The instruction set that the environment variable LOQUAT_FORCE_ISA pins: a name of kernels/isa.h; none: the best
// there is.
understanding::UnderstanderOptions ForcedIsa();

config::Sources SourcesOf(const std::string& file, const std::vector<std::string>& sets);

}  // namespace loquat::app
