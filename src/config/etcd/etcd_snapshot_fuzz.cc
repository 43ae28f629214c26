// Any bytes as a snapshot file, as they are and under a checksum that fits: refused, or within every bound and the same
// when written back.

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/crc32c.h"
#include "config/etcd/snapshot_file.h"

namespace {

using loquat::config::etcd::DecodeSnapshot;
using loquat::config::etcd::EncodeSnapshot;
using loquat::config::etcd::EtcdOptions;

void Try(std::string_view bytes, const EtcdOptions& options) {
  const auto snapshot = DecodeSnapshot(bytes, options);
  if (!snapshot.has_value()) {
    LOQUAT_CHECK(!snapshot.error().message.empty(), "an error says something");
    return;
  }
  std::size_t size = 0;
  bool whole = true;
  for (const auto& [path, entry] : snapshot->layer.entries) {
    size += path.size() + entry.text.size();
    LOQUAT_CHECK(entry.text.size() <= options.value_bytes_max, "no value is too large");
    whole = whole && entry.problem.empty();
  }
  LOQUAT_CHECK(snapshot->layer.entries.size() <= options.keys_max && size <= options.bytes_max, "the bounds hold");
  if (!whole) return;
  const auto again = DecodeSnapshot(EncodeSnapshot(*snapshot, options.prefix), options);
  LOQUAT_CHECK(again.has_value() && again->layer.entries == snapshot->layer.entries, "what is written can be read");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  EtcdOptions options;
  options.keys_max = 8;
  options.value_bytes_max = 64;
  options.bytes_max = 512;
  Try(bytes, options);
  Try(fmt::format("loquat-etcd-snapshot 1 {:08x}\n{}", loquat::base::Crc32c(bytes), bytes), options);
  return 0;
}
