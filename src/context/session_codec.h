// A session as bytes, for stores outside this process. The form, drawn in docs/sessions.md:
//
//   "LQS1 " <version, decimal> " " <JSON object>
//
// The version stands in front so that a script in the store can compare it without reading JSON. Fields that a newer
// Loquat adds are passed over; another number after "LQS" is another form, which this one refuses.
// Pure functions; the parser is one thread's at a time.

#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/json_value.h"
#include "base/result.h"
#include "domain/session.h"

namespace loquat::context {

inline constexpr std::string_view kSessionMagic = "LQS1 ";
inline constexpr std::size_t kEncodedSessionBytesMax = std::size_t{4} << 20;
inline constexpr std::size_t kSessionDepthMax = 8;
// What is read of lists and maps; a longer one is a fault.
inline constexpr std::size_t kDecodedTurnsMax = 256;
inline constexpr std::size_t kDecodedSlotsMax = 256;
inline constexpr std::size_t kDecodedTasksMax = 64;
inline constexpr std::size_t kDecodedBranchesMax = 256;

// Times are kept to the microsecond. Where all turns do not fit the oldest are left out. resource_exhausted
// "session_too_large": the state alone does not fit.
base::Result<std::string> EncodeSession(const domain::Session& session);

// REQUIRES: the parser's limits are those of SessionParser(). `last_used` is not stored: it is left at its default.
// Errors: data_loss "session_unreadable", saying what is wrong and where.
base::Result<domain::Session> DecodeSession(std::string_view bytes, std::string_view expected_id,
                                            base::JsonParser& parser);
base::JsonParser SessionParser();

}  // namespace loquat::context
