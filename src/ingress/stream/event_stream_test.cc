// Streams of JSON events on a small trained model: what a client reads, and what it gets when it drops and comes back.

#include "ingress/stream/event_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "ingress/http/json_body.h"
#include "pipeline/test_assistant.h"

namespace loquat::ingress {
namespace {

using boost::asio::awaitable;
using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

class Client final : public EventOutlet {
 public:
  void Put(const OutgoingEvent& event) override {
    types.emplace_back(event.type);
    ids.emplace_back(event.id);
    jsons.emplace_back(event.json);
    revisions.push_back(event.revision_of);
  }
  awaitable<base::Status> Room() override { co_return base::Status(); }

  std::vector<std::string> types, ids, jsons;
  std::vector<std::uint64_t> revisions;
};

class EventStreamTest : public testing::Test {
 protected:
  ~EventStreamTest() override { Run(); }

  static OpenEvent Opening(bool resume = false, std::string session = "s") {
    OpenEvent event;
    event.open.request.utterance.session = std::move(session);
    event.open.request.want_reply = true;
    event.resume = resume;
    return event;
  }
  std::shared_ptr<EventStream> Open(Client& client, OpenEvent event, std::string tenant = "t") {
    base::CallContext call = test_.Call();
    call.tenant = std::move(tenant);
    const std::string last = event.last_event_id;
    auto stream = EventStream::Open(shared_, loop_.get_executor(), call, std::move(event), client);
    stream->Greet(last);
    return stream;
  }
  void Run() {
    loop_.restart();
    loop_.run();
  }

