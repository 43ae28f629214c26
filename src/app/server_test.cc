// The whole server in this process, on a small trained model and real sockets.

#include "app/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include "base/digest.h"
#include "base/json_value.h"
#include "net/test_client.h"
#include "net/url.h"
#include "pipeline/test_assistant.h"

namespace loquat::app {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr std::string_view kBase = "server: {listen: \"127.0.0.1:0\", io_threads: 1}\nlog: {level: \"off\"}\n";

std::string Post(std::string_view path, std::string_view body, std::string_view headers = {}) {
  return "POST " + std::string(path) + " HTTP/1.1\r\nHost: x\r\n" + std::string(headers) +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}
std::string Get(std::string_view path) {
  return "GET " + std::string(path) + " HTTP/1.1\r\nHost: x\r\n\r\n";
}

class ServerTest : public testing::Test {
 protected:
  base::Result<std::unique_ptr<Server>> Load(std::string_view more, const std::string& model) {
    WriteConfig(more);
    config::Sources sources{.file = file_, .variables = {}, .overrides = {}};
    LOQUAT_ASSIGN(auto options, config::Load<Options>(sources));
    return Server::Start(std::move(options), std::move(sources), model);
  }
  void Start(std::string_view more = {}) {
    auto server = Load(more, pipeline::TestModel::Path());
    ASSERT_TRUE(server.has_value()) << server.error().message;
    server_ = std::move(*server);
    port_ = net::ParseHttpUrl(server_->url())->port;
  }
  void WriteConfig(std::string_view more) {
    ASSERT_TRUE(base::WriteFileAtomically(file_, std::string(kBase) + std::string(more)).has_value());
  }
  std::string Ask(std::string_view request) {
    net::RawClient client(port_);
    client.Send(request);
    return client.ReadResponse();
  }
  // Asks for the metrics until `line` is among them, for half a minute at most.
  bool WaitForMetric(std::string_view line) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    net::RawClient client(port_);
    while (std::chrono::steady_clock::now() < until) {
      client.Send(Get("/metrics"));
      if (client.ReadResponse().contains("\n" + std::string(line) + "\n")) return true;
      std::this_thread::yield();
    }
    return false;
  }

  const pipeline::TempFolder folder_;
  const std::string file_ = folder_.File("loquat.yaml");
  std::unique_ptr<Server> server_;
  std::uint16_t port_ = 0;
};

TEST_F(ServerTest, AnswersOverARealSocket) {
  Start();
  EXPECT_THAT(server_->url(), StartsWith("http://127.0.0.1:"));
  EXPECT_EQ(server_->tls_url(), "");
  EXPECT_GT(server_->start_ms(), 0);
  EXPECT_THAT(server_->model_summary(), HasSubstr("assistant (" + pipeline::TestModel::Path() + "): 3 intents"));
  const std::string answer = Ask(Post("/v1/understand", R"({"text":"play some jazz","session":"s","reply":true})"));
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr("\"intent\":{\"name\":\"play_music\""));
  EXPECT_THAT(Ask(Get("/v1/sessions/s")), HasSubstr("\"turn\":1"));
}

