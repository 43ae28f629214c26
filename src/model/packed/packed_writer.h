// Makes a packed file of a model that is open: its linear layers in the order that kernels stream, everything else as
// it is. The same model gives the same bytes. Computes on all cores; one call at a time a path.

#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/atomic_file.h"
#include "base/result.h"
#include "model/metadata_entry.h"
#include "model/model_config.h"
#include "model/packed/packed_head.h"
#include "model/tensor/weights.h"

namespace loquat::model {

struct PackSource {
  ModelConfig config;
  std::vector<MetadataEntry> metadata;
  std::string chat_template;   // May be empty.
  std::string_view tokenizer;  // As text/tokenizer/tokenizer_tables.h writes it; empty: none.
  const Weights& weights;
  std::span<const std::string> linear_tensors;  // Tensors that may be reordered.
};

struct PackOptions {
  base::AtomicFile::Existing existing = base::AtomicFile::Existing::kRefuse;
  std::uint64_t chunk_bytes = kPackedChunkBytes;
};

// Called with bytes done and bytes in all, on the caller's thread.
using PackProgress = std::function<void(std::uint64_t done, std::uint64_t total)>;

struct PackReport {
  std::uint64_t file_bytes = 0;
  std::uint64_t weights_bytes = 0;
  std::uint64_t chunks = 0;
  std::uint64_t tensors = 0;
  std::uint64_t tensors_in_panels = 0;
};

// `path` has the whole file or is as it was. Errors besides AtomicFile's: kInvalidArgument, something is larger
// than the form allows.
base::Result<PackReport> WritePacked(const std::string& path, const PackSource& source, const PackOptions& options = {},
                                     const PackProgress& progress = {});

}  // namespace loquat::model
