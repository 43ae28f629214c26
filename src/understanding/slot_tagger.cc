#include "understanding/slot_tagger.h"

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "base/utf8.h"
#include "understanding/gazetteer.h"
#include "understanding/regex_set.h"
#include "understanding/slot_features.h"
#include "understanding/slot_lattice.h"
#include "understanding/slot_math.h"
#include "understanding/slot_model.h"

namespace loquat::understanding {
namespace {

constexpr std::uint32_t kNotThere = 0xFFFFFFFF;
constexpr float kMassIgnored = 1e-6F;  // What the confidence leaves out of a token's probability mass, for speed.

}  // namespace

struct SlotTagger::Parts {
  SlotModelView model;
  PreparedTransitions transitions;
  RegexSet regexes;
};

namespace {

constexpr std::uint32_t kReach = 3;  // Tokens after its own that an atom speaks for, apart from sides.
static_assert(std::ranges::all_of(kAtomPlaces,
                                  [](const AtomPlaces& p) { return p.first + p.places - 1 <= int{kReach}; }));

// Where the scores of atoms are summed: integers, so that the order of the sums does not matter.
struct ScoreRows {
  std::vector<std::int32_t> scores;      // [row, stride], in steps.
  std::vector<std::int32_t> from_left;   // [row, stride]: what words before it say; each row holds for the rest.
  std::vector<std::int32_t> from_right;  // [row, stride]
  std::uint32_t rows = 0;

  // Keeps the leading rows; new ones are zero.
  void Resize(std::uint32_t new_rows, std::size_t stride) {
    for (std::vector<std::int32_t>* part : {&scores, &from_left, &from_right}) part->resize(new_rows * stride, 0);
    rows = new_rows;
  }
  void Clear() {
    for (std::vector<std::int32_t>* part : {&scores, &from_left, &from_right}) part->clear();
    rows = 0;
  }
  // As many rows as asked for: those of `other`, then zero.
  void Copy(const ScoreRows& other, std::uint32_t new_rows, std::size_t stride) {
    const auto copy = [&](const std::vector<std::int32_t>& from, std::vector<std::int32_t>& to) {
      const std::size_t shared = std::min(from.size(), new_rows * stride);
      to.assign(from.begin(), from.begin() + static_cast<std::ptrdiff_t>(shared));
      to.resize(new_rows * stride, 0);
    };
    copy(other.scores, scores);
    copy(other.from_left, from_left);
    copy(other.from_right, from_right);
    rows = new_rows;
  }
};

}  // namespace

class SlotTagger::Memory {
 public:
  // How far from the start atoms may be settled: with the word behind them.
  static std::uint32_t SettledMax(std::uint32_t kept) { return kept == 0 ? 0 : kept - 1; }

  void ForgetSettled() {
    settled = 0;
    rows.Clear();
    forms.clear();
    context.clear();
  }

  std::uint32_t settled = 0;     // Atoms anchored before it, the start's included, are in `rows`.
  ScoreRows rows;                // [settled + kReach]
  std::vector<TokenForm> forms;  // [settled]
  std::vector<bool> context;     // [settled]
  std::vector<float> emissions;  // [token, stride]: of the last call.
  Lattice lattice;               // Of these emissions.
};

class SlotTagger::Workspace {
 public:
  explicit Workspace() = default;

  std::span<const LabelledSpan> Run(const Parts& parts, std::string_view text, std::span<const text::Token> tokens,
                                    std::string_view intent, Memory* memory, std::uint32_t kept);
  float Confidence(const Parts& parts, const LabelledSpan& span);

  std::string scratch_;

 private:
  void Look(const Parts& parts);
  void AddFrames();
  void AddListed(const SlotModelView& model);
  void AddRegexes(const Parts& parts, std::string_view text, std::span<const text::Token> tokens);
  void AddPlain(const Parts& parts, std::string_view text, std::span<const text::Token> tokens, Memory* memory,
                std::uint32_t kept);
  // Adds the atoms from `first` on that are anchored in [begin, end).
  void AddBlocks(const Parts& parts, std::size_t first, std::int32_t begin, std::int32_t end, ScoreRows& rows) const;
  template <int kCellUnits>
  static void AddBlock(const SlotModelView& model, std::uint32_t block, const Atom& atom, ScoreRows& rows);
  void SpreadSides(const SlotLabels& labels);

