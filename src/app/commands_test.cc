// The commands as functions: what they print, and the exit codes that scripts rely on.

#include "app/commands.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <iostream>
#include <sstream>
#include <string>
#include <thread>

#include "app/command_line.h"
#include "base/json_value.h"
#include "model/formats/gguf_test_data.h"
#include "net/test_client.h"
#include "net/test_server.h"
#include "pipeline/test_assistant.h"

namespace loquat::app {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

struct Outcome {
  int exit_code;
  std::string out, err;
};

Outcome Capture(const std::function<int()>& command) {
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  Outcome outcome{command(), {}, {}};
  outcome.out = testing::internal::GetCapturedStdout();
  outcome.err = testing::internal::GetCapturedStderr();
  return outcome;
}

bool IsJson(std::string_view text) {
  return base::JsonParser().Parse(text).has_value();
}

class CommandsTest : public testing::Test {
 protected:
  std::string Write(std::string_view name, std::string_view text) const {
    const std::string path = folder_.File(name);
    EXPECT_TRUE(base::WriteFileAtomically(path, text).has_value());
    return path;
  }
  const pipeline::TempFolder folder_;
};

TEST_F(CommandsTest, AFailureIsOneLineOnStandardError) {
  const Outcome outcome = Capture([] { return Fail(base::NotFound("there is no such thing")); });
  EXPECT_EQ(outcome.exit_code, kExitFailure);
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(outcome.err, "loquat: there is no such thing\n");
}

TEST_F(CommandsTest, TheBundledModelIsLookedForInTheWorkingDirectory) {
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(folder_.path());
  EXPECT_EQ(BundledModelPath(), "");
  EXPECT_EQ(*ModelPathOr("some/model"), "some/model");
  const auto missing = ModelPathOr("");
  ASSERT_FALSE(missing.has_value());
  EXPECT_THAT(missing.error().message, HasSubstr("--model"));
  std::filesystem::create_directories("models/assistant");
  EXPECT_EQ(BundledModelPath(), "");  // A folder without a manifest is no model.
  Write("models/assistant/manifest.json", "{}");
  EXPECT_EQ(*ModelPathOr(""), "models/assistant");
  std::filesystem::current_path(before);
}

TEST_F(CommandsTest, SourcesTakeTheEnvironment) {
  ASSERT_EQ(::setenv("LOQUAT_LOG_LEVEL", "debug", 1), 0);
  const config::Sources sources = SourcesOf("a.yaml", {"log.format=json"});
  ASSERT_EQ(::unsetenv("LOQUAT_LOG_LEVEL"), 0);
  EXPECT_EQ(sources.file, "a.yaml");
  EXPECT_THAT(sources.overrides, testing::ElementsAre("log.format=json"));
  config::Sources without_file = sources;
  without_file.file.clear();
  const auto loaded = config::Load<Options>(without_file);
  ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
  EXPECT_EQ(loaded->value.log.level, observe::Level::kDebug);
  EXPECT_EQ(loaded->value.log.format, LogFormat::kJson);
}

TEST_F(CommandsTest, ConfigCheckPrintsWhatHolds) {
  const std::string file = Write("good.yaml", "delivery: {sync_timeout: 1s}\n");
  const Outcome outcome = Capture([&] { return ConfigCheck({.file = file, .sets = {"sessions.ttl=5m"}}); });
  EXPECT_EQ(outcome.exit_code, kExitOk);
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("  sync_timeout: 1s\n"), HasSubstr("  ttl: 5m\n"), HasSubstr(file + ":1")));
  const auto again = config::LoadText<Options>(outcome.out, "printed.yaml");
  ASSERT_TRUE(again.has_value()) << again.error().message;
  EXPECT_EQ(again->sessions.ttl, std::chrono::minutes(5));
}

