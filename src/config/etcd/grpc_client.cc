#include "config/etcd/grpc_client.h"

#include <etcd/rpc.grpc.pb.h>
#include <fmt/format.h>
#include <grpc/support/time.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/file.h"
#include "base/mutex.h"
#include "config/etcd/messages.h"

namespace loquat::config::etcd {
namespace {

constexpr std::size_t kPemBytesMax = std::size_t{1} << 20;
// What a message has besides keys and values: field numbers, lengths, revisions.
constexpr std::size_t kKeyOverheadBytes = 64 + kPrefixBytesMax;
constexpr std::string_view kTokenName = "token";

// The range that ends where keys no longer begin with the prefix: its last byte, '/', counted up.
std::string RangeEnd(const std::string& prefix) {
  std::string end = prefix;
  end.back() = static_cast<char>(end.back() + 1);
  return end;
}

gpr_timespec In(base::Duration duration) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(std::max<std::int64_t>(ms, 0), GPR_TIMESPAN));
}

base::Error Stopped() {
  return {.code = base::Code::kCancelled, .message = "stopped", .reason = std::string(kStopped)};
}

base::Error ToError(const grpc::Status& status) {
  constexpr std::size_t kShownBytesMax = 300;
  base::Error error{.code = base::Code::kUnknown, .message = status.error_message().substr(0, kShownBytesMax)};
  const auto number = static_cast<int>(status.error_code());
  if (number > 0 && number <= static_cast<int>(base::Code::kUnauthenticated)) {
    error.code = static_cast<base::Code>(number);
  }
  if (status.ok()) error.message = "it ended the stream";
  if (error.message.empty()) error.message = base::CodeName(error.code);
  return error;
}

base::Result<std::string> ReadPem(const std::string& path) {
  if (path.empty()) return std::string();
  return base::ReadFile(path, kPemBytesMax);
}

}  // namespace

struct GrpcClient::State {
  EtcdOptions options;
  std::shared_ptr<grpc::ChannelCredentials> credentials;

  base::Mutex mutex;
  bool stopped LOQUAT_GUARDED_BY(mutex) = false;
  grpc::ClientContext* running LOQUAT_GUARDED_BY(mutex) = nullptr;  // The one call that Stop would have to end.
};

namespace {

// The call that Stop ends, for as long as this lives.
class Running {
 public:
  Running(GrpcClient::State& state, grpc::ClientContext& context) : state_(state) {
    const base::MutexLock lock(state_.mutex);
    state_.running = &context;
    if (state_.stopped) context.TryCancel();
  }
  ~Running() {
    const base::MutexLock lock(state_.mutex);
    state_.running = nullptr;
  }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

  bool stopped() const {
    const base::MutexLock lock(state_.mutex);
    return state_.stopped;
  }

 private:
  GrpcClient::State& state_;
};

class GrpcConnection final : public Connection {
 public:
  GrpcConnection(GrpcClient::State& state, std::shared_ptr<grpc::Channel> channel)
      : state_(state),
        channel_(std::move(channel)),
        keys_(etcdserverpb::KV::NewStub(channel_)),
        watches_(etcdserverpb::Watch::NewStub(channel_)) {}
  ~GrpcConnection() override;

  base::Status LogIn();
  base::Result<RangeAnswer> Range(std::size_t limit) override;
  base::Status Watch(std::int64_t from) override;
  base::Result<WatchMessage> Next(base::Duration wait) override;
  base::Status AskProgress() override;

 private:
  enum class Op : std::uintptr_t { kStart = 1, kRead, kWrite, kFinish };
  static void* Tag(Op op) { return reinterpret_cast<void*>(op); }

  std::unique_ptr<grpc::ClientContext> NewContext() const;
  template <typename Call>
  base::Status Unary(const Call& call);
  // Waits for one operation while others may end too.
  bool Wait(Op wanted, gpr_timespec until, bool& ok);
  base::Status Write(const etcdserverpb::WatchRequest& request);
  base::Error End();

