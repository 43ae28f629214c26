// Two histories of one conversation become one: what this server took while the shared store was away, and what other
// servers took meanwhile. No turn of either is lost. Pure functions.
//
// How many turns there were is kept as a grow-only counter with an entry for each branch (Shapiro, Preguica, Baquero,
// Zawirski, "Conflict-free replicated data types", SSS 2011): a server's work on the shared store is one branch, and
// each time that it goes on alone another. The turns of a branch are taken one after the other, so of two states of
// one branch the greater number contains the smaller, and the union of two histories is the maximum branch by branch.

#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "domain/session.h"

namespace loquat::context {

// Past these the smallest entries become one, and a merge may count some turns of long ago wrongly.
inline constexpr std::size_t kBranchesMax = 32;

// A turn is known by when it was taken (to the microsecond, as the store keeps it) and by its text.
bool SameTurn(const domain::Turn& a, const domain::Turn& b);

// Turns that no branch has taken yet were taken by this one.
void TakeTurns(const std::string& branch, domain::Session& session);

// Whether `session` holds turns that `other` knows nothing of.
bool HasOwnTurns(const domain::Session& session, const domain::Session& other);

// The turns of both by time, each once, the last `turns_max` of them kept and numbered so that the newest has the
// number `turn_count`; the state of the side whose last turn is the later one. The version is one more than the greater
// of both, so that nobody holds it already. REQUIRES: the same id; turns oldest first in both.
std::unique_ptr<domain::Session> MergeSessions(const domain::Session& local, const domain::Session& remote,
                                               std::size_t turns_max);

}  // namespace loquat::context