TEST_F(CommandsTest, ConfigCheckSaysEverythingThatIsWrong) {
  const std::string file = Write("bad.yaml", "delivery: {sync_timeout: 1y}\nlog: {level: loud}\n");
  const Outcome outcome = Capture([&] { return ConfigCheck({.file = file, .sets = {}}); });
  EXPECT_EQ(outcome.exit_code, kExitFailure);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("bad.yaml:1:"), HasSubstr("bad.yaml:2:")));
  EXPECT_EQ(Capture([&] { return ConfigCheck({.file = folder_.File("none.yaml"), .sets = {}}); }).exit_code,
            kExitFailure);
}

TEST_F(CommandsTest, UnderstandPrintsAFrame) {
  UnderstandArguments arguments{
      .text = "play some jazz", .model = pipeline::TestModel::Path(), .json = false, .reference_time = {}};
  const Outcome text = Capture([&] { return Understand(arguments); });
  EXPECT_EQ(text.exit_code, kExitOk);
  EXPECT_THAT(text.out, StartsWith("play some jazz\n  intent  play_music "));
  arguments.json = true;
  arguments.reference_time = "2026-11-21T09:00:00+08:00";
  const Outcome json = Capture([&] { return Understand(arguments); });
  EXPECT_TRUE(IsJson(json.out)) << json.out;
  EXPECT_THAT(json.out, HasSubstr("\"intent\":{\"name\":\"play_music\""));
}

TEST_F(CommandsTest, UnderstandReadsLinesAndGoesOnAfterABadOne) {
  std::istringstream lines("play some jazz\r\n\xff\n\n上海今天天气怎么样\n");
  std::streambuf* const before = std::cin.rdbuf(lines.rdbuf());
  const Outcome outcome = Capture([] {
    return Understand({.text = "-", .model = pipeline::TestModel::Path(), .json = false, .reference_time = {}});
  });
  std::cin.rdbuf(before);
  std::cin.clear();
  EXPECT_EQ(outcome.exit_code, kExitFailure);
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("play_music"), HasSubstr("nothing to understand"), HasSubstr("weather")));
  EXPECT_EQ(outcome.err, "loquat: the text is not UTF-8\n");
}

TEST_F(CommandsTest, UnderstandSaysWhatIsWrongWithItsArguments) {
  const auto run = [](UnderstandArguments arguments) { return Capture([&] { return Understand(arguments); }); };
  EXPECT_EQ(run({.text = "a", .model = folder_.File("none"), .json = false, .reference_time = {}}).exit_code,
            kExitFailure);
  const Outcome time =
      run({.text = "a", .model = pipeline::TestModel::Path(), .json = false, .reference_time = "soon"});
  EXPECT_EQ(time.exit_code, kExitFailure);
  EXPECT_THAT(time.err, HasSubstr("soon"));
}

constexpr std::string_view kExamples =
    "{\"text\":\"play some jazz\",\"intent\":\"play\"}\n{\"text\":\"play a song\",\"intent\":\"play\"}\n"
    "{\"text\":\"start some music\",\"intent\":\"play\"}\n{\"text\":\"wake me at seven\",\"intent\":\"alarm\"}\n"
    "{\"text\":\"set an alarm\",\"intent\":\"alarm\"}\n{\"text\":\"alarm at noon\",\"intent\":\"alarm\"}\n";

TEST_F(CommandsTest, TrainsAndEvaluates) {
  const std::string data = Write("data.jsonl", kExamples);
  const std::string model = folder_.File("model");
  const Outcome trained = Capture([&] { return Train({.files = {data}, .out = model, .threads = 1, .json = true}); });
  ASSERT_EQ(trained.exit_code, kExitOk) << trained.err;
  ASSERT_TRUE(IsJson(trained.out)) << trained.out;
  EXPECT_THAT(trained.out, HasSubstr("\"examples\":6"));
  EXPECT_THAT(Capture([&] { return Train({.files = {data}, .out = model, .threads = 1}); }).out,
              StartsWith("trained 2 intents"));

  const Outcome json =
      Capture([&] { return Eval({.files = {data}, .model = model, .out_of_scope = {}, .threads = 1, .json = true}); });
  EXPECT_EQ(json.exit_code, kExitOk) << json.err;
  EXPECT_TRUE(IsJson(json.out)) << json.out;
  const std::string foreign = Write("foreign.txt", "# nothing of ours\nwho won the war\n\n");
  const Outcome text = Capture(
      [&] { return Eval({.files = {data}, .model = model, .out_of_scope = {foreign}, .threads = 1, .json = false}); });
  EXPECT_EQ(text.exit_code, kExitOk) << text.err;
  EXPECT_FALSE(text.out.empty());
}