  GrpcClient::State& state_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<etcdserverpb::KV::Stub> keys_;
  std::unique_ptr<etcdserverpb::Watch::Stub> watches_;
  std::string token_;  // Empty: no login.

  // The watch. The queue and what is filled through it outlive the operations that are under way.
  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::ClientContext> context_;
  std::unique_ptr<Running> running_;
  std::unique_ptr<grpc::ClientAsyncReaderWriter<etcdserverpb::WatchRequest, etcdserverpb::WatchResponse>> stream_;
  etcdserverpb::WatchResponse read_;
  grpc::Status finished_;
  bool writing_ = false;
};

GrpcConnection::~GrpcConnection() {
  if (context_ != nullptr) context_->TryCancel();
  queue_.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) continue;
}

std::unique_ptr<grpc::ClientContext> GrpcConnection::NewContext() const {
  auto context = std::make_unique<grpc::ClientContext>();
  if (!token_.empty()) context->AddMetadata(std::string(kTokenName), token_);
  return context;
}

template <typename Call>
base::Status GrpcConnection::Unary(const Call& call) {
  const std::unique_ptr<grpc::ClientContext> context = NewContext();
  context->set_deadline(std::chrono::system_clock::now() + state_.options.call_timeout);
  const Running running(state_, *context);
  const grpc::Status status = call(context.get());
  if (status.ok()) return {};
  if (running.stopped()) return Stopped();
  return ToError(status);
}

base::Status GrpcConnection::LogIn() {
  etcdserverpb::AuthenticateRequest request;
  request.set_name(state_.options.username);
  request.set_password(state_.options.password);
  etcdserverpb::AuthenticateResponse response;
  const auto stub = etcdserverpb::Auth::NewStub(channel_);
  base::Status status =
      Unary([&](grpc::ClientContext* context) { return stub->Authenticate(context, request, &response); });
  if (!status.has_value()) {
    status.error().message = fmt::format("login as {}: {}", state_.options.username, status.error().message);
    // etcd calls a wrong password an invalid argument.
    if (status.error().code == base::Code::kInvalidArgument) status.error().code = base::Code::kUnauthenticated;
    return status;
  }
  token_ = std::move(*response.mutable_token());
  return {};
}

base::Result<RangeAnswer> GrpcConnection::Range(std::size_t limit) {
  etcdserverpb::RangeRequest request;
  request.set_key(state_.options.prefix);
  request.set_range_end(RangeEnd(state_.options.prefix));
  request.set_limit(static_cast<std::int64_t>(limit));
  etcdserverpb::RangeResponse response;
  LOQUAT_TRY(Unary([&](grpc::ClientContext* context) { return keys_->Range(context, request, &response); }));
  return ToRangeAnswer(std::move(response));
}

bool GrpcConnection::Wait(Op wanted, gpr_timespec until, bool& ok) {
  for (;;) {
    void* tag = nullptr;
    if (queue_.AsyncNext(&tag, &ok, until) != grpc::CompletionQueue::GOT_EVENT) return false;
    if (tag == Tag(Op::kWrite)) writing_ = false;
    if (tag == Tag(wanted)) return true;
  }
}

// Why the stream is over.
base::Error GrpcConnection::End() {
  bool ok = false;
  stream_->Finish(&finished_, Tag(Op::kFinish));
  if (!Wait(Op::kFinish, In(state_.options.call_timeout), ok)) {
    context_->TryCancel();
    // Comes at once: nothing of a cancelled call waits for the peer.
    (void)Wait(Op::kFinish, gpr_inf_future(GPR_CLOCK_MONOTONIC), ok);
  }
  if (running_->stopped()) return Stopped();
  return ToError(finished_);
}

