// The command line: what may be said, and to which command it goes. The only source that includes CLI11.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <string>

#include "app/commands.h"
#include "app/version.h"

namespace loquat::app {
namespace {

// Runs after parsing; the exit code of the one command that was given.
struct Cli {
  CLI::App app{"Loquat: a real-time semantic server. It turns text into intent, slots and a reply."};
  ServeArguments serve;
  UnderstandArguments understand;
  TrainArguments train;
  EvalArguments eval;
  ConfigCheckArguments config_check;
  ChatArguments chat;
  ModelArguments model_inspect, model_verify;
  ModelPackArguments model_pack;
  QuantizeArguments quantize;
  CompareArguments compare;
  BenchServerArguments bench_server;
  BenchModelArguments bench_model;
  BenchMachineArguments bench_machine;
  int exit_code = kExitOk;

  Cli();
  void AddServe();
  void AddUnderstand();
  void AddChat();
  void AddTrainAndEval();
  void AddConfig();
  void AddModel();
  void AddQuantize(CLI::App& model);
  void AddBench();
};

Cli::Cli() {
  app.set_version_flag("--version", std::string(kVersion));
  app.require_subcommand(1);
  AddServe();
  AddUnderstand();
  AddChat();
  AddTrainAndEval();
  AddConfig();
  AddModel();
  AddBench();
}

void Cli::AddServe() {
  CLI::App* command = app.add_subcommand("serve", "Start the server; with no arguments: embedded defaults on loopback");
  command->add_option("--config", serve.config, "YAML file (docs/configuration.md); reloaded when it changes");
  command->add_option("--listen", serve.listen, "HOST:PORT; port 0 picks a free one");
  command->add_option("--grpc", serve.grpc, "Serve gRPC too, on HOST:PORT; port 0 picks a free one");
  command
      ->add_option(
          "--model", serve.models,
          "NAME=PATH: a GGUF file, Hugging Face folder or packed file that generates or embeds, or a model folder that "
          "understands (default: the bundled assistant); give it once for each")
      ->allow_extra_args(false);
  command->add_option("--set", serve.sets, "key.path=value, over the file and the environment")
      ->allow_extra_args(false);
  command->callback([this] { exit_code = Serve(serve); });
}

void Cli::AddUnderstand() {
  CLI::App* command = app.add_subcommand("understand", "Understand one utterance, or each line of standard input");
  command->add_option("text", understand.text, "The utterance; - (the default) reads lines from standard input")
      ->default_str("-");
  command->add_option("--model", understand.model, "Model folder; default: the bundled assistant");
  command->add_option("--reference-time", understand.reference_time,
                      "What \"tomorrow\" counts from: 2026-11-21T09:00:00+08:00");
  command->add_flag("--json", understand.json, "One JSON frame a line");
  command->callback([this] { exit_code = Understand(understand); });
}

void Cli::AddChat() {
  CLI::App* command = app.add_subcommand("chat", "Talk with a model, in this process or on a server");
  CLI::Option* model =
      command->add_option("--model", chat.model, "GGUF file, Hugging Face folder or packed file to run here");
  command->add_option("--url", chat.url, "Server to talk to: http://127.0.0.1:8080")->excludes(model);
  command->add_option("--name", chat.name, "Which of the server's models; default: its first");
  command->add_option("--system", chat.system, "System prompt");
  command->add_option("--temperature", chat.temperature, "0: always the likeliest token")->capture_default_str();
  command->add_option("--max-tokens", chat.tokens_max, "Of one answer; 0: as many as fit");
  command->add_option("--context", chat.context, "Longest conversation in tokens; 0: the model's own");
  command->add_option("--threads", chat.threads, "0: one a core");
  command->callback([this] { exit_code = Chat(chat); });
}

void Cli::AddTrainAndEval() {
  CLI::App* command = app.add_subcommand("train", "Train intents, slots and out-of-scope from labelled examples");
  command->add_option("files", train.files, "Rasa nlu.yml (3.1) or JSONL files (docs/training_data.md)")->required();
  command->add_option("--out", train.out, "Model folder to write")->required();
  command->add_option("--threads", train.threads, "0: one a core; the model is the same for any number");
  command->add_option("--seed", train.seed, "Of the random choices in training")->capture_default_str();
  command->add_option("--intent-bytes", train.intent_bytes_max,
                      "Largest size of the intent classifier in bytes; the least telling features go; 0: 48 MiB");
  command->add_option("--slot-bytes", train.slot_bytes_max, "The same of the slot tagger; 0: 3 MiB");
  command
      ->add_option("--rejected-max", train.rejected_max,
                   "Share of right answers that the out-of-scope verdict may take away: more catches more foreign "
                   "text; default: 0.006, without out-of-scope examples 0.001")
      ->check(CLI::Range(0.0, 0.5));
  command->add_flag("--json", train.json, "The summary as JSON");
  command->callback([this] { exit_code = Train(train); });

  command = app.add_subcommand("eval", "Accuracy, F1, calibration and out-of-scope detection on labelled examples");
  command->add_option("files", eval.files, "Rasa nlu.yml or JSONL files")->required();
  command->add_option("--model", eval.model, "Model folder; default: the bundled assistant");
  command->add_option("--out-of-scope", eval.out_of_scope,
                      "Text file: lines that no intent covers; # starts a comment")
      ->allow_extra_args(false);  // So that files may follow it.
  command->add_option("--threads", eval.threads, "0: one a core");
  CLI::Option* incremental = command->add_flag(
      "--incremental", eval.incremental,
      "Type each example character by character: time per update, how early, promises taken back, ends of turns");
  command
      ->add_option("--early-risk", eval.early_risk_max,
                   "Risk up to which a field is called stable before the end (with --incremental)")
      ->check(CLI::Range(0.0, 1.0))
      ->needs(incremental)
      ->capture_default_str();
  command->add_flag("--json", eval.json, "All figures as JSON");
  command->callback([this] { exit_code = Eval(eval); });
}

void Cli::AddConfig() {
  CLI::App* config = app.add_subcommand("config", "Configuration files");
  config->require_subcommand(1);
  CLI::App* command = config->add_subcommand("check", "Validate a file and print the effective configuration");
  command->add_option("file", config_check.file, "YAML file")->required();
  command->add_option("--set", config_check.sets, "key.path=value, over the file and the environment")
      ->allow_extra_args(false);
  command->callback([this] { exit_code = ConfigCheck(config_check); });
}

void Cli::AddModel() {
  CLI::App* model =
      app.add_subcommand("model", "Model files: GGUF, Hugging Face folders, packed (docs/model_files.md)");
  model->require_subcommand(1);
  const auto add = [&](const char* name, const char* help, ModelArguments& arguments,
                       int (*run)(const ModelArguments&)) {
    CLI::App* command = model->add_subcommand(name, help);
    command->add_option("path", arguments.path, ".gguf file (any part of a split one), folder or packed file")
        ->required();
    command->add_flag("--json", arguments.json, "As JSON");
    command->callback([this, &arguments, run] { exit_code = run(arguments); });
  };
  add("inspect", "Show metadata, tensors, sizes, tokenizer and template", model_inspect, ModelInspect);
  add("verify", "Check the structure and read every weight; says what is wrong", model_verify, ModelVerify);
  CLI::App* command =
      model->add_subcommand("pack", "Make a file that starts in milliseconds (docs/packed_format.md); same results");
  command->add_option("path", model_pack.path, ".gguf file (any part of a split one) or folder")->required();
  command->add_option("out", model_pack.out, "File to write")->required();
  command->add_flag("--force", model_pack.force, "Replace it if it is there");
  command->add_flag("--json", model_pack.json, "What was written as JSON");
  command->callback([this] { exit_code = ModelPack(model_pack); });
  AddQuantize(*model);
}

void Cli::AddQuantize(CLI::App& model) {
  CLI::App* command =
      model.add_subcommand("quantize", "Make an INT8 or INT4 GGUF file of a model (docs/quantization.md)");
  command->add_option("in", quantize.in, "F32, F16 or BF16 model: .gguf file or Hugging Face folder")->required();
  command->add_option("out", quantize.out, ".gguf file to write")->required();
  command->add_option("--type", quantize.type, "q8_0 (INT8), q4_0 (INT4), q4_1 (INT4 with a minimum)")->required();
  command
      ->add_option("--keep", quantize.keep,
                   "PATTERN=TYPE: tensors of these names get this type (f32, f16, bf16, q8_0, q4_0, q4_1); * stands "
                   "for any characters; give it once for each")
      ->allow_extra_args(false);
  command->add_option("--calibrate", quantize.calibrate,
                      "Text file: the model is run over it, and what its layers meet there counts");
  command->add_option("--evaluate", quantize.evaluate, "Text file: compare the new model with the old one on it");
  command->add_flag("--requantize", quantize.requantize, "Take a model that is quantized already, at a loss");
  command->add_flag("--force", quantize.force, "Replace the file if it is there");
  command->add_option("--threads", quantize.threads, "0: one a core; the file is the same for any number");
  command->add_flag("--json", quantize.json, "The report as JSON");
  command->callback([this] { exit_code = ModelQuantize(quantize); });

  command = model.add_subcommand("compare", "Perplexity and divergence of two models' outputs on a text");
  command->add_option("before", compare.before, "The model to measure by: .gguf file or folder")->required();
  command->add_option("after", compare.after, "The model to judge")->required();
  command->add_option("--text", compare.text, "Text file")->required();
  command->add_option("--kv-type", compare.kv_type, "What the second model keeps keys and values as (models[].kv_type)")
      ->check(CLI::IsMember({"f16", "bf16", "int8"}));
  command->add_option("--threads", compare.threads, "0: one a core");
  command->add_flag("--json", compare.json, "The result as JSON");
  command->callback([this] { exit_code = ModelCompare(compare); });
}

void Cli::AddBench() {
  CLI::App* bench = app.add_subcommand("bench", "Measure");
  bench->require_subcommand(1);
  CLI::App* command =
      bench->add_subcommand("server", "Open-loop load on a running server; latency from the planned send time");
  command->add_option("--url", bench_server.url, "Where the server listens")->capture_default_str();
  command->add_option("--rate", bench_server.rate, "Requests a second; 0: as fast as the connections allow")
      ->capture_default_str();
  command->add_option("--seconds", bench_server.seconds, "How long")->capture_default_str();
  command->add_option("--connections", bench_server.connections, "Keep-alive connections")->capture_default_str();
  command->add_option("--text", bench_server.text, "Utterance to send; default: a mix of Chinese and English");
  command->add_flag("!--no-sessions", bench_server.sessions, "Without sessions");
  command->add_flag("--json", bench_server.json, "The result as JSON");
  command->callback([this] { exit_code = BenchServer(bench_server); });

  command = bench->add_subcommand("model", "Tokens or texts a second of a model file, computed here, without a server");
  command->add_option("path", bench_model.path, ".gguf file, Hugging Face folder or packed file")->required();
  command->add_option("--prompt", bench_model.prompt, "Tokens of the prompt, or of each text of an encoder")
      ->capture_default_str();
  command->add_option("--generate", bench_model.generated, "Tokens of each sequence")->capture_default_str();
  command->add_option("--sequences", bench_model.sequences, "Generated side by side, or texts of one batch")
      ->capture_default_str();
  command->add_option("--lengths", bench_model.lengths, "Tokens of each text of an encoder's batch: 8,17,32")
      ->delimiter(',');
  command->add_option("--rounds", bench_model.rounds, "Measurements; the median is shown")->capture_default_str();
  command->add_option("--threads", bench_model.threads, "0: one a core");
  command->add_flag("--int8", bench_model.int8, "Round an encoder's linear layers (models[].round_to_int8)");
  command->add_flag("--json", bench_model.json, "The result as JSON");
  command->callback([this] { exit_code = BenchModel(bench_model); });

  command = bench->add_subcommand("machine", "Reading of memory and arithmetic of this machine, at most");
  command->add_option("--buffer", bench_machine.buffer_mib, "MiB to read, far more than the caches hold")
      ->capture_default_str();
  command->add_option("--rounds", bench_machine.rounds, "Measurements; the median is shown")->capture_default_str();
  command->add_option("--threads", bench_machine.threads, "0: one a core");
  command->add_flag("--json", bench_machine.json, "The result as JSON");
  command->callback([this] { exit_code = BenchMachine(bench_machine); });
}

}  // namespace
}  // namespace loquat::app

int main(int argc, char** argv) {
  using namespace loquat::app;  // NOLINT(tidy): main stands outside.
  Cli cli;
  try {
    cli.app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = cli.app.exit(error);
    return code == 0 ? kExitOk : kExitUsage;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "loquat: %s\n", error.what());
    return kExitFailure;
  }
  return cli.exit_code;
}
