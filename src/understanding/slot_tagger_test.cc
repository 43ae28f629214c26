#include "understanding/slot_tagger.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <new>
#include <string>
#include <vector>

#include "base/allocation_counter.h"
#include "base/random.h"
#include "base/utf8.h"
#include "understanding/dataset_reader.h"
#include "understanding/slot_model.h"
#include "understanding/slot_test_data.h"

namespace loquat::understanding {
namespace {

// Trained once for all tests of this file.
class SlotTaggerTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { trained_ = new TrainedTagger(SlotTestData()); }
  static void TearDownTestSuite() {
    delete trained_;
    trained_ = nullptr;
  }
  static const TrainedTagger& trained() { return *trained_; }

 private:
  static TrainedTagger* trained_;
};
TrainedTagger* SlotTaggerTest::trained_ = nullptr;

TEST_F(SlotTaggerTest, GivesSpansInThreeUnits) {
  const auto slots = trained().Tag("😀 book a train from Rome to 上海 tomorrow", "travel");
  ASSERT_EQ(slots.size(), 3U);
  EXPECT_EQ(slots[0].span, (domain::Span{.byte_begin = 23,
                                         .byte_end = 27,
                                         .codepoint_begin = 20,
                                         .codepoint_end = 24,
                                         .utf16_begin = 21,
                                         .utf16_end = 25}));
  EXPECT_EQ(slots[1].value, "上海");
  EXPECT_EQ(slots[1].span.byte_end - slots[1].span.byte_begin, 6U);
  EXPECT_EQ(slots[1].span.codepoint_end - slots[1].span.codepoint_begin, 2U);
  EXPECT_EQ(slots[1].role, "to");
  EXPECT_EQ(slots[1].name(), "to");
}

TEST_F(SlotTaggerTest, IsSureOfWhatItKnowsAndLessOfWhatItDoesNot) {
  const auto known = trained().Tag("book a train from Rome to Oslo tomorrow", "travel");
  ASSERT_EQ(known.size(), 3U);
  for (const domain::Slot& slot : known) {
    EXPECT_GT(slot.confidence, 0.9F);
    EXPECT_LE(slot.confidence, 1.0F);
  }
  const auto odd = trained().Tag("Rome Rome please let Oslo");
  for (const domain::Slot& slot : odd) {
    EXPECT_GE(slot.confidence, 0.0F);
    EXPECT_LT(slot.confidence, known[0].confidence);
  }
}

TEST_F(SlotTaggerTest, FindsOrderedSpansInAnyText) {
  constexpr std::uint64_t kSeed = 11;
  RecordProperty("seed", std::to_string(kSeed));
  base::Random random(kSeed);
  const std::vector<std::string> pieces = {"from",
                                           "to",
                                           "Rome",
                                           " ",
                                           "去",
                                           "北京",
                                           "tomorrow",
                                           "😀",
                                           "e\xCC\x81",
                                           "\xFF",
                                           "５月3号",
                                           "‏שלום",
                                           "👩‍👩‍👧",
                                           "\n",
                                           "please",
                                           "5",
                                           "'",
                                           "\xE4\xB8"};
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    const auto count = random.Below(24);
    for (std::uint64_t i = 0; i < count; ++i)
      text += pieces[random.Below(pieces.size())] + (random.Chance(0.4) ? " " : "");
    std::uint32_t last = 0;
    for (const domain::Slot& slot : trained().Tag(text, random.Chance(0.5) ? "travel" : "nonsense")) {
      EXPECT_GE(slot.span.byte_begin, last);
      EXPECT_LT(slot.span.byte_begin, slot.span.byte_end);
      ASSERT_LE(slot.span.byte_end, text.size());
      last = slot.span.byte_end;
      const std::string_view before = std::string_view(text).substr(0, slot.span.byte_begin);
      const std::string_view marked = std::string_view(text).substr(before.size(), slot.span.byte_end - before.size());
      EXPECT_EQ(slot.span.codepoint_begin, base::CountCodePoints(before));
      EXPECT_EQ(slot.span.codepoint_end - slot.span.codepoint_begin, base::CountCodePoints(marked));
      EXPECT_EQ(slot.span.utf16_end - slot.span.utf16_begin, base::CountUtf16Units(marked));
      EXPECT_TRUE(slot.confidence >= 0 && slot.confidence <= 1);
    }
  }
}

TEST_F(SlotTaggerTest, AllocatesNothingOnceWarm) {
  // Strings short enough to lie within their objects, so that only the tagger's own allocations could show.
  const std::string text = "book a train from Rome to Oslo tomorrow, 5月3号去上海";
  std::vector<text::Token> tokens;
  text::Segment(text, tokens);
  const auto workspace = SlotTagger::NewWorkspace();
  std::vector<domain::Slot> slots;
  (*trained()).Tag(text, tokens, "travel", *workspace, slots);
  ASSERT_GE(slots.size(), 4U);
  const std::uint64_t before = base::AllocationsOfThisThread();
  (*trained()).Tag(text, tokens, "travel", *workspace, slots);
  EXPECT_EQ(base::AllocationsOfThisThread(), before);
}

