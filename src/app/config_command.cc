#include <fmt/format.h>

#include <cstdio>

#include "app/command_line.h"
#include "app/commands.h"

namespace loquat::app {

int ConfigCheck(const ConfigCheckArguments& arguments) {
  const auto loaded = config::Load<Options>(SourcesOf(arguments.file, arguments.sets));
  if (!loaded.has_value()) return Fail(loaded.error());
  for (const std::string& warning : loaded->warnings) fmt::print(stderr, "loquat: warning: {}\n", warning);
  fmt::print("{}", config::Dump(loaded->value, loaded->origins));
  return kExitOk;
}

}  // namespace loquat::app
