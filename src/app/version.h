// The program's version, from CMake's project(). A constant.

#pragma once

#include <string_view>

namespace loquat::app {

inline constexpr std::string_view kVersion = LOQUAT_VERSION;

}  // namespace loquat::app
