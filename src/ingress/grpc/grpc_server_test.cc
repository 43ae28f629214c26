// The server through gRPC's own client, in one process: what needs a fake engine, a store that waits or many threads.

#include "ingress/grpc/grpc_server.h"

#include <google/rpc/error.pb.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <loquat/v1/inference.grpc.pb.h>
#include <loquat/v1/understanding.grpc.pb.h>

#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "pipeline/fake_engine.h"
#include "pipeline/signal.h"
#include "pipeline/test_assistant.h"

namespace loquat::ingress {
namespace {

namespace v1 = loquat::v1;
using boost::asio::awaitable;
using namespace std::chrono_literals;  // NOLINT(tidy): literals.

// A store whose first Load waits until it is let go.
class WaitingStore final : public context::SessionStore {
 public:
  explicit WaitingStore(context::SessionStore& store) : store_(store) {}

  void AwaitCaller() {
    base::MutexLock lock(mutex_);
    while (!came_) changed_.Wait(mutex_);
  }
  void LetGo() { go_.Notify(); }

  awaitable<base::Result<context::SessionSnapshot>> Load(std::string_view id) override {
    bool waits = false;
    {
      const base::MutexLock lock(mutex_);
      waits = !std::exchange(came_, true);
      changed_.NotifyAll();
    }
    if (waits) co_await go_.Wait();
    co_return co_await store_.Load(id);
  }
  awaitable<base::Result<context::SessionSnapshot>> Save(std::unique_ptr<domain::Session> session,
                                                         std::uint64_t expected) override {
    return store_.Save(std::move(session), expected);
  }
  awaitable<base::Result<bool>> Remove(std::string_view id) override { return store_.Remove(id); }
  context::SessionStoreStats stats() const override { return store_.stats(); }

 private:
  context::SessionStore& store_;
  pipeline::Signal go_;
  base::Mutex mutex_;
  base::CondVar changed_;
  bool came_ LOQUAT_GUARDED_BY(mutex_) = false;
};

struct Fixture {
  explicit Fixture(GrpcSettings settings = {}, bool waiting = false)
      : pipeline(waiting ? &store : nullptr), streams(pipeline.pipeline, {}, clock, metrics) {
    settings.options.listen = "127.0.0.1:0";
    settings.sessions_at_once = !waiting;
    loops.Start();
    auto started = GrpcServer::Start(std::move(settings), {.understand = pipeline.pipeline,
                                                           .streams = streams,
                                                           .callbacks = callbacks,
                                                           .generate = generate,
                                                           .health = health,
                                                           .clock = clock,
                                                           .log = log,
                                                           .metrics = metrics,
                                                           .loops = loops});
    EXPECT_TRUE(started.has_value()) << (started.has_value() ? "" : started.error().message);
    server = std::move(*started);
    channel =
        ::grpc::CreateChannel("127.0.0.1:" + std::to_string(server->port()), ::grpc::InsecureChannelCredentials());
    understanding = v1::Understanding::NewStub(channel);
    inference = v1::Inference::NewStub(channel);
  }
  ~Fixture() {
    engine->Release();
    server.reset();
    generate.Stop();
    workers.Stop();
    loops.Stop();
    loops.Join();
  }

  ::grpc::Status Understand(const std::string& session, v1::UnderstandResponse* answer = nullptr) {
    v1::UnderstandRequest request;
    request.set_text("weather in Paris");
    request.set_session(session);
    v1::UnderstandResponse ignored;
    ::grpc::ClientContext context;
    return understanding->Understand(&context, request, answer != nullptr ? answer : &ignored);
  }
  bool Counted(std::string_view line) const { return metrics.Text().contains(line); }
  // What comes by itself, looked for until it is there; a test that waits in vain ends by its time limit.
  void AwaitCounted(std::string_view line) {
    base::Mutex mutex;
    base::CondVar never;
    base::MutexLock lock(mutex);
    while (!Counted(line)) (void)never.WaitUntil(mutex, std::chrono::steady_clock::now() + 2ms);
  }