TEST_F(CommandsTest, TrainAndEvalSayWhichFileIsWrong) {
  const std::string bad = Write("bad.jsonl", "{\"text\":\"a\",\"intent\":\"b\"}\n{\"text\":\n");
  const std::string good = Write("good.jsonl", kExamples);
  const Outcome trained = Capture([&] { return Train({.files = {bad}, .out = folder_.File("m")}); });
  EXPECT_EQ(trained.exit_code, kExitFailure);
  EXPECT_THAT(trained.err, HasSubstr("bad.jsonl:2"));
  EXPECT_FALSE(std::filesystem::exists(folder_.File("m")));
  const Outcome lonely = Capture([&] {
    return Train({.files = {Write("one.jsonl", "{\"text\":\"a\",\"intent\":\"b\"}\n")}, .out = folder_.File("m")});
  });
  EXPECT_EQ(lonely.exit_code, kExitFailure);
  EXPECT_EQ(
      Capture([&] { return Eval({.files = {good}, .model = folder_.File("none"), .out_of_scope = {}}); }).exit_code,
      kExitFailure);
  EXPECT_EQ(
      Capture([&] {
        return Eval({.files = {good}, .model = pipeline::TestModel::Path(), .out_of_scope = {folder_.File("none")}});
      }).exit_code,
      kExitFailure);
}

TEST_F(CommandsTest, ModelInspectShowsWhatIsInside) {
  const std::string file = Write("tiny.gguf", model::TinyLlama().Write());
  const Outcome text = Capture([&] { return ModelInspect({.path = file}); });
  EXPECT_EQ(text.exit_code, kExitOk) << text.err;
  EXPECT_THAT(text.out,
              AllOf(StartsWith(file + "\n"), HasSubstr("llama \"tiny\""), HasSubstr("blk.0.ffn_down.weight")));
  const Outcome json = Capture([&] { return ModelInspect({.path = file, .json = true}); });
  EXPECT_TRUE(IsJson(json.out)) << json.out;
  EXPECT_THAT(json.out, HasSubstr("\"runs\":true"));

  model::TestGguf foreign = model::TinyLlama();
  foreign.entries[0] = model::TestGguf::Text("general.architecture", "mamba");
  const std::string other = Write("foreign.gguf", foreign.Write());
  const Outcome described = Capture([&] { return ModelInspect({.path = other}); });
  EXPECT_EQ(described.exit_code, kExitOk);
  EXPECT_THAT(described.out, HasSubstr("cannot run " + other + ": the architecture 'mamba' is not supported"));
  const Outcome missing = Capture([&] { return ModelInspect({.path = folder_.File("none.gguf")}); });
  EXPECT_EQ(missing.exit_code, kExitFailure);
  EXPECT_THAT(missing.err, HasSubstr("none.gguf"));
}

TEST_F(CommandsTest, ModelVerifyFailsOnANumberThatCannotBe) {
  model::TestGguf tiny = model::TinyLlama();
  const std::string good = Write("good.gguf", tiny.Write());
  const Outcome sound = Capture([&] { return ModelVerify({.path = good}); });
  EXPECT_EQ(sound.exit_code, kExitOk) << sound.err;
  EXPECT_THAT(sound.out, HasSubstr("11 tensors"));
  tiny.tensors[1].data = std::string(28, '\0') + std::string("\0\0\xc0\x7f", 4);  // The last of eight is NaN.
  const std::string bad = Write("bad.gguf", tiny.Write());
  const Outcome spoilt = Capture([&] { return ModelVerify({.path = bad}); });
  EXPECT_EQ(spoilt.exit_code, kExitFailure);
  EXPECT_THAT(spoilt.out, HasSubstr("tensor 'output_norm.weight', weight 7 (byte 28) is not finite"));
  const Outcome json = Capture([&] { return ModelVerify({.path = bad, .json = true}); });
  EXPECT_TRUE(IsJson(json.out)) << json.out;
  EXPECT_THAT(json.out, HasSubstr("\"ok\":false"));
  const Outcome cut = Capture([&] { return ModelVerify({.path = Write("cut.gguf", tiny.Write().substr(0, 900))}); });
  EXPECT_EQ(cut.exit_code, kExitFailure);
  EXPECT_THAT(cut.err, HasSubstr("cut.gguf"));
}

