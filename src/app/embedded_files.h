// Files that are part of the program: the console's page and the API description. Immutable; live as long as the
// program.

#pragma once

#include <span>
#include <string_view>

namespace loquat::app {

struct EmbeddedFile {
  std::string_view path;  // In the source tree: "console/index.html".
  std::string_view content;
};

// Defined in a source that the build makes from the files themselves.
std::span<const EmbeddedFile> EmbeddedFiles();

}  // namespace loquat::app