  std::uint32_t tokens_ = 0;
  FeatureBuffer features_;
  std::vector<std::uint32_t> blocks_;  // [atom]
  std::vector<bool> context_;          // [token]
  std::vector<std::uint64_t> right_;   // [token]: nearest context word on the right.
  ScoreRows rows_;                     // [token]
  std::vector<std::int32_t> running_;  // [stride]
  std::vector<float> emissions_;       // [token, stride]
  RegexSet::ScratchPtr regex_scratch_ = RegexSet::NewScratch();
  std::vector<RegexMatch> regex_matches_;
  Lattice own_lattice_;
  Lattice* lattice_ = &own_lattice_;  // Of the last run; a memory's outlives its use.
  bool weighed_ = false;              // The lattice holds the forward and backward passes.
};

// Finds the blocks of the atoms that are there so far, unknown words standing in for what training did not keep.
void SlotTagger::Workspace::Look(const Parts& parts) {
  const SlotModelView& model = parts.model;
  context_.resize(tokens_, false);
  blocks_.resize(features_.atoms.size());
  const std::size_t mask = model.features.size() - 1;
  if (!model.features.empty()) {
    for (const Atom& atom : features_.atoms) __builtin_prefetch(&model.features[atom.key & mask]);
  }
  for (std::size_t a = 0; a < features_.atoms.size(); ++a) {
    Atom& atom = features_.atoms[a];
    std::uint32_t block = FindFeature(model.features, atom.key);
    const bool inside = atom.anchor >= 0 && atom.anchor < static_cast<std::int32_t>(tokens_);
    if (atom.kind == AtomKind::kWord && inside) {
      const auto token = static_cast<std::size_t>(atom.anchor);
      if (block == kNotThere) {
        block = FindFeature(model.features, features_.forms[token].unknown);
      } else {
        context_[token] = (model.blocks[block] & kContextWordBit) != 0;
      }
    }
    blocks_[a] = block;
    if (block != kNotThere) __builtin_prefetch(&model.blocks[block]);
  }
}

void SlotTagger::Workspace::AddFrames() {
  right_.resize(tokens_);
  std::uint64_t nearest = kEndWord;
  for (std::size_t i = tokens_; i-- > 0;) {
    right_[i] = nearest;
    if (context_[i]) nearest = features_.forms[i].word;
  }
  nearest = kBeginWord;
  for (std::size_t i = 0; i < tokens_; ++i) {
    for (const FrameSide side : {FrameSide::kLeft, FrameSide::kRight, FrameSide::kBoth}) {
      features_.atoms.push_back({FrameKey(side, nearest, right_[i]), static_cast<std::int32_t>(i), AtomKind::kFrame});
    }
    if (context_[i]) nearest = features_.forms[i].word;
  }
}

void SlotTagger::Workspace::AddListed(const SlotModelView& model) {
  if (model.gazetteer.empty()) return;
  FindPhrases(
      features_.forms, [&](std::uint64_t hash) { return LookUpPhrase(model.gazetteer, hash); },
      [&](std::uint32_t begin, std::uint32_t end, std::uint32_t what) {
        const std::uint32_t first = what == 1 ? 0 : model.class_ends[what - 2];
        for (std::uint32_t t = begin; t < end; ++t) {
          for (std::uint32_t e = first; e < model.class_ends[what - 1]; ++e) {
            features_.atoms.push_back({GazetteerKey(model.class_entities[e], PartOf(t, begin, end)),
                                       static_cast<std::int32_t>(t), AtomKind::kGazetteer});
          }
        }
      });
}

void SlotTagger::Workspace::AddRegexes(const Parts& parts, std::string_view text, std::span<const text::Token> tokens) {
  parts.regexes.Find(text, *regex_scratch_, regex_matches_);
  for (const RegexMatch& match : regex_matches_) {
    const auto [begin, end] = TokensWithin(tokens, match.byte_begin, match.byte_end);
    for (std::uint32_t t = begin; t < end; ++t) {
      features_.atoms.push_back(
          {RegexKey(match.regex, PartOf(t, begin, end)), static_cast<std::int32_t>(t), AtomKind::kRegex});
    }
  }
}

template <int kCellUnits>
void SlotTagger::Workspace::AddBlock(const SlotModelView& model, std::uint32_t block, const Atom& atom, ScoreRows& to) {
  const std::uint16_t* unit = &model.blocks[block];
  const AtomPlaces& places = PlacesOf(atom.kind);
  const std::size_t stride = model.labels.stride();
  const auto tokens = static_cast<std::int32_t>(to.rows);
  for (std::uint32_t rows = *unit++ & ~kContextWordBit; rows != 0; rows &= rows - 1) {
    const int row = std::countr_zero(rows);
    std::int32_t token = atom.anchor + places.first + row;
    std::int32_t* base = to.scores.data();
    if (row >= places.places) {
      const bool left = row == places.places;
      token = left ? atom.anchor + 1 : atom.anchor - 1;
      base = left ? to.from_left.data() : to.from_right.data();
    }
    const std::uint32_t cells = *unit++;
    if (token >= 0 && token < tokens) {
      std::int32_t* score = base + static_cast<std::size_t>(token) * stride;
      for (std::uint32_t c = 0; c < cells; ++c) {
        if constexpr (kCellUnits == 1) {
          score[unit[c] >> 8] += static_cast<std::int8_t>(unit[c] & 0xFF);
        } else {
          score[unit[2 * c]] += static_cast<std::int16_t>(unit[2 * c + 1]);
        }
      }
    }
    unit += std::size_t{cells} * kCellUnits;
  }
}

void SlotTagger::Workspace::AddBlocks(const Parts& parts, std::size_t first, std::int32_t begin, std::int32_t end,
                                      ScoreRows& rows) const {
  const SlotModelView& model = parts.model;
  for (std::size_t a = first; a < features_.atoms.size(); ++a) {
    const Atom& atom = features_.atoms[a];
    if (blocks_[a] == kNotThere || atom.anchor < begin || atom.anchor >= end) continue;
    if (model.cell_units() == 1) {
      AddBlock<1>(model, blocks_[a], atom, rows);
    } else {
      AddBlock<2>(model, blocks_[a], atom, rows);
    }
  }
}

// The atoms that need no model, up to SettledMax from the memory, which is brought up to there first.
void SlotTagger::Workspace::AddPlain(const Parts& parts, std::string_view text, std::span<const text::Token> tokens,
                                     Memory* memory, std::uint32_t kept) {
  const std::size_t stride = parts.model.labels.stride();
  constexpr std::int32_t kStart = -1, kEnd = INT32_MAX;
  rows_.Clear();
  features_.forms.clear();
  context_.clear();
  if (memory == nullptr) {
    rows_.Resize(tokens_, stride);
    ExtractAtoms(text, tokens, features_);
    Look(parts);
    AddBlocks(parts, 0, kStart, kEnd, rows_);
    return;
  }
  const std::uint32_t settled = std::min(Memory::SettledMax(kept), tokens_);
  if (memory->settled > settled) memory->ForgetSettled();
  const std::uint32_t before = memory->settled;
  features_.forms.assign(memory->forms.begin(), memory->forms.end());
  context_.assign(memory->context.begin(), memory->context.end());
  ExtractAtoms(text, tokens, features_, before);
  Look(parts);
  if (settled > before) {
    memory->rows.Resize(settled + kReach, stride);
    AddBlocks(parts, 0, before == 0 ? kStart : static_cast<std::int32_t>(before), static_cast<std::int32_t>(settled),
              memory->rows);
    memory->forms.assign(features_.forms.begin(), features_.forms.begin() + settled);
    memory->context.assign(context_.begin(), context_.begin() + settled);
    memory->settled = settled;
  }
  rows_.Copy(memory->rows, tokens_, stride);
  AddBlocks(parts, 0, settled == 0 ? kStart : static_cast<std::int32_t>(settled), kEnd, rows_);
}

// A word far away speaks for every token behind (or before) it: running sums.
void SlotTagger::Workspace::SpreadSides(const SlotLabels& labels) {
  const std::size_t stride = labels.stride();
  running_.assign(stride, 0);
  for (std::size_t t = 0; t < tokens_; ++t) {
    AddIntegers(&rows_.from_left[t * stride], running_.data(), stride);
    AddIntegers(running_.data(), &rows_.scores[t * stride], stride);
  }
  running_.assign(stride, 0);
  for (std::size_t t = tokens_; t-- > 0;) {
    AddIntegers(&rows_.from_right[t * stride], running_.data(), stride);
    AddIntegers(running_.data(), &rows_.scores[t * stride], stride);
  }
}

std::span<const LabelledSpan> SlotTagger::Workspace::Run(const Parts& parts, std::string_view text,
                                                         std::span<const text::Token> tokens, std::string_view intent,
                                                         Memory* memory, std::uint32_t kept) {
  const SlotModelView& model = parts.model;
  const std::size_t stride = model.labels.stride();
  tokens_ = static_cast<std::uint32_t>(tokens.size());
  weighed_ = false;
  AddPlain(parts, text, tokens, memory, kept);
  const std::size_t plain = features_.atoms.size();
  if (!intent.empty()) AddIntent(IntentKey(intent), tokens_, features_.atoms);
  AddFrames();
  AddListed(model);
  AddRegexes(parts, text, tokens);
  blocks_.resize(features_.atoms.size());
  for (std::size_t a = plain; a < blocks_.size(); ++a) {
    blocks_[a] = FindFeature(model.features, features_.atoms[a].key);
  }
  AddBlocks(parts, plain, 0, static_cast<std::int32_t>(tokens_), rows_);
  SpreadSides(model.labels);
  const std::size_t numbers = tokens_ * stride;
  emissions_.resize(numbers);
  WidenRow(rows_.scores.data(), model.step, emissions_.data(), numbers);
  lattice_ = memory == nullptr ? &own_lattice_ : &memory->lattice;
  if (memory == nullptr) return lattice_->Decode(parts.transitions, emissions_.data(), tokens_);
  const std::size_t shared = std::min(numbers, memory->emissions.size());
  const auto change = std::mismatch(emissions_.begin(), emissions_.begin() + static_cast<std::ptrdiff_t>(shared),
                                    memory->emissions.begin());
  const auto same = static_cast<std::uint32_t>(static_cast<std::size_t>(change.first - emissions_.begin()) / stride);
  memory->emissions.assign(emissions_.begin(), emissions_.end());
  return lattice_->Decode(parts.transitions, emissions_.data(), tokens_, same);
}

float SlotTagger::Workspace::Confidence(const Parts& parts, const LabelledSpan& span) {
  if (!weighed_) {
    lattice_->ForwardBackward(parts.transitions, emissions_.data(), tokens_, 1.0F / parts.model.temperature,
                              kMassIgnored);
    weighed_ = true;
  }
  return lattice_->SpanProbability(parts.transitions, span);
}

SlotTagger::SlotTagger(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
SlotTagger::~SlotTagger() = default;

base::Result<std::shared_ptr<const SlotTagger>> SlotTagger::Load(std::span<const std::byte> section) {
  auto parts = std::make_unique<Parts>();
  LOQUAT_ASSIGN(parts->model, SlotModelView::Parse(section));
  parts->transitions.Prepare(parts->model.transitions, 1.0F / parts->model.temperature);
  auto regexes = RegexSet::Compile(parts->model.regexes);
  if (!regexes.has_value()) return base::DataLoss("the slot tagger's section is damaged: " + regexes.error().message);
  parts->regexes = std::move(*regexes);
  return std::shared_ptr<const SlotTagger>(new SlotTagger(std::move(parts)));
}

SlotTagger::WorkspacePtr SlotTagger::NewWorkspace() {
  return {new Workspace, [](Workspace* workspace) { delete workspace; }};
}

SlotTagger::MemoryPtr SlotTagger::NewMemory() {
  return {new Memory, [](Memory* memory) { delete memory; }};
}

void SlotTagger::Forget(Memory& memory) {
  memory.ForgetSettled();
  memory.emissions.clear();
}

std::size_t SlotTagger::BytesOf(const Memory& memory) {
  const std::size_t numbers = memory.rows.scores.capacity() + memory.rows.from_left.capacity() +
                              memory.rows.from_right.capacity() + memory.emissions.capacity();
  return sizeof memory + numbers * sizeof(float) + memory.forms.capacity() * sizeof(TokenForm) +
         memory.context.capacity() / 8 + memory.lattice.bytes() - sizeof(Lattice);
}

std::span<const SlotType> SlotTagger::types() const {
  return parts_->model.types;
}

void SlotTagger::Tag(std::string_view text, std::span<const text::Token> tokens, std::string_view intent,
                     Workspace& workspace, std::vector<domain::Slot>& slots, Memory* memory, std::uint32_t kept) const {
  const SlotModelView& model = parts_->model;
  const auto spans = workspace.Run(*parts_, text, tokens, intent, memory, kept);
  slots.resize(spans.size());
  domain::Span at;  // Where the scan for code points and UTF-16 units stands, as a span of no length.
  const auto advance = [&](std::uint32_t to) {
    while (at.byte_begin < to) {
      const base::DecodedCodePoint next = base::DecodeUtf8(text, at.byte_begin);
      at.byte_begin += next.length;
      ++at.codepoint_begin;
      at.utf16_begin += static_cast<std::uint32_t>(base::Utf16Units(next.code_point));
    }
  };
  for (std::size_t s = 0; s < spans.size(); ++s) {
    const LabelledSpan span = spans[s];
    const SlotType& type = model.types[span.type];
    domain::Slot& slot = slots[s];
    slot.entity = type.entity;
    slot.role = type.role;
    slot.group = type.group;
    slot.normalized.clear();
    slot.kind.clear();
    slot.confidence = workspace.Confidence(*parts_, span);
    advance(tokens[span.begin].byte_begin);
    slot.span = at;
    advance(tokens[span.end - 1].byte_end);
    slot.span.byte_end = at.byte_begin;
    slot.span.codepoint_end = at.codepoint_begin;
    slot.span.utf16_end = at.utf16_begin;
    const std::string_view surface = text.substr(slot.span.byte_begin, slot.span.byte_end - slot.span.byte_begin);
    slot.value = model.Canonical(surface, workspace.scratch_);
  }
}

}  // namespace loquat::understanding