TEST_F(CommandsTest, BenchServerMeasuresAServerThatAnswers) {
  net::TestServer server(net::Echo);
  BenchServerArguments arguments{.url = server.Url(""), .text = {}, .rate = 200, .seconds = 0.3, .connections = 2};
  const Outcome text = Capture([&] { return BenchServer(arguments); });
  EXPECT_EQ(text.exit_code, kExitOk) << text.err;
  EXPECT_THAT(text.out, AllOf(HasSubstr("requests in"), HasSubstr("status 200: "), HasSubstr("p99.9")));
  arguments.json = true;
  arguments.sessions = false;
  arguments.text = "上海天气";
  const Outcome json = Capture([&] { return BenchServer(arguments); });
  EXPECT_TRUE(IsJson(json.out)) << json.out;
  EXPECT_THAT(json.out, AllOf(HasSubstr("\"errors\":0"), HasSubstr("\"statuses\":{\"200\":")));
}

TEST_F(CommandsTest, BenchMachineSaysWhatItReached) {
  const Outcome text = Capture([] { return BenchMachine({.buffer_mib = 8, .rounds = 1, .threads = 1}); });
  EXPECT_EQ(text.exit_code, kExitOk) << text.err;
  EXPECT_THAT(text.out, AllOf(HasSubstr("1 threads"), HasSubstr("reading 8 MiB"), HasSubstr("GFLOP/s")));
  const Outcome json = Capture([] { return BenchMachine({.buffer_mib = 8, .rounds = 1, .threads = 1, .json = true}); });
  EXPECT_TRUE(IsJson(json.out)) << json.out;
  EXPECT_THAT(json.out, AllOf(HasSubstr("\"read_gb_per_second\""), HasSubstr("\"f32_gflop_per_second\"")));
  const Outcome refused = Capture([] { return BenchMachine({.rounds = 0}); });
  EXPECT_EQ(refused.exit_code, kExitUsage);
  EXPECT_THAT(refused.err, HasSubstr("--rounds is 1 to 1000"));
  EXPECT_EQ(Capture([] { return BenchMachine({.buffer_mib = 1}); }).exit_code, kExitUsage);
}

TEST_F(CommandsTest, BenchServerFailsWhereTheServerDoes) {
  net::TestServer server([](net::HttpExchange& exchange) -> net::asio::awaitable<void> {
    exchange.Respond(503, {}, "");
    co_return;
  });
  const Outcome refused = Capture(
      [&] { return BenchServer({.url = server.Url(""), .text = {}, .rate = 50, .seconds = 0.1, .connections = 1}); });
  EXPECT_EQ(refused.exit_code, kExitFailure);
  EXPECT_THAT(refused.out, HasSubstr("status 503: "));
}

TEST_F(CommandsTest, BenchServerRefusesArgumentsThatMakeNoSense) {
  const auto run = [](BenchServerArguments arguments) {
    return Capture([&] { return BenchServer(arguments); }).exit_code;
  };
  EXPECT_EQ(run({.text = {}, .connections = 0}), kExitUsage);
  EXPECT_EQ(run({.text = {}, .seconds = 0}), kExitUsage);
  EXPECT_EQ(run({.text = {}, .rate = -1}), kExitUsage);
  EXPECT_EQ(run({.url = "https://127.0.0.1:1", .text = {}}), kExitFailure);
  EXPECT_EQ(run({.url = "127.0.0.1:1", .text = {}}), kExitFailure);
}

