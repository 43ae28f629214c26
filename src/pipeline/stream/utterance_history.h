// How an utterance was understood on its way: when the intent that stood at the end was first right, and which stable
// fields were taken back. A value; one thread.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "domain/frame.h"
#include "domain/stability.h"

namespace loquat::pipeline {

class UtteranceHistory {
 public:
  // The frame after an update to a text of so many characters; the last one is that of the whole text. True: an intent
  // that had been called stable was taken back.
  bool Add(const domain::Frame& frame, const domain::FrameStability& stability, std::size_t characters) {
    const std::string_view intent = TopIntent(frame);
    const bool changed = updates_ == 0 || intent != intent_;
    const bool taken_back = stable_ && changed;
    if (changed) {
      intent_ = intent;
      since_ = characters;
    }
    if (!stability.intent || taken_back) stable_ = false;
    if (stability.intent && !stable_) {
      stable_ = true;
      stable_since_ = characters;
    }
    ++updates_;
    characters_ = characters;
    return taken_back;
  }

  std::uint32_t updates() const { return updates_; }
  // Shares of the text, in [0, 1]: from where on the intent was that of the end, and from where on it was stable.
  double right_from() const { return Share(since_); }
  double stable_from() const { return stable_ ? Share(stable_since_) : 1; }

 private:
  static std::string_view TopIntent(const domain::Frame& frame) {
    return frame.intent_ranking.empty() ? std::string_view() : frame.intent_ranking.front().name;
  }
  double Share(std::size_t characters) const {
    if (characters_ == 0 || characters > characters_) return 1;
    return static_cast<double>(characters) / static_cast<double>(characters_);
  }

  std::string intent_;
  std::size_t characters_ = 0, since_ = 0, stable_since_ = 0;
  std::uint32_t updates_ = 0;
  bool stable_ = false;
};

}  // namespace loquat::pipeline
