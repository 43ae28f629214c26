#include "base/channel.h"

#include <fmt/format.h>

namespace loquat::base {

Error ChannelError(ChannelRefusal refusal, std::string_view what) {
  switch (refusal) {
    case ChannelRefusal::kFull:
      return ResourceExhausted(fmt::format("the {} is full; try again later", what), "queue_full");
    case ChannelRefusal::kTimedOut:
      return DeadlineExceeded(fmt::format("the {} did not move before the deadline", what));
    case ChannelRefusal::kClosed:
      return Unavailable(fmt::format("the {} is closed; the server is stopping", what));
    case ChannelRefusal::kEmpty:
      break;
  }
  return Unavailable(fmt::format("the {} is empty", what));
}

}  // namespace loquat::base
