// Prints what a model file computes for a sequence of token ids, for comparison with other engines (parity.mjs).
//
//   model_outputs logits MODEL < ids         every token's logits: [token, vocabulary] floats, little-endian
//   model_outputs greedy COUNT MODEL < ids   COUNT more token ids, each the likeliest, as text
//   model_outputs hidden MODEL < ids         an encoder's last hidden states: [token, width] floats
//   model_outputs pooled MODEL < ids         its pooled embedding: [width] floats
//   model_outputs head MODEL < ids           its head's logits: [labels] floats, or [token, labels]
//   model_outputs pooled-int8 MODEL < ids    likewise, of linear layers rounded to 8 bits
//
// Standard input is one line of token ids and, for encoders, a second one of token types, if they are not all zero.
// LOQUAT_FORCE_ISA pins the instructions.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "kernels/isa.h"
#include "kernels/thread_team.h"
#include "model/arch/load.h"
#include "model/formats/model_files.h"

namespace loquat {
namespace {

struct Request {
  std::string_view what;
  std::string path;
  std::size_t count = 0;  // Tokens to generate.
  std::vector<std::int32_t> tokens, token_types;
};

void Write(std::span<const float> values) {
  std::fwrite(values.data(), sizeof(float), values.size(), stdout);
}

std::vector<std::int32_t> ReadLine() {
  std::string line;
  std::getline(std::cin, line);
  std::istringstream words(line);
  std::vector<std::int32_t> numbers;
  for (std::int32_t number = 0; words >> number;) numbers.push_back(number);
  return numbers;
}

base::Status CheckTokens(const Request& request, const model::ModelConfig& config) {
  const auto below = [](std::uint32_t limit) {
    return [limit](std::int32_t id) { return id >= 0 && static_cast<std::uint32_t>(id) < limit; };
  };
  if (request.tokens.empty() || !std::ranges::all_of(request.tokens, below(config.vocabulary))) {
    return base::InvalidArgument("standard input holds no token ids of the model's vocabulary");
  }
  if (!request.token_types.empty() && (request.token_types.size() != request.tokens.size() ||
                                       !std::ranges::all_of(request.token_types, below(config.token_types)))) {
    return base::InvalidArgument("the second line of standard input is no token type for each token");
  }
  if (request.tokens.size() + request.count > config.context) {
    return base::InvalidArgument("the tokens do not fit the model's context");
  }
  return {};
}

base::Status Decode(Request request, model::ModelFiles files, kernels::Isa isa, kernels::ThreadTeam& team) {
  std::shared_ptr<const model::Weights> weights = std::move(files.weights);
  LOQUAT_ASSIGN(const auto decoder, model::LoadDecoder(files.config, weights, isa));
  LOQUAT_TRY(CheckTokens(request, decoder->config()));
  std::size_t prompt = request.tokens.size();
  const std::size_t pages_needed = (prompt + request.count) / model::kKvPageTokens + 1;
  std::vector<std::vector<std::byte>> memory(pages_needed);
  std::vector<std::byte*> pages;
  for (auto& page : memory) {
    page.resize(decoder->kv_layout().page_bytes());
    pages.push_back(page.data());
  }
  const auto workspace = decoder->NewWorkspace(static_cast<std::uint32_t>(prompt), team);
  model::DecoderSlice slice{.tokens = request.tokens, .pages = pages, .all_logits = request.count == 0};
  std::span<const float> logits = decoder->Forward({&slice, 1}, *workspace);
  if (request.count == 0) Write(logits);
  for (std::size_t i = 0; i < request.count; ++i) {
    const auto next = static_cast<std::int32_t>(std::ranges::max_element(logits) - logits.begin());
    std::cout << next << '\n';
    slice = {.tokens = {&next, 1}, .position = static_cast<std::uint32_t>(prompt++), .pages = pages};
    logits = decoder->Forward({&slice, 1}, *workspace);
  }
  return {};
}

base::Status Encode(const Request& request, model::ModelFiles files, kernels::Isa isa, kernels::ThreadTeam& team) {
  std::shared_ptr<const model::Weights> weights = std::move(files.weights);
  const bool int8 = request.what == "pooled-int8";
  LOQUAT_ASSIGN(const auto encoder,
                model::LoadEncoder(files.config, weights, isa,
                                   int8 ? model::LinearNumbers::kInt8 : model::LinearNumbers::kStored));
  LOQUAT_TRY(CheckTokens(request, encoder->config()));
  const auto workspace = encoder->NewWorkspace(static_cast<std::uint32_t>(request.tokens.size()), team);
  const model::EncoderText text{.tokens = request.tokens, .token_types = request.token_types};
  const std::span<const float> hidden = encoder->Forward({&text, 1}, *workspace);
  Write(request.what == "hidden" ? hidden
        : request.what == "head" ? encoder->Logits(*workspace)
                                 : encoder->Pooled(*workspace));
  return {};
}

base::Status Run(std::span<char* const> arguments) {
  Request request;
  if (arguments.size() < 3) {
    return base::InvalidArgument("usage: model_outputs logits|greedy COUNT|hidden|pooled|pooled-int8|head MODEL < ids");
  }
  request.what = arguments[1];
  request.path = arguments.back();
  if (request.what == "greedy") request.count = std::strtoul(arguments[2], nullptr, 10);
  request.tokens = ReadLine();
  request.token_types = ReadLine();
  const char* const forced = std::getenv("LOQUAT_FORCE_ISA");
  LOQUAT_ASSIGN(const kernels::Isa isa, kernels::ChooseIsa(forced == nullptr ? "" : forced));
  LOQUAT_ASSIGN(model::ModelFiles files, model::OpenModel(request.path));
  kernels::ThreadTeam team;
  const bool encodes = request.what == "hidden" || request.what == "head" || request.what.starts_with("pooled");
  if (encodes) return Encode(request, std::move(files), isa, team);
  return Decode(std::move(request), std::move(files), isa, team);
}

}  // namespace
}  // namespace loquat

int main(int argc, char** argv) {
  const auto done = loquat::Run({argv, static_cast<std::size_t>(argc)});
  if (done.has_value()) return 0;
  std::cerr << "model_outputs: " << done.error().message << '\n';
  return 1;
}
