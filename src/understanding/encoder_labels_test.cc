// What classification heads say, as intents and slots: labels mapped to names, logits made probabilities, and word
// pieces led back to the text.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "text/spans.h"
#include "text/tokenizer/tokenizer.h"
#include "understanding/encoder_intents.h"
#include "understanding/encoder_slots.h"

namespace loquat::understanding {
namespace {

using domain::Slot;
using testing::ElementsAre;
using testing::HasSubstr;

bool KnownIntent(std::string_view name) {
  return name == "weather" || name == "music";
}
bool KnownEntity(std::string_view name) {
  return name == "city" || name == "date";
}

EncoderIntents Intents(std::vector<std::string> labels, const EncoderIntentOptions& options = {}) {
  auto made = EncoderIntents::Create(labels, options, KnownIntent);
  EXPECT_TRUE(made.has_value()) << made.error().message;
  return *std::move(made);
}

domain::Frame Read(const EncoderIntents& intents, std::vector<float> logits, std::uint32_t ranking_max = 0) {
  domain::Frame frame;
  const base::Status read = intents.Read(logits, ranking_max, frame);
  EXPECT_TRUE(read.has_value()) << read.error().message;
  return frame;
}

TEST(EncoderIntents, ConfidenceIsTheSoftmaxOfTheLogits) {
  const domain::Frame frame = Read(Intents({"weather", "music"}), {1.0F, 2.0F});
  ASSERT_EQ(frame.intent_ranking.size(), 2u);
  EXPECT_EQ(frame.intent_ranking[0].name, "music");
  EXPECT_NEAR(frame.intent_ranking[0].confidence, 1 / (1 + std::exp(-1.0)), 1e-6);
  EXPECT_NEAR(frame.intent_ranking[1].confidence, 1 / (1 + std::exp(1.0)), 1e-6);
  EXPECT_FALSE(frame.out_of_scope);
}

TEST(EncoderIntents, TheTemperatureDividesTheLogits) {
  const domain::Frame frame = Read(Intents({"weather", "music"}, {.temperature = 4}), {1.0F, 2.0F});
  EXPECT_NEAR(frame.intent_ranking[0].confidence, 1 / (1 + std::exp(-0.25)), 1e-6);
}

TEST(EncoderIntents, HugeLogitsDoNotOverflow) {
  const domain::Frame frame = Read(Intents({"weather", "music"}), {3e38F, -3e38F});
  EXPECT_EQ(frame.intent_ranking[0].name, "weather");
  EXPECT_FLOAT_EQ(frame.intent_ranking[0].confidence, 1);
}

TEST(EncoderIntents, LabelsOfOneIntentAddUp) {
  const EncoderIntents intents =
      Intents({"LABEL_0", "LABEL_1", "music"}, {.names = {{"LABEL_0", "weather"}, {"LABEL_1", "weather"}}});
  EXPECT_THAT(intents.intents(), ElementsAre("weather", "music"));
  const domain::Frame frame = Read(intents, {0, 0, 0.5F});
  EXPECT_EQ(frame.intent_ranking[0].name, "weather");
  EXPECT_NEAR(frame.intent_ranking[0].confidence, 2 / (2 + std::exp(0.5)), 1e-6);
}

TEST(EncoderIntents, EqualIntentsKeepTheOrderOfTheLabels) {
  EXPECT_EQ(Read(Intents({"music", "weather"}), {1, 1}).intent_ranking[0].name, "music");
}

TEST(EncoderIntents, TheRankingIsAsLongAsAskedFor) {
  EXPECT_EQ(Read(Intents({"weather", "music"}), {1, 2}, 1).intent_ranking.size(), 1u);
}

TEST(EncoderIntents, ALabelForTheRestOutweighsOrDoesNot) {
  const EncoderIntents intents = Intents({"weather", "none", "other"}, {.out_of_scope_labels = {"none", "other"}});
  EXPECT_FALSE(Read(intents, {1, 0, 0}).out_of_scope);
  const domain::Frame foreign = Read(intents, {0.5F, 0, 0});  // 1.65 against 2.
  EXPECT_TRUE(foreign.out_of_scope);
  ASSERT_EQ(foreign.intent_ranking.size(), 1u);
  EXPECT_NEAR(foreign.intent_ranking[0].confidence, std::exp(0.5) / (std::exp(0.5) + 2), 1e-6);
}

TEST(EncoderIntents, WhatIsLessLikelyThanTheBoundIsOutOfScope) {
  const double even = 0.5;
  EXPECT_FALSE(Read(Intents({"weather", "music"}, {.out_of_scope_below = even}), {1, 1}).out_of_scope);
  EXPECT_TRUE(
      Read(Intents({"weather", "music"}, {.out_of_scope_below = std::nextafter(even, 1.0)}), {1, 1}).out_of_scope);
}

TEST(EncoderIntents, WrongLabelsAreRefusedWithTheLabelNamed) {
  const auto refused = [](const std::vector<std::string>& labels, const EncoderIntentOptions& options) {
    const auto made = EncoderIntents::Create(labels, options, KnownIntent);
    EXPECT_FALSE(made.has_value());
    return made.has_value() ? std::string() : made.error().param + ": " + made.error().message;
  };
  EXPECT_THAT(refused({"weather", "LABEL_1"}, {}), HasSubstr("labels: the label \"LABEL_1\""));
  EXPECT_THAT(refused({"LABEL_0"}, {.names = {{"LABEL_0", "fly"}}}), HasSubstr("stands for \"fly\""));
  EXPECT_THAT(refused({"weather"}, {.names = {{"LABEL_9", "music"}}}), HasSubstr("no label \"LABEL_9\""));
  EXPECT_THAT(refused({"weather"}, {.out_of_scope_labels = {"none"}}), HasSubstr("out_of_scope_labels: "));
  EXPECT_THAT(refused({"none"}, {.out_of_scope_labels = {"none"}}), HasSubstr("all are out of scope"));
  EXPECT_THAT(refused({"a", "weather"}, {.names = {{"a", "music"}}, .out_of_scope_labels = {"a"}}),
              HasSubstr("out of scope and an intent"));
}

TEST(EncoderIntents, OtherLogitsThanTheLabelsAreAFault) {
  const EncoderIntents intents = Intents({"weather", "music"});
  domain::Frame frame;
  EXPECT_FALSE(intents.Read(std::vector<float>{1}, 0, frame).has_value());
  EXPECT_FALSE(intents.Read(std::vector<float>{1, 2, 3}, 0, frame).has_value());
  EXPECT_FALSE(intents.Read(std::vector<float>{1, std::numeric_limits<float>::quiet_NaN()}, 0, frame).has_value());
  EXPECT_TRUE(frame.intent_ranking.empty());
}

std::vector<std::string> WordsOf(std::string_view text) {
  std::vector<std::string> words;
  for (const WordOfText& word : BertWords(text)) {
    words.emplace_back(text.substr(word.byte_begin, word.byte_end - word.byte_begin));
  }
  return words;
}

TEST(BertWords, CutsAtSpacesAroundSignsAndAroundChineseCharacters) {
  EXPECT_THAT(WordsOf("fly to New-York, don't"), ElementsAre("fly", "to", "New", "-", "York", ",", "don", "'", "t"));
  EXPECT_THAT(WordsOf("去NewYork玩3天"), ElementsAre("去", "NewYork", "玩", "3", "天"));
  EXPECT_THAT(WordsOf("iPhone15 $5 a+b"), ElementsAre("iPhone15", "$", "5", "a", "+", "b"));
  EXPECT_THAT(WordsOf("かな 한글 été"), ElementsAre("かな", "한글", "été"));
  EXPECT_THAT(WordsOf("  \t\n\u3000"), ElementsAre());
  EXPECT_THAT(WordsOf(""), ElementsAre());
}

std::shared_ptr<const text::Tokenizer> WordPieces() {
  text::TokenizerSpec spec;
  spec.kind = text::TokenizerKind::kWordPiece;
  spec.lowercase = true;
  spec.tokens = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "to",    "paris", "lon", "##don",
                 "北",    "京",    ",",     "[",     "]",      "##cls", "cls",   "now", "sep"};
  for (text::TokenId id = 0; id < 5; ++id) {
    spec.specials.push_back({.content = spec.tokens[static_cast<std::size_t>(id)], .id = id});
  }
  spec.pad = 0;
  spec.unknown = 1;
  spec.cls = 2;
  spec.sep = 3;
  spec.mask = 4;
  auto made = text::Tokenizer::Create(std::move(spec));
  EXPECT_TRUE(made.has_value()) << made.error().message;
  return *std::move(made);
}

WordTokens Tokens(std::string_view text, std::uint32_t tokens_max = 64, Truncation truncation = Truncation::kHead) {
  auto made = TokenizeWords(text, *WordPieces(), tokens_max, truncation);
  EXPECT_TRUE(made.has_value()) << made.error().message;
  return *std::move(made);
}

TEST(TokenizeWords, TheFirstPieceOfAWordSpeaksForIt) {
  const WordTokens words = Tokens("London to Paris");
  EXPECT_THAT(words.tokens, ElementsAre(2, 7, 8, 5, 6, 3));
  EXPECT_THAT(words.words, ElementsAre(WordOfText{0, 6, 1}, WordOfText{7, 9, 3}, WordOfText{10, 15, 4}));
  EXPECT_EQ(words.tokens_left_out, 0u);
}

TEST(TokenizeWords, SpecialTokensInTheTextArePlainText) {
  EXPECT_THAT(Tokens("[SEP]").tokens, ElementsAre(2, 12, 17, 13, 3));
}

TEST(TokenizeWords, KeepsWhatTheTruncationSaysAndCountsTheRest) {
  const std::string_view text = "to paris to london now";  // 1, 1, 1, 2 and 1 pieces.
  EXPECT_THAT(Tokens(text, 5, Truncation::kHead).tokens, ElementsAre(2, 5, 6, 5, 3));
  EXPECT_THAT(Tokens(text, 5, Truncation::kTail).tokens, ElementsAre(2, 7, 8, 16, 3));
  const WordTokens middle = Tokens(text, 5, Truncation::kMiddle);
  EXPECT_THAT(middle.tokens, ElementsAre(2, 5, 6, 16, 3));
  EXPECT_EQ(middle.tokens_left_out, 3u);
  EXPECT_FALSE(middle.words[1].after_cut);
  EXPECT_TRUE(middle.words[2].after_cut);
  // A word is whole or not there.
  EXPECT_THAT(Tokens("to london", 4, Truncation::kHead).tokens, ElementsAre(2, 5, 3));
  EXPECT_THAT(Tokens("to london", 2, Truncation::kHead).tokens, ElementsAre(2, 3));
  EXPECT_EQ(TokenizeWords(text, *WordPieces(), 7, Truncation::kError).error().reason, "text_too_long");
  EXPECT_EQ(Tokens(text, 8, Truncation::kError).tokens.size(), 8u);
}

// Logits that choose `choices`, one label a token.
std::vector<float> Logits(const std::vector<std::size_t>& choices, std::size_t labels) {
  std::vector<float> logits;
  for (const std::size_t choice : choices) {
    for (std::size_t label = 0; label < labels; ++label) logits.push_back(label == choice ? 2.0F : 0.0F);
  }
  return logits;
}

const std::vector<std::string> kLabels = {"O", "B-city", "I-city", "B-date", "I-date"};
enum : std::size_t { kO, kBCity, kICity, kBDate, kIDate };

std::vector<Slot> ReadSlots(std::string_view text, const std::vector<std::size_t>& choices,
                            const EncoderSlotOptions& options = {}, Truncation truncation = Truncation::kHead,
                            std::uint32_t tokens_max = 64) {
  const auto slots = EncoderSlots::Create(kLabels, options, KnownEntity);
  EXPECT_TRUE(slots.has_value()) << slots.error().message;
  std::vector<Slot> found;
  const base::Status read =
      slots->Read(text, Tokens(text, tokens_max, truncation), Logits(choices, kLabels.size()), found);
  EXPECT_TRUE(read.has_value()) << read.error().message;
  return found;
}

std::vector<std::string> Said(const std::vector<Slot>& slots) {
  std::vector<std::string> said;
  for (const Slot& slot : slots) said.push_back(slot.name() + "=" + slot.value);
  return said;
}

TEST(EncoderSlots, RunsOfBeginAndInsideAreSlots) {
  // [CLS] lon ##don to paris [SEP]; what the later pieces and the frame's tokens say is not heard.
  EXPECT_THAT(Said(ReadSlots("london to paris", {kBDate, kBCity, kO, kO, kBCity, kBDate})),
              ElementsAre("city=london", "city=paris"));
  EXPECT_THAT(Said(ReadSlots("to to paris now", {kO, kBCity, kICity, kICity, kO, kO})),
              ElementsAre("city=to to paris"));
  EXPECT_THAT(Said(ReadSlots("to to paris", {kO, kBCity, kBCity, kICity, kO})),
              ElementsAre("city=to", "city=to paris"));
}

TEST(EncoderSlots, AnInsideWithoutItsBeginBeginsASlot) {
  EXPECT_THAT(Said(ReadSlots("to to paris now", {kO, kICity, kO, kICity, kIDate, kO})),
              ElementsAre("city=to", "city=paris", "date=now"));
}

TEST(EncoderSlots, SpansSliceTheTextInEveryUnit) {
  const std::string text = "😀 é 北京,paris";
  // [CLS] 😀 é 北 京 , paris [SEP]
  const std::vector<Slot> slots = ReadSlots(text, {kO, kO, kO, kBCity, kICity, kO, kBDate, kO});
  ASSERT_THAT(Said(slots), ElementsAre("city=北京", "date=paris"));
  const domain::Span span = slots[0].span;
  EXPECT_EQ(span, (domain::Span{.byte_begin = 8,
                                .byte_end = 14,
                                .codepoint_begin = 4,
                                .codepoint_end = 6,
                                .utf16_begin = 5,
                                .utf16_end = 7}));
  for (const Slot& slot : slots) {
    EXPECT_EQ(text::SliceByCodePoints(text, slot.span.codepoint_begin, slot.span.codepoint_end), slot.value);
    EXPECT_EQ(text::SliceByUtf16(text, slot.span.utf16_begin, slot.span.utf16_end), slot.value);
  }
}

TEST(EncoderSlots, ASlotIsAsSureAsItsLeastSureWord) {
  const auto slots = EncoderSlots::Create(std::vector<std::string>{"O", "B-city", "I-city"}, {}, KnownEntity);
  ASSERT_TRUE(slots.has_value());
  std::vector<Slot> found;
  const std::vector<float> logits = {9, 0, 0, 0, 3, 0, 0, 0, 1, 9, 0, 0};  // [CLS] to paris [SEP]
  ASSERT_TRUE(slots->Read("to paris", Tokens("to paris"), logits, found).has_value());
  ASSERT_EQ(found.size(), 1u);
  EXPECT_NEAR(found[0].confidence, std::exp(1.0) / (std::exp(1.0) + 2), 1e-6);
}

TEST(EncoderSlots, NamesMapLabelsToEntitiesAndRoles) {
  EXPECT_THAT(Said(ReadSlots("paris now", {kO, kBCity, kBDate, kO}, {.names = {{"city", "city.from"}, {"date", ""}}})),
              ElementsAre("from=paris"));
}

TEST(EncoderSlots, NoSlotReachesOverWhatWasCutOut) {
  // Kept: [CLS] to paris | now [SEP].
  EXPECT_THAT(Said(ReadSlots("to paris to london now", {kO, kBCity, kICity, kICity, kO}, {}, Truncation::kMiddle, 5)),
              ElementsAre("city=to paris", "city=now"));
}

TEST(EncoderSlots, WrongLabelsAreRefusedWithTheLabelNamed) {
  const auto refused = [](const std::vector<std::string>& labels, const EncoderSlotOptions& options) {
    const auto made = EncoderSlots::Create(labels, options, KnownEntity);
    EXPECT_FALSE(made.has_value());
    return made.has_value() ? std::string() : made.error().param + ": " + made.error().message;
  };
  EXPECT_THAT(refused({"O", "LABEL_1"}, {}), HasSubstr("labels: the label \"LABEL_1\""));
  EXPECT_THAT(refused({"O", "S-city"}, {}), HasSubstr("S-city"));
  EXPECT_THAT(refused({"O", "B-"}, {}), HasSubstr("\"B-\""));
  EXPECT_THAT(refused({"O", "B-planet"}, {}), HasSubstr("no entity of the assistant"));
  EXPECT_THAT(refused({"O", "B-city"}, {.names = {{"LOC", "city"}}}), HasSubstr("B-LOC"));
}

TEST(EncoderSlots, OtherLogitsThanTokensTimesLabelsAreAFault) {
  const auto slots = EncoderSlots::Create(kLabels, {}, KnownEntity);
  std::vector<Slot> found;
  const WordTokens words = Tokens("to paris");
  EXPECT_FALSE(slots->Read("to paris", words, std::vector<float>(19), found).has_value());
  std::vector<float> poisoned(20);
  poisoned[7] = std::numeric_limits<float>::infinity();
  EXPECT_FALSE(slots->Read("to paris", words, poisoned, found).has_value());
  EXPECT_TRUE(slots->Read("to paris", words, std::vector<float>(20), found).has_value());
  EXPECT_TRUE(found.empty());
}

Slot At(std::uint32_t begin, std::uint32_t end, std::string entity) {
  Slot slot{.entity = std::move(entity)};
  slot.span.byte_begin = begin;
  slot.span.byte_end = end;
  return slot;
}

TEST(MergeSlots, TheEarlierModelsSlotsStandWhereTheyOverlap) {
  std::vector<Slot> slots = {At(4, 8, "a")};
  MergeSlots({At(0, 4, "b"), At(3, 5, "c"), At(7, 9, "d"), At(8, 9, "e")}, slots);
  std::vector<std::string> names;
  for (const Slot& slot : slots) names.push_back(slot.entity);
  EXPECT_THAT(names, ElementsAre("b", "a", "e"));
}

}  // namespace
}  // namespace loquat::understanding
