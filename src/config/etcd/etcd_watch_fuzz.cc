// Any bytes as what etcd sends: the first a range, the rest watch messages, each after its size in one byte. The keys
// kept stay within every bound, and laying them over a configuration never fails but by an error.

#include <etcd/rpc.pb.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "config/etcd/key_space.h"
#include "config/etcd/messages.h"
#include "config/load.h"

namespace {

using loquat::config::etcd::EtcdOptions;
using loquat::config::etcd::KeySpace;

void Look(const KeySpace& space, const EtcdOptions& options) {
  std::size_t size = 0;
  for (const auto& [path, entry] : space.layer().entries) size += path.size() + entry.text.size();
  LOQUAT_CHECK(space.layer().entries.size() <= options.keys_max && size <= options.bytes_max, "the bounds hold");
  // The section of how to reach etcd does as well as any.
  loquat::config::Sources sources;
  sources.layer = std::make_shared<const loquat::config::Layer>(space.layer());
  const auto loaded = loquat::config::Load<EtcdOptions>(sources);
  LOQUAT_CHECK(loaded.has_value() || !loaded.error().message.empty(), "an error says something");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  EtcdOptions options;
  options.prefix = "p/";
  options.keys_max = 8;
  options.value_bytes_max = 64;
  options.bytes_max = 256;
  KeySpace space(options);
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  bool first = true;
  while (!rest.empty()) {
    const std::size_t length = std::min<std::size_t>(static_cast<unsigned char>(rest[0]), rest.size() - 1);
    const std::string_view bytes = rest.substr(1, length);
    rest.remove_prefix(1 + length);
    if (std::exchange(first, false)) {
      etcdserverpb::RangeResponse range;
      if (!range.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return 0;
      if (!space.Replace(loquat::config::etcd::ToRangeAnswer(std::move(range))).has_value()) return 0;
    } else {
      etcdserverpb::WatchResponse watch;
      if (!watch.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return 0;
      const auto message = loquat::config::etcd::ToWatchMessage(std::move(watch));
      if (message.progress) space.Advance(message.revision);
      if (!space.Apply(message.events).has_value()) return 0;
    }
    Look(space, options);
  }
  return 0;
}
