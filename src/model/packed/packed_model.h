// A packed model file, opened: what its head says, and weights that stay in the file's own pages. Opening reads the
// head alone unless an option asks for more. Opening is safe from any thread; what it gives is constant and for any
// thread.
//
// The mapping lives as long as anyone who holds `file` or the weights: the last one unmaps it.

#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/file.h"
#include "base/result.h"
#include "model/packed/packed_head.h"
#include "model/tensor/weights.h"

namespace loquat::model {

// When weights are held against the hashes of their chunks.
enum class PackedVerify : std::uint8_t {
  kNone,
  kLazy,  // Before the first pass computes with them.
  kFull,  // When the file is opened.
};

struct PackedOptions {
  PackedVerify verify = PackedVerify::kLazy;
  bool populate = false;    // Every page is read and mapped at once, not as it is first touched.
  bool lock = false;        // And none is ever given back to the system (mlock).
  bool huge_pages = false;  // The weights are copied into memory of this process, in huge pages, and not shared.
};

struct PackedModel {
  PackedHead head;  // Its tokenizer is a view of `file`.
  std::shared_ptr<const base::MappedFile> file;
  std::unique_ptr<const Weights> weights;
};

// Whether the file begins as packed files do. A file that cannot be read does not.
bool IsPackedFile(const std::string& path);

// Errors: as ReadPackedHead, PackedTensors, base::MappedFile::Open, Populate and Lock; kDataLoss "damaged", a chunk
// without its hash (kFull).
base::Result<PackedModel> OpenPacked(const std::string& path, const PackedOptions& options = {});

}  // namespace loquat::model
