#include "engine/sequence_pages.h"

#include "base/check.h"

namespace loquat::engine {

void SequencePages::Attach(Sequence& sequence) {
  LOQUAT_CHECK(sequence.pages.empty() && sequence.computed == 0, "pages are attached to a sequence that has none");
  const auto wanted = std::span<const TokenId>(sequence.tokens).first(sequence.length() - 1);
  const PrefixIndex::Found found = index_.Find(PrefixIndex::kRoot, wanted, sequence.pages);
  sequence.node = found.node;
  sequence.computed = found.tokens;
  sequence.indexed = found.tokens / kPageTokens * kPageTokens;
  if (sequence.preemptions == 0) sequence.reused = found.tokens;
}

void SequencePages::CatchUp(Sequence& sequence) {
  // A part-filled page that is its own is worth more than looking again.
  if (sequence.computed != sequence.indexed || sequence.pending() <= kPageTokens) return;
  // Pages reserved ahead of what is computed are its own and go first.
  DropAhead(sequence);
  const auto wanted = std::span<const TokenId>(sequence.tokens).subspan(sequence.computed, sequence.pending() - 1);
  const PrefixIndex::Found found =
      index_.Find(sequence.node, wanted.first(wanted.size() / kPageTokens * kPageTokens), sequence.pages);
  // Only whole pages: a part would have to be copied.
  if (found.tokens % kPageTokens != 0) {
    pages_.Drop(sequence.pages.back());
    sequence.pages.pop_back();
  }
  const std::uint32_t whole = found.tokens / kPageTokens * kPageTokens;
  sequence.node = found.node;
  sequence.computed += whole;
  sequence.indexed += whole;
  if (sequence.preemptions == 0) sequence.reused += whole;
}

void SequencePages::DropAhead(Sequence& sequence) {
  while (sequence.pages.size() > PagesFor(sequence.computed)) {
    pages_.Drop(sequence.pages.back());
    sequence.pages.pop_back();
  }
}

bool SequencePages::MakeRoom(std::uint32_t wanted) {
  if (available() < wanted) return false;
  while (pages_.free() < wanted) {
    if (!index_.Evict()) return false;
  }
  return true;
}

bool SequencePages::Reserve(Sequence& sequence, std::uint32_t tokens) {
  LOQUAT_CHECK(tokens > 0 && tokens <= sequence.pending(), "room is reserved for what is pending");
  const std::uint32_t needed = PagesFor(std::uint64_t{sequence.computed} + tokens);
  const auto have = static_cast<std::uint32_t>(sequence.pages.size());
  const std::uint32_t part = sequence.computed / kPageTokens;
  const bool copy = sequence.computed % kPageTokens != 0 && pages_.holders(sequence.pages[part]) > 1;
  const std::uint32_t more = needed > have ? needed - have : 0;
  if (!MakeRoom(more + (copy ? 1 : 0))) return false;
  if (copy) {
    const PageId own = *pages_.Allocate();
    pages_.Copy(sequence.pages[part], own);
    pages_.Drop(sequence.pages[part]);
    sequence.pages[part] = own;
  }
  for (std::uint32_t i = 0; i < more; ++i) sequence.pages.push_back(*pages_.Allocate());
  return true;
}

void SequencePages::ReserveDraft(Sequence& sequence) {
  const std::uint64_t length = sequence.length();
  const std::uint32_t needed = PagesFor(length + sequence.draft.size());
  while (sequence.pages.size() < needed && pages_.free() > 0) sequence.pages.push_back(*pages_.Allocate());
  const std::uint64_t room = std::uint64_t{sequence.pages.size()} * kPageTokens - length;
  if (sequence.draft.size() > room) sequence.draft.resize(room);
}

void SequencePages::DropDraft(Sequence& sequence) {
  sequence.draft.clear();
  DropAhead(sequence);
}

void SequencePages::Publish(Sequence& sequence) {
  const std::span<const TokenId> tokens(sequence.tokens);
  while (sequence.computed - sequence.indexed >= kPageTokens) {
    PageId& page = sequence.pages[sequence.indexed / kPageTokens];
    sequence.node = index_.Insert(sequence.node, tokens.subspan(sequence.indexed, kPageTokens), page);
    sequence.indexed += kPageTokens;
  }
}

void SequencePages::Fork(const Sequence& from, Sequence& to) {
  LOQUAT_CHECK(to.pages.empty(), "a fork starts without pages");
  to.computed = from.computed;
  to.indexed = from.indexed;
  to.node = from.node;
  to.pages.assign(from.pages.begin(), from.pages.begin() + PagesFor(from.computed));
  for (const PageId page : to.pages) pages_.Hold(page);
}

void SequencePages::Release(Sequence& sequence, std::string_view session) {
  Publish(sequence);
  PrefixIndex::NodeId last = sequence.node;
  if (const std::uint32_t part = sequence.computed - sequence.indexed; part > 0) {
    const auto run = std::span<const TokenId>(sequence.tokens).subspan(sequence.indexed, part);
    last = index_.Insert(sequence.node, run, sequence.pages[sequence.indexed / kPageTokens]);
  }
  index_.Touch(last, session);
  Discard(sequence);
}

void SequencePages::Discard(Sequence& sequence) {
  for (const PageId page : sequence.pages) pages_.Drop(page);
  sequence.pages.clear();
  sequence.computed = 0;
  sequence.indexed = 0;
  sequence.node = PrefixIndex::kRoot;
}

}  // namespace loquat::engine