  pipeline::TestPipeline test_;
  observe::Registry metrics_;
  boost::asio::io_context loop_{1};
  pipeline::UnderstandStreams streams_{test_.pipeline, {}, test_.clock, metrics_};
  EventStreams shared_{streams_, {.keep = milliseconds(50)}, 1000};
  Client client_;
};

TEST_F(EventStreamTest, NumbersItsEventsAndSaysWhoseTheyAre) {
  const auto stream = Open(client_, Opening());
  stream->understand().Update({.utterance = "u", .text = "what is the weather"});
  stream->understand().Flush();
  stream->understand().Final({.utterance = "u", .text = "what is the weather in paris"});
  Run();
  EXPECT_THAT(client_.types, ElementsAre("opened", "frame", "frame", "reply", "turn_end"));
  const std::string name = client_.ids[0].substr(0, client_.ids[0].rfind('-'));
  EXPECT_THAT(client_.ids, ElementsAre(name + "-1", name + "-2", name + "-3", name + "-4", name + "-5"));
  EXPECT_THAT(client_.jsons[0], HasSubstr("\"stream\":\"" + name + "\",\"session\":\"s\",\"resumed\":false"));
  EXPECT_THAT(client_.jsons[0], HasSubstr("\"resume_for_ms\":0"));
  EXPECT_THAT(client_.jsons[1], StartsWith("{\"type\":\"frame\",\"event_id\":\"" + name +
                                           "-2\",\"utterance\":\"u\",\"id\":\"r-1-u\",\"revision\":1,\"final\":false"));
  EXPECT_THAT(client_.jsons[1], HasSubstr("\"stable\":{\"intent\":"));
  EXPECT_THAT(client_.jsons[1], HasSubstr("\"end_of_turn\":{\"likely\":"));
  EXPECT_THAT(client_.jsons[2], HasSubstr("\"final\":true"));
  EXPECT_THAT(client_.jsons[3], HasSubstr("\"utterance\":\"u\",\"text\":\"The weather in paris is fine.\""));
  EXPECT_THAT(client_.jsons[4],
              HasSubstr("\"id\":\"r-1-u\",\"reason\":\"final\",\"session\":{\"id\":\"s\",\"turn\":1"));
  EXPECT_THAT(client_.revisions, ElementsAre(0, 1, 0, 0, 0));
  stream->Leave();
}

TEST_F(EventStreamTest, FramesOfEachUtteranceSupersedeTheirOwnAlone) {
  const auto stream = Open(client_, Opening());
  for (const char* utterance : {"a", "a", "b"}) {
    if (utterance[0] == 'b') stream->understand().Cancel({});
    stream->understand().Update({.utterance = utterance, .text = "play"});
    stream->understand().Flush();
  }
  EXPECT_THAT(client_.types, ElementsAre("opened", "frame", "frame", "turn_end", "frame"));
  EXPECT_THAT(client_.revisions, ElementsAre(0, 1, 1, 0, 2));
  stream->Leave();
}

TEST_F(EventStreamTest, WhoComesBackGetsWhatWasMissedAndWhatIsStillSaid) {
  const auto first = Open(client_, Opening(true));
  EXPECT_THAT(client_.jsons[0], HasSubstr("\"resume_for_ms\":50"));
  first->understand().Final({.text = "what is the weather in paris"});
  first->Leave();  // Before the answer.
  const std::string seen = client_.ids.back();

  Client again;
  OpenEvent event = Opening(true);
  event.last_event_id = seen;
  const auto second = Open(again, event);
  EXPECT_FALSE(second->quiet());
  Run();
  EXPECT_TRUE(second->quiet());
  EXPECT_THAT(client_.types, ElementsAre("opened"));
  EXPECT_THAT(again.types, ElementsAre("opened", "frame", "reply", "turn_end"));
  EXPECT_THAT(again.jsons[0], HasSubstr("\"resumed\":true"));
  EXPECT_EQ(again.ids[3], seen.substr(0, seen.rfind('-')) + "-4");
  EXPECT_EQ(test_.sessions.LoadNow("s")->turn_count, 1u);
  second->Leave();
}

TEST_F(EventStreamTest, WhoIsAnotherOrComesLateStartsAnew) {
  const auto first = Open(client_, Opening(true));
  first->understand().Final({.text = "play"});
  Run();
  first->Leave();
  OpenEvent event = Opening(true);
  event.last_event_id = client_.ids.front();
  for (const auto& [tenant, session] : {std::pair("other", "s"), std::pair("t", "other")}) {
    Client other;
    event.open.request.utterance.session = session;
    Open(other, event, tenant)->Leave();
    EXPECT_THAT(other.jsons[0], HasSubstr("\"resumed\":false")) << tenant << session;
  }
  test_.clock.Advance(milliseconds(50));
  event.open.request.utterance.session = "s";
  Client late;
  Open(late, event)->Leave();
  EXPECT_THAT(late.jsons[0], HasSubstr("\"resumed\":false"));
  Run();
  EXPECT_THAT(late.types, ElementsAre("opened"));
}

TEST_F(EventStreamTest, WithoutASessionNothingIsKept) {
  const auto stream = Open(client_, Opening(true, ""));
  EXPECT_THAT(client_.jsons[0], HasSubstr("\"resume_for_ms\":0"));
  stream->understand().Final({.text = "play"});
  stream->Leave();
  Run();
  EXPECT_THAT(client_.types, ElementsAre("opened"));
}

TEST_F(EventStreamTest, AClientThatLeavesForGoodEndsItsTurns) {
  const auto stream = Open(client_, Opening());
  stream->understand().Final({.text = "play"});
  stream->Leave();
  stream->Leave();
  Run();
  EXPECT_EQ(test_.sessions.LoadNow("s"), nullptr);
}

TEST_F(EventStreamTest, AnErrorOfNoUtteranceNamesTheCall) {
  const auto stream = Open(client_, Opening());
  stream->Refuse(base::InvalidArgument("no such event", "/type"));
  EXPECT_EQ(client_.types.back(), "error");
  EXPECT_THAT(
      client_.jsons.back(),
      HasSubstr(
          R"("error":{"code":"invalid_argument","message":"no such event","param":"/type","request_id":"r-1"}})"));
  stream->Leave();
}

}  // namespace
}  // namespace loquat::ingress