  base::SystemClock clock;
  observe::Registry metrics;
  observe::Logger log;
  context::MemorySessionStore sessions{{}, clock};
  WaitingStore store{sessions};
  pipeline::TestPipeline pipeline;
  pipeline::UnderstandStreams streams;
  pipeline::Callbacks callbacks;
  std::shared_ptr<pipeline::FakeEngine> engine = std::make_shared<pipeline::FakeEngine>("fake", 1 << 24);
  pipeline::ModelSet models{{pipeline::Serve(engine)}};
  pipeline::PromptWorkers workers;
  pipeline::GenerateUseCase generate{models, workers};
  pipeline::Health health{pipeline.pipeline, models, clock};
  net::EventLoops loops{{.threads = 2}};
  std::unique_ptr<GrpcServer> server;
  std::shared_ptr<::grpc::Channel> channel;
  std::unique_ptr<v1::Understanding::Stub> understanding;
  std::unique_ptr<v1::Inference::Stub> inference;
};

std::string ReasonOf(const ::grpc::Status& status) {
  google::rpc::Status details;
  google::rpc::ErrorInfo info;
  if (!details.ParseFromString(status.error_details()) || details.details_size() == 0) return "";
  details.details(0).UnpackTo(&info);
  return info.reason();
}

v1::StreamInferRequest Turn(std::vector<int> ids, const std::string& session = "") {
  v1::StreamInferRequest request;
  request.set_model("fake");
  request.set_session_id(session);
  request.mutable_input_ids()->Add(ids.begin(), ids.end());
  return request;
}

TEST(GrpcServer, OneCallMoreThanMayWaitIsRefusedAndTheOthersAreAnswered) {
  GrpcSettings settings;
  settings.options.calls_max = 1;
  Fixture fixture(std::move(settings), true);
  ::grpc::Status first;
  {
    const std::jthread caller([&] { first = fixture.Understand("a"); });
    fixture.store.AwaitCaller();
    const ::grpc::Status second = fixture.Understand("b");
    EXPECT_EQ(second.error_code(), ::grpc::RESOURCE_EXHAUSTED);
    EXPECT_EQ(ReasonOf(second), "too_many_calls");
    fixture.store.LetGo();
  }
  EXPECT_TRUE(first.ok()) << first.error_message();
  fixture.AwaitCounted("loquat_grpc_active_calls{method=\"loquat.v1.Understanding/Understand\"} 0");
  EXPECT_TRUE(fixture.Understand("b").ok());
}

TEST(GrpcServer, ADrainWaitsForTheCallThatRuns) {
  Fixture fixture({}, true);
  ::grpc::Status status;
  std::jthread caller([&] { status = fixture.Understand("a"); });
  fixture.store.AwaitCaller();
  std::optional<std::size_t> cut;
  std::jthread drain([&] { cut = fixture.server->Drain(60s); });
  fixture.store.LetGo();
  caller.join();
  drain.join();
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(cut, 0U);
}

TEST(GrpcServer, ADrainCutsWhatDoesNotEndAndSaysHowMany) {
  Fixture fixture;
  fixture.engine->set_script({.text = "Hello", .hold_after = 1});
  ::grpc::ClientContext context;
  const auto stream = fixture.inference->StreamInfer(&context);
  stream->Write(Turn({1}));
  v1::StreamInferResponse response;
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(fixture.server->Drain(50ms), 1U);
  EXPECT_FALSE(stream->Finish().ok());
  fixture.engine->AwaitCancelled(1);
}

TEST(GrpcServer, AClientThatTakesNothingIsCutAndTheEngineIsFree) {
  GrpcSettings settings;
  settings.options.write_stall = 150ms;
  settings.options.write_buffer_bytes_max = 4096;
  Fixture fixture(std::move(settings));
  fixture.engine->set_script({.text = std::string(1 << 21, 'x')});
  ::grpc::ClientContext context;
  const auto stream = fixture.inference->StreamInfer(&context);
  stream->Write(Turn({1}));
  fixture.AwaitCounted("loquat_grpc_refusals_total{code=\"resource_exhausted\",reason=\"slow_reader\"} 1");
  fixture.engine->AwaitCancelled(1);
  EXPECT_TRUE(fixture.Understand("b").ok());
  fixture.AwaitCounted("loquat_grpc_active_calls{method=\"loquat.v1.Inference/StreamInfer\"} 0");
  context.TryCancel();
  EXPECT_FALSE(stream->Finish().ok());
}

TEST(GrpcServer, ACancelledTurnLeavesTheSequenceAsItWas) {
  Fixture fixture;
  fixture.engine->set_script({.text = "Hello"});
  {
    ::grpc::ClientContext context;
    const auto stream = fixture.inference->StreamInfer(&context);
    stream->Write(Turn({1, 2}, "s"));
    stream->WritesDone();
    v1::StreamInferResponse response;
    std::uint32_t position = 0;
    while (stream->Read(&response)) position = response.position();
    EXPECT_TRUE(stream->Finish().ok());
    EXPECT_EQ(position, 7U);
  }
  fixture.engine->set_script({.text = "Hello", .hold_after = 1});
  {
    ::grpc::ClientContext context;
    const auto stream = fixture.inference->StreamInfer(&context);
    stream->Write(Turn({3}, "s"));
    v1::StreamInferResponse response;
    ASSERT_TRUE(stream->Read(&response));
    context.TryCancel();
    EXPECT_EQ(stream->Finish().error_code(), ::grpc::CANCELLED);
    fixture.engine->AwaitCancelled(1);
  }
  fixture.AwaitCounted("loquat_grpc_active_calls{method=\"loquat.v1.Inference/StreamInfer\"} 0");
  fixture.engine->set_script({.text = "Hi"});
  ::grpc::ClientContext context;
  const auto stream = fixture.inference->StreamInfer(&context);
  v1::StreamInferRequest request = Turn({4}, "s");
  request.set_position(7);
  stream->Write(request);
  stream->WritesDone();
  v1::StreamInferResponse response;
  while (stream->Read(&response)) continue;
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_EQ(fixture.engine->last_request().prompt, (std::vector<engine::TokenId>{1, 2, 'H', 'e', 'l', 'l', 'o', 4}));
  EXPECT_EQ(fixture.engine->last_request().session, "anonymous/s//fake/anonymous");
}

TEST(GrpcServer, ManyClientsAtOnceGetTheirOwnAnswers) {
  Fixture fixture;
  fixture.engine->set_script({.text = "Hello"});
  constexpr int kClients = 4, kCalls = 25;
  std::vector<int> good(kClients);
  {
    std::vector<std::jthread> clients;
    for (int c = 0; c < kClients; ++c) {
      clients.emplace_back([&fixture, &count = good[static_cast<std::size_t>(c)], c] {
        for (int i = 1; i <= kCalls; ++i) {
          v1::UnderstandResponse answer;
          const bool ok = fixture.Understand("s" + std::to_string(c), &answer).ok();
          if (ok && answer.session().turn() == static_cast<std::uint64_t>(i)) ++count;
        }
        ::grpc::ClientContext context;
        const auto stream = fixture.inference->StreamInfer(&context);
        for (int i = 0; i < kCalls; ++i) stream->Write(Turn({i}));
        stream->WritesDone();
        v1::StreamInferResponse response;
        while (stream->Read(&response)) count += response.is_final() ? 1 : 0;
        if (!stream->Finish().ok()) count = -1;
      });
    }
  }
  for (const int count : good) EXPECT_EQ(count, 2 * kCalls);
}

}  // namespace
}  // namespace loquat::ingress
