#include "understanding/slot_trainer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "understanding/dataset_reader.h"
#include "understanding/slot_test_data.h"

namespace loquat::understanding {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Dataset FromYaml(const std::string& items) {
  Dataset dataset;
  const auto read = AddNluYaml("t.yml", "version: \"3.1\"\nnlu:\n" + items, {}, &dataset);
  EXPECT_TRUE(read.has_value()) << read.error().message;
  return dataset;
}

TEST(SlotTrainer, LearnsSlotsAndRolesInBothLanguages) {
  const TrainedTagger tagger(SlotTestData());
  EXPECT_EQ(tagger.Summary("book a train from Rome to Oslo tomorrow", "travel"),
            "city:from=Rome city:to=Oslo date=tomorrow");
  EXPECT_EQ(tagger.Summary("帮我订后天从西安到乌鲁木齐的火车票", "travel"),
            "date=后天 city:from=西安 city:to=乌鲁木齐");
  EXPECT_EQ(tagger.Summary("how are you"), "");
  EXPECT_THAT(tagger.training().slot_names, ElementsAre("city:from", "city:to", "date", "song"));
}

TEST(SlotTrainer, GeneralisesToWordsItHasNeverSeen) {
  const TrainedTagger tagger(SlotTestData());
  EXPECT_EQ(tagger.Summary("book a train from Zanzibar to Qaqortoq tomorrow", "travel"),
            "city:from=Zanzibar city:to=Qaqortoq date=tomorrow");
  EXPECT_EQ(tagger.Summary("帮我订明天从鹤岗到敦煌的火车票", "travel"), "date=明天 city:from=鹤岗 city:to=敦煌");
}

TEST(SlotTrainer, ReadsCapitalsAndFullWidthFormsAlike) {
  const TrainedTagger tagger(SlotTestData());
  EXPECT_EQ(tagger.Summary("BOOK A TRAIN FROM ROME TO OSLO TOMORROW", "travel"),
            "city:from=ROME city:to=OSLO date=TOMORROW");
  EXPECT_EQ(tagger.Summary("ｂｏｏｋ a train from ｒｏｍｅ to oslo", "travel"), "city:from=ｒｏｍｅ city:to=oslo");
}

TEST(SlotTrainer, GivesCanonicalValuesOfSynonyms) {
  const TrainedTagger tagger(SlotTestData());
  EXPECT_EQ(tagger.Summary("I want to go to NYC today please", "travel"), "city:to=New York date=today");
  EXPECT_EQ(tagger.Summary("明天去纽约", "travel"), "date=明天 city:to=New York");
}

TEST(SlotTrainer, GivesTheSameBytesWithAnyNumberOfThreads) {
  const Dataset dataset = SlotTestData();
  SlotTrainOptions options;
  options.threads = 1;
  const auto one = TrainSlots(dataset, options);
  options.threads = 3;
  const auto three = TrainSlots(dataset, options);
  ASSERT_TRUE(one.has_value() && three.has_value());
  EXPECT_EQ(one->section, three->section);
  EXPECT_EQ(one->metrics, three->metrics);
  options.seed = 2;
  EXPECT_NE(TrainSlots(dataset, options)->section, one->section);
}

TEST(SlotTrainer, TellsGroupsApart) {
  std::string items = "- intent: pizza\n  examples: |\n";
  for (int i = 0; i < 30; ++i) {
    items +=
        "    - a [large]{\"entity\": \"size\", \"group\": \"1\"} one and a [small]{\"entity\": \"size\", \"group\": "
        "\"2\"} one\n";
    items +=
        "    - a [small]{\"entity\": \"size\", \"group\": \"1\"} one and a [large]{\"entity\": \"size\", \"group\": "
        "\"2\"} one\n";
  }
  const TrainedTagger tagger(FromYaml(items));
  EXPECT_EQ(tagger.Summary("a large one and a small one"), "size#1=large size#2=small");
}

TEST(SlotTrainer, LetsTheIntentDecideWhatTheWordsDoNot) {
  std::string items;
  for (const std::string intent : {"song", "film"}) {
    items += "- intent: " + intent + "\n  examples: |\n";
    for (const std::string title : {"yellow", "frozen", "gravity", "titanic", "thunder"}) {
      for (int i = 0; i < 8; ++i) items += "    - find [" + title + "](" + intent + ")\n";
    }
  }
  const TrainedTagger tagger(FromYaml(items));
  EXPECT_EQ(tagger.Summary("find yellow", "song"), "song=yellow");
  EXPECT_EQ(tagger.Summary("find yellow", "film"), "film=yellow");
}

TEST(SlotTrainer, WidensAnnotationsThatCutWordsAndSaysSo) {
  std::string items = "- intent: a\n  examples: |\n";
  for (int i = 0; i < 20; ++i) items += "    - take the [tra](vehicle)in home\n";
  const TrainedTagger tagger(FromYaml(items));
  EXPECT_EQ(tagger.Summary("take the train home"), "vehicle=train");
  ASSERT_EQ(tagger.training().warnings.size(), 1U);
  EXPECT_THAT(tagger.training().warnings[0], HasSubstr("20 entities"));
  EXPECT_THAT(tagger.training().warnings[0], HasSubstr("t.yml:5"));
}

TEST(SlotTrainer, TrainsOnASingleExample) {
  const TrainedTagger tagger(FromYaml("- intent: a\n  examples: |\n    - go [home](place)\n"));
  EXPECT_GT(tagger.training().section.size(), 0U);
  tagger.Tag("go home");
}

TEST(SlotTrainer, KeepsTheSectionWithinItsBound) {
  const Dataset dataset = SlotTestData();
  SlotTrainOptions options;
  const std::size_t whole = TrainSlots(dataset, options)->section.size();
  options.model_bytes_max = whole / 2;
  const TrainedTagger half(dataset, options);
  EXPECT_LT(half.training().section.size(), whole * 6 / 10);
  EXPECT_EQ(half.Summary("book a train from Rome to Oslo tomorrow", "travel"),
            "city:from=Rome city:to=Oslo date=tomorrow");
}

TEST(SlotTrainer, RefusesDataWithoutEntitiesAndBadRegexes) {
  const auto none = TrainSlots(FromYaml("- intent: a\n  examples: |\n    - go home\n"));
  ASSERT_FALSE(none.has_value());
  EXPECT_EQ(none.error().code, base::Code::kInvalidArgument);
  const auto regex =
      TrainSlots(FromYaml("- intent: a\n  examples: |\n    - go [home](x)\n- regex: r\n  examples: |\n    - (a\n"));
  ASSERT_FALSE(regex.has_value());
  EXPECT_THAT(regex.error().message, HasSubstr("t.yml:8"));
  EXPECT_THAT(regex.error().message, HasSubstr("\"r\" does not compile"));
}

TEST(SlotTrainer, ReportsProgressThatNeverGoesBackAndStopsWhenTold) {
  std::vector<double> seen;
  SlotTrainOptions options;
  options.progress = [&](double done) {
    seen.push_back(done);
    return true;
  };
  ASSERT_TRUE(TrainSlots(SlotTestData(), options).has_value());
  EXPECT_TRUE(std::ranges::is_sorted(seen));
  EXPECT_EQ(seen.front(), 0);
  EXPECT_EQ(seen.back(), 1);
  options.progress = [](double done) { return done < 0.3; };
  const auto stopped = TrainSlots(SlotTestData(), options);
  ASSERT_FALSE(stopped.has_value());
  EXPECT_EQ(stopped.error().code, base::Code::kCancelled);
}

}  // namespace
}  // namespace loquat::understanding
