// The partitions of the input that this member has: which of them should stand still, and what may be committed.
//
// One thread. A partition that is removed lives on with its records in flight, as gone.

#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ingress/kafka/client_handles.h"
#include "ingress/kafka/in_flight.h"

namespace loquat::ingress::kafka {

// Records of one partition that are done behind one that is not: past it the partition stands still, for all of them
// would be understood again after a crash.
inline constexpr std::size_t kUncommittedMax = 10'000;

class Assignment {
 public:
  explicit Assignment(std::string topic) : topic_(std::move(topic)) {}

  void Add(std::int32_t id);
  // Null where there is no such partition.
  std::shared_ptr<Partition> Find(std::int32_t id) const;
  void Remove(std::int32_t id);
  // The log of the partition was rewound: what was taken from it before counts no more. REQUIRES: it is there.
  std::shared_ptr<Partition> Rewind(std::int32_t id);

  // Changes to make so that those stand still that should; null lists where none. `all`: each one should.
  struct PauseChanges {
    PartitionList pause;
    PartitionList resume;
  };
  PauseChanges TakePauseChanges(bool all);
  // Of those that go: whether the client forgets a pause with the partition, nobody promises.
  PartitionList TakePaused(const std::vector<std::int32_t>& ids);

  // Null where nothing has moved. `only`: of these alone; empty: of all.
  PartitionList ToCommit(const std::vector<std::int32_t>& only = {}) const;
  void Committed(const rd_kafka_topic_partition_list_t& list);

  std::size_t size() const { return partitions_.size(); }
  std::size_t paused() const;
  const std::map<std::int32_t, std::shared_ptr<Partition>>& all() const { return partitions_; }

 private:
  const std::string topic_;
  std::map<std::int32_t, std::shared_ptr<Partition>> partitions_;
};

}  // namespace loquat::ingress::kafka
