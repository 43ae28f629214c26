// Keeps sequences supplied with pages: what was computed before is shared through the prefix index, what is written is
// theirs alone, and what they leave behind stays cached until the room is needed. Engine thread only; pool and index
// outlive it.

#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "engine/kv_pages.h"
#include "engine/prefix_index.h"
#include "engine/sequence.h"

namespace loquat::engine {

constexpr std::uint32_t PagesFor(std::uint64_t tokens) {
  return static_cast<std::uint32_t>((tokens + kPageTokens - 1) / kPageTokens);
}

class SequencePages {
 public:
  SequencePages(KvPages& pages, PrefixIndex& index) : pages_(pages), index_(index) {}

  // Shares all that is cached of a sequence that has nothing computed; at least its last token stays pending.
  void Attach(Sequence& sequence);
  // Takes over whole pages that others finished meanwhile.
  void CatchUp(Sequence& sequence);

  // Room to compute the next `tokens` pending ones, in pages that nobody else sees. Pages that only the index holds
  // make way. False: there are too few, and the sequence keeps what it has.
  bool Reserve(Sequence& sequence, std::uint32_t tokens);
  // Room for the sequence's draft as well, in free pages alone: nothing makes way for a guess, and the draft is cut to
  // what there is. REQUIRES: Reserve gave room for all that is pending, and nobody else reserves before the step.
  void ReserveDraft(Sequence& sequence);
  // After the step: gives back the pages that hold nothing but tokens of the draft which were not accepted.
  void DropDraft(Sequence& sequence);
  // After a step: shows the index what pages are whole now.
  void Publish(Sequence& sequence);
  // Gives `to`, which has none, all that `from` has computed; both share every page.
  void Fork(const Sequence& from, Sequence& to);
  // Lets go of everything. The part-filled last page is shown to the index too, and the path kept for the session.
  void Release(Sequence& sequence, std::string_view session);
  // Lets go without showing anything: what was computed is not to be trusted, or was only looked at.
  void Discard(Sequence& sequence);

  std::uint32_t available() const { return pages_.free() + pages_.idle(); }
  std::uint32_t size() const { return pages_.size(); }

 private:
  bool MakeRoom(std::uint32_t wanted);
  // Gives back the pages past the last computed token.
  void DropAhead(Sequence& sequence);

  KvPages& pages_;
  PrefixIndex& index_;
};

}  // namespace loquat::engine
