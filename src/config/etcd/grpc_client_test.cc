#include "config/etcd/grpc_client.h"

#include <etcd/rpc.grpc.pb.h>
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"

namespace loquat::config::etcd {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;

std::string TokenOf(const grpc::ServerContext& context) {
  const auto found = context.client_metadata().find("token");
  return found == context.client_metadata().end() ? "" : std::string(found->second.data(), found->second.size());
}

// Answers as etcd would, with one key.
class FakeKeys final : public etcdserverpb::KV::Service {
 public:
  grpc::Status Range(grpc::ServerContext* context, const etcdserverpb::RangeRequest* request,
                     etcdserverpb::RangeResponse* response) override {
    if (TokenOf(*context) != token) return {grpc::StatusCode::UNAUTHENTICATED, "etcdserver: invalid auth token"};
    asked = *request;
    response->mutable_header()->set_revision(7);
    auto& key = *response->add_kvs();
    key.set_key(request->key() + "a");
    key.set_value(std::string(value_bytes, 'v'));
    key.set_mod_revision(5);
    response->set_more(true);
    return grpc::Status::OK;
  }
  std::string token;
  std::size_t value_bytes = 1;
  etcdserverpb::RangeRequest asked;
};

class FakeLogin final : public etcdserverpb::Auth::Service {
 public:
  grpc::Status Authenticate(grpc::ServerContext*, const etcdserverpb::AuthenticateRequest* request,
                            etcdserverpb::AuthenticateResponse* response) override {
    if (request->password() != "right") {
      return {grpc::StatusCode::INVALID_ARGUMENT, "etcdserver: authentication failed, invalid user ID or password"};
    }
    response->set_token("token-of-" + request->name());
    return grpc::Status::OK;
  }
};

// Says that the watch is there, echoes a progress request, and ends when asked to.
class FakeWatch final : public etcdserverpb::Watch::Service {
 public:
  grpc::Status Watch(
      grpc::ServerContext* context,
      grpc::ServerReaderWriter<etcdserverpb::WatchResponse, etcdserverpb::WatchRequest>* stream) override {
    etcdserverpb::WatchRequest request;
    while (stream->Read(&request)) {
      etcdserverpb::WatchResponse response;
      response.mutable_header()->set_revision(9);
      if (request.has_create_request()) {
        const base::MutexLock lock(mutex_);
        created_ = request.create_request();
        token_ = TokenOf(*context);
        response.set_created(true);
      } else {
        response.set_watch_id(-1);
      }
      if (!mute) stream->Write(response);
      if (end_at_once) return {grpc::StatusCode::UNAVAILABLE, "etcdserver: leader changed"};
    }
    return grpc::Status::OK;
  }
  etcdserverpb::WatchCreateRequest created() const {
    const base::MutexLock lock(mutex_);
    return created_;
  }
  std::string token() const {
    const base::MutexLock lock(mutex_);
    return token_;
  }
  // Constant once the server is asked.
  bool mute = false;
  bool end_at_once = false;

 private:
  mutable base::Mutex mutex_;
  etcdserverpb::WatchCreateRequest created_ LOQUAT_GUARDED_BY(mutex_);
  std::string token_ LOQUAT_GUARDED_BY(mutex_);
};

class GrpcClientTest : public ::testing::Test {
 protected:
  GrpcClientTest() {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&keys_);
    builder.RegisterService(&login_);
    builder.RegisterService(&watch_);
    server_ = builder.BuildAndStart();
    options_.endpoints = {"127.0.0.1:" + std::to_string(port)};
    options_.call_timeout = seconds(20);
  }
  ~GrpcClientTest() override {
    connection_.reset();
    server_->Shutdown(std::chrono::system_clock::now());
  }
  void Connect() {
    auto client = GrpcClient::Create(options_);
    ASSERT_TRUE(client.has_value()) << client.error().message;
    client_ = *std::move(client);
    auto connection = client_->Connect(0);
    ASSERT_TRUE(connection.has_value()) << connection.error().message;
    connection_ = *std::move(connection);
  }

  FakeKeys keys_;
  FakeLogin login_;
  FakeWatch watch_;
  std::unique_ptr<grpc::Server> server_;
  EtcdOptions options_;
  std::unique_ptr<GrpcClient> client_;
  std::unique_ptr<Connection> connection_;
};

TEST_F(GrpcClientTest, RangesOverThePrefix) {
  Connect();
  const auto answer = connection_->Range(11);
  ASSERT_TRUE(answer.has_value()) << answer.error().message;
  EXPECT_EQ(answer->revision, 7);
  EXPECT_TRUE(answer->more);
  ASSERT_EQ(answer->keys.size(), 1u);
  EXPECT_EQ(answer->keys[0].key, "/loquat/config/a");
  EXPECT_EQ(answer->keys[0].value, "v");
  EXPECT_EQ(answer->keys[0].revision, 5);
  EXPECT_EQ(keys_.asked.key(), "/loquat/config/");
  EXPECT_EQ(keys_.asked.range_end(), "/loquat/config0");
  EXPECT_EQ(keys_.asked.limit(), 11);
  EXPECT_EQ(keys_.asked.revision(), 0);
}

