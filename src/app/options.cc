#include "app/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "app/address.h"
#include "kernels/isa.h"

namespace loquat::app {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

bool IsAddress(std::string_view text) {
  return ParseAddress(text).has_value();
}
constexpr std::string_view kAddressForm = "HOST:PORT, [IPV6]:PORT or unix:/PATH; port 0 picks a free one";

}  // namespace

void Declare(config::Section<TlsOptions>& section) {
  section.Key("listen", &TlsOptions::listen)
      .Required()
      .Match(IsAddress, kAddressForm)
      .NeedsRestart()
      .Help("Where to listen for TLS.");
  section.Key("certificate", &TlsOptions::certificate)
      .Required()
      .NeedsRestart()
      .Help("PEM file: the certificate, then its chain.");
  section.Key("key", &TlsOptions::key).Required().NeedsRestart().Help("PEM file of the private key, unencrypted.");
}

void Declare(config::Section<TimeoutOptions>& section) {
  const auto low = milliseconds(10);
  section.Key("handshake", &TimeoutOptions::handshake)
      .Range(low, milliseconds(hours(1)))
      .NeedsRestart()
      .Help("TLS handshake.");
  section.Key("head", &TimeoutOptions::head)
      .Range(low, milliseconds(hours(1)))
      .NeedsRestart()
      .Help("From the first byte of a request to the end of its head; then 408.");
  section.Key("idle", &TimeoutOptions::idle)
      .Range(low, milliseconds(hours(24)))
      .NeedsRestart()
      .Help("A connection without a request is closed after it.");
  section.Key("write_stall", &TimeoutOptions::write_stall)
      .Range(low, milliseconds(hours(1)))
      .NeedsRestart()
      .Help("A client that reads nothing for so long is cut.");
  section.Key("body_grace", &TimeoutOptions::body_grace)
      .Range(low, milliseconds(hours(1)))
      .NeedsRestart()
      .Help("A body may take so long, and a second more for each KiB of it; then 408.");
}

