#include "understanding/encoder_slots.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "text/spans.h"

namespace loquat::understanding {
namespace {

using domain::Slot;

bool HasPrefix(std::string_view label) {
  return label.size() > 2 && (label.starts_with("B-") || label.starts_with("I-"));
}

domain::Span SpanOf(text::PositionCursor& cursor, std::uint32_t begin, std::uint32_t end) {
  const text::TextPosition first = cursor.AtByte(begin);
  const text::TextPosition last = cursor.AtByte(end);
  return {.byte_begin = first.byte,
          .byte_end = last.byte,
          .codepoint_begin = first.codepoint,
          .codepoint_end = last.codepoint,
          .utf16_begin = first.utf16,
          .utf16_end = last.utf16};
}

bool Overlap(const domain::Span& a, const domain::Span& b) {
  return a.byte_begin < b.byte_end && b.byte_begin < a.byte_end;
}

}  // namespace

base::Result<EncoderSlots> EncoderSlots::Create(std::span<const std::string> labels, const EncoderSlotOptions& options,
                                                const std::function<bool(std::string_view)>& known) {
  EncoderSlots made(options.temperature);
  for (const std::string& label : labels) LOQUAT_TRY(made.Add(label, options, known));
  for (const auto& [name, entity] : options.names) {
    const auto is_of = [&name](const std::string& label) { return HasPrefix(label) && label.substr(2) == name; };
    if (std::ranges::none_of(labels, is_of)) {
      return base::InvalidArgument(
          fmt::format("the model has no label \"B-{}\" or \"I-{}\"; it has {}", name, name, fmt::join(labels, ", ")),
          "labels");
    }
  }
  return made;
}

base::Status EncoderSlots::Add(const std::string& label, const EncoderSlotOptions& options,
                               const std::function<bool(std::string_view)>& known) {
  if (label == "O") {
    labels_.push_back({});
    return {};
  }
  if (!HasPrefix(label)) {
    return base::InvalidArgument(
        fmt::format("the label \"{}\" is not \"O\", \"B-…\" or \"I-…\", which slots are read from", label), "labels");
  }
  const auto named = options.names.find(label.substr(2));
  const std::string name = named == options.names.end() ? label.substr(2) : named->second;
  if (name.empty()) {
    labels_.push_back({});
    return {};
  }
  const std::size_t dot = name.find('.');
  Type type{.entity = name.substr(0, dot), .role = dot == std::string::npos ? "" : name.substr(dot + 1)};
  if (!known(type.entity)) {
    return base::InvalidArgument(fmt::format("the label \"{}\" stands for \"{}\", which is no entity of the assistant; "
                                             "name its entity under labels, or give it an empty name",
                                             label, name),
                                 "labels");
  }
  const auto same = [&type](const Type& other) { return other.entity == type.entity && other.role == type.role; };
  const auto found = std::ranges::find_if(types_, same);
  labels_.push_back({.place = label.front() == 'B' ? Place::kBegin : Place::kInside,
                     .type = static_cast<std::uint32_t>(found - types_.begin())});
  if (found == types_.end()) types_.push_back(std::move(type));
  return {};
}

EncoderSlots::Choice EncoderSlots::Choose(std::span<const float> row) const {
  const auto best = std::ranges::max_element(row);
  double sum = 0;
  for (const float logit : row) sum += std::exp((logit - *best) / temperature_);
  return {.label = labels_[static_cast<std::size_t>(best - row.begin())], .confidence = static_cast<float>(1 / sum)};
}

base::Status EncoderSlots::Read(std::string_view text, const WordTokens& words, std::span<const float> logits,
                                std::vector<Slot>& slots) const {
  if (logits.size() != words.tokens.size() * labels_.size()) {
    return base::Internal(fmt::format("the model gave {} logits for {} tokens and {} labels", logits.size(),
                                      words.tokens.size(), labels_.size()));
  }
  if (!std::ranges::all_of(logits, [](float logit) { return std::isfinite(logit); })) {
    return base::Internal("the model gave a logit that is no number");
  }
  struct Run {
    std::uint32_t type, begin, end;
    float confidence;
  };
  std::vector<Run> runs;
  bool open = false;  // The last run may go on.
  for (const WordOfText& word : words.words) {
    const Choice choice = Choose(logits.subspan(word.first_token * labels_.size(), labels_.size()));
    if (choice.label.place == Place::kOutside) {
      open = false;
      continue;
    }
    const bool goes_on =
        open && !word.after_cut && choice.label.place == Place::kInside && runs.back().type == choice.label.type;
    if (goes_on) {
      runs.back().end = word.byte_end;
      runs.back().confidence = std::min(runs.back().confidence, choice.confidence);
    } else {
      runs.push_back({choice.label.type, word.byte_begin, word.byte_end, choice.confidence});
    }
    open = true;
  }
  text::PositionCursor cursor(text);
  for (const Run& run : runs) {
    Slot& slot = slots.emplace_back();
    slot.entity = types_[run.type].entity;
    slot.role = types_[run.type].role;
    slot.value = text.substr(run.begin, run.end - run.begin);
    slot.confidence = run.confidence;
    slot.span = SpanOf(cursor, run.begin, run.end);
  }
  return {};
}

void MergeSlots(std::vector<Slot> more, std::vector<Slot>& slots) {
  const std::size_t earlier = slots.size();
  for (Slot& slot : more) {
    const auto end = slots.begin() + static_cast<std::ptrdiff_t>(earlier);
    if (std::none_of(slots.begin(), end, [&](const Slot& other) { return Overlap(slot.span, other.span); })) {
      slots.push_back(std::move(slot));
    }
  }
  std::ranges::sort(slots, {}, [](const Slot& slot) { return slot.span.byte_begin; });
}

}  // namespace loquat::understanding
