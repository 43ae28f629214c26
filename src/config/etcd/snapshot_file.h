// What of etcd's keys was in force last, on disk: for a start without etcd. Only its owner may read the file, as values
// may be secrets. Safe from any thread, one writer at a time.
//
//   loquat-etcd-snapshot 1 CRC32C\n    eight hexadecimal digits, of everything after this line
//   {"prefix": …, "revision": …, "saved_ms": …, "entries": [{"path": …, "text": …, "revision": …}, …]}\n

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "config/etcd/etcd_options.h"
#include "config/layer.h"

namespace loquat::config::etcd {

struct EtcdSnapshot {
  Layer layer;
  std::int64_t revision = 0;  // Of the store, as far as it was seen.
  base::WallTime saved;
};

std::string EncodeSnapshot(const EtcdSnapshot& snapshot, const std::string& prefix);
// kDataLoss: damaged, or no such file; kFailedPrecondition: of another prefix; kResourceExhausted: past the options'
// bounds.
base::Result<EtcdSnapshot> DecodeSnapshot(std::string_view bytes, const EtcdOptions& options);

// kNotFound: none was written yet. Every error names the file.
base::Result<EtcdSnapshot> ReadSnapshot(const EtcdOptions& options);
// The old one or the new one is there, whatever happens.
base::Status WriteSnapshot(const EtcdSnapshot& snapshot, const EtcdOptions& options);

}  // namespace loquat::config::etcd