TEST_F(ServerTest, ServesEveryRouteOfTheTable) {
  Start();
  for (const std::string path : {"/livez", "/readyz", "/healthz", "/metrics", "/debug/vars", "/openapi.yaml",
                                 "/console", "/console/console.js", "/console/console.css", "/console/loquat.svg"}) {
    EXPECT_THAT(Ask(Get(path)), StartsWith("HTTP/1.1 200 OK\r\n")) << path;
  }
  EXPECT_THAT(Ask(Get("/console")), HasSubstr("Content-Type: text/html"));
  EXPECT_THAT(Ask(Get("/console/console.js")), HasSubstr("Content-Type: text/javascript"));
  EXPECT_THAT(Ask(Get("/openapi.yaml")), HasSubstr("openapi: 3.1.0"));
  EXPECT_THAT(Ask(Get("/console/index.html")), StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(Ask(Get("/nothing")), HasSubstr("\"reason\":\"no_route\""));
}

TEST_F(ServerTest, ShowsItsStateAsJson) {
  Start();
  Ask(Post("/v1/understand", R"({"text":"play some jazz","session":"s"})"));
  const std::string answer = Ask(Get("/debug/vars"));
  base::JsonParser parser;
  const auto root = parser.Parse(std::string_view(answer).substr(answer.find("\r\n\r\n") + 4));
  ASSERT_TRUE(root.has_value()) << answer;
  const base::JsonObject vars = *root->AsObject();
  EXPECT_EQ(*vars.Find("model").AsObject()->Find("intents").AsInt(), 3);
  EXPECT_EQ(*vars.Find("sessions").AsObject()->Find("count").AsInt(), 1);
  EXPECT_EQ(*vars.Find("requests_in_flight").AsInt(), 1);
  EXPECT_GE(*vars.Find("connections").AsInt(), 1);
  EXPECT_GT(*vars.Find("uptime_seconds").AsDouble(), 0);
  const base::JsonObject latency = *vars.Find("latency_us").AsObject()->Find("/v1/understand").AsObject();
  EXPECT_EQ(*latency.Find("count").AsInt(), 1);
  EXPECT_GT(*latency.Find("p99").AsDouble(), 0);
}

TEST_F(ServerTest, CountsWhatTheNetworkSees) {
  Start();
  Ask(Get("/livez"));
  Ask("NONSENSE\r\n\r\n");
  const std::string metrics = Ask(Get("/metrics"));
  EXPECT_THAT(metrics, HasSubstr("\nloquat_connections_opened_total{transport=\"tcp\"} 3\n"));
  EXPECT_THAT(metrics, HasSubstr("\nloquat_connections_opened_total{transport=\"tls\"} 0\n"));
  EXPECT_THAT(metrics, HasSubstr("\nloquat_protocol_errors_total{"));
  EXPECT_THAT(metrics, HasSubstr("\nloquat_http_requests_total{route=\"/livez\",method=\"GET\",status=\"200\"} 1\n"));
}

TEST_F(ServerTest, WhatNoEndpointSeesHasTheSameErrorBody) {
  Start();
  const std::string answer = Ask("NONSENSE\r\n\r\n");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(answer, HasSubstr("{\"error\":{\"code\":\"invalid_argument\",\"message\":"));
}

TEST_F(ServerTest, DrainsWithNothingCut) {
  Start();
  net::RawClient idle(port_);
  idle.Send(Get("/livez"));
  EXPECT_THAT(idle.ReadResponse(), StartsWith("HTTP/1.1 200"));
  net::RawClient busy(port_);
  busy.Send(Get("/livez"));
  busy.ReadResponse();
  std::string inputs;
  for (int i = 0; i < 200; ++i) inputs += std::string(i == 0 ? "" : ",") + R"({"text":"play some jazz"})";
  busy.Send(Post("/v1/understand", R"({"inputs":[)" + inputs + "]}"));
  const net::DrainReport report = server_->Drain();
  EXPECT_EQ(report.exchanges_cut, 0u);
  EXPECT_EQ(report.connections_cut, 0u);
  const std::string answer = busy.ReadResponse();
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(answer, HasSubstr("-199\""));
  EXPECT_EQ(idle.ReadToEnd(), "");
  EXPECT_FALSE(net::RawClient(port_).connected());
}

TEST_F(ServerTest, MayBeDestroyedWithoutADrain) {
  Start();
  net::RawClient client(port_);
  client.Send(Get("/livez"));
  EXPECT_THAT(client.ReadResponse(), StartsWith("HTTP/1.1 200"));
  server_.reset();
  EXPECT_EQ(client.ReadToEnd(), "");
}

TEST_F(ServerTest, AReloadSwapsThePolicy) {
  Start();
  const std::string ask = Post("/v1/understand", R"({"text":"what is the weather in paris"})");
  EXPECT_THAT(Ask(ask), HasSubstr(" 0.92"));
  WriteConfig("delivery: {sync_confidence_min: 0.11}\n");
  ASSERT_TRUE(WaitForMetric("loquat_config_reloads_total{result=\"changed\"} 1"));
  EXPECT_THAT(Ask(ask), HasSubstr(" >= 0.11"));
}

TEST_F(ServerTest, ABadFileChangesNothing) {
  Start("delivery: {sync_confidence_min: 0.13}\n");
  WriteConfig("delivery: {sync_confidence_min: 7}\n");
  ASSERT_TRUE(WaitForMetric("loquat_config_reloads_total{result=\"failed\"} 1"));
  ASSERT_TRUE(WaitForMetric("loquat_config_last_reload_success 0"));
  EXPECT_THAT(Ask(Post("/v1/understand", R"({"text":"what is the weather in paris"})")), HasSubstr(" >= 0.13"));
}

TEST_F(ServerTest, ADrainTakesTheTimeoutOfTheLastReload) {
  Start("");
  net::RawClient slow(port_);
  slow.Send("POST /v1/understand HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n");
  EXPECT_THAT(slow.ReadUntil("\r\n\r\n"), StartsWith("HTTP/1.1 100"));
  ASSERT_TRUE(
      base::WriteFileAtomically(
          file_, "server: {listen: \"127.0.0.1:0\", io_threads: 1, drain_timeout: 0ms}\nlog: {level: \"off\"}\n")
          .has_value());
  ASSERT_TRUE(WaitForMetric("loquat_config_reloads_total{result=\"changed\"} 1"));
  // With the timeout of the start, half a minute, the body's own timeout would have ended the connection first.
  EXPECT_GE(server_->Drain().connections_cut, 1u);
}

TEST_F(ServerTest, AsksForKeysWhereTheyAreConfigured) {
  const std::string keys =
      "server: {listen: \"127.0.0.1:0\", api_keys: [{name: ann, sha256: "
      "\"" +
      base::Sha256Hex("secret-key-of-ann") + "\"}]}\nlog: {level: \"off\"}\n";
  ASSERT_TRUE(base::WriteFileAtomically(file_, keys).has_value());
  config::Sources sources{.file = file_, .variables = {}, .overrides = {}};
  auto options = config::Load<Options>(sources);
  ASSERT_TRUE(options.has_value()) << options.error().message;
  server_ = std::move(*Server::Start(std::move(*options), std::move(sources), pipeline::TestModel::Path()));
  port_ = net::ParseHttpUrl(server_->url())->port;
  EXPECT_THAT(Ask(Get("/livez")), StartsWith("HTTP/1.1 200"));
  for (const std::string path : {"/metrics", "/healthz", "/debug/vars", "/v1/sessions/s"}) {
    EXPECT_THAT(Ask(Get(path)), StartsWith("HTTP/1.1 401")) << path;
  }
  const std::string key = "Authorization: Bearer secret-key-of-ann\r\n";
  EXPECT_THAT(Ask(Post("/v1/understand", R"({"text":"play some jazz"})", key)), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(Ask(Post("/v1/understand", R"({"text":"play some jazz"})")), StartsWith("HTTP/1.1 401"));
}

TEST_F(ServerTest, ListensForTlsBesides) {
  const std::string certificate = folder_.File("c.pem"), key = folder_.File("k.pem");
  const auto made = net::RunCommand(
      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost "
      "-addext subjectAltName=DNS:localhost -keyout " +
      key + " -out " + certificate);
  ASSERT_EQ(made.exit_code, 0) << made.output;
  const std::string yaml = "server: {listen: \"127.0.0.1:0\", tls: {listen: \"127.0.0.1:0\", certificate: \"" +
                           certificate + "\", key: \"" + key + "\"}}\nlog: {level: \"off\"}\n";
  ASSERT_TRUE(base::WriteFileAtomically(file_, yaml).has_value());
  config::Sources sources{.file = file_, .variables = {}, .overrides = {}};
  auto server = Server::Start(*config::Load<Options>(sources), sources, pipeline::TestModel::Path());
  ASSERT_TRUE(server.has_value()) << server.error().message;
  const auto tls_port = net::ParseHttpUrl((*server)->tls_url())->port;
  const auto asked = net::RunCommand("curl -s --max-time 20 --cacert " + certificate +
                                     " https://localhost:" + std::to_string(tls_port) + "/livez");
  EXPECT_EQ(asked.output, "alive\n");
  std::filesystem::remove(key);
  EXPECT_FALSE(Server::Start(*config::Load<Options>(sources), sources, pipeline::TestModel::Path()).has_value());
}

TEST_F(ServerTest, SaysWhyItCannotStart) {
  const auto no_model = Load("", folder_.File("nowhere"));
  ASSERT_FALSE(no_model.has_value());
  EXPECT_THAT(no_model.error().message, HasSubstr("nowhere"));
  Start();
  const std::string taken = "server: {listen: \"127.0.0.1:" + std::to_string(port_) + "\"}\nlog: {level: \"off\"}\n";
  ASSERT_TRUE(base::WriteFileAtomically(file_, taken).has_value());
  config::Sources sources{.file = file_, .variables = {}, .overrides = {}};
  const auto second = Server::Start(*config::Load<Options>(sources), sources, pipeline::TestModel::Path());
  ASSERT_FALSE(second.has_value());
  EXPECT_THAT(second.error().message, HasSubstr(std::to_string(port_)));
}

TEST_F(ServerTest, LogsToARotatingFile) {
  const std::string log = folder_.File("loquat.log");
  ASSERT_TRUE(base::WriteFileAtomically(
                  file_, "server: {listen: \"127.0.0.1:0\"}\nlog: {level: debug, file: {path: \"" + log + "\"}}\n")
                  .has_value());
  config::Sources sources{.file = file_, .variables = {}, .overrides = {}};
  testing::internal::CaptureStderr();
  auto server = Server::Start(*config::Load<Options>(sources), sources, pipeline::TestModel::Path());
  ASSERT_TRUE(server.has_value()) << server.error().message;
  port_ = net::ParseHttpUrl((*server)->url())->port;
  Ask(Get("/livez"));
  (*server)->Drain();
  server->reset();
  testing::internal::GetCapturedStderr();
  const auto lines = base::ReadFile(log);
  ASSERT_TRUE(lines.has_value()) << lines.error().message;
  EXPECT_THAT(*lines, HasSubstr("\"route\":\"/livez\""));
}

}  // namespace
}  // namespace loquat::app
