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

class SlotTagger::Workspace {
 public:
  explicit Workspace() = default;

  std::span<const LabelledSpan> Run(const Parts& parts, std::string_view text, std::span<const text::Token> tokens,
                                    std::string_view intent);
  float Confidence(const Parts& parts, const LabelledSpan& span);

  std::string scratch_;

 private:
  void Look(const Parts& parts);
  void AddFrames();
  void AddListed(const SlotModelView& model);
  void AddRegexes(const Parts& parts, std::string_view text, std::span<const text::Token> tokens);
  void AddBlocks(const Parts& parts, std::size_t first);
  template <int kCellUnits>
  void AddBlock(const SlotModelView& model, std::uint32_t block, const Atom& atom);
  void SpreadSides(const SlotLabels& labels);

  std::uint32_t tokens_ = 0;
  FeatureBuffer features_;
  std::vector<std::uint32_t> blocks_;    // [atom]
  std::vector<bool> context_;            // [token]
  std::vector<std::uint64_t> right_;     // [token]: nearest context word on the right.
  std::vector<std::int32_t> scores_;     // [token, stride], in steps.
  std::vector<std::int32_t> from_left_;  // [token, stride]: what words before it say; each row holds for the rest.
  std::vector<std::int32_t> from_right_;
  std::vector<std::int32_t> running_;  // [stride]
  std::vector<float> emissions_;       // [token, stride]
  RegexSet::ScratchPtr regex_scratch_ = RegexSet::NewScratch();
  std::vector<RegexMatch> regex_matches_;
  Lattice lattice_;
  bool weighed_ = false;  // The lattice holds the forward and backward passes.
};

// Finds the blocks of the atoms that are there so far, unknown words standing in for what training did not keep.
void SlotTagger::Workspace::Look(const Parts& parts) {
  const SlotModelView& model = parts.model;
  context_.assign(tokens_, false);
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
void SlotTagger::Workspace::AddBlock(const SlotModelView& model, std::uint32_t block, const Atom& atom) {
  const std::uint16_t* unit = &model.blocks[block];
  const AtomPlaces& places = PlacesOf(atom.kind);
  const std::size_t stride = model.labels.stride();
  const auto tokens = static_cast<std::int32_t>(tokens_);
  for (std::uint32_t rows = *unit++ & ~kContextWordBit; rows != 0; rows &= rows - 1) {
    const int row = std::countr_zero(rows);
    std::int32_t token = atom.anchor + places.first + row;
    std::int32_t* base = scores_.data();
    if (row >= places.places) {
      const bool left = row == places.places;
      token = left ? atom.anchor + 1 : atom.anchor - 1;
      base = left ? from_left_.data() : from_right_.data();
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

void SlotTagger::Workspace::AddBlocks(const Parts& parts, std::size_t first) {
  const SlotModelView& model = parts.model;
  for (std::size_t a = first; a < features_.atoms.size(); ++a) {
    if (blocks_[a] == kNotThere) continue;
    if (model.cell_units() == 1) {
      AddBlock<1>(model, blocks_[a], features_.atoms[a]);
    } else {
      AddBlock<2>(model, blocks_[a], features_.atoms[a]);
    }
  }
}

// A word far away speaks for every token behind (or before) it: running sums.
void SlotTagger::Workspace::SpreadSides(const SlotLabels& labels) {
  const std::size_t stride = labels.stride();
  running_.assign(stride, 0);
  for (std::size_t t = 0; t < tokens_; ++t) {
    AddIntegers(&from_left_[t * stride], running_.data(), stride);
    AddIntegers(running_.data(), &scores_[t * stride], stride);
  }
  running_.assign(stride, 0);
  for (std::size_t t = tokens_; t-- > 0;) {
    AddIntegers(&from_right_[t * stride], running_.data(), stride);
    AddIntegers(running_.data(), &scores_[t * stride], stride);
  }
}

std::span<const LabelledSpan> SlotTagger::Workspace::Run(const Parts& parts, std::string_view text,
                                                         std::span<const text::Token> tokens, std::string_view intent) {
  const SlotModelView& model = parts.model;
  const SlotLabels labels = model.labels;
  tokens_ = static_cast<std::uint32_t>(tokens.size());
  weighed_ = false;
  const std::size_t numbers = tokens_ * std::size_t{labels.stride()};
  scores_.assign(numbers, 0);
  from_left_.assign(numbers, 0);
  from_right_.assign(numbers, 0);
  emissions_.resize(numbers);
  ExtractAtoms(text, tokens, features_);
  if (!intent.empty()) AddIntent(IntentKey(intent), tokens_, features_.atoms);
  Look(parts);
  AddBlocks(parts, 0);
  const std::size_t plain = features_.atoms.size();
  AddFrames();
  AddListed(model);
  AddRegexes(parts, text, tokens);
  blocks_.resize(features_.atoms.size());
  for (std::size_t a = plain; a < blocks_.size(); ++a) {
    blocks_[a] = FindFeature(model.features, features_.atoms[a].key);
  }
  AddBlocks(parts, plain);
  SpreadSides(labels);
  WidenRow(scores_.data(), model.step, emissions_.data(), numbers);
  return lattice_.Decode(parts.transitions, emissions_.data(), tokens_);
}

float SlotTagger::Workspace::Confidence(const Parts& parts, const LabelledSpan& span) {
  if (!weighed_) {
    lattice_.ForwardBackward(parts.transitions, emissions_.data(), tokens_, 1.0F / parts.model.temperature,
                             kMassIgnored);
    weighed_ = true;
  }
  return lattice_.SpanProbability(parts.transitions, span);
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

std::span<const SlotType> SlotTagger::types() const {
  return parts_->model.types;
}

void SlotTagger::Tag(std::string_view text, std::span<const text::Token> tokens, std::string_view intent,
                     Workspace& workspace, std::vector<domain::Slot>& slots) const {
  const SlotModelView& model = parts_->model;
  const auto spans = workspace.Run(*parts_, text, tokens, intent);
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
