#include "understanding/slot_corpus.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "base/hash.h"

namespace loquat::understanding {
namespace {

using SlotName = std::tuple<std::string_view, std::string_view, std::string_view>;

SlotName NameOf(const EntityMention& mention) {
  return {mention.entity, mention.role, mention.group};
}

struct RawAtom {
  std::uint64_t key;
  CorpusAtom atom;
};

struct WordCount {
  std::uint32_t all = 0, outside = 0;
};

class Builder {
 public:
  Builder(const Dataset& dataset, const CorpusOptions& options, SlotCorpus& corpus)
      : dataset_(dataset), options_(options), corpus_(corpus) {}

  base::Status Run() {
    LOQUAT_TRY(CollectTypes());
    for (const NamedRegex& regex : dataset_.regexes) {
      auto compiled = RegexSet::Compile(std::span(&regex, 1));
      if (compiled.has_value()) continue;
      const std::string where = fmt::format("{}:{}", dataset_.files[regex.file], regex.line);
      return base::InvalidArgument(fmt::format("{}: {}", where, compiled.error().message), where);
    }
    LOQUAT_ASSIGN(corpus_.regexes, RegexSet::Compile(dataset_.regexes));
    CollectSentences();
    CollectPhrases();
    for (std::size_t i = 0; i < corpus_.sentences.size(); ++i) ExtractSentence(i);
    AssignBlocks();
    Pack();
    return {};
  }

 private:
  base::Status CollectTypes();
  void CollectSentences();
  void CollectPhrases();
  void ExtractSentence(std::size_t index);
  void AddFrames();
  void AddListed(const CorpusSentence& sentence);
  void AddRegexes(const std::string& text);
  void AssignBlocks();
  void Pack();

  std::uint32_t EntityIndex(std::string_view entity) const {
    const auto at = std::lower_bound(corpus_.entities.begin(), corpus_.entities.end(), entity);
    return static_cast<std::uint32_t>(at - corpus_.entities.begin());
  }
  void Forms(std::string_view text) {
    text::Segment(text, tokens_);
    ExtractAtoms(text, tokens_, features_);
  }
  bool IsContext(std::uint64_t word) const {
    const auto at = words_.find(word);
    if (at == words_.end() || at->second.all < options_.context_count_min) return false;
    return at->second.outside >= options_.context_outside_min * at->second.all;
  }
  void Raw(std::uint64_t key, std::int32_t anchor, AtomKind kind, AtomUse use, std::uint8_t match = 0) {
    raw_.push_back({key, {kNoBlock, static_cast<std::int16_t>(anchor), kind, use, match}});
  }

