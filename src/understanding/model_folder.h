// A model on disk: a folder with manifest.json (what it is) and weights.bin (aligned sections, mapped as they lie).
// ModelFolder is immutable after Open: any thread may read it; its spans live as long as it does. Nothing in a file is
// believed: sizes, offsets and hashes are checked before a byte is used. docs/model_format.md draws the format.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/result.h"

namespace loquat::understanding {

inline constexpr std::uint32_t kModelFormatVersion = 1;
inline constexpr std::string_view kModelKind = "loquat.nlu";
inline constexpr std::string_view kManifestFile = "manifest.json";
inline constexpr std::string_view kWeightsFile = "weights.bin";
inline constexpr std::size_t kSectionAlignment = 64;           // Bytes; a cache line, and enough for any vector load.
inline constexpr std::size_t kManifestBytesMax = 4u << 20;     // A larger manifest is refused.
inline constexpr std::uint64_t kWeightsBytesMax = 1ull << 32;  // A larger weights file is refused.
inline constexpr std::size_t kSectionsMax = 64;
inline constexpr std::size_t kSectionNameBytesMax = 64;
inline constexpr std::size_t kModelLabelsMax = 4096;  // Intents, or slot names.

// One run of bytes in weights.bin.
struct ModelSection {
  std::string name;          // "intent.rows"; [a-z0-9_.], unique.
  std::uint64_t offset = 0;  // From the start of weights.bin; a multiple of kSectionAlignment.
  std::uint64_t size = 0;    // Bytes, without the padding after it.
  std::string sha256;        // 64 hexadecimal digits.
};

// manifest.json as values.
struct ModelManifest {
  std::uint32_t format_version = kModelFormatVersion;
  std::string kind = std::string(kModelKind);
  std::vector<std::string> intents;                           // By class index; without the out-of-scope class.
  std::vector<std::string> slots;                             // Slot names, for people; the tagger has its own section.
  std::vector<std::pair<std::string, std::string>> features;  // What the model looks at, for people.
  std::vector<std::pair<std::string, double>> metrics;        // Of its own cross-validation: "intent_accuracy".
  std::uint64_t training_examples = 0;
  std::string training_data_sha256;  // Of the examples in canonical form; 64 hexadecimal digits.
  std::vector<ModelSection> sections;
};

struct ModelFolderOptions {
  bool verify_hashes = true;  // SHA-256 of every section; false: sizes and bounds only.
};

class ModelFolder {
 public:
  // kNotFound: no folder or a file of it is missing; kDataLoss: damaged (truncated, a flipped bit, a bad manifest);
  // kFailedPrecondition: written by a newer version, or not a model of this kind. Each says what to do.
  static base::Result<ModelFolder> Open(const std::string& path, const ModelFolderOptions& options = {});
  // The same over bytes in memory, which it copies; `name` stands for the folder in errors. For tests and fuzzing.
  static base::Result<ModelFolder> FromBytes(const std::string& name, std::string_view manifest,
                                             std::string_view weights, const ModelFolderOptions& options = {});

  const ModelManifest& manifest() const { return manifest_; }
  const std::string& path() const { return path_; }
  bool HasSection(std::string_view name) const;

  // The bytes of a section, at an address aligned to kSectionAlignment. kDataLoss if there is none of that name.
  base::Result<std::span<const std::byte>> Section(std::string_view name) const;

  // The same as elements. kDataLoss if the size is no multiple of the element's.
  template <typename T>
  base::Result<std::span<const T>> Array(std::string_view name) const {
    static_assert(std::is_trivially_copyable_v<T> && alignof(T) <= kSectionAlignment);
    LOQUAT_ASSIGN(const std::span<const std::byte> bytes, Section(name));
    if (bytes.size() % sizeof(T) != 0) return Broken(name, "its size is no whole number of elements");
    return std::span<const T>(reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T));
  }

  // The error of a section whose content makes no sense: kDataLoss, naming the folder, the section and `why`.
  base::Error Broken(std::string_view section, std::string_view why) const;

 private:
  ModelFolder() = default;
  base::Status Adopt(std::string_view manifest, const ModelFolderOptions& options);

  std::string path_;
  ModelManifest manifest_;
  std::shared_ptr<const std::byte> memory_;  // The mapping or the copy.
  std::uint64_t memory_size_ = 0;
};

// Collects sections and writes the folder. One thread.
class ModelFolderWriter {
 public:
  ModelManifest& manifest() { return manifest_; }  // Fill in; `sections` is filled in by Write.

  // Copies `bytes`. REQUIRES: the name is new and well-formed.
  void AddSection(std::string name, std::span<const std::byte> bytes);

  template <typename T>
  void AddArray(std::string name, std::span<const T> elements) {
    static_assert(std::is_trivially_copyable_v<T>);
    AddSection(std::move(name), std::as_bytes(elements));
  }

  // Writes both files beside their final names and renames them in place, weights first, so that a crash leaves no
  // folder that opens with half of each: the hashes disagree. Creates the folder. The same content gives the same
  // bytes.
  base::Status Write(const std::string& path);
  // The two files as strings: {manifest, weights}.
  std::pair<std::string, std::string> Serialize();

 private:
  ModelManifest manifest_;
  std::vector<std::pair<std::string, std::vector<std::byte>>> sections_;
};

}  // namespace loquat::understanding
