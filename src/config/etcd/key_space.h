// The keys below the prefix as etcd has them, kept up to date by ranges and events, within bounds. One thread.
//
// A value that is too large or no UTF-8 is kept as a problem of its key, and the bytes are dropped. More keys or bytes
// than allowed are an error, after which only another Replace helps.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/result.h"
#include "config/etcd/client.h"
#include "config/etcd/etcd_options.h"
#include "config/layer.h"

namespace loquat::config::etcd {

// Deleted keys whose transaction is remembered until the deletion is in force.
inline constexpr std::size_t kGoneMax = 1'000;

class KeySpace {
 public:
  explicit KeySpace(const EtcdOptions& options);

  // A layer of this prefix without any entry.
  static Layer EmptyLayer(const EtcdOptions& options);

  // What there is now. Errors: kResourceExhausted "too_many_keys" or "too_many_bytes"; kDataLoss for a key that is not
  // below the prefix.
  base::Status Replace(const RangeAnswer& answer);
  // The events of whole transactions. The same errors; some events may have been taken then.
  base::Status Apply(std::span<const Event> events);
  // Everything up to here was seen.
  void Advance(std::int64_t revision);
  // All of the layer is in force: deletions need no longer be told.
  void ForgetGone() { layer_.gone.clear(); }

  const Layer& layer() const { return layer_; }
  // Of the store, as far as it was seen; 0 before the first Replace.
  std::int64_t revision() const { return revision_; }

 private:
  base::Result<std::string> PathOf(const std::string& key) const;
  base::Status Put(const KeyValue& key);
  void Remove(const std::string& path);

  const std::string prefix_;
  const std::size_t keys_max_;
  const std::size_t value_bytes_max_;
  const std::size_t bytes_max_;

  Layer layer_;
  std::size_t bytes_ = 0;  // Of paths and texts.
  std::int64_t revision_ = 0;
};

}  // namespace loquat::config::etcd