TEST_F(GrpcClientTest, WatchesFromARevisionAndAsksForProgress) {
  Connect();
  ASSERT_TRUE(connection_->Watch(8).has_value());
  auto message = connection_->Next(seconds(20));
  ASSERT_TRUE(message.has_value()) << message.error().message;
  EXPECT_TRUE(message->created);
  EXPECT_EQ(message->revision, 9);
  EXPECT_EQ(watch_.created().start_revision(), 8);
  EXPECT_EQ(watch_.created().range_end(), "/loquat/config0");
  EXPECT_TRUE(watch_.created().fragment());
  EXPECT_TRUE(watch_.created().progress_notify());
  message = connection_->Next(milliseconds(1));
  EXPECT_EQ(message.error().reason, kSilent);
  ASSERT_TRUE(connection_->AskProgress().has_value());
  message = connection_->Next(seconds(20));
  ASSERT_TRUE(message.has_value()) << message.error().message;
  EXPECT_FALSE(message->progress) << "an answer to a request does not move the revision";
}

TEST_F(GrpcClientTest, LogsInAndShowsTheToken) {
  keys_.token = "token-of-me";
  options_.username = "me";
  options_.password = "right";
  Connect();
  EXPECT_TRUE(connection_->Range(1).has_value());
  ASSERT_TRUE(connection_->Watch(1).has_value());
  ASSERT_TRUE(connection_->Next(seconds(20)).has_value());
  EXPECT_EQ(watch_.token(), "token-of-me");
}

TEST_F(GrpcClientTest, SaysWhoCouldNotLogInButNotThePassword) {
  options_.username = "me";
  options_.password = "wrong-one";
  const auto client = GrpcClient::Create(options_);
  const auto connection = (*client)->Connect(0);
  ASSERT_FALSE(connection.has_value());
  EXPECT_EQ(connection.error().code, base::Code::kUnauthenticated);
  EXPECT_THAT(connection.error().message, HasSubstr("login as me: etcdserver: authentication failed"));
  EXPECT_THAT(connection.error().message, ::testing::Not(HasSubstr("wrong-one")));
}

TEST_F(GrpcClientTest, TellsWhyTheStreamEnded) {
  watch_.end_at_once = true;
  Connect();
  ASSERT_TRUE(connection_->Watch(1).has_value());
  ASSERT_TRUE(connection_->Next(seconds(20)).has_value());
  const auto ended = connection_->Next(seconds(20));
  EXPECT_EQ(ended.error().code, base::Code::kUnavailable);
  EXPECT_EQ(ended.error().message, "etcdserver: leader changed");
}

TEST_F(GrpcClientTest, AnAnswerPastTheBoundIsRefused) {
  options_.keys_max = 1;
  options_.bytes_max = options_.value_bytes_max = 1024;
  keys_.value_bytes = 64 * 1024;
  Connect();
  EXPECT_EQ(connection_->Range(2).error().code, base::Code::kResourceExhausted);
}

TEST_F(GrpcClientTest, NobodyThereIsAnErrorAtOnce) {
  server_->Shutdown();
  Connect();
  EXPECT_EQ(connection_->Range(1).error().code, base::Code::kUnavailable);
  const base::Status watch = connection_->Watch(1);
  if (watch.has_value()) {
    EXPECT_FALSE(connection_->Next(seconds(20)).has_value());
  } else {
    EXPECT_EQ(watch.error().code, base::Code::kUnavailable);
  }
}

TEST_F(GrpcClientTest, StopEndsWhatWaitsAndAllThatFollows) {
  watch_.mute = true;
  Connect();
  ASSERT_TRUE(connection_->Watch(1).has_value());
  std::jthread stopper([this] { client_->Stop(); });
  EXPECT_EQ(connection_->Next(seconds(60)).error().reason, kStopped);
  stopper.join();
  connection_.reset();
  auto again = client_->Connect(0);
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ((*again)->Range(1).error().reason, kStopped);
}

TEST(GrpcClient, NamesACertificateThatIsNotThere) {
  EtcdOptions options;
  options.tls = EtcdTlsOptions{.ca_file = "/no/such/ca.pem"};
  const auto client = GrpcClient::Create(options);
  ASSERT_FALSE(client.has_value());
  EXPECT_THAT(client.error().message, HasSubstr("/no/such/ca.pem"));
}

}  // namespace
}  // namespace loquat::config::etcd
