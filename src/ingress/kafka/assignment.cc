#include "ingress/kafka/assignment.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace loquat::ingress::kafka {
namespace {

rd_kafka_topic_partition_t& AddTo(PartitionList& list, const std::string& topic, std::int32_t id) {
  if (list == nullptr) list.reset(rd_kafka_topic_partition_list_new(8));
  return *rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), id);
}

}  // namespace

void Assignment::Add(std::int32_t id) {
  Remove(id);
  partitions_.emplace(id, std::make_shared<Partition>(id));
}

std::shared_ptr<Partition> Assignment::Find(std::int32_t id) const {
  const auto found = partitions_.find(id);
  return found == partitions_.end() ? nullptr : found->second;
}

void Assignment::Remove(std::int32_t id) {
  const auto found = partitions_.find(id);
  if (found == partitions_.end()) return;
  found->second->gone = true;
  partitions_.erase(found);
}

std::shared_ptr<Partition> Assignment::Rewind(std::int32_t id) {
  const auto found = partitions_.find(id);
  LOQUAT_CHECK(found != partitions_.end(), "a partition that gave a record is there");
  found->second->gone = true;
  const bool paused = found->second->paused;
  found->second = std::make_shared<Partition>(id);
  found->second->paused = paused;
  return found->second;
}

Assignment::PauseChanges Assignment::TakePauseChanges(bool all) {
  PauseChanges changes;
  for (const auto& [id, partition] : partitions_) {
    const bool wanted = all || partition->held > 0 || partition->offsets.span() >= kUncommittedMax;
    if (wanted == partition->paused) continue;
    partition->paused = wanted;
    AddTo(wanted ? changes.pause : changes.resume, topic_, id);
  }
  return changes;
}

PartitionList Assignment::TakePaused(const std::vector<std::int32_t>& ids) {
  PartitionList list;
  for (const std::int32_t id : ids) {
    const auto partition = Find(id);
    if (partition == nullptr || !std::exchange(partition->paused, false)) continue;
    AddTo(list, topic_, id);
  }
  return list;
}

PartitionList Assignment::ToCommit(const std::vector<std::int32_t>& only) const {
  PartitionList list;
  for (const auto& [id, partition] : partitions_) {
    if (!only.empty() && std::ranges::find(only, id) == only.end()) continue;
    if (const auto offset = partition->offsets.ToCommit()) AddTo(list, topic_, id).offset = *offset;
  }
  return list;
}

void Assignment::Committed(const rd_kafka_topic_partition_list_t& list) {
  for (int i = 0; i < list.cnt; ++i) {
    const rd_kafka_topic_partition_t& element = list.elems[i];
    if (element.err != RD_KAFKA_RESP_ERR_NO_ERROR || element.offset < 0) continue;
    if (const auto partition = Find(element.partition)) partition->offsets.Committed(element.offset);
  }
}

std::size_t Assignment::paused() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(partitions_, [](const auto& entry) { return entry.second->paused; }));
}

}  // namespace loquat::ingress::kafka
