#include "config/etcd/messages.h"

#include <utility>

namespace loquat::config::etcd {
namespace {

KeyValue ToKeyValue(etcdserverpb::KeyValue&& message) {
  return {.key = std::move(*message.mutable_key()),
          .value = std::move(*message.mutable_value()),
          .revision = message.mod_revision()};
}

}  // namespace

RangeAnswer ToRangeAnswer(etcdserverpb::RangeResponse&& message) {
  RangeAnswer answer{.revision = message.header().revision(), .keys = {}, .more = message.more()};
  answer.keys.reserve(static_cast<std::size_t>(message.kvs_size()));
  for (auto& key : *message.mutable_kvs()) answer.keys.push_back(ToKeyValue(std::move(key)));
  return answer;
}

WatchMessage ToWatchMessage(etcdserverpb::WatchResponse&& message) {
  WatchMessage out{.revision = message.header().revision(),
                   .created = message.created(),
                   .cancelled = message.canceled(),
                   .fragment = message.fragment(),
                   .progress = false,
                   .compact_revision = message.compact_revision(),
                   .reason = std::move(*message.mutable_cancel_reason()),
                   .events = {}};
  // An answer to a progress request has the watch id -1, and before etcd 3.5.8 its revision may be ahead of events that
  // are still on their way (etcd issue 15220): only the notifications of the watch itself count.
  out.progress =
      message.watch_id() == kWatchId && !out.created && !out.cancelled && !out.fragment && message.events().empty();
  out.events.reserve(static_cast<std::size_t>(message.events_size()));
  for (auto& event : *message.mutable_events()) {
    const bool deleted = event.type() == etcdserverpb::Event::DELETE;
    out.events.push_back({.key = ToKeyValue(std::move(*event.mutable_kv())), .deleted = deleted});
  }
  return out;
}

}  // namespace loquat::config::etcd
