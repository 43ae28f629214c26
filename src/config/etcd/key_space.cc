#include "config/etcd/key_space.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/utf8.h"

namespace loquat::config::etcd {

KeySpace::KeySpace(const EtcdOptions& options)
    : prefix_(options.prefix),
      keys_max_(options.keys_max),
      value_bytes_max_(options.value_bytes_max),
      bytes_max_(options.bytes_max),
      layer_(EmptyLayer(options)) {}

Layer KeySpace::EmptyLayer(const EtcdOptions& options) {
  return {.source = "etcd key " + options.prefix, .reserved = std::string(kSectionName), .entries = {}, .gone = {}};
}

base::Result<std::string> KeySpace::PathOf(const std::string& key) const {
  if (key.starts_with(prefix_) && base::IsValidUtf8(key)) return key.substr(prefix_.size());
  base::Error error = base::DataLoss(fmt::format("etcd sent a key that is not below {}, or no UTF-8", prefix_));
  error.reason = "protocol";
  return error;
}

void KeySpace::Remove(const std::string& path) {
  const auto found = layer_.entries.find(path);
  if (found == layer_.entries.end()) return;
  bytes_ -= path.size() + found->second.text.size();
  layer_.entries.erase(found);
}

base::Status KeySpace::Put(const KeyValue& key) {
  LOQUAT_ASSIGN(const std::string path, PathOf(key.key));
  Remove(path);
  layer_.gone.erase(path);
  LayerEntry entry{.text = {}, .problem = {}, .revision = key.revision};
  if (key.value.size() > value_bytes_max_) {
    entry.problem =
        fmt::format("the value has {} bytes; at most {} (etcd.value_bytes_max)", key.value.size(), value_bytes_max_);
  } else if (!base::IsValidUtf8(key.value)) {
    entry.problem = "the value is not UTF-8";
  } else {
    entry.text = key.value;
  }
  if (layer_.entries.size() >= keys_max_) {
    return base::ResourceExhausted(
        fmt::format("there are more than {} keys below {} (etcd.keys_max)", keys_max_, prefix_), "too_many_keys");
  }
  bytes_ += path.size() + entry.text.size();
  layer_.entries.emplace(path, std::move(entry));
  if (bytes_ > bytes_max_) {
    return base::ResourceExhausted(
        fmt::format("the keys and values below {} have more than {} bytes (etcd.bytes_max)", prefix_, bytes_max_),
        "too_many_bytes");
  }
  return {};
}

base::Status KeySpace::Replace(const RangeAnswer& answer) {
  layer_.entries.clear();
  layer_.gone.clear();
  bytes_ = 0;
  revision_ = answer.revision;
  for (const KeyValue& key : answer.keys) LOQUAT_TRY(Put(key));
  if (!answer.more) return {};
  return base::ResourceExhausted(
      fmt::format("there are more than {} keys below {} (etcd.keys_max)", keys_max_, prefix_), "too_many_keys");
}

base::Status KeySpace::Apply(std::span<const Event> events) {
  for (const Event& event : events) {
    if (!event.deleted) {
      LOQUAT_TRY(Put(event.key));
    } else {
      LOQUAT_ASSIGN(const std::string path, PathOf(event.key.key));
      Remove(path);
      if (layer_.gone.size() >= kGoneMax) layer_.gone.clear();
      layer_.gone.insert_or_assign(path, event.key.revision);
    }
    Advance(event.key.revision);
  }
  return {};
}

void KeySpace::Advance(std::int64_t revision) {
  revision_ = std::max(revision_, revision);
}

}  // namespace loquat::config::etcd
