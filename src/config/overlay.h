// Lays environment variables and command-line overrides over the values of a file. Pure functions; safe from any
// thread.

#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/schema.h"
#include "config/type.h"
#include "config/value.h"

namespace loquat::config {

inline constexpr std::string_view kEnvironmentPrefix = "LOQUAT_";

using Variables = std::vector<std::pair<std::string, std::string>>;  // Name and value.

// The variables of `environ`-like memory whose names start with kEnvironmentPrefix.
Variables VariablesFrom(const char* const* environment);

// LOQUAT_SERVER_LISTEN is server.listen: upper case, dots as underscores. Entries of maps are reached by name if the
// file has them. A list is written with commas, or as YAML in brackets. A variable that mirrors no key is a warning,
// not an error: a Kubernetes service called loquat puts LOQUAT_PORT and more of the kind into every pod.
void ApplyVariables(const Schema& schema, const Variables& variables, Value& root, Reader& reader,
                    std::vector<std::string>& warnings);

// "server.listen=0.0.0.0:80". An entry of a map that is not there yet is added.
void ApplyOverrides(const Schema& schema, const std::vector<std::string>& overrides, Value& root, Reader& reader);

// The path of a key of the schema that `path` may have been meant for, or empty; its steps are divided by `divider`.
std::string NearestPath(const Schema& schema, std::string_view path, char divider);

}  // namespace loquat::config
