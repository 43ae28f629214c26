// How often: 每天, 工作日, every Monday and Wednesday, the 1st of every month; as RFC 5545 recurrence rules.
// Pure function.

#pragma once

#include <string>

#include "understanding/values/cursor.h"

namespace loquat::understanding {

// Appends the RRULE value of the whole surface ("FREQ=WEEKLY;BYDAY=MO,WE"), or returns false and leaves `out` as it
// was.
bool AppendRecurrence(Cursor cursor, std::string& out);

}  // namespace loquat::understanding
