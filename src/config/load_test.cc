#include "config/load.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace loquat::config {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

enum class Mode { kFast, kSafe };

struct TlsOptions {
  std::string certificate;
  std::string password;
  bool operator==(const TlsOptions&) const = default;
};

void Declare(Section<TlsOptions>& s) {
  s.Key("certificate", &TlsOptions::certificate).Required().Size(1, 200).Help("PEM file with the chain.");
  s.Key("password", &TlsOptions::password).Secret().Help("Password of the key.");
}

struct ServerOptions {
  std::string listen = "127.0.0.1:8080";
  int connections_max = 5000;
  std::chrono::milliseconds idle_timeout{60'000};
  std::uint64_t body_bytes_max = 1 << 20;
  double threshold = 0.92;
  bool cors = false;
  Mode mode = Mode::kSafe;
  std::vector<std::string> origins;
  std::vector<int> ports = {80};
  std::optional<TlsOptions> tls;
  std::optional<int> workers;
  bool operator==(const ServerOptions&) const = default;
};

void Declare(Section<ServerOptions>& s) {
  s.Key("listen", &ServerOptions::listen)
      .Match([](std::string_view text) { return text.find(':') != std::string_view::npos; }, "host:port")
      .Help("Address and port to listen on.")
      .NeedsRestart();
  s.Key("connections_max", &ServerOptions::connections_max).Range(1, 1'000'000).Help("Open connections at most.");
  s.Key("idle_timeout", &ServerOptions::idle_timeout).Range(1ms, 1h).Help("Silence after which one is closed.");
  s.Key("body_max", &ServerOptions::body_bytes_max).Bytes().Range(0, 64 << 20).Help("Largest body.");
  s.Key("threshold", &ServerOptions::threshold).Range(0.0, 1.0);
  s.Key("cors", &ServerOptions::cors);
  s.Key("mode", &ServerOptions::mode).Names({{"fast", Mode::kFast}, {"safe", Mode::kSafe}});
  s.Key("origins", &ServerOptions::origins);
  s.Key("ports", &ServerOptions::ports).Range(1, 65535);
  s.Sub("tls", &ServerOptions::tls);
  s.Key("workers", &ServerOptions::workers).Range(0, 256);
  s.Check([](const ServerOptions& o) -> base::Status {
    if (o.mode == Mode::kFast && o.tls.has_value())
      return base::InvalidArgument("mode fast and tls exclude each other");
    return {};
  });
}

struct ModelOptions {
  std::string path;
  int replicas = 1;
  bool operator==(const ModelOptions&) const = default;
};

void Declare(Section<ModelOptions>& s) {
  s.Key("path", &ModelOptions::path).Required();
  s.Key("replicas", &ModelOptions::replicas).Range(1, 8);
}

struct AppOptions {
  ServerOptions server;
  std::map<std::string, ModelOptions> models;
  std::map<std::string, std::string> keys;
  std::vector<ModelOptions> extra;
  float ratio = 0.5F;
  bool operator==(const AppOptions&) const = default;
};

void Declare(Section<AppOptions>& s) {
  s.Sub("server", &AppOptions::server).Help("The HTTP server.");
  s.Sub("models", &AppOptions::models).Help("Models by name.");
  s.Key("keys", &AppOptions::keys).Secret();
  s.Sub("extra", &AppOptions::extra);
  s.Key("ratio", &AppOptions::ratio).Check([](const float& ratio) -> base::Status {
    if (ratio == 0.25F) return base::InvalidArgument("a quarter is not to our taste");
    return {};
  });
}

std::string ErrorOf(std::string_view yaml) {
  const auto loaded = LoadText<AppOptions>(yaml, "loquat.yaml");
  return loaded.has_value() ? "no error" : loaded.error().message;
}

base::Result<Loaded<AppOptions>> LoadWith(Variables variables, std::vector<std::string> overrides,
                                          const std::string& file = {}) {
  return Load<AppOptions>({.file = file, .variables = std::move(variables), .overrides = std::move(overrides)});
}

std::string TempFile(const std::string& name, std::string_view text) {
  const std::string path = ::testing::TempDir() + "config_load_" + name;
  std::ofstream(path) << text;
  return path;
}

constexpr std::string_view kFull = R"(
server:
  listen: "[::1]:9000"
  connections_max: 100
  idle_timeout: 1m30s
  body_max: 4MiB
  threshold: 0.5
  cors: true
  mode: safe
  origins: [https://a.example, "yes", 010]
  ports: [80, 443]
  tls: {certificate: /etc/cert.pem, password: hunter2}
  workers: 3
models:
  small: {path: models/small}
  "two words": {path: b, replicas: 2}
keys: {alice: s3cret}
extra:
  - path: c
ratio: 0.75
)";

TEST(Load, ReadsEveryTypeOfKey) {
  const auto loaded = LoadText<AppOptions>(kFull, "loquat.yaml");
  ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
  const ServerOptions& server = loaded->server;
  EXPECT_EQ(server.listen, "[::1]:9000");
  EXPECT_EQ(server.connections_max, 100);
  EXPECT_EQ(server.idle_timeout, 90s);
  EXPECT_EQ(server.body_bytes_max, 4u << 20);
  EXPECT_EQ(server.threshold, 0.5);
  EXPECT_TRUE(server.cors);
  EXPECT_EQ(server.mode, Mode::kSafe);
  EXPECT_THAT(server.origins, ElementsAre("https://a.example", "yes", "010"));
  EXPECT_THAT(server.ports, ElementsAre(80, 443));
  EXPECT_EQ(server.tls, (TlsOptions{"/etc/cert.pem", "hunter2"}));
  EXPECT_EQ(server.workers, 3);
  EXPECT_EQ(loaded->models.at("two words"), (ModelOptions{"b", 2}));
  EXPECT_EQ(loaded->models.at("small"), (ModelOptions{"models/small", 1}));
  EXPECT_EQ(loaded->keys.at("alice"), "s3cret");
  EXPECT_THAT(loaded->extra, ElementsAre(ModelOptions{"c", 1}));
  EXPECT_EQ(loaded->ratio, 0.75F);
}

TEST(Load, NothingMeansDefaults) {
  for (const std::string_view text : {"", "{}", "# only a comment\n", "server:\n", "---\n"}) {
    const auto loaded = LoadText<AppOptions>(text, "loquat.yaml");
    ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
    EXPECT_EQ(*loaded, AppOptions{}) << text;
  }
}

constexpr std::pair<std::string_view, std::string_view> kGoldenErrors[] = {
    {"server:\n  conections_max: 1\n",
     "loquat.yaml:2:3: server: unknown key \"conections_max\", did you mean \"connections_max\"? allowed: body_max, "
     "connections_max, cors, idle_timeout, listen, mode, origins, ports, threshold, tls, workers"},
    {"zebra: 1\n", "loquat.yaml:1:1: unknown key \"zebra\"; allowed: extra, keys, models, ratio, server"},
    {"server:\n  cors: true\n  listen: a:1\n  cors: false\n",
     "loquat.yaml:4:3: duplicate key \"cors\", first on line 2"},
    {"server:\n  connections_max: 0\n",
     "loquat.yaml:2:20: server.connections_max: got \"0\": out of range; allowed: integer from 1 to 1000000"},
    {"server:\n  connections_max: many\n",
     "loquat.yaml:2:20: server.connections_max: got \"many\"; allowed: integer from 1 to 1000000"},
    {"server:\n  connections_max: 010\n",
     "loquat.yaml:2:20: server.connections_max: got \"010\": a leading zero means octal in YAML 1.1: write it "
     "without; "
     "allowed: integer from 1 to 1000000"},
    {"server:\n  connections_max: 1e3\n",
     "loquat.yaml:2:20: server.connections_max: got \"1e3\": write a whole number in plain digits, without point or "
     "exponent; allowed: integer from 1 to 1000000"},
    {"server:\n  connections_max: \"5\"\n",
     "loquat.yaml:2:20: server.connections_max: got \"5\": quotes make it text: write it without; allowed: integer "
     "from "
     "1 to 1000000"},
    {"server:\n  connections_max:\n",
     "loquat.yaml:2:3: server.connections_max: got nothing; allowed: integer from 1 to 1000000"},
    {"server:\n  connections_max: [1]\n",
     "loquat.yaml:2:20: server.connections_max: got a list; allowed: integer from 1 to 1000000"},
    {"server:\n  cors: yes\n",
     "loquat.yaml:2:9: server.cors: got \"yes\": YAML 1.1's other words for true and false are not read; allowed: "
     "true "
     "or false"},
    {"server:\n  mode: quick\n", "loquat.yaml:2:9: server.mode: got \"quick\"; allowed: fast, safe"},
    {"server:\n  idle_timeout: 5\n",
     "loquat.yaml:2:17: server.idle_timeout: got \"5\": the unit is missing; allowed: duration from 1ms to 1h (as in "
     "800ms)"},
    {"server:\n  idle_timeout: 1500us\n",
     "loquat.yaml:2:17: server.idle_timeout: got \"1500us\": not a multiple of 1ms; allowed: duration from 1ms to 1h "
     "(as in 800ms)"},
    {"server:\n  body_max: 65MiB\n",
     "loquat.yaml:2:13: server.body_max: got \"65MiB\": out of range; allowed: byte size from 0B to 64MiB (as in "
     "64KiB)"},
    {"server:\n  threshold: 1.5\n",
     "loquat.yaml:2:14: server.threshold: got \"1.5\": out of range; allowed: number from 0 to 1"},
    {"server:\n  listen: 8080\n", "loquat.yaml:2:11: server.listen: got \"8080\"; allowed: host:port"},
    {"server:\n  listen: ~\n",
     "loquat.yaml:2:11: server.listen: got nothing: for empty text write \"\"; allowed: host:port"},
    {"server:\n  ports: [80, 0]\n",
     "loquat.yaml:2:15: server.ports[1]: got \"0\": out of range; allowed: integer from 1 to 65535"},
    {"server:\n  ports: 80\n",
     "loquat.yaml:2:10: server.ports: got \"80\"; allowed: a list, each: integer from 1 to 65535"},
    {"server:\n  tls:\n",
     "loquat.yaml:2:3: server.tls: got nothing: write {} for its defaults, or leave the key out; allowed: a section "
     "of "
     "keys"},
    {"server:\n  tls: {}\n",
     "loquat.yaml:2:8: server.tls.certificate: this key is required; allowed: text of 1 to 200 bytes"},
    {"server:\n  tls: {certificate: a, password: [secret1]}\n",
     "loquat.yaml:2:35: server.tls.password: got a list; allowed: text of at most 65536 bytes"},
    {"server: 5\n", "loquat.yaml:1:9: server: got \"5\"; allowed: a section of keys"},
    {"models: [a]\n", "loquat.yaml:1:9: models: got a list; allowed: named entries, each: a section of keys"},
    {"models: {\"\": {path: a}}\n", "loquat.yaml:1:10: models.: an entry's name has 1 to 128 printable bytes"},
    {"ratio: 0.25\n", "loquat.yaml:1:8: ratio: got \"0.25\": a quarter is not to our taste; allowed: number"},
    {"ratio: 1e300\n", "loquat.yaml:1:8: ratio: got \"1e300\": out of range; allowed: number"},
    {"server: {mode: fast, tls: {certificate: a}}\n", "loquat.yaml:1:9: server: mode fast and tls exclude each other"},
    {"a: &x {<<: *x}\n", "loquat.yaml:1:12: an alias inside of what it stands for"},
    {"server: {<<: {}}\n",
     "loquat.yaml:1:10: server: merge keys are not supported; allowed: body_max, connections_max, cors, "
     "idle_timeout, "
     "listen, mode, origins, ports, threshold, tls, workers"},
};

TEST(Load, GoldenErrors) {
  for (const auto& [yaml, message] : kGoldenErrors) EXPECT_EQ(ErrorOf(yaml), message) << yaml;
}

TEST(Load, ReportsEveryProblemAtOnceAndCountsTheRest) {
  EXPECT_EQ(ErrorOf("ratio: x\nserver: {cors: 1, ports: a}\n"),
            "loquat.yaml:1:8: ratio: got \"x\"; allowed: number\n"
            "loquat.yaml:2:16: server.cors: got \"1\"; allowed: true or false\n"
            "loquat.yaml:2:26: server.ports: got \"a\"; allowed: a list, each: integer from 1 to 65535");
  std::string many = "server: {ports: [";
  for (std::size_t i = 0; i < kProblemsMax + 5; ++i) many += "0,";
  const auto loaded = LoadText<AppOptions>(many + "1]}", "f");
  ASSERT_FALSE(loaded.has_value());
  EXPECT_THAT(loaded.error().message, ::testing::EndsWith("\nand 5 more"));
  EXPECT_EQ(loaded.error().code, base::Code::kInvalidArgument);
  EXPECT_EQ(loaded.error().param, "f:1:18");
  EXPECT_EQ(loaded.error().reason, "bad_config");
}

TEST(Load, NeverShowsSecrets) {
  const std::string message =
      ErrorOf("keys: {alice: s3cret, bob: [t0psecret]}\nserver: {tls: {password: \"\\0hidden\"}}");
  EXPECT_THAT(message, Not(HasSubstr("s3cret")));
  EXPECT_THAT(message, Not(HasSubstr("t0psecret")));
  EXPECT_THAT(message, Not(HasSubstr("hidden")));
  EXPECT_THAT(message, HasSubstr("server.tls.password: got a value that is not shown: not UTF-8 text"));
  const std::string dump = Dump(*LoadText<AppOptions>(kFull, "f"));
  EXPECT_THAT(dump, Not(HasSubstr("hunter2")));
  EXPECT_THAT(dump, Not(HasSubstr("s3cret")));
  EXPECT_THAT(dump, HasSubstr("password: \"<redacted>\""));
  EXPECT_THAT(dump, HasSubstr("\"alice\": \"<redacted>\""));
}

TEST(Load, DumpReadsBackAsTheSame) {
  AppOptions options = *LoadText<AppOptions>(kFull, "f");
  options.keys["alice"] = kRedacted;
  options.server.tls->password = kRedacted;
  options.server.origins.push_back("odd \"text\"\n\t\x01\xC2\x85 \xE2\x80\xA8 \\ 帮我");
  const auto again = LoadText<AppOptions>(Dump(options), "dump");
  ASSERT_TRUE(again.has_value()) << again.error().message << Dump(options);
  EXPECT_EQ(*again, options);
  const auto defaults = LoadText<AppOptions>(Dump(AppOptions{}), "dump");
  ASSERT_TRUE(defaults.has_value()) << defaults.error().message << Dump(AppOptions{});
  EXPECT_EQ(*defaults, AppOptions{});
}

TEST(Load, DumpSaysWhatEachKeyIsAndWhereItCameFrom) {
  const auto loaded = LoadWith({{"LOQUAT_SERVER_CONNECTIONS_MAX", "7"}}, {});
  ASSERT_TRUE(loaded.has_value());
  EXPECT_THAT(Dump(loaded->value, loaded->origins),
              HasSubstr("  # Open connections at most. Allowed: integer from 1 to 1000000. From environment variable\n"
                        "  # LOQUAT_SERVER_CONNECTIONS_MAX.\n"
                        "  connections_max: 7\n"));
}

TEST(Load, DumpShowsTheKeysOfWhatIsNotThere) {
  const std::string dump = Dump(AppOptions{});
  EXPECT_THAT(dump, HasSubstr("  # tls: (absent)\n"
                              "  # If present:\n"
                              "  #   # PEM file with the chain. Allowed: text of 1 to 200 bytes. Required.\n"
                              "  #   certificate: \"\"\n"));
  EXPECT_THAT(dump, HasSubstr("extra: []\n"
                              "# Each:\n"
                              "#   # Allowed: "));
  EXPECT_THAT(dump, HasSubstr("\n#   path: \"\"\n"));
}

TEST(Load, LaterSourcesOverruleEarlierOnes) {
  const std::string file =
      TempFile("layers.yaml", "server: {connections_max: 2, listen: f:1, cors: true}\nratio: 0.1\n");
  const auto loaded = LoadWith({{"LOQUAT_SERVER_CONNECTIONS_MAX", "3"}, {"LOQUAT_SERVER_LISTEN", "e:1"}},
                               {"server.connections_max=4"}, file);
  ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
  EXPECT_EQ(loaded->value.server.connections_max, 4);
  EXPECT_EQ(loaded->value.server.listen, "e:1");
  EXPECT_TRUE(loaded->value.server.cors);
  EXPECT_EQ(loaded->value.server.mode, Mode::kSafe);
  EXPECT_EQ(loaded->origins.at("server.connections_max"), "override server.connections_max");
  EXPECT_EQ(loaded->origins.at("server.listen"), "environment variable LOQUAT_SERVER_LISTEN");
  EXPECT_EQ(loaded->origins.at("ratio"), file + ":2:8");
  EXPECT_FALSE(loaded->origins.contains("server.mode"));
}

TEST(Load, VariablesReachListsOptionalSectionsAndEntriesOfMaps) {
  const std::string file = TempFile("map.yaml", "models: {small-one: {path: a}}\nkeys: {alice: x}\n");
  const auto loaded = LoadWith({{"LOQUAT_KEYS_ALICE", "~"},
                                {"LOQUAT_MODELS_SMALL_ONE_REPLICAS", "5"},
                                {"LOQUAT_SERVER_ORIGINS", "a, b"},
                                {"LOQUAT_SERVER_PORTS", "[1, 2]"},
                                {"LOQUAT_SERVER_TLS_CERTIFICATE", "null"},
                                {"LOQUAT_SERVER_WORKERS", "9"}},
                               {}, file);
  ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
  EXPECT_EQ(loaded->value.keys.at("alice"), "~");
  EXPECT_EQ(loaded->value.models.at("small-one").replicas, 5);
  EXPECT_THAT(loaded->value.server.origins, ElementsAre("a", "b"));
  EXPECT_THAT(loaded->value.server.ports, ElementsAre(1, 2));
  EXPECT_EQ(loaded->value.server.tls->certificate, "null");
  EXPECT_EQ(loaded->value.server.workers, 9);
  const auto empty = LoadWith({{"LOQUAT_SERVER_PORTS", ""}}, {});
  ASSERT_TRUE(empty.has_value()) << empty.error().message;
  EXPECT_TRUE(empty->value.server.ports.empty());
}

TEST(Load, NamesTheVariableInErrorsAndWarnsOfUnknownOnes) {
  const auto bad = LoadWith({{"LOQUAT_SERVER_CORS", "on"}, {"LOQUAT_SERVER_PORTS", "[1"}}, {});
  ASSERT_FALSE(bad.has_value());
  EXPECT_EQ(
      bad.error().message,
      "environment variable LOQUAT_SERVER_PORTS: server.ports: not read; allowed: a list, each: integer from 1 to "
      "65535");
  const auto bool_error = LoadWith({{"LOQUAT_SERVER_CORS", "on"}}, {});
  EXPECT_THAT(bool_error.error().message,
              HasSubstr("environment variable LOQUAT_SERVER_CORS: server.cors: got \"on\""));
  const auto loaded = LoadWith({{"LOQUAT_PORT", "tcp://10.0.0.1:80"}, {"LOQUAT_SERVER_LISTN", "x"}, {"HOME", "/"}}, {});
  ASSERT_TRUE(loaded.has_value());
  EXPECT_THAT(loaded->warnings,
              ElementsAre("environment variable LOQUAT_PORT: mirrors no key; ignored",
                          "environment variable LOQUAT_SERVER_LISTN: mirrors no key; ignored. Did you mean "
                          "LOQUAT_SERVER_LISTEN?"));
}

TEST(Load, OverridesAddEntriesAndRefuseUnknownKeys) {
  const auto loaded = LoadWith({}, {"models.a.b.path=x", "models.a.b.replicas=2", "models.new.path=y"},
                               TempFile("dots.yaml", "models: {a.b: {path: old}}\n"));
  ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
  EXPECT_EQ(loaded->value.models.at("a.b"), (ModelOptions{"x", 2}));
  EXPECT_EQ(loaded->value.models.at("new").path, "y");
  EXPECT_EQ(LoadWith({}, {"server.listn=a:1"}).error().message,
            "override server.listn: unknown key; did you mean server.listen?");
  for (const char* bad : {"=1", ".=1", "server..listen=a:1", "server.listen.x=1", "models.=1", "zzz=1"}) {
    EXPECT_THAT(LoadWith({}, {bad}).error().message, HasSubstr("unknown key")) << bad;
  }
  EXPECT_EQ(LoadWith({}, {"server.listen"}).error().message,
            "override server.listen: an override is written key=value");
  EXPECT_THAT(LoadWith({}, {"server=5"}).error().message, HasSubstr("server: got \"5\"; allowed: a section of keys"));
}

TEST(Load, SaysWhatIsWrongWithTheFileItself) {
  EXPECT_EQ(LoadWith({}, {}, ::testing::TempDir() + "no_such_file.yaml").error().code, base::Code::kNotFound);
  const std::string empty = TempFile("empty.yaml", "");
  EXPECT_TRUE(Load<AppOptions>({.file = empty, .variables = {}, .overrides = {}}).has_value());
  const auto refused = Load<AppOptions>({.file = empty, .variables = {}, .overrides = {}, .refuse_empty_file = true});
  EXPECT_THAT(refused.error().message, HasSubstr("the file is empty"));
}

TEST(Changes, NamesTheKeysThatDiffer) {
  AppOptions before;
  AppOptions after;
  after.server.listen = "b:2";
  after.server.tls = TlsOptions{"c", "d"};
  after.models["x"] = ModelOptions{"p", 1};
  std::vector<std::string> paths;
  for (const Change& change : ChangesIn(SchemaOf<AppOptions>(), &before, &after)) {
    paths.push_back(change.path + (change.needs_restart ? "!" : ""));
  }
  EXPECT_THAT(paths, ElementsAre("server.listen!", "server.tls", "models"));
  EXPECT_TRUE(ChangesIn(SchemaOf<AppOptions>(), &after, &after).empty());
}

TEST(Variables, AreThoseOfThePrefix) {
  const char* environment[] = {"HOME=/", "LOQUAT_B=2=3", "LOQUAT_A=", "broken", nullptr};
  EXPECT_THAT(VariablesFrom(environment), ElementsAre(std::pair("LOQUAT_A", ""), std::pair("LOQUAT_B", "2=3")));
  EXPECT_TRUE(VariablesFrom(nullptr).empty());
}

struct Ambiguous {
  ModelOptions a;
  std::string a_path;
};
void Declare(Section<Ambiguous>& s) {
  s.Sub("a", &Ambiguous::a);
  s.Key("a_path", &Ambiguous::a_path);
}

TEST(Variables, ThatMayMeanTwoKeysAreRefused) {
  const auto loaded = Load<Ambiguous>({.file = {}, .variables = {{"LOQUAT_A_PATH", "x"}}, .overrides = {}});
  ASSERT_FALSE(loaded.has_value());
  EXPECT_THAT(loaded.error().message, HasSubstr("may mean a.path or a_path"));
}

}  // namespace
}  // namespace loquat::config
