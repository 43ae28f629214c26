// A model in GGUF: one file, or the parts of a split one (name-00001-of-00003.gguf …), memory-mapped.
// Constant after Open; any thread. Views live as long as the object, or as the Weights taken from it.

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "model/formats/gguf_file.h"
#include "model/tensor/weights.h"

namespace loquat::model {

inline constexpr std::uint64_t kGgufPartsMax = 1024;

class GgufModel {
 public:
  // `path` is the file, or any part of a split model. Errors: as GgufFile::Parse and base::MappedFile::Open, or a part
  // that is missing or belongs to another model.
  static base::Result<GgufModel> Open(const std::string& path);

  const GgufFile& metadata() const { return parts_.front(); }  // The first part holds it all.
  const std::vector<GgufFile>& parts() const { return parts_; }
  std::uint64_t part_bytes(std::size_t i) const { return sizes_[i]; }

  // The tensors of all parts as weights that own the mapping; views given before stay good as long as those live.
  // kUnimplemented names a tensor whose type Loquat does not compute with. Call once.
  base::Result<std::unique_ptr<const Weights>> TakeWeights();

 private:
  std::vector<base::MappedFile> files_;
  std::vector<GgufFile> parts_;  // One for each file.
  std::vector<std::uint64_t> sizes_;
};

}  // namespace loquat::model
