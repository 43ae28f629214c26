#include "context/session_merge.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <map>
#include <utility>
#include <vector>

namespace loquat::context {
namespace {

using domain::Session;
using domain::Turn;
using std::chrono::microseconds;

std::chrono::sys_time<microseconds> StoredTime(const Turn& turn) {
  return std::chrono::floor<microseconds>(turn.at);
}

bool Has(const Session& session, const Turn& turn) {
  return std::ranges::any_of(session.turns, [&turn](const Turn& other) { return SameTurn(other, turn); });
}

std::uint64_t Taken(const Session& session) {
  std::uint64_t all = 0;
  for (const auto& [branch, count] : session.taken_by) all += count;
  return all;
}

bool LocalIsLater(const Session& local, const Session& remote) {
  if (local.turns.empty() || remote.turns.empty()) return remote.turns.empty();
  return StoredTime(local.turns.back()) >= StoredTime(remote.turns.back());
}

// Slots say in which turn they were filled.
void Renumber(std::map<std::string, domain::FilledSlot>& filled,
              const std::map<std::uint64_t, std::uint64_t>& numbers) {
  for (auto& [name, slot] : filled) {
    if (const auto found = numbers.find(slot.turn); found != numbers.end()) slot.turn = found->second;
  }
}

}  // namespace

bool SameTurn(const Turn& a, const Turn& b) {
  return StoredTime(a) == StoredTime(b) && a.text == b.text;
}

void TakeTurns(const std::string& branch, Session& session) {
  const std::uint64_t taken = Taken(session);
  if (session.turn_count > taken) session.taken_by[branch] += session.turn_count - taken;
  while (session.taken_by.size() > kBranchesMax) {
    const auto by_count = [](const auto& entry) { return entry.second; };
    const auto least = std::ranges::min_element(session.taken_by, {}, by_count);
    const std::uint64_t count = least->second;
    session.taken_by.erase(least);
    std::ranges::min_element(session.taken_by, {}, by_count)->second += count;
  }
}

bool HasOwnTurns(const Session& session, const Session& other) {
  return std::ranges::any_of(session.taken_by, [&other](const auto& entry) {
    const auto same = other.taken_by.find(entry.first);
    return same == other.taken_by.end() || same->second < entry.second;
  });
}

std::unique_ptr<Session> MergeSessions(const Session& local, const Session& remote, std::size_t turns_max) {
  std::vector<Turn> own;
  for (const Turn& turn : local.turns) {
    if (!Has(remote, turn)) own.push_back(turn);
  }
  // Each side keeps its own order, also where a clock was set back.
  std::vector<Turn> all;
  std::ranges::merge(remote.turns, own, std::back_inserter(all), {}, StoredTime, StoredTime);

  auto merged = std::make_unique<Session>();
  merged->id = remote.id;
  merged->version = std::max(local.version, remote.version) + 1;
  merged->taken_by = remote.taken_by;
  for (const auto& [branch, count] : local.taken_by) {
    std::uint64_t& known = merged->taken_by[branch];
    known = std::max(known, count);
  }
  merged->turn_count = std::max<std::uint64_t>(Taken(*merged), all.size());
  if (all.size() > turns_max) all.erase(all.begin(), all.end() - static_cast<std::ptrdiff_t>(turns_max));
  const Session& later = LocalIsLater(local, remote) ? local : remote;
  merged->state = later.state;
  std::map<std::uint64_t, std::uint64_t> numbers;  // Of the later side's turns: old to new.
  std::uint64_t number = merged->turn_count - std::min<std::uint64_t>(merged->turn_count, all.size());
  for (Turn& turn : all) {
    const auto same = std::ranges::find_if(later.turns, [&turn](const Turn& other) { return SameTurn(other, turn); });
    turn.number = ++number;
    if (same != later.turns.end()) numbers[same->number] = number;
  }
  merged->turns = std::move(all);
  Renumber(merged->state.filled, numbers);
  for (domain::SuspendedTask& task : merged->state.suspended) Renumber(task.filled, numbers);
  return merged;
}

}  // namespace loquat::context
