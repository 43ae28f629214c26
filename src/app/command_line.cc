#include "app/command_line.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <utility>
#include <vector>

#include "app/commands.h"

namespace loquat::app {
namespace {

constexpr const char* kForceIsa = "LOQUAT_FORCE_ISA";

std::filesystem::path ProgramFolder() {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
}

}  // namespace

int Fail(const base::Error& error) {
  fmt::print(stderr, "loquat: {}\n", error.message);
  return kExitFailure;
}

std::string BundledModelPath() {
  const std::filesystem::path program = ProgramFolder();
  const std::array<std::filesystem::path, 3> candidates = {std::filesystem::path("models/assistant"),
                                                           program / "../../models/assistant",
                                                           program / "../share/loquat/models/assistant"};
  for (const std::filesystem::path& candidate : candidates) {
    std::error_code error;
    if (std::filesystem::exists(candidate / "manifest.json", error)) return candidate.lexically_normal().string();
  }
  return {};
}

base::Result<std::string> ModelPathOr(const std::string& path) {
  if (!path.empty()) return path;
  std::string bundled = BundledModelPath();
  if (bundled.empty()) {
    return base::NotFound(
        "the bundled model (models/assistant) is not here; start in the source tree, or give a model folder with "
        "--model");
  }
  return bundled;
}

config::Sources SourcesOf(const std::string& file, const std::vector<std::string>& sets) {
  config::Variables variables = config::VariablesFrom(environ);
  // Not keys: the one is read below, the other by the tests.
  std::erase_if(variables,
                [](const auto& variable) { return variable.first == kForceIsa || variable.first == "LOQUAT_BINARY"; });
  return {.file = file, .variables = std::move(variables), .overrides = sets};
}

understanding::UnderstanderOptions ForcedIsa() {
  const char* isa = std::getenv(kForceIsa);
  return {.force_isa = isa == nullptr ? "" : isa};
}

}  // namespace loquat::app