TEST_F(SlotTaggerTest, TakesAPartOfTheTokensAndAnEmptyText) {
  const std::string text = "book a train from Rome to Oslo tomorrow";
  std::vector<text::Token> tokens;
  text::Segment(text, tokens);
  const auto workspace = SlotTagger::NewWorkspace();
  std::vector<domain::Slot> slots;
  (*trained()).Tag(text, std::span(tokens).subspan(3), "travel", *workspace, slots);
  ASSERT_EQ(slots.size(), 3U);
  EXPECT_EQ(slots[0].span.byte_begin, 18U);
  (*trained()).Tag("", {}, "travel", *workspace, slots);
  EXPECT_TRUE(slots.empty());
}

TEST_F(SlotTaggerTest, OneWorkspaceServesSeveralTaggers) {
  Dataset dataset;
  std::string yaml = "version: \"3.1\"\nnlu:\n- intent: a\n  examples: |\n";
  for (int i = 0; i < 20; ++i) yaml += "    - eat [pie](food) 7\n    - buy [7](count) pies\n";
  yaml += "- regex: number\n  examples: |\n    - \\d\n";
  ASSERT_TRUE(AddNluYaml("t.yml", yaml, {}, &dataset).has_value());
  const TrainedTagger other(dataset);
  const auto workspace = SlotTagger::NewWorkspace();
  std::vector<domain::Slot> slots;
  std::vector<text::Token> tokens;
  for (int round = 0; round < 3; ++round) {
    text::Segment("eat pie 7", tokens);
    (*other).Tag("eat pie 7", tokens, "", *workspace, slots);
    ASSERT_EQ(slots.size(), 1U);
    EXPECT_EQ(slots[0].entity, "food");
    text::Segment("5月3号去上海", tokens);
    (*trained()).Tag("5月3号去上海", tokens, "travel", *workspace, slots);
    ASSERT_EQ(slots.size(), 2U);
    EXPECT_EQ(slots[1].value, "上海");
  }
}

// A model with more than 256 labels stores its weights in the wider form.
TEST(SlotTagger, WorksWithHundredsOfSlotTypes) {
  std::string yaml = "version: \"3.1\"\nnlu:\n- intent: a\n  examples: |\n";
  for (int type = 0; type < 150; ++type) {
    for (int i = 0; i < 4; ++i)
      yaml += "    - set key" + std::string(1, static_cast<char>('a' + type % 26)) +
              std::string(1, static_cast<char>('a' + type / 26)) + " [v" + "](slot" + std::to_string(type) + ")\n";
  }
  Dataset dataset;
  ASSERT_TRUE(AddNluYaml("t.yml", yaml, {}, &dataset).has_value());
  const TrainedTagger tagger(dataset);
  EXPECT_EQ(tagger.Summary("set keyab v"), "slot26=v");
  EXPECT_EQ(tagger.Summary("set keytf v"), "slot149=v");
}

// Bytes at an aligned address.
class AlignedBytes {
 public:
  explicit AlignedBytes(std::span<const std::byte> bytes) : size_(bytes.size()) {
    data_ = new (std::align_val_t{64}) std::byte[size_ + 1];
    std::memcpy(data_, bytes.data(), size_);
  }
  AlignedBytes(const AlignedBytes&) = delete;
  AlignedBytes& operator=(const AlignedBytes&) = delete;
  ~AlignedBytes() { ::operator delete[](data_, std::align_val_t{64}); }
  std::span<std::byte> get() { return {data_, size_}; }

 private:
  std::size_t size_;
  std::byte* data_;
};

TEST_F(SlotTaggerTest, RefusesTruncatedSectionsAndNewerVersions) {
  for (std::size_t size = 0; size < trained().bytes().size(); size += size < 512 ? 1 : 997) {
    AlignedBytes bytes(trained().bytes().first(size));
    const auto tagger = SlotTagger::Load(bytes.get());
    ASSERT_FALSE(tagger.has_value()) << size;
    EXPECT_EQ(tagger.error().code, base::Code::kDataLoss);
  }
  AlignedBytes newer(trained().bytes());
  SlotModelHeader header;
  std::memcpy(&header, newer.get().data(), sizeof header);
  header.version = kSlotModelVersion + 1;
  std::memcpy(newer.get().data(), &header, sizeof header);
  const auto tagger = SlotTagger::Load(newer.get());
  ASSERT_FALSE(tagger.has_value());
  EXPECT_EQ(tagger.error().code, base::Code::kFailedPrecondition);
}

TEST_F(SlotTaggerTest, RefusesOrSurvivesFlippedBytes) {
  constexpr std::uint64_t kSeed = 5;
  RecordProperty("seed", std::to_string(kSeed));
  base::Random random(kSeed);
  const std::string text = "book a train from nyc to 上海 5月3号";
  std::vector<text::Token> tokens;
  text::Segment(text, tokens);
  const auto workspace = SlotTagger::NewWorkspace();
  std::vector<domain::Slot> slots;
  int refused = 0;
  for (int round = 0; round < 1500; ++round) {
    AlignedBytes bytes(trained().bytes());
    // Half of the flips hit the header and the small arrays after it.
    const std::size_t reach = round % 2 == 0 ? std::min<std::size_t>(8192, bytes.get().size()) : bytes.get().size();
    bytes.get()[random.Below(reach)] ^= static_cast<std::byte>(1 + random.Below(255));
    const auto tagger = SlotTagger::Load(bytes.get());
    if (!tagger.has_value()) {
      ++refused;
      continue;
    }
    (*tagger)->Tag(text, tokens, "travel", *workspace, slots);
    for (const domain::Slot& slot : slots) EXPECT_LE(slot.span.byte_end, text.size());
  }
  EXPECT_GT(refused, 0);
}

}  // namespace
}  // namespace loquat::understanding
