#include "understanding/slot_test_data.h"

#include <gtest/gtest.h>

#include <cstring>
#include <new>

#include "base/random.h"
#include "text/segment.h"
#include "understanding/dataset_reader.h"
#include "understanding/evaluation.h"

namespace loquat::understanding {
namespace {

constexpr std::align_val_t kAlignment{64};

const std::vector<std::string> kCities = {"Rome", "Paris", "Oslo", "New York", "San Jose", "Lima", "Cairo", "Quito"};
const std::vector<std::string> kChineseCities = {"北京", "上海", "广州", "哈尔滨", "乌鲁木齐", "成都", "西安"};
const std::vector<std::string> kDates = {"tomorrow", "next friday", "on the 3rd of may", "today", "monday"};
const std::vector<std::string> kChineseDates = {"明天", "后天", "下周五", "今天", "5月3号"};
const std::vector<std::string> kSongs = {"yellow", "hey jude", "let it be", "shape of you", "the sound of silence"};

}  // namespace

Dataset SlotTestData() {
  base::Random random(7);
  const auto pick = [&](const std::vector<std::string>& list) { return list[random.Below(list.size())]; };
  std::string yaml = "version: \"3.1\"\nnlu:\n- intent: travel\n  examples: |\n";
  for (int i = 0; i < 150; ++i) {
    const std::string to = "[" + pick(kCities) + R"(]{"entity": "city", "role": "to"})";
    const std::string from = "[" + pick(kCities) + R"(]{"entity": "city", "role": "from"})";
    const std::string date = "[" + pick(kDates) + "](date)";
    switch (i % 3) {
      case 0:
        yaml += "    - book a train from " + from + " to " + to + " " + date + "\n";
        break;
      case 1:
        yaml += "    - I want to go to " + to + " " + date + " please\n";
        break;
      default:
        yaml += "    - " + date + " flight to " + to + " leaving " + from + "\n";
        break;
    }
    const std::string zh_to = "[" + pick(kChineseCities) + R"(]{"entity": "city", "role": "to"})";
    const std::string zh_from = "[" + pick(kChineseCities) + R"(]{"entity": "city", "role": "from"})";
    const std::string zh_date = "[" + pick(kChineseDates) + "](date)";
    if (i % 2 == 0) yaml += "    - 帮我订" + zh_date + "从" + zh_from + "到" + zh_to + "的火车票\n";
    if (i % 2 == 1) yaml += "    - " + zh_date + "去" + zh_to + "\n";
  }
  yaml += "- intent: music\n  examples: |\n";
  for (int i = 0; i < 60; ++i)
    yaml += "    - play [" + pick(kSongs) + "](song) please\n    - 播放[" + pick(kSongs) + "](song)\n";
  yaml += "- intent: chat\n  examples: |\n";
  for (int i = 0; i < 20; ++i) yaml += "    - how are you today\n    - 你好吗\n    - thank you very much\n";
  yaml +=
      "- synonym: New York\n  examples: |\n    - nyc\n    - 纽约\n"
      "- lookup: city\n  examples: |\n    - Ulan Bator\n    - 纽约\n"
      "- regex: day\n  examples: |\n    - \\d+月\\d+号\n";
  Dataset dataset;
  const auto read = AddNluYaml("test.yml", yaml, {}, &dataset);
  EXPECT_TRUE(read.has_value()) << read.error().message;
  return dataset;
}

TrainedTagger::TrainedTagger(const Dataset& dataset, const SlotTrainOptions& options) {
  auto training = TrainSlots(dataset, options);
  EXPECT_TRUE(training.has_value()) << training.error().message;
  if (!training.has_value()) return;
  training_ = std::move(*training);
  bytes_ = new (kAlignment) std::byte[training_.section.size()];
  std::memcpy(bytes_, training_.section.data(), training_.section.size());
  auto tagger = SlotTagger::Load(bytes());
  EXPECT_TRUE(tagger.has_value()) << tagger.error().message;
  if (tagger.has_value()) tagger_ = *tagger;
}

TrainedTagger::~TrainedTagger() {
  tagger_.reset();
  ::operator delete[](bytes_, kAlignment);
}

std::vector<domain::Slot> TrainedTagger::Tag(std::string_view text, std::string_view intent) const {
  std::vector<text::Token> tokens;
  text::Segment(text, tokens);
  std::vector<domain::Slot> slots;
  tagger_->Tag(text, tokens, intent, *workspace_, slots);
  return slots;
}

std::string TrainedTagger::Summary(std::string_view text, std::string_view intent) const {
  std::string summary;
  for (const domain::Slot& slot : Tag(text, intent)) {
    if (!summary.empty()) summary += ' ';
    summary += SlotLabelName(slot.entity, slot.role, slot.group) + '=' + slot.value;
  }
  return summary;
}

}  // namespace loquat::understanding