TEST_F(CommandsTest, ServeRefusesArgumentsBeforeItStarts) {
  const auto run = [](ServeArguments arguments) { return Capture([&] { return Serve(arguments); }); };
  // Neither path exists: nothing was opened.
  const Outcome two = run({.config = {}, .listen = {}, .models = {"a=b", "c=d", "a=e"}, .sets = {}});
  EXPECT_EQ(two.exit_code, kExitUsage);
  EXPECT_EQ(two.err,
            "loquat: --model names \"a\" more than once, for b and for e; give each model a name of its own\n");
  const std::string understands = pipeline::TestModel::Path();
  const Outcome understanding =
      run({.config = {}, .listen = {}, .models = {"a=" + understands, "b=" + understands}, .sets = {}});
  EXPECT_EQ(understanding.exit_code, kExitUsage);
  EXPECT_THAT(understanding.err, HasSubstr("two model folders for understanding"));
  for (const std::string bad : {"a", "=b", "a="}) {
    EXPECT_EQ(run({.config = {}, .listen = {}, .models = {bad}, .sets = {}}).exit_code, kExitUsage) << bad;
  }
  EXPECT_EQ(run({.config = folder_.File("none.yaml"), .listen = {}, .models = {}, .sets = {}}).exit_code, kExitFailure);
  const Outcome address = run({.config = {}, .listen = "here", .models = {}, .sets = {}});
  EXPECT_EQ(address.exit_code, kExitFailure);
  EXPECT_THAT(address.err, HasSubstr("server.listen"));
}

// A port that was free a moment ago.
std::uint16_t FreePort() {
  net::TestServer server(net::Echo);
  return server.port;
}

TEST_F(CommandsTest, ServeGreetsServesAndStopsAtASignal) {
  sigset_t stop, before;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTERM);
  // Blocked here as well, so that none but the command's own wait gets it.
  ASSERT_EQ(pthread_sigmask(SIG_BLOCK, &stop, &before), 0);
  const std::uint16_t port = FreePort();
  const std::string address = "127.0.0.1:" + std::to_string(port);
  std::atomic<bool> ended{false};
  std::string answer;
  const Outcome outcome = Capture([&] {
    int exit_code = -1;
    std::jthread command([&] {
      exit_code = Serve({.config = {},
                         .listen = address,
                         .models = {"tiny=" + pipeline::TestModel::Path()},
                         .sets = {"log.level=off"}});
      ended.store(true);
    });
    while (answer.empty() && !ended.load()) {
      net::RawClient client(port);
      if (client.connected() && client.Send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")) answer = client.ReadResponse();
      std::this_thread::yield();
    }
    if (!ended.load()) ::kill(::getpid(), SIGTERM);
    command.join();
    return exit_code;
  });
  ASSERT_EQ(pthread_sigmask(SIG_SETMASK, &before, nullptr), 0);
  EXPECT_EQ(outcome.exit_code, kExitOk) << outcome.err;
  EXPECT_THAT(answer, AllOf(StartsWith("HTTP/1.1 200"), HasSubstr("\"model\":\"tiny\"")));
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("Loquat is ready"), HasSubstr("address  http://" + address + "\n"),
                                 HasSubstr("console  http://" + address + "/console\n"), HasSubstr("curl -s http://"),
                                 HasSubstr("stopped; every accepted request was answered\n")));
}

TEST_F(CommandsTest, ServeSaysThatAnAddressIsTaken) {
  net::TestServer server(net::Echo);
  const Outcome outcome = Capture([&] {
    return Serve({.config = {},
                  .listen = "127.0.0.1:" + std::to_string(server.port),
                  .models = {"tiny=" + pipeline::TestModel::Path()},
                  .sets = {"log.level=off"}});
  });
  EXPECT_EQ(outcome.exit_code, kExitFailure);
  EXPECT_THAT(outcome.err, HasSubstr(std::to_string(server.port)));
}

}  // namespace
}  // namespace loquat::app
