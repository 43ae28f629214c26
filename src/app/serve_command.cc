#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "app/command_line.h"
#include "app/commands.h"
#include "app/engine_models.h"
#include "app/etcd_config.h"
#include "app/server.h"
#include "base/json_writer.h"

namespace loquat::app {
namespace {

struct NamedModel {
  std::string name, path;
};

// Opens nothing: a slip of the pen is told from the arguments alone.
base::Result<std::vector<NamedModel>> NamedModels(const std::vector<std::string>& arguments) {
  std::vector<NamedModel> models;
  for (const std::string& argument : arguments) {
    const std::size_t equals = argument.find('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == argument.size()) {
      return base::InvalidArgument(fmt::format("--model {}: write NAME=PATH", argument));
    }
    NamedModel model{.name = argument.substr(0, equals), .path = argument.substr(equals + 1)};
    if (const auto first = std::ranges::find(models, model.name, &NamedModel::name); first != models.end()) {
      return base::InvalidArgument(
          fmt::format("--model names \"{}\" more than once, for {} and for {}; give each model a name of its own",
                      model.name, first->path, model.path));
    }
    models.push_back(std::move(model));
  }
  return models;
}

void AppendEntry(const NamedModel& model, std::string& list) {
  if (!list.empty()) list += ", ";
  base::JsonWriter json(list);  // JSON is YAML.
  json.BeginObject();
  json.Key("name");
  json.String(model.name);
  json.Key("path");
  json.String(model.path);
  json.EndObject();
}

base::Result<std::vector<std::string>> Overrides(const ServeArguments& arguments) {
  std::vector<std::string> sets = arguments.sets;
  if (!arguments.listen.empty()) sets.push_back("server.listen=" + arguments.listen);
  if (!arguments.grpc.empty()) sets.push_back("grpc.listen=" + arguments.grpc);
  LOQUAT_ASSIGN(const std::vector<NamedModel> models, NamedModels(arguments.models));
  std::string engine_models;
  bool understanding = false;
  for (const NamedModel& model : models) {
    if (!IsUnderstandingModel(model.path)) {
      AppendEntry(model, engine_models);
      continue;
    }
    if (std::exchange(understanding, true)) {
      return base::InvalidArgument("--model names two model folders for understanding; this server serves one");
    }
    sets.push_back("model.name=" + model.name);
    sets.push_back("model.path=" + model.path);
  }
  if (!engine_models.empty()) sets.push_back("models=[" + engine_models + "]");
  return sets;
}

// The signals that end the server, held back from every thread so that one sigwait gets them.
sigset_t BlockStopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  return signals;
}

void PrintWelcome(const Server& server) {
  const std::string& url = server.url();
  fmt::print("Loquat is ready in {:.0f} ms with the model {}\n\n", server.start_ms(), server.model_summary());
  fmt::print("  address  {}\n", url);
  if (!server.tls_url().empty()) fmt::print("  TLS      {}\n", server.tls_url());
  if (!server.grpc_address().empty()) fmt::print("  gRPC     {}\n", server.grpc_address());
  for (const std::string& model : server.engine_summaries()) fmt::print("  model    {}\n", model);
  fmt::print("  console  {}/console\n", url);
  fmt::print(
      "  try      curl -s {}/v1/understand -d '{{\"text\": \"帮我订明天去上海的火车票\", \"session\": \"s-1\", "
      "\"reply\": true}}'\n\n",
      url);
  fmt::print("Ctrl-C drains and stops it.\n");
  std::fflush(stdout);
}

}  // namespace

int Serve(const ServeArguments& arguments) {
  const auto sets = Overrides(arguments);
  if (!sets.has_value()) {
    Fail(sets.error());
    return kExitUsage;
  }
  config::Sources sources = SourcesOf(arguments.config, *sets);
  auto options = LoadAtStart(sources);
  if (!options.has_value()) return Fail(options.error());
  const auto model = ModelPathOr(options->value.model.path);
  if (!model.has_value()) return Fail(model.error());

  sigset_t signals = BlockStopSignals();
  auto server = Server::Start(std::move(*options), std::move(sources), *model);
  if (!server.has_value()) return Fail(server.error());
  PrintWelcome(**server);
  int received = 0;
  sigwait(&signals, &received);
  fmt::print("draining\n");
  std::fflush(stdout);
  // A second signal ends the process the usual way.
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
  const net::DrainReport report = (*server)->Drain();
  if (report.exchanges_cut > 0) {
    fmt::print(stderr, "loquat: {} requests were cut at the end of server.drain_timeout\n", report.exchanges_cut);
    return kExitFailure;
  }
  fmt::print("stopped; every accepted request was answered\n");
  return kExitOk;
}

}  // namespace loquat::app
