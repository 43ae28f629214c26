// A stream on a small trained model: what the sink hears for what the client says, in order and out of order.

#include "pipeline/stream/understand_stream.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "pipeline/test_assistant.h"

namespace loquat::pipeline {
namespace {

using boost::asio::awaitable;
using std::chrono::milliseconds;
using testing::ElementsAre;

// Writes down what it hears, a line an event.
class Notes final : public StreamSink {
 public:
  void OnFrame(const StreamFrame& frame) override {
    const std::string_view intent =
        frame.frame.intent_ranking.empty() ? "none" : std::string_view(frame.frame.intent_ranking.front().name);
    lines.push_back(fmt::format("frame {} r{}{} {}", frame.utterance, frame.revision, frame.final ? " final" : "",
                                frame.final ? intent : frame.request.utterance.text));
    slot_flags = frame.stability.slots.size() == frame.frame.slots.size();
    all_stable = frame.stability.intent && frame.stability.out_of_scope && frame.stability.locale;
  }
  void OnReplyDelta(std::string_view utterance, std::string_view text) override {
    lines.push_back(fmt::format("delta {} {}", utterance, text));
  }
  void OnReply(std::string_view utterance, const domain::Reply& reply) override {
    lines.push_back(fmt::format("reply {} {}", utterance, reply.text));
  }
  void OnTurnEnd(const StreamTurnEnd& end) override {
    lines.push_back(fmt::format("turn_end {} {}", end.utterance, TurnEndReasonName(end.reason)));
    if (end.answer != nullptr && end.answer->session != nullptr) turns = end.answer->session->turn_count;
    has_answer = end.answer != nullptr;
  }
  void OnError(std::string_view utterance, const base::Error& error) override {
    lines.push_back(fmt::format("error {} {}", utterance.empty() ? "-" : utterance, error.reason));
    last_error = error;
  }
  bool congested() const override { return behind; }
  awaitable<base::Status> Room() override { co_return base::Status(); }

  std::vector<std::string> lines;
  std::uint64_t turns = 0;
  base::Error last_error;
  bool behind = false, slot_flags = false, all_stable = false, has_answer = false;
};

class UnderstandStreamTest : public testing::Test {
 protected:
  ~UnderstandStreamTest() override { stream_->Close(); }

  static StreamOpen Opening(std::string session = {}) {
    StreamOpen open;
    open.request.utterance.session = std::move(session);
    open.request.want_reply = true;
    return open;
  }
  void Reopen(const StreamOpen& open) {
    if (stream_ != nullptr) stream_->Close();
    stream_ = streams_.Open(loop_.get_executor(), test_.Call(), open, 100, notes_);
  }
  void Say(std::string text, std::string id = {}, bool delta = false) {
    stream_->Update({.utterance = std::move(id), .text = std::move(text), .delta = delta});
    stream_->Flush();
  }
  // Everything heard since the last call, once all that is under way is done.
  std::vector<std::string> Heard() {
    loop_.restart();
    loop_.run();
    return std::exchange(notes_.lines, {});
  }

