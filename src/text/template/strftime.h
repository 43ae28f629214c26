// Python's datetime.strftime() for a local time without a zone, in the C locale. Pure.
// Directives: %Y %y %m %d %e %H %I %M %S %p %B %b %h %A %a %j %u %w %F %T %R %D %f %z %Z %n %t %%, and %-d to drop
// padding.

#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/result.h"

namespace loquat::text::jinja {

// Appends; a directive that is not listed above is a fault.
base::Status AppendTime(std::string_view format, std::chrono::local_seconds time, std::string& out);

}  // namespace loquat::text::jinja