  const Dataset& dataset_;
  const CorpusOptions& options_;
  SlotCorpus& corpus_;
  std::map<SlotName, std::uint32_t> type_of_;
  std::vector<std::uint32_t> entity_of_type_;
  std::unordered_map<std::uint64_t, WordCount> words_;
  std::vector<RawAtom> raw_;  // Of all sentences, by sentence.
  std::vector<text::Token> tokens_;
  FeatureBuffer features_;
  RegexSet::ScratchPtr regex_scratch_ = RegexSet::NewScratch();
  std::vector<RegexMatch> regex_matches_;
};

base::Status Builder::CollectTypes() {
  for (const Example& example : dataset_.examples) {
    for (const EntityMention& mention : example.entities) type_of_.try_emplace(NameOf(mention), 0);
  }
  if (type_of_.empty()) {
    return base::InvalidArgument(
        "no example has an entity: there are no slots to learn. Annotate some as [text](entity).");
  }
  if (type_of_.size() > kSlotTypesMax) {
    return base::InvalidArgument(fmt::format("{} different slots (entity, role and group) are more than the {} allowed",
                                             type_of_.size(), kSlotTypesMax));
  }
  for (auto& [name, index] : type_of_) {
    index = static_cast<std::uint32_t>(corpus_.types.size());
    const auto& [entity, role, group] = name;
    corpus_.types.push_back({std::string(entity), std::string(role), std::string(group)});
    corpus_.entities.emplace_back(entity);
  }
  for (const Lookup& lookup : dataset_.lookups) corpus_.entities.push_back(lookup.entity);
  std::sort(corpus_.entities.begin(), corpus_.entities.end());
  corpus_.entities.erase(std::unique(corpus_.entities.begin(), corpus_.entities.end()), corpus_.entities.end());
  for (const SlotType& type : corpus_.types) entity_of_type_.push_back(EntityIndex(type.entity));
  return {};
}

// Gold spans in tokens, and how often each word stands inside and outside of them.
void Builder::CollectSentences() {
  std::uint64_t widened = 0, cut = 0, left_out = 0;
  std::string first_widened;
  for (std::size_t e = 0; e < dataset_.examples.size(); ++e) {
    const Example& example = dataset_.examples[e];
    Forms(example.text);
    if (tokens_.size() > kTrainTokensMax) {
      tokens_.resize(kTrainTokensMax);
      ++cut;
    }
    if (tokens_.empty()) continue;
    if (corpus_.tokens + tokens_.size() > kCorpusTokensMax) {
      ++left_out;
      continue;
    }
    CorpusSentence sentence;
    sentence.tokens = static_cast<std::uint32_t>(tokens_.size());
    sentence.spans_begin = static_cast<std::uint32_t>(corpus_.spans.size());
    sentence.example = static_cast<std::uint32_t>(e);
    std::uint32_t done = 0;
    for (const EntityMention& mention : example.entities) {
      LabelledSpan span;
      span.begin = done;
      while (span.begin < sentence.tokens && tokens_[span.begin].byte_end <= mention.byte_begin) ++span.begin;
      span.end = span.begin;
      while (span.end < sentence.tokens && tokens_[span.end].byte_begin < mention.byte_end) ++span.end;
      if (span.end == span.begin) continue;
      if (tokens_[span.begin].byte_begin < mention.byte_begin || tokens_[span.end - 1].byte_end > mention.byte_end) {
        if (widened++ == 0) first_widened = dataset_.Where(example);
      }
      span.type = type_of_.at(NameOf(mention));
      corpus_.spans.push_back(span);
      done = span.end;
    }
    sentence.spans = static_cast<std::uint32_t>(corpus_.spans.size()) - sentence.spans_begin;
    corpus_.sentences.push_back(sentence);
    corpus_.tokens += tokens_.size();
    std::uint32_t next = 0;
    const auto spans = corpus_.SpansOf(sentence);
    for (std::uint32_t t = 0; t < sentence.tokens; ++t) {
      while (next < spans.size() && spans[next].end <= t) ++next;
      WordCount& count = words_[features_.forms[t].word];
      ++count.all;
      if (next == spans.size() || t < spans[next].begin) ++count.outside;
    }
  }
  if (widened > 0) {
    corpus_.warnings.push_back(
        fmt::format("{} entities begin or end inside a word and were widened to whole words (the first at {})", widened,
                    first_widened));
  }
  if (cut > 0) {
    corpus_.warnings.push_back(fmt::format(
        "{} examples have more than {} tokens; the rest of them was left out for slots", cut, kTrainTokensMax));
  }
  if (left_out > 0) {
    corpus_.warnings.push_back(
        fmt::format("{} examples past {} tokens in all were left out for slots", left_out, kCorpusTokensMax));
  }
}

// Values: annotated, listed, and the other names that synonyms give them.
void Builder::CollectPhrases() {
  std::unordered_map<std::string, std::vector<std::string_view>> surfaces;  // By canonical value.
  for (const Synonym& synonym : dataset_.synonyms) surfaces[synonym.canonical].push_back(synonym.surface);
  const auto add_other_names = [&](const std::string& canonical, std::uint32_t entity) {
    const auto at = surfaces.find(canonical);
    if (at == surfaces.end()) return;
    for (const std::string_view surface : at->second) {
      Forms(surface);
      corpus_.phrases.Add(features_.forms, entity, PhraseCounts::kListed);
    }
    surfaces.erase(at);
  };
  for (const Lookup& lookup : dataset_.lookups) {
    const std::uint32_t entity = EntityIndex(lookup.entity);
    for (const std::string& value : lookup.values) {
      Forms(value);
      corpus_.phrases.Add(features_.forms, entity, PhraseCounts::kListed);
    }
  }
  for (const CorpusSentence& sentence : corpus_.sentences) {
    if (sentence.spans == 0) continue;
    const Example& example = dataset_.examples[sentence.example];
    Forms(example.text);
    for (const LabelledSpan& span : corpus_.SpansOf(sentence)) {
      corpus_.phrases.Add(std::span(features_.forms).subspan(span.begin, span.end - span.begin),
                          entity_of_type_[span.type]);
    }
    for (const EntityMention& mention : example.entities) {
      const std::string surface = example.text.substr(mention.byte_begin, mention.byte_end - mention.byte_begin);
      const std::uint32_t entity = EntityIndex(mention.entity);
      add_other_names(mention.value.empty() ? surface : mention.value, entity);
    }
  }
}

void Builder::ExtractSentence(std::size_t index) {
  CorpusSentence& sentence = corpus_.sentences[index];
  const Example& example = dataset_.examples[sentence.example];
  text::Segment(example.text, tokens_);
  if (tokens_.size() > sentence.tokens) tokens_.resize(sentence.tokens);
  ExtractAtoms(example.text, tokens_, features_);
  sentence.atoms_begin = raw_.size();
  for (const Atom& atom : features_.atoms) {
    const bool words = atom.kind == AtomKind::kWord || atom.kind == AtomKind::kBigram;
    Raw(atom.key, atom.anchor, atom.kind, words ? AtomUse::kUnlessDropped : AtomUse::kAlways);
  }
  for (std::uint32_t t = 0; t < sentence.tokens; ++t) {
    Raw(features_.forms[t].unknown, static_cast<std::int32_t>(t), AtomKind::kUnknown, AtomUse::kWhenDropped);
  }
  if (!example.intent.empty()) {
    for (std::uint32_t t = 0; t < sentence.tokens; ++t) {
      Raw(IntentKey(example.intent), static_cast<std::int32_t>(t), AtomKind::kIntent, AtomUse::kIntent);
    }
  }
  AddFrames();
  AddListed(sentence);
  AddRegexes(example.text);
  sentence.atoms = static_cast<std::uint32_t>(raw_.size() - sentence.atoms_begin);
}

void Builder::AddFrames() {
  const std::vector<TokenForm>& forms = features_.forms;
  std::vector<std::uint64_t> right(forms.size());
  std::uint64_t nearest = kEndWord;
  for (std::size_t i = forms.size(); i-- > 0;) {
    right[i] = nearest;
    if (IsContext(forms[i].word)) nearest = forms[i].word;
  }
  nearest = kBeginWord;
  for (std::size_t i = 0; i < forms.size(); ++i) {
    for (const FrameSide side : {FrameSide::kLeft, FrameSide::kRight, FrameSide::kBoth}) {
      Raw(FrameKey(side, nearest, right[i]), static_cast<std::int32_t>(i), AtomKind::kFrame, AtomUse::kAlways);
    }
    if (IsContext(forms[i].word)) nearest = forms[i].word;
  }
}

// Listed values, but for those known from this very sentence alone: at inference nobody will have listed those either.
void Builder::AddListed(const CorpusSentence& sentence) {
  std::map<std::pair<std::uint64_t, std::uint32_t>, std::uint32_t> own;
  for (const LabelledSpan& span : corpus_.SpansOf(sentence)) {
    std::uint64_t hash = kPhraseSeed;
    for (std::uint32_t t = span.begin; t < span.end; ++t) hash = ExtendPhrase(hash, features_.forms[t].word);
    ++own[{hash, entity_of_type_[span.type]}];
  }
  std::vector<std::vector<std::uint32_t>> found_entities(1);
  std::uint8_t match = 0;
  FindPhrases(
      features_.forms,
      [&](std::uint64_t hash) -> PhraseLook {
        const auto* entries = corpus_.phrases.Find(hash);
        if (entries == nullptr) return {};
        std::vector<std::uint32_t> entities;
        for (const PhraseCounts::Entry& entry : *entries) {
          const auto at = own.find({hash, entry.entity});
          if (entry.count > (at == own.end() ? 0 : at->second)) entities.push_back(entry.entity);
        }
        if (entities.empty()) return {true, 0};
        found_entities.push_back(std::move(entities));
        return {true, static_cast<std::uint32_t>(found_entities.size() - 1)};
      },
      [&](std::uint32_t begin, std::uint32_t end, std::uint32_t what) {
        for (std::uint32_t t = begin; t < end; ++t) {
          for (const std::uint32_t entity : found_entities[what]) {
            Raw(GazetteerKey(entity, PartOf(t, begin, end)), static_cast<std::int32_t>(t), AtomKind::kGazetteer,
                AtomUse::kListed, match);
          }
        }
        ++match;
      });
}

void Builder::AddRegexes(const std::string& text) {
  corpus_.regexes.Find(text, *regex_scratch_, regex_matches_);
  for (const RegexMatch& match : regex_matches_) {
    const auto [begin, end] = TokensWithin(tokens_, match.byte_begin, match.byte_end);
    for (std::uint32_t t = begin; t < end; ++t) {
      Raw(RegexKey(match.regex, PartOf(t, begin, end)), static_cast<std::int32_t>(t), AtomKind::kRegex,
          AtomUse::kAlways);
    }
  }
}

void Builder::AssignBlocks() {
  std::unordered_map<std::uint64_t, std::uint32_t> counts;
  counts.reserve(raw_.size() / 8);
  const std::uint32_t least =
      corpus_.sentences.size() < options_.many_sentences ? options_.count_min : options_.count_min_of_many;
  for (const RawAtom& raw : raw_) ++counts[raw.key];
  // In order of first appearance, so that the numbering does not depend on the hash map.
  for (const RawAtom& raw : raw_) {
    const std::uint32_t count = counts.at(raw.key);
    if (count < least) continue;
    const auto [at, fresh] = corpus_.block_of.try_emplace(raw.key, static_cast<std::uint32_t>(corpus_.blocks.size()));
    if (!fresh) continue;
    corpus_.blocks.push_back({raw.key, static_cast<std::uint32_t>(corpus_.rows), count, raw.atom.kind, false});
    corpus_.rows += PlacesOf(raw.atom.kind).rows();
  }
  for (const auto& [word, count] : words_) {
    if (!IsContext(word)) continue;
    const auto at = corpus_.block_of.find(WordKey(word));
    if (at != corpus_.block_of.end()) corpus_.blocks[at->second].context = true;
  }
}

void Builder::Pack() {
  std::vector<bool> word_known;
  for (CorpusSentence& sentence : corpus_.sentences) {
    const auto raw = std::span(raw_).subspan(sentence.atoms_begin, sentence.atoms);
    sentence.atoms_begin = corpus_.atoms.size();
    word_known.assign(sentence.tokens, false);
    for (const RawAtom& one : raw) {
      const auto at = corpus_.block_of.find(one.key);
      if (at == corpus_.block_of.end()) continue;
      CorpusAtom atom = one.atom;
      atom.block = corpus_.blocks[at->second].first_row;
      const bool inside = atom.anchor >= 0 && atom.anchor < static_cast<std::int32_t>(sentence.tokens);
      if (atom.kind == AtomKind::kWord && inside) word_known[static_cast<std::size_t>(atom.anchor)] = true;
      if (atom.kind == AtomKind::kUnknown && !word_known[static_cast<std::size_t>(atom.anchor)])
        atom.use = AtomUse::kAlways;
      corpus_.atoms.push_back(atom);
    }
    sentence.atoms = static_cast<std::uint32_t>(corpus_.atoms.size() - sentence.atoms_begin);
  }
  raw_ = {};
}

}  // namespace

base::Result<SlotCorpus> BuildSlotCorpus(const Dataset& dataset, const CorpusOptions& options) {
  SlotCorpus corpus;
  LOQUAT_TRY(Builder(dataset, options, corpus).Run());
  return corpus;
}

}  // namespace loquat::understanding