  TestPipeline test_;
  observe::Registry metrics_;
  boost::asio::io_context loop_{1};
  UnderstandStreams streams_{test_.pipeline, {.turns_waiting_max = 2}, test_.clock, metrics_};
  Notes notes_;
  std::shared_ptr<UnderstandStream> stream_ = streams_.Open(loop_.get_executor(), test_.Call(), Opening(), 100, notes_);
};

TEST_F(UnderstandStreamTest, RevisesTheFrameAsTextArrivesAndAnswersItsEnd) {
  Say("what is the");
  Say(" weather", {}, true);
  Say("what is the weather in paris");
  stream_->Final({});
  EXPECT_THAT(Heard(), ElementsAre("frame 1 r1 what is the", "frame 1 r2 what is the weather",
                                   "frame 1 r3 what is the weather in paris", "frame 1 r3 final weather",
                                   "reply 1 The weather in paris is fine.", "turn_end 1 final"));
  EXPECT_TRUE(notes_.all_stable);
  EXPECT_TRUE(notes_.slot_flags);
  EXPECT_TRUE(notes_.has_answer);
}

TEST_F(UnderstandStreamTest, OfSeveralUpdatesAtOnceOnlyTheNewestGetsAFrame) {
  stream_->Update({.text = "what"});
  stream_->Update({.text = "what is"});
  stream_->Flush();
  stream_->Flush();
  EXPECT_THAT(Heard(), ElementsAre("frame 1 r2 what is"));
}

TEST_F(UnderstandStreamTest, AReaderThatIsBehindGetsTheNewestFrameLater) {
  notes_.behind = true;
  Say("what");
  Say("what is");
  EXPECT_THAT(Heard(), ElementsAre());
  notes_.behind = false;
  stream_->Flush();
  EXPECT_THAT(Heard(), ElementsAre("frame 1 r2 what is"));
}

TEST_F(UnderstandStreamTest, AFinalAloneIsAWholeUtterance) {
  stream_->Final({.utterance = "u", .text = "play some jazz"});
  EXPECT_THAT(Heard(), ElementsAre("frame u r1 final play_music", testing::StartsWith("reply u "), "turn_end u final"));
}

TEST_F(UnderstandStreamTest, ManyUtterancesAreTurnsOfOneSessionInOrder) {
  Reopen(Opening("s"));
  stream_->Final({.text = "play some jazz"});
  stream_->Final({.text = "what is the weather in paris"});
  const std::vector<std::string> heard = Heard();
  ASSERT_EQ(heard.size(), 6u);
  EXPECT_EQ(heard[2], "turn_end 1 final");
  EXPECT_EQ(heard[5], "turn_end 2 final");
  EXPECT_EQ(notes_.turns, 2u);
  EXPECT_EQ(test_.sessions.LoadNow("s")->turns.front().text, "play some jazz");
}

TEST_F(UnderstandStreamTest, AFinalWithoutTextIsRefusedAndTheStreamGoesOn) {
  stream_->Final({});
  EXPECT_THAT(Heard(), ElementsAre("error - nothing_said"));
  EXPECT_EQ(notes_.last_error.code, base::Code::kFailedPrecondition);
  Say("what");
  EXPECT_THAT(Heard(), ElementsAre("frame 1 r1 what"));
}

TEST_F(UnderstandStreamTest, EventsOutOfOrderAreRefusedByName) {
  Say("what", "a");
  Say("play", "b");
  EXPECT_THAT(Heard(), ElementsAre("frame a r1 what", "error - utterance_open"));
  stream_->Final({.utterance = "a"});
  EXPECT_EQ(Heard().back(), "turn_end a final");
  Say("what is", "a");
  stream_->Final({.utterance = "a", .text = "what is"});
  stream_->Final({.utterance = "a"});
  stream_->Cancel({.utterance = "a"});
  stream_->Cancel({});
  EXPECT_THAT(Heard(), ElementsAre("error - utterance_ended", "error - utterance_ended", "error - utterance_ended",
                                   "error - unknown_utterance", "error - unknown_utterance"));
  EXPECT_EQ(notes_.last_error.param, "/utterance");
}

TEST_F(UnderstandStreamTest, LateTextForWhatWasCancelledOrFailedBeginsNothing) {
  Say("what", "a");
  stream_->Cancel({.utterance = "a"});
  Say("what is", "a");
  Say(std::string(101, 'a'), "b");
  Say("play", "b");
  Say("play");
  stream_->Final({});
  Say("play", "1");
  const std::vector<std::string> heard = Heard();
  EXPECT_EQ(std::ranges::count(heard, "error - utterance_ended"), 2);
  EXPECT_EQ(std::ranges::count_if(heard, [](const auto& line) { return line.starts_with("frame 1"); }), 1) << "a name";
}

TEST_F(UnderstandStreamTest, NamesOfEndedUtterancesAreForgottenAfterAFew) {
  for (std::size_t i = 0; i <= kEndedUtterancesKept; ++i) {
    stream_->Final({.utterance = std::to_string(i), .text = "play"});
    Heard();
  }
  Say("play", "1");
  EXPECT_THAT(Heard(), ElementsAre("error - utterance_ended"));
  Say("play", "0");
  EXPECT_THAT(Heard(), ElementsAre("frame 0 r1 play"));
}

TEST_F(UnderstandStreamTest, TextAtTheBoundIsReadAndOneByteMoreEndsTheUtterance) {
  Say(std::string(60, 'a'));
  Say(std::string(40, 'b'), {}, true);
  Say("c", {}, true);
  EXPECT_THAT(Heard(), ElementsAre(testing::StartsWith("frame 1 r1"), testing::StartsWith("frame 1 r2"),
                                   "error 1 text_too_large", "turn_end 1 failed"));
  EXPECT_EQ(notes_.last_error.code, base::Code::kResourceExhausted);
  stream_->Final({.text = std::string(101, 'a')});
  EXPECT_THAT(Heard(), ElementsAre("error 2 text_too_large", "turn_end 2 failed"));
}

TEST_F(UnderstandStreamTest, TurnsBeyondTheBoundAreRefused) {
  stream_->Final({.text = "play"});
  stream_->Final({.text = "play"});
  Say("one more");
  stream_->Final({});
  std::vector<std::string> heard = Heard();
  EXPECT_EQ(heard[1], "error - too_many_turns");
  EXPECT_EQ(std::ranges::count_if(heard, [](const auto& line) { return line.starts_with("turn_end"); }), 2);
  stream_->Final({});  // Nothing was lost: it is still arriving.
  EXPECT_EQ(Heard().back(), "turn_end 3 final");
}

TEST_F(UnderstandStreamTest, CancelEndsWhatIsArrivingAndWhatWaits) {
  Say("what");
  stream_->Cancel({});
  EXPECT_THAT(Heard(), ElementsAre("frame 1 r1 what", "turn_end 1 cancelled"));
  stream_->Final({.utterance = "a", .text = "play"});
  stream_->Final({.utterance = "b", .text = "play"});
  stream_->Cancel({.utterance = "b"});
  stream_->Cancel({});  // The last one again: nothing more happens.
  const std::vector<std::string> heard = Heard();
  EXPECT_EQ(heard.back(), "turn_end b cancelled");
  EXPECT_FALSE(notes_.has_answer);
}

TEST_F(UnderstandStreamTest, ATurnThatIsLateFailsAndTheNextIsAnswered) {
  StreamOpen open = Opening();
  open.turn_timeout = milliseconds(5);
  Reopen(open);
  stream_->Final({.text = "play"});
  test_.clock.Advance(milliseconds(5));
  EXPECT_THAT(Heard(), ElementsAre("error 1 ", "turn_end 1 failed"));
  EXPECT_EQ(notes_.last_error.code, base::Code::kDeadlineExceeded);
  stream_->Final({.text = "play"});
  test_.clock.Advance(milliseconds(4));
  EXPECT_EQ(Heard().back(), "turn_end 2 final");
}

TEST_F(UnderstandStreamTest, APauseEndsATurnWhereTheServerMayAndSoonerAfterAWholeSentence) {
  StreamOpen open = Opening();
  open.ending = TurnEnding::kServer;
  Reopen(open);
  EXPECT_EQ(stream_->wake_at(), base::TimePoint::max());
  const understanding::TurnEndOptions pauses = test_.pipeline.settings()->end_of_turn;

  Say("what is the weather in paris?");
  const base::TimePoint sentence_ends = stream_->wake_at();
  EXPECT_LT(sentence_ends, test_.clock.Now() + milliseconds(pauses.pause_ms_max));
  Say("what is the weather in paris and");
  EXPECT_GT(stream_->wake_at(), sentence_ends);
  Say("what is the weather in paris?");
  EXPECT_EQ(stream_->wake_at(), sentence_ends);
  Heard();
  test_.clock.Advance(sentence_ends - test_.clock.Now() - base::Duration(1));
  stream_->Wake();
  EXPECT_THAT(Heard(), ElementsAre());
  test_.clock.Advance(base::Duration(1));
  stream_->Wake();
  EXPECT_EQ(Heard().back(), "turn_end 1 complete");

  Say("what is the");
  test_.clock.Advance(milliseconds(pauses.pause_ms_max));
  stream_->Wake();
  EXPECT_EQ(Heard().back(), "turn_end 2 pause");

  Say("");
  EXPECT_EQ(stream_->wake_at(), base::TimePoint::max());
}

TEST_F(UnderstandStreamTest, APauseEndsNothingWhereTheClientSaysWhenATurnEnds) {
  Say("what is the weather in paris?");
  EXPECT_EQ(stream_->wake_at(), base::TimePoint::max());
  test_.clock.Advance(milliseconds(60'000));
  stream_->Wake();
  EXPECT_THAT(Heard(), ElementsAre("frame 1 r1 what is the weather in paris?"));
}

TEST_F(UnderstandStreamTest, ATurnThatEndsItselfWaitsForRoom) {
  StreamOpen open = Opening();
  open.ending = TurnEnding::kServer;
  Reopen(open);
  stream_->Final({.text = "play"});
  stream_->Final({.text = "play"});
  Say("play");
  test_.clock.Advance(milliseconds(60'000));
  stream_->Wake();
  EXPECT_GT(stream_->wake_at(), test_.clock.Now());
  Heard();
  test_.clock.Advance(milliseconds(60'000));
  stream_->Wake();
  EXPECT_THAT(Heard().back(), testing::StartsWith("turn_end 3 "));
}

TEST_F(UnderstandStreamTest, NothingIsHeardAfterClose) {
  stream_->Final({.text = "play"});
  Say("what");
  EXPECT_TRUE(stream_->busy());
  notes_.lines.clear();
  stream_->Close();
  Say("what is");
  stream_->Final({});
  stream_->Cancel({});
  stream_->Close();
  EXPECT_THAT(Heard(), ElementsAre());
  EXPECT_FALSE(stream_->busy());
}

TEST_F(UnderstandStreamTest, CountsStreamsTurnsAndHowEarlyTheIntentWasRight) {
  Say("play some");
  Say("play some jazz");
  stream_->Final({});
  Heard();
  stream_->Final({});
  Reopen(Opening());
  const std::string text = metrics_.Text();
  EXPECT_THAT(text, testing::HasSubstr("loquat_streams_opened_total 2"));
  EXPECT_THAT(text, testing::HasSubstr("loquat_streams_open 1"));
  EXPECT_THAT(text, testing::HasSubstr("loquat_stream_turns_total{reason=\"final\"} 1"));
  EXPECT_THAT(text, testing::HasSubstr("loquat_stream_events_refused_total{reason=\"nothing_said\"} 1"));
  EXPECT_THAT(text, testing::HasSubstr("loquat_stream_update_seconds_count 2"));
  EXPECT_THAT(text, testing::HasSubstr("loquat_stream_intent_right_from_count 1"));
}

TEST(UtteranceHistory, SaysFromWhereOnTheFinalIntentStoodAndWhatWasTakenBack) {
  const auto frame = [](std::string intent) {
    domain::Frame made;
    made.intent_ranking.push_back({.name = std::move(intent), .confidence = 1});
    return made;
  };
  UtteranceHistory history;
  EXPECT_FALSE(history.Add(frame("a"), {.intent = false}, 2));
  EXPECT_FALSE(history.Add(frame("b"), {.intent = true}, 4));
  EXPECT_TRUE(history.Add(frame("a"), {.intent = false}, 6));
  EXPECT_FALSE(history.Add(frame("a"), {.intent = true}, 8));
  EXPECT_FALSE(history.Add(frame("a"), {.intent = true}, 10));
  EXPECT_DOUBLE_EQ(history.right_from(), 0.6);
  EXPECT_DOUBLE_EQ(history.stable_from(), 0.8);
}

}  // namespace
}  // namespace loquat::pipeline
