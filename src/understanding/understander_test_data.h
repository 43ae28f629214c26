// A small bilingual assistant for tests: enough to train on in a second, with examples of out-of-scope text.

#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "understanding/dataset.h"

namespace loquat::understanding {

inline void AddExamples(std::string_view intent, const std::vector<std::string>& frames,
                        const std::vector<std::string>& values, Dataset& dataset) {
  for (const std::string& frame : frames) {
    for (const std::string& value : values) {
      Example example{.text = frame, .intent = std::string(intent), .entities = {}};
      if (const std::size_t at = frame.find('*'); at != std::string::npos) {
        example.text.replace(at, 1, value);
        const auto begin = static_cast<std::uint32_t>(at);
        example.entities.push_back({.byte_begin = begin,
                                    .byte_end = begin + static_cast<std::uint32_t>(value.size()),
                                    .entity = intent == "weather" ? "city" : "thing",
                                    .role = {},
                                    .group = {},
                                    .value = {}});
      }
      example.line = static_cast<std::uint32_t>(dataset.examples.size() + 1);
      dataset.examples.push_back(std::move(example));
    }
  }
}

inline Dataset SmallAssistant() {
  Dataset dataset;
  dataset.files = {"small.yml"};
  const std::vector<std::string> cities = {"paris", "london", "beijing", "上海", "北京"};
  AddExamples("weather",
              {"what is the weather in *", "will it rain in * tomorrow", "how cold is it in *",
               "weather forecast for *", "*今天天气怎么样", "*明天会下雨吗", "查一下*的天气"},
              cities, dataset);
  const std::vector<std::string> things = {"a song by adele", "some jazz", "yesterday", "周杰伦的歌", "爵士乐"};
  AddExamples("play_music",
              {"play *", "i want to listen to *", "put on * please", "start playing *", "播放*", "我想听*", "来一首*"},
              things, dataset);
  const std::vector<std::string> times = {"seven", "7 am", "noon", "早上七点", "中午"};
  AddExamples("set_alarm",
              {"wake me up at *", "set an alarm for *", "i need an alarm at *", "alarm at * please", "*叫我起床",
               "定一个*的闹钟", "帮我设*的闹铃"},
              times, dataset);
  const std::vector<std::string> foreign = {"who won the war of 1812",
                                            "how do plants make sugar",
                                            "what is the capital of peru",
                                            "explain quantum tunnelling",
                                            "is my landlord allowed to do that",
                                            "为什么天空是蓝色的",
                                            "唐朝有多少个皇帝",
                                            "怎么给植物施肥",
                                            "how tall is the tallest giraffe",
                                            "translate this contract",
                                            "what are the rules of cricket",
                                            "谁发明了电话",
                                            "can dogs eat grapes",
                                            "how do i fix a flat tyre",
                                            "冰箱不制冷怎么办"};
  for (const std::string& text : foreign) AddExamples(kOutOfScopeIntent, {text}, {""}, dataset);
  return dataset;
}

}  // namespace loquat::understanding