void Declare(config::Section<ServerOptions>& section) {
  section.Key("listen", &ServerOptions::listen)
      .Match(IsAddress, kAddressForm)
      .NeedsRestart()
      .Help("Address and port of HTTP/1.1 and HTTP/2 (h2c).");
  section.Sub("tls", &ServerOptions::tls).Help("A second listener with TLS; HTTP/2 by ALPN.");
  section.Key("io_threads", &ServerOptions::io_threads)
      .Range(0, 1024)
      .NeedsRestart()
      .Help("Threads that serve connections; 0: one for every two cores.");
  section.Key("pin_io_threads", &ServerOptions::pin_io_threads)
      .NeedsRestart()
      .Help(
          "Each of them stays on a core of its own. For a server that has the machine to itself and is full: the "
          "system else "
          "puts two of them, or one and a client of this machine, on one core while a model has the other.");
  section.Key("connections_max", &ServerOptions::connections_max)
      .Range(1, 1'000'000)
      .NeedsRestart()
      .Help("Open connections; one more is refused with 503.");
  section.Key("streams_max", &ServerOptions::streams_max)
      .Range(1, 65'535)
      .NeedsRestart()
      .Help("Concurrent HTTP/2 streams of one connection.");
  section.Key("header_bytes_max", &ServerOptions::header_bytes_max)
      .Bytes()
      .Range(1024, 1 << 20)
      .NeedsRestart()
      .Help("Head of one request; more is refused with 431.");
  section.Key("body_bytes_max", &ServerOptions::body_bytes_max)
      .Bytes()
      .Range(1024, 1 << 30)
      .NeedsRestart()
      .Help("Body of one request; more is refused with 413.");
  section.Sub("timeouts", &ServerOptions::timeouts).Help("How long each phase of a connection may take.");
  section.Key("drain_timeout", &ServerOptions::drain_timeout)
      .Range(milliseconds(0), milliseconds(hours(1)))
      .Help("At SIGTERM, how long accepted requests may take to finish.");
  section.Key("cors_origins", &ServerOptions::cors_origins)
      .NeedsRestart()
      .Help("Origins whose pages may call, \"*\" for any; empty: none.");
  section.Sub("api_keys", &ServerOptions::api_keys).NeedsRestart().Help("Who may call; empty: everybody.");
}

void Declare(config::Section<ModelOptions>& section) {
  section.Key("name", &ModelOptions::name).Size(1, 64).NeedsRestart().Help("Name of the model in health and metrics.");
  section.Key("path", &ModelOptions::path).NeedsRestart().Help("Model folder; empty: the bundled one.");
  section.Key("isa", &ModelOptions::isa)
      .Match(
          [](std::string_view isa) {
            return isa.empty() ||
                   std::ranges::any_of(kernels::kIsas, [&](auto each) { return kernels::IsaName(each) == isa; });
          },
          "scalar, avx2, avx_vnni, avx512, avx512_vnni, amx or nothing")
      .NeedsRestart()
      .Help("Instruction set to use; empty: the best there is.");
}

base::Result<std::shared_ptr<const text::FilterChain>> IntentFilter(const StopWordOptions& options) {
  std::vector<text::LocaleStopWords> lists;
  if (!options.zh.empty()) lists.push_back({.locale = "zh", .words = options.zh});
  if (!options.en.empty()) lists.push_back({.locale = "en", .words = options.en});
  if (lists.empty()) return nullptr;
  LOQUAT_ASSIGN(text::FilterChain chain, text::FilterChain::Create({.stop_words = std::move(lists)}));
  return std::make_shared<const text::FilterChain>(std::move(chain));
}

void Declare(config::Section<StopWordOptions>& section) {
  section.Key("zh", &StopWordOptions::zh).Help("Of Chinese text.");
  section.Key("en", &StopWordOptions::en).Help("Of English text.");
  section.Check([](const StopWordOptions& options) -> base::Status {
    LOQUAT_TRY(IntentFilter(options));
    return {};
  });
}

void Declare(config::Section<UnderstandOptions>& section) {
  using understanding::Truncation;
  section.Key("text_bytes_max", &UnderstandOptions::text_bytes_max)
      .Bytes()
      .Range(1, 1 << 20)
      .NeedsRestart()
      .Help("Longest text of one request; more is refused with 413.");
  section.Key("batch_max", &UnderstandOptions::batch_max)
      .Range(1, 4096)
      .NeedsRestart()
      .Help("Most inputs of one batch.");
  section.Key("tokens_max", &UnderstandOptions::tokens_max).Range(1, 65'536).Help("Tokens looked at.");
  section.Key("truncation", &UnderstandOptions::truncation)
      .Names({{"error", Truncation::kError},
              {"head", Truncation::kHead},
              {"tail", Truncation::kTail},
              {"middle", Truncation::kMiddle}})
      .Help(
          "Text of more tokens: refuse it, or keep its head, its tail, or both ends; the answer says how much was "
          "cut.");
  section.Key("ranking_max", &UnderstandOptions::ranking_max).Range(1, 1000).Help("Intents listed in a ranking.");
  section.Key("early_risk_max", &UnderstandOptions::early_risk_max)
      .Range(0.0, 1.0)
      .Help(
          "While text arrives, the intent is called stable when it is taken back in no more than this share of such "
          "cases, verdict and locale at two fifths of it; 0: nothing is stable before the end.");
  section.Sub("end_of_turn", &UnderstandOptions::end_of_turn).Help("When a turn whose text is arriving is over.");
  section.Sub("stop_words", &UnderstandOptions::stop_words)
      .Help(
          "Words and phrases that say nothing about the intent, as a wake word: it is ranked without them. Slots are "
          "still "
          "found in the whole text.");
}

void Declare(config::Section<SessionOptions>& section) {
  section.Key("store", &SessionOptions::store)
      .Names({{"memory", SessionStoreKind::kMemory}, {"redis", SessionStoreKind::kRedis}})
      .NeedsRestart()
      .Help("Where sessions live: in this process, or in a Redis that servers share.");
  section.Sub("redis", &SessionOptions::redis).Help("The Redis of sessions.store: redis.");
  section.Key("ttl", &SessionOptions::ttl)
      .Range(milliseconds(seconds(1)), milliseconds(hours(24 * 30)))
      .NeedsRestart()
      .Help("A session unused for so long is forgotten.");
  section.Key("sessions_max", &SessionOptions::sessions_max)
      .Range(32, 100'000'000)
      .NeedsRestart()
      .Help("Sessions kept in memory (with Redis: as copies); the least recently used go first.");
  section.Key("bytes_max", &SessionOptions::bytes_max)
      .Bytes()
      .Range(1 << 20, std::int64_t{1} << 40)
      .NeedsRestart()
      .Help("Memory for sessions, estimated.");
}

void Declare(config::Section<LogFileOptions>& section) {
  section.Key("path", &LogFileOptions::path).Required().NeedsRestart().Help("File to log to, besides standard error.");
  section.Key("bytes_max", &LogFileOptions::bytes_max)
      .Bytes()
      .Range(1024, std::int64_t{1} << 40)
      .NeedsRestart()
      .Help("The file is put away and compressed at this size.");
  section.Key("backups", &LogFileOptions::backups).Range(0, 1000).NeedsRestart().Help("Files put away that are kept.");
  section.Key("age_max", &LogFileOptions::age_max)
      .Range(hours(1), hours(24 * 3650))
      .NeedsRestart()
      .Help("Files put away longer ago are deleted.");
}

void Declare(config::Section<LogOptions>& section) {
  using observe::Level;
  section.Key("level", &LogOptions::level)
      .Names({{"trace", Level::kTrace},
              {"debug", Level::kDebug},
              {"info", Level::kInfo},
              {"warn", Level::kWarn},
              {"error", Level::kError},
              {"off", Level::kOff}})
      .Help("Least severe lines to keep; debug shows every request.");
  section.Key("format", &LogOptions::format)
      .Names({{"console", LogFormat::kConsole}, {"json", LogFormat::kJson}})
      .NeedsRestart()
      .Help("Form of the lines on standard error.");
  section.Sub("file", &LogOptions::file).Help("A rotated file of JSON lines.");
}

namespace {

base::Status CheckModels(const std::vector<EngineModelOptions>& models) {
  if (models.size() > kEngineModelsMax) return base::InvalidArgument("too many models; at most 64");
  for (auto model = models.begin(); model != models.end(); ++model) {
    if (std::find_if(std::next(model), models.end(), [&](const auto& m) { return m.name == model->name; }) !=
        models.end()) {
      return base::InvalidArgument("two models are called \"" + model->name + "\"; names differ");
    }
  }
  return {};
}

// What names a model names one that there is.
base::Status CheckModelNames(const Options& options) {
  std::vector<std::string> names;
  for (const EngineModelOptions& model : options.models) names.push_back(model.name);
  LOQUAT_TRY(pipeline::CheckEncoderNames(options.encoders, names, options.model.name));
  const std::string& model = options.reply.model;
  if (model.empty() || std::ranges::find(names, model) != names.end()) return {};
  return base::InvalidArgument(
      fmt::format("there is no model \"{}\" among `models`{}", model,
                  names.empty() ? ", which is empty" : fmt::format(": {}", fmt::join(names, ", "))),
      "/reply/model");
}

// The address is one, and TLS has a certificate from somewhere.
base::Status CheckGrpc(const Options& options) {
  const ingress::GrpcOptions& grpc = options.grpc;
  if (!grpc.listen.empty() && !IsAddress(grpc.listen)) {
    return base::InvalidArgument(fmt::format("\"{}\" is no address: {}", grpc.listen, kAddressForm), "/grpc/listen");
  }
  if (!grpc.tls || !grpc.tls->certificate.empty() || options.server.tls) return {};
  return base::InvalidArgument(
      "there is no certificate: give `certificate` and `key` here, or a `server.tls` that has them", "/grpc/tls");
}

}  // namespace

void Declare(config::Section<Options>& section) {
  section.Sub("server", &Options::server).Help("The HTTP server.");
  section.Sub("model", &Options::model).Help("What understands.");
  section.Sub("models", &Options::models).NeedsRestart().Check(CheckModels).Help("What generates and embeds.");
  section.Sub("understand", &Options::understand).Help("Bounds of understanding.");
  section.Sub("encoders", &Options::encoders)
      .Help("Models of `models` that add to what is understood, or understand beside the assistant's own model.");
  section.Sub("reply", &Options::reply).Help("Replies that a model of `models` makes.");
  section.Sub("sessions", &Options::sessions).Help("Conversations.");
  section.Sub("delivery", &Options::delivery).Help("How answers go out.");
  section.Sub("actions", &Options::actions).Help("What intents do at other services.");
  section.Sub("stream", &Options::stream).Help("Text that arrives bit by bit, on any protocol.");
  section.Sub("resume", &Options::resume).NeedsRestart().Help("Streams that a client may drop and take up again.");
  section.Sub("websocket", &Options::websocket).Help("The WebSocket of /v1/stream.");
  section.Sub("grpc", &Options::grpc).Help("The gRPC server.");
  section.Sub("kafka", &Options::kafka).Help("Records of a Kafka topic, answered to another one.");
  section.Sub("log", &Options::log).Help("The structured log.");
  section.Sub(config::etcd::kSectionName, &Options::etcd)
      .Help("Configuration from etcd, over the file's; this section itself is not read from there.");
  section.Check(CheckModelNames);
  section.Check(CheckGrpc);
}

}  // namespace loquat::app
