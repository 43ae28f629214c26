// TLS with a certificate made by openssl for the test, against curl and our own client.

#include "net/tls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "net/test_client.h"
#include "net/test_server.h"

namespace loquat::net {
namespace {

using testing::HasSubstr;

struct Certificate {
  explicit Certificate(const TempFolder& folder, const std::string& name = "localhost")
      : certificate(folder.File(name + ".pem")), key(folder.File(name + ".key")) {
    const auto made = RunCommand(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=" + name +
        " -addext subjectAltName=DNS:" + name + " -keyout " + key + " -out " + certificate);
    EXPECT_EQ(made.exit_code, 0) << made.output;
  }
  const std::string certificate;
  const std::string key;
};

std::shared_ptr<TlsContext> ServerContext(const Certificate& files) {
  auto context = TlsContext::ForServer({.certificate_file = files.certificate, .key_file = files.key});
  EXPECT_TRUE(context.has_value()) << context.error().message;
  return context.value_or(nullptr);
}

std::string Curl(const TestServer& server, const Certificate& files, const std::string& options) {
  return RunCommand("curl -s --max-time 20 --cacert " + files.certificate + " " + options +
                    " https://localhost:" + std::to_string(server.port) + "/")
      .output;
}

asio::awaitable<void> TellVersion(HttpExchange& exchange) {
  const HttpRequest& request = exchange.request();
  exchange.Respond(200, {},
                   std::string(request.version == HttpVersion::kHttp2 ? "2" : "1") +
                       (request.secure ? " secure " : " plain ") + std::string(request.body));
  co_return;
}

TEST(Tls, AlpnChoosesTheVersion) {
  TempFolder folder;
  const Certificate files(folder);
  TestServer server(TellVersion, {}, nullptr, ServerContext(files));
  EXPECT_EQ(Curl(server, files, "--http2"), "2 secure ");
  EXPECT_EQ(Curl(server, files, "--http1.1"), "1 secure ");
  EXPECT_EQ(Curl(server, files, "--no-alpn"), "1 secure ");
  EXPECT_EQ(Curl(server, files, "--tls-max 1.2"), "2 secure ");
}

TEST(Tls, OldVersionsAreRefused) {
  TempFolder folder;
  const Certificate files(folder);
  TestServer server(TellVersion, {}, nullptr, ServerContext(files));
  const auto old =
      RunCommand("openssl s_client -tls1_1 -connect 127.0.0.1:" + std::to_string(server.port) + " < /dev/null");
  EXPECT_NE(old.exit_code, 0);
  EXPECT_EQ(Curl(server, files, "--http1.1"), "1 secure ");
}

TEST(Tls, LargeBodiesCrossBothWays) {
  TempFolder folder;
  const Certificate files(folder);
  std::string body;
  for (int i = 0; i < 1'000'000; ++i) body += static_cast<char>('a' + i % 26);
  const std::string file = folder.Write("body", body);
  TestServer server(Echo, {}, nullptr, ServerContext(files));
  EXPECT_EQ(Curl(server, files, "--http1.1 --data-binary @" + file), body);
  EXPECT_EQ(Curl(server, files, "--http2 --data-binary @" + file), body);
}

TEST(Tls, PlainTextOnATlsPortIsDropped) {
  TempFolder folder;
  const Certificate files(folder);
  TestServer server(Echo, {}, nullptr, ServerContext(files));
  RawClient client(server.port);
  client.Send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  client.ReadToEnd();
  EXPECT_EQ(Curl(server, files, "--http1.1"), "hello");
}

TEST(Tls, ASlowHandshakeIsCut) {
  TempFolder folder;
  const Certificate files(folder);
  HttpServerOptions options;
  options.timeouts.handshake = std::chrono::milliseconds(50);
  TestServer server(Echo, options, nullptr, ServerContext(files));
  RawClient client(server.port);
  client.Send("\x16\x03\x01");
  EXPECT_EQ(client.ReadToEnd(), "");
}

TEST(Tls, ReloadServesTheNewCertificateAndABadOneChangesNothing) {
  TempFolder folder;
  const Certificate old_files(folder, "localhost");
  const Certificate other(folder, "other.example");
  const auto context = ServerContext(old_files);
  TestServer server(Echo, {}, nullptr, context);
  std::filesystem::copy_file(old_files.certificate, folder.File("old.pem"));
  EXPECT_EQ(Curl(server, old_files, "--http1.1"), "hello");
  folder.Write("localhost.pem", "not a certificate");
  const auto bad = context->Reload();
  ASSERT_FALSE(bad.has_value());
  EXPECT_THAT(bad.error().message, HasSubstr("localhost.pem"));
  const std::string trust_old = "curl -s --cacert " + folder.File("old.pem") + " https://localhost:";
  EXPECT_EQ(RunCommand(trust_old + std::to_string(server.port) + "/").output, "hello");
  // A certificate with another one's key is no better.
  std::filesystem::copy_file(other.certificate, folder.File("localhost.pem"),
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_FALSE(context->Reload().has_value());
  std::filesystem::copy_file(other.key, folder.File("localhost.key"),
                             std::filesystem::copy_options::overwrite_existing);
  ASSERT_TRUE(context->Reload().has_value());
  const std::string shown =
      RunCommand("openssl s_client -connect 127.0.0.1:" + std::to_string(server.port) + " < /dev/null").output;
  EXPECT_THAT(shown, HasSubstr("other.example"));
}

TEST(Tls, MissingFilesAreNamed) {
  const auto context =
      TlsContext::ForServer({.certificate_file = "/nonexistent/c.pem", .key_file = "/nonexistent/k.pem"});
  ASSERT_FALSE(context.has_value());
  EXPECT_THAT(context.error().message, HasSubstr("/nonexistent/c.pem"));
}

}  // namespace
}  // namespace loquat::net
