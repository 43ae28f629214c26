// The subcommands of `loquat`, each with its arguments as parsed. Every one returns the process's exit code: 0, 1 for a
// failure (said on standard error), 2 for arguments that make no sense together.
//
// Called once, by main's thread.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace loquat::app {

inline constexpr int kExitOk = 0;
inline constexpr int kExitFailure = 1;
inline constexpr int kExitUsage = 2;

struct ServeArguments {
  std::string config;               // Empty: defaults and environment alone.
  std::string listen;               // Empty: as configured.
  std::string grpc;                 // Empty: as configured.
  std::vector<std::string> models;  // NAME=PATH; one folder for understanding at most.
  std::vector<std::string> sets;    // key.path=value
};
int Serve(const ServeArguments& arguments);

struct UnderstandArguments {
  std::string text;   // "-": each line of standard input.
  std::string model;  // Empty: the bundled one.
  bool json = false;
  std::string reference_time;  // "2026-11-21T09:00:00+08:00"; empty: now, in this machine's time zone.
};
int Understand(const UnderstandArguments& arguments);

struct ChatArguments {
  std::string model;   // Runs in this process; or
  std::string url;     // a server's.
  std::string name;    // Of the server's model; empty: its first.
  std::string system;  // Empty: none.
  double temperature = 0.7;
  std::uint32_t tokens_max = 0;  // Zero: as many as fit.
  std::uint32_t context = 0;
  std::uint32_t threads = 0;
};
// Reads a line, answers it as the words come, until the input ends. Ctrl-C stops an answer; without one it ends.
int Chat(const ChatArguments& arguments);

struct TrainArguments {
  std::vector<std::string> files;
  std::string out;
  std::uint32_t threads = 0;  // Zero: one a core.
  std::uint64_t seed = 1;
  std::uint64_t intent_bytes_max = 0;  // Of the classifier; zero: the default of TrainOptions.
  std::uint64_t slot_bytes_max = 0;    // Of the slot tagger; as above.
  double rejected_max = -1;            // As TrainOptions.
  bool json = false;
};
int Train(const TrainArguments& arguments);

struct EvalArguments {
  std::vector<std::string> files;
  std::string model;
  std::vector<std::string> out_of_scope;  // Files of lines that no intent covers.
  bool incremental = false;               // Typed character by character instead.
  float early_risk_max = 0.01F;           // As understanding::UnderstandOptions; with `incremental`.
  std::uint32_t threads = 0;
  bool json = false;
};
int Eval(const EvalArguments& arguments);

struct ConfigCheckArguments {
  std::string file;
  std::vector<std::string> sets;
};
int ConfigCheck(const ConfigCheckArguments& arguments);

struct ModelArguments {
  std::string path;  // A .gguf file, a Hugging Face folder or a packed file.
  bool json = false;
};
// What is inside, whether it can run here or not.
int ModelInspect(const ModelArguments& arguments);
// Reads every byte; exit code 1 if a number cannot be right.
int ModelVerify(const ModelArguments& arguments);

struct ModelPackArguments {
  std::string path;  // A .gguf file or a Hugging Face folder.
  std::string out;
  bool force = false;  // Replaces `out`.
  bool json = false;
};
// Writes a file that starts in milliseconds; the weights' numbers stay as they are.
int ModelPack(const ModelPackArguments& arguments);

struct QuantizeArguments {
  std::string in;   // A .gguf file or a Hugging Face folder.
  std::string out;  // A .gguf file.
  std::string type;
  std::vector<std::string> keep;  // PATTERN=TYPE
  std::string calibrate;          // Text file; empty: all weights count alike.
  std::string evaluate;           // Text file to compare both models on; empty: not compared.
  bool requantize = false;
  bool force = false;         // Replace `out`.
  std::uint32_t threads = 0;  // Zero: one a core.
  bool json = false;
};
int ModelQuantize(const QuantizeArguments& arguments);

struct CompareArguments {
  std::string before, after;  // Models.
  std::string text;           // File.
  std::string kv_type;        // Of the second model's keys and values: a name of models[].kv_type; empty: f16.
  std::uint32_t threads = 0;
  bool json = false;
};
// How far the outputs of one model are from another's on a text.
int ModelCompare(const CompareArguments& arguments);

struct BenchServerArguments {
  std::string url = "http://127.0.0.1:8080";
  std::string text;    // Empty: a mix of Chinese and English requests.
  double rate = 1000;  // Requests a second, at constant spacing; zero: as fast as the connections allow.
  double seconds = 10;
  std::uint32_t connections = 16;
  bool json = false;
  bool sessions = true;  // Each connection talks in a session of its own.
};
int BenchServer(const BenchServerArguments& arguments);

struct BenchModelArguments {
  std::string path;
  std::uint32_t prompt = 512;    // Tokens of the prompt, or of each text of an encoder.
  std::uint32_t generated = 64;  // Tokens of each sequence.
  std::uint32_t sequences = 1;   // Side by side; texts of one batch.
  std::uint32_t rounds = 5;
  std::uint32_t threads = 0;
  std::vector<std::uint32_t>
      lengths;        // Tokens of each text of an encoder's batch, instead of `prompt` and `sequences`.
  bool int8 = false;  // models[].round_to_int8
  bool json = false;
};
int BenchModel(const BenchModelArguments& arguments);

struct BenchMachineArguments {
  std::uint32_t buffer_mib = 512;  // To read: far more than the caches hold.
  std::uint32_t rounds = 5;
  std::uint32_t threads = 0;  // Zero: one a core.
  bool json = false;
};
// How fast this machine reads memory and multiplies, at most.
int BenchMachine(const BenchMachineArguments& arguments);

}  // namespace loquat::app
