#include "model/formats/inspect.h"

#include <algorithm>
#include <utility>

#include "kernels/weight_type.h"
#include "model/formats/gguf_metadata_text.h"
#include "model/formats/gguf_model.h"
#include "model/formats/gguf_tokenizer.h"

namespace loquat::model {
namespace {

constexpr std::string_view kTokenizerKinds[] = {"byte_level_bpe", "sentencepiece_bpe", "unigram", "word_piece"};

std::uint64_t ElementsIn(const TensorDescription& tensor) {
  std::uint64_t elements = 1;
  for (const std::uint64_t dimension : tensor.shape) elements *= dimension;
  return elements;
}

void AddTotals(ModelDescription& out) {
  for (const TensorDescription& tensor : out.tensors) {
    auto share = std::ranges::find(out.types, tensor.type, &TypeShare::type);
    if (share == out.types.end()) share = out.types.insert(out.types.end(), TypeShare{.type = tensor.type});
    const std::uint64_t elements = ElementsIn(tensor);
    ++share->tensors;
    share->weights += elements;
    share->bytes += tensor.bytes;
    out.weights += elements;
    out.weight_bytes += tensor.bytes;
  }
  std::ranges::sort(out.types, std::ranges::greater{},
                    [](const TypeShare& share) { return std::pair(share.bytes, share.type); });
}

TokenizerDescription Describe(const text::TokenizerSummary& summary) {
  return {.kind = std::string(kTokenizerKinds[static_cast<std::size_t>(summary.kind)]),
          .pre_tokenizer = summary.pre_tokenizer,
          .tokens = summary.tokens,
          .merges = summary.merges,
          .specials = summary.specials,
          .add_bos = summary.add_bos,
          .add_eos = summary.add_eos};
}

ModelDescription Describe(ModelFiles files) {
  ModelDescription out{.path = std::move(files.path),
                       .format = files.format,
                       .gguf_version = files.gguf_version,
                       .tuned_for = std::move(files.tuned_for),
                       .files = std::move(files.files),
                       .metadata = std::move(files.metadata),
                       .config = std::move(files.config),
                       .chat_template = std::move(files.chat_template)};
  for (const Tensor& tensor : files.weights->tensors()) {
    out.tensors.push_back({.name = tensor.name,
                           .type = std::string(kernels::LayoutOf(tensor.type).name),
                           .shape = tensor.shape,
                           .bytes = tensor.bytes.size(),
                           .panels = tensor.order == kernels::RowOrder::kInterleaved});
  }
  if (files.tokenizer.ready != nullptr) {
    out.tokenizer = Describe(files.tokenizer.summary);
  } else if (files.tokenizer.spec) {
    out.tokenizer = Describe(text::SummaryOf(*files.tokenizer.spec));
  } else if (!files.tokenizer.tokenizer_json.empty()) {
    out.tokenizer = TokenizerDescription{.kind = "tokenizer.json"};
  }
  return out;
}

// What can be said of a GGUF file whose model cannot run.
base::Result<ModelDescription> DescribeContainer(const std::string& path, const base::Error& why) {
  LOQUAT_ASSIGN(const GgufModel model, GgufModel::Open(path));
  ModelDescription out{.path = path,
                       .format = FileFormat::kGguf,
                       .gguf_version = model.metadata().version(),
                       .metadata = MetadataText(model.metadata()),
                       .problem = why.message};
  for (std::size_t i = 0; i < model.parts().size(); ++i) {
    out.files.push_back({.path = model.parts()[i].name(), .bytes = model.part_bytes(i)});
    for (const GgufTensor& tensor : model.parts()[i].tensors()) {
      out.tensors.push_back({.name = std::string(tensor.name),
                             .type = std::string(tensor.type->name),
                             .shape = tensor.shape,
                             .bytes = tensor.bytes.size()});
    }
  }
  if (const auto spec = TokenizerFromGguf(model.metadata()); spec.has_value()) {
    out.tokenizer = Describe(text::SummaryOf(*spec));
    out.chat_template = spec->chat_template;
  }
  return out;
}

}  // namespace

base::Result<ModelDescription> InspectModel(const std::string& path) {
  auto files = OpenModel(path);
  base::Result<ModelDescription> description =
      files.has_value() ? Describe(*std::move(files)) : DescribeContainer(path, files.error());
  // A file that cannot even be taken apart: the first error says more than the second would.
  if (!description.has_value()) return std::move(files).error();
  AddTotals(*description);
  return description;
}

}  // namespace loquat::model