base::Status GrpcConnection::Write(const etcdserverpb::WatchRequest& request) {
  bool ok = false;
  if (writing_ && !Wait(Op::kWrite, In(state_.options.call_timeout), ok)) {
    return base::Unavailable("it takes no request");
  }
  stream_->Write(request, Tag(Op::kWrite));
  writing_ = true;
  return {};
}

base::Status GrpcConnection::Watch(std::int64_t from) {
  context_ = NewContext();
  running_ = std::make_unique<Running>(state_, *context_);
  stream_ = watches_->PrepareAsyncWatch(context_.get(), &queue_);
  stream_->StartCall(Tag(Op::kStart));
  bool ok = false;
  if (!Wait(Op::kStart, In(state_.options.call_timeout), ok)) {
    context_->TryCancel();
    return base::Unavailable("no connection within etcd.call_timeout");
  }
  if (!ok) return End();
  etcdserverpb::WatchRequest request;
  auto& create = *request.mutable_create_request();
  create.set_key(state_.options.prefix);
  create.set_range_end(RangeEnd(state_.options.prefix));
  create.set_start_revision(from);
  create.set_progress_notify(true);
  create.set_fragment(true);
  LOQUAT_TRY(Write(request));
  stream_->Read(&read_, Tag(Op::kRead));
  return {};
}

base::Result<WatchMessage> GrpcConnection::Next(base::Duration wait) {
  bool ok = false;
  if (!Wait(Op::kRead, In(wait), ok)) {
    return base::Error{.code = base::Code::kDeadlineExceeded, .message = "silent", .reason = std::string(kSilent)};
  }
  if (!ok) return End();
  WatchMessage message = ToWatchMessage(std::exchange(read_, {}));
  stream_->Read(&read_, Tag(Op::kRead));
  return message;
}

base::Status GrpcConnection::AskProgress() {
  etcdserverpb::WatchRequest request;
  request.mutable_progress_request();
  return Write(request);
}

grpc::ChannelArguments Arguments(const EtcdOptions& options) {
  const std::size_t bytes = options.bytes_max + (options.keys_max + 1) * kKeyOverheadBytes;
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(static_cast<int>(std::min<std::size_t>(2 * bytes, 1 << 30)));
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // A proxy for the web is none for etcd.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return arguments;
}

}  // namespace

base::Result<std::unique_ptr<GrpcClient>> GrpcClient::Create(const EtcdOptions& options) {
  auto state = std::make_unique<State>();
  state->options = options;
  state->credentials = grpc::InsecureChannelCredentials();
  if (options.tls) {
    grpc::SslCredentialsOptions tls;
    LOQUAT_ASSIGN(tls.pem_root_certs, ReadPem(options.tls->ca_file));
    LOQUAT_ASSIGN(tls.pem_cert_chain, ReadPem(options.tls->certificate));
    LOQUAT_ASSIGN(tls.pem_private_key, ReadPem(options.tls->key));
    state->credentials = grpc::SslCredentials(tls);
  }
  return std::unique_ptr<GrpcClient>(new GrpcClient(std::move(state)));
}

GrpcClient::GrpcClient(std::unique_ptr<State> state) : state_(std::move(state)) {}
GrpcClient::~GrpcClient() = default;

std::size_t GrpcClient::endpoint_count() const {
  return state_->options.endpoints.size();
}

std::string GrpcClient::endpoint(std::size_t index) const {
  return state_->options.endpoints.at(index);
}

base::Result<std::unique_ptr<Connection>> GrpcClient::Connect(std::size_t index) {
  auto channel = grpc::CreateCustomChannel(endpoint(index), state_->credentials, Arguments(state_->options));
  auto connection = std::make_unique<GrpcConnection>(*state_, std::move(channel));
  if (!state_->options.username.empty()) LOQUAT_TRY(connection->LogIn());
  return connection;
}

void GrpcClient::Stop() {
  const base::MutexLock lock(state_->mutex);
  state_->stopped = true;
  if (state_->running != nullptr) state_->running->TryCancel();
}

}  // namespace loquat::config::etcd
