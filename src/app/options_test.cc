// Every key of the configuration: its default, both ends of what it may be, and what is said past them.

#include "app/options.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "config/load.h"

namespace loquat::app {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

base::Result<config::Loaded<Options>> LoadWith(std::vector<std::string> overrides) {
  return config::Load<Options>({.file = {}, .variables = {}, .overrides = std::move(overrides)});
}

std::string ErrorOf(std::string_view yaml) {
  const auto loaded = config::LoadText<Options>(yaml, "loquat.yaml");
  return loaded.has_value() ? "no error" : loaded.error().message;
}

TEST(Options, DefaultsAreTakenByTheirOwnRules) {
  const auto loaded = config::Load<Options>({});
  ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
  EXPECT_EQ(loaded->value.server.listen, "127.0.0.1:8080");
  EXPECT_EQ(loaded->value.server.connections_max, 5000u);
  EXPECT_EQ(loaded->value.delivery.sync_confidence_min, 0.92);
  EXPECT_EQ(loaded->value.delivery.sync_timeout, std::chrono::milliseconds(800));
  EXPECT_EQ(loaded->value.delivery.callback_timeout, std::chrono::milliseconds(5000));
  EXPECT_FALSE(loaded->value.server.tls.has_value());
  EXPECT_TRUE(loaded->warnings.empty());
}

TEST(Options, WhatIsDumpedLoadsAgainToTheSame) {
  const std::string defaults = config::Dump(Options{});
  const auto again = config::LoadText<Options>(defaults, "dump.yaml");
  ASSERT_TRUE(again.has_value()) << again.error().message << "\n" << defaults;
  EXPECT_EQ(config::Dump(*again), defaults);

  Options options;
  options.server.tls = TlsOptions{.listen = "[::]:443", .certificate = "c.pem", .key = "k.pem"};
  options.server.cors_origins = {"https://a.example", "*"};
  options.server.api_keys = {{.name = "ann", .sha256 = std::string(64, 'a')}};
  options.server.timeouts.idle = std::chrono::milliseconds(1500);
  options.understand.truncation = understanding::Truncation::kMiddle;
  options.delivery.callback_intents = {"book_train", "yes"};
  options.log = {.level = observe::Level::kOff, .format = LogFormat::kJson, .file = LogFileOptions{.path = "x.log"}};
  const std::string dumped = config::Dump(options);
  const auto loaded = config::LoadText<Options>(dumped, "dump.yaml");
  ASSERT_TRUE(loaded.has_value()) << loaded.error().message << "\n" << dumped;
  EXPECT_EQ(config::Dump(*loaded), dumped);
  EXPECT_EQ(loaded->server.api_keys.front().name, "ann");
  EXPECT_THAT(loaded->delivery.callback_intents, ElementsAre("book_train", "yes"));
  EXPECT_EQ(loaded->log.file->backups, 7u);
  EXPECT_EQ(loaded->understand.truncation, understanding::Truncation::kMiddle);
}

TEST(Options, EveryKeyHasHelp) {
  std::vector<std::string> without;
  const auto walk = [&](const auto& self, const config::Schema& schema, const std::string& path) -> void {
    for (const auto& key : schema.keys()) {
      if (key->help.empty()) without.push_back(path + key->name);
      if (key->type->section() != nullptr) self(self, *key->type->section(), path + key->name + ".");
    }
  };
  walk(walk, config::SchemaOf<Options>(), "");
  EXPECT_THAT(without, ElementsAre());
}

constexpr char kLogFile[] = "log.file.path=x.log";  // The keys beside it need it.

struct Edges {
  std::string key, low, below, high, above;
};

class OptionRangeTest : public testing::TestWithParam<Edges> {};

TEST_P(OptionRangeTest, EndsBelongToIt) {
  const Edges& edges = GetParam();
  for (const std::string& good : {edges.low, edges.high}) {
    const auto loaded = LoadWith({kLogFile, edges.key + "=" + good});
    EXPECT_TRUE(loaded.has_value()) << (loaded.has_value() ? "" : loaded.error().message);
  }
  for (const std::string& bad : {edges.below, edges.above}) {
    const auto loaded = LoadWith({kLogFile, edges.key + "=" + bad});
    ASSERT_FALSE(loaded.has_value()) << edges.key << "=" << bad;
    EXPECT_THAT(loaded.error().message, HasSubstr(edges.key));
    EXPECT_THAT(loaded.error().message, HasSubstr("allowed: "));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Keys, OptionRangeTest,
    testing::Values(Edges{"server.io_threads", "0", "-1", "1024", "1025"},
                    Edges{"server.connections_max", "1", "0", "1000000", "1000001"},
                    Edges{"server.streams_max", "1", "0", "65535", "65536"},
                    Edges{"server.header_bytes_max", "1024", "1023", "1MiB", "1048577"},
                    Edges{"server.body_bytes_max", "1KiB", "1023", "1GiB", "1073741825"},
                    Edges{"server.timeouts.handshake", "10ms", "9ms", "1h", "3600001ms"},
                    Edges{"server.timeouts.head", "10ms", "9ms", "1h", "3600001ms"},
                    Edges{"server.timeouts.idle", "10ms", "9ms", "24h", "86400001ms"},
                    Edges{"server.timeouts.write_stall", "10ms", "9ms", "1h", "3600001ms"},
                    Edges{"server.timeouts.body_grace", "10ms", "9ms", "1h", "3600001ms"},
                    Edges{"server.drain_timeout", "0ms", "-1ms", "1h", "3600001ms"},
                    Edges{"understand.text_bytes_max", "1", "0", "1MiB", "1048577"},
                    Edges{"understand.batch_max", "1", "0", "4096", "4097"},
                    Edges{"understand.tokens_max", "1", "0", "65536", "65537"},
                    Edges{"understand.ranking_max", "1", "0", "1000", "1001"},
                    Edges{"sessions.ttl", "1s", "999ms", "720h", "721h"},
                    Edges{"sessions.sessions_max", "32", "31", "100000000", "100000001"},
                    Edges{"sessions.bytes_max", "1MiB", "1048575", "1099511627776", "1099511627777"},
                    Edges{"log.file.bytes_max", "1024", "1023", "1099511627776", "1099511627777"},
                    Edges{"log.file.backups", "0", "-1", "1000", "1001"},
                    Edges{"log.file.age_max", "1h", "59m", "87600h", "87601h"},
                    Edges{"grpc.message_bytes_max", "1KiB", "1023", "1GiB", "1073741825"},
                    Edges{"grpc.metadata_bytes_max", "1KiB", "1023", "1MiB", "1048577"},
                    Edges{"grpc.connection_streams_max", "1", "0", "65535", "65536"},
                    Edges{"grpc.calls_max", "1", "0", "1000000", "1000001"},
                    Edges{"grpc.streams_max", "1", "0", "1000000", "1000001"},
                    Edges{"grpc.memory_bytes_max", "16MiB", "16777215", "1099511627776", "1099511627777"},
                    Edges{"grpc.write_buffer_bytes_max", "4KiB", "4095", "1GiB", "1073741825"},
                    Edges{"grpc.write_stall", "10ms", "9ms", "1h", "3600001ms"},
                    Edges{"grpc.stream_idle", "10ms", "9ms", "24h", "86400001ms"},
                    Edges{"grpc.keepalive", "1s", "999ms", "24h", "86400001ms"},
                    Edges{"grpc.ping_interval_min", "0ms", "-1ms", "1h", "3600001ms"},
                    Edges{"delivery.sync_confidence_min", "0", "-0.01", "1", "1.01"},
                    Edges{"delivery.sync_timeout", "1ms", "0ms", "60s", "60001ms"},
                    Edges{"delivery.callback_timeout", "1ms", "0ms", "10m", "600001ms"}),
    [](const auto& edges) {
      std::string name = edges.param.key;
      std::ranges::replace(name, '.', '_');
      return name;
    });

TEST(Options, StopWordsAreCompiledOrRefusedWithTheWord) {
  const auto loaded = config::LoadText<Options>("understand:\n  stop_words:\n    en: [hey loquat]\n", "a.yaml");
  ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
  EXPECT_NE(IntentFilter(loaded->understand.stop_words).value(), nullptr);
  EXPECT_EQ(IntentFilter({}).value(), nullptr);
  for (const std::string word : {"''", "a b c d e f g h i"}) {
    const auto refused = config::LoadText<Options>("understand:\n  stop_words:\n    zh: [" + word + "]\n", "a.yaml");
    ASSERT_FALSE(refused.has_value()) << word;
    EXPECT_THAT(refused.error().message,
                testing::AllOf(HasSubstr("a.yaml"), HasSubstr("stop_words"), HasSubstr("1 to 8")));
  }
}

TEST(Options, TakeTheWordsTheyName) {
  for (const std::string word : {"error", "head", "tail", "middle"}) {
    EXPECT_TRUE(LoadWith({"understand.truncation=" + word}).has_value()) << word;
  }
  for (const std::string word : {"trace", "debug", "info", "warn", "error", "off"}) {
    EXPECT_TRUE(LoadWith({"log.level=" + word}).has_value()) << word;
  }
  for (const std::string word : {"", "scalar", "avx2", "avx_vnni", "avx512", "avx512_vnni", "amx"}) {
    EXPECT_TRUE(LoadWith({"model.isa=" + word}).has_value()) << word;
  }
  for (const std::string bad :
       {"understand.truncation=none", "log.level=loud", "log.format=xml", "model.isa=neon", "server.listen=here",
        "server.listen=127.0.0.1:65536", "model.name=", "nothing.here=1"}) {
    EXPECT_FALSE(LoadWith({bad}).has_value()) << bad;
  }
  EXPECT_TRUE(LoadWith({"model.name=" + std::string(64, 'm')}).has_value());
  EXPECT_FALSE(LoadWith({"log.file.backups=1"}).has_value());  // A log file needs a path.
  EXPECT_FALSE(LoadWith({"model.name=" + std::string(65, 'm')}).has_value());
  EXPECT_EQ(LoadWith({"server.listen=unix:/run/loquat.sock"})->value.server.listen, "unix:/run/loquat.sock");
}

TEST(Options, AMistakeIsNamedWithItsPlaceAndWhatIsAllowed) {
  EXPECT_EQ(ErrorOf("server:\n  connections_max: 0\n"),
            "loquat.yaml:2:20: server.connections_max: got \"0\": out of range; allowed: integer from 1 to 1000000");
  EXPECT_EQ(ErrorOf("delivery: {sync_timeout: 2m}\n"),
            "loquat.yaml:1:26: delivery.sync_timeout: got \"2m\": out of range; allowed: duration from 1ms to 1m "
            "(as in 800ms)");
  EXPECT_EQ(ErrorOf("log:\n  level: loud\n"),
            "loquat.yaml:2:10: log.level: got \"loud\"; allowed: trace, debug, info, warn, error, off");
  EXPECT_THAT(ErrorOf("server:\n  tls: {listen: \":443\"}\n"), HasSubstr("server.tls.certificate"));
  EXPECT_THAT(ErrorOf("server:\n  connection_max: 5\n"), HasSubstr("connections_max"));
  EXPECT_THAT(ErrorOf("server:\n  api_keys: [{name: ann, sha256: secret}]\n"), HasSubstr("sha256sum"));
  EXPECT_THAT(ErrorOf("server: {listen: \"here\"}\nlog: {level: loud}\n"), HasSubstr("\n"));  // Both are told.
}

TEST(Options, OnlyWhatAReloadChangesSaysSo) {
  Options changed;
  changed.server.drain_timeout = std::chrono::milliseconds(1);
  changed.understand.tokens_max = 1;
  changed.delivery.sync_confidence_min = 0.5;
  changed.log.level = observe::Level::kDebug;
  changed.server.listen = "127.0.0.1:1";
  changed.sessions.sessions_max = 64;
  std::vector<std::string> at_once, later;
  const Options before;
  for (const config::Change& change : config::ChangesIn(config::SchemaOf<Options>(), &before, &changed)) {
    (change.needs_restart ? later : at_once).push_back(change.path);
  }
  EXPECT_THAT(at_once, testing::UnorderedElementsAre("server.drain_timeout", "understand.tokens_max",
                                                     "delivery.sync_confidence_min", "log.level"));
  EXPECT_THAT(later, testing::UnorderedElementsAre("server.listen", "sessions.sessions_max"));
}

TEST(Options, AModelThatIsNamedIsOneOfTheModels) {
  constexpr std::string_view kModels = "models: [{name: chat, path: x}]\n";
  const auto with = [&](std::string_view rest) { return ErrorOf(fmt::format("{}{}", kModels, rest)); };
  EXPECT_EQ(with("reply: {model: chat}\n"), "no error");
  EXPECT_EQ(with("reply:\n  tokens_max: 8\n  model: caht\n"),
            "loquat.yaml:4:10: reply.model: there is no model \"caht\" among `models`: chat");
  EXPECT_THAT(ErrorOf("reply: {model: chat}\n"), HasSubstr("reply.model: there is no model \"chat\" among `models`, "
                                                           "which is empty"));
  EXPECT_THAT(with("encoders: {embedding: {model: x}}\n"), HasSubstr("loquat.yaml:2:31: encoders.embedding.model: "));
  EXPECT_THAT(with("encoders: {intent_order: [assistant, x]}\n"), HasSubstr("encoders.intent_order: "));
  EXPECT_THAT(with("encoders: {slot_order: [x]}\n"), HasSubstr("encoders.slot_order: "));
  EXPECT_EQ(with("encoders: {slot_order: [assistant, chat]}\n"), "no error") << "what it is, is seen when it is loaded";
}

TEST(Options, RepliesByAModelKeepWithinTheirBounds) {
  const auto with = [](std::string_view keys) { return ErrorOf(fmt::format("reply: {{{}}}\n", keys)); };
  for (const std::string_view good : {"tokens_max: 1", "tokens_max: 4096", "turns_max: 0", "turns_max: 10",
                                      "temperature: 0", "temperature: 10", "timeout: 1ms", "timeout: 10m"}) {
    EXPECT_EQ(with(good), "no error") << good;
  }
  for (const std::string_view bad : {"tokens_max: 0", "tokens_max: 4097", "turns_max: 11", "temperature: -0.1",
                                     "temperature: 10.1", "top_p: 0", "timeout: 0ms", "timeout: 11m", "stop: [\"\"]",
                                     "intents: [weather]", "confidence_min: 0.5", "confidence_min: 1.1"}) {
    EXPECT_THAT(with(bad), HasSubstr("loquat.yaml:1:")) << bad;
  }
  std::string stops = "\"x\"";
  for (int i = 1; i < 16; ++i) stops += ", \"x\"";
  EXPECT_EQ(with("stop: [" + stops + "]"), "no error");
  EXPECT_THAT(with("stop: [" + stops + ", y]"), HasSubstr("at most 16"));
}

}  // namespace
}  // namespace loquat::app
