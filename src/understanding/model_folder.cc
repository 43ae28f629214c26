#include "understanding/model_folder.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <new>
#include <optional>

#include "base/check.h"
#include "base/digest.h"
#include "base/file.h"
#include "understanding/model_manifest.h"

namespace loquat::understanding {
namespace {

constexpr std::string_view kRemedy = "; train the model again or copy it again from where it came";

std::string_view AsText(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string FileIn(const std::string& folder, std::string_view file) {
  return fmt::format("{}/{}", folder, file);
}

base::Error Explain(const std::string& folder, std::string_view file, const base::Error& error) {
  if (error.code == base::Code::kNotFound) {
    return base::NotFound(fmt::format(
        "no model in '{}': {} is missing; a model is a folder that 'loquat train --out' wrote", folder, file));
  }
  base::Error explained = error;
  explained.message = fmt::format("model '{}': {}", folder, error.message);
  return explained;
}

std::uint64_t AlignUp(std::uint64_t offset) {
  return (offset + kSectionAlignment - 1) / kSectionAlignment * kSectionAlignment;
}

}  // namespace

base::Result<ModelFolder> ModelFolder::Open(const std::string& path, const ModelFolderOptions& options) {
  auto manifest = base::ReadFile(FileIn(path, kManifestFile), kManifestBytesMax);
  if (!manifest.has_value()) return Explain(path, kManifestFile, manifest.error());
  auto weights = base::MappedFile::Open(FileIn(path, kWeightsFile), base::MapAdvice::kWillNeed);
  if (!weights.has_value()) return Explain(path, kWeightsFile, weights.error());
  ModelFolder folder;
  folder.path_ = path;
  // The mapping moves into the deleter's keeping; the pointer to its bytes stays the same.
  auto mapping = std::make_shared<base::MappedFile>(std::move(*weights));
  folder.memory_size_ = mapping->size();
  folder.memory_ = std::shared_ptr<const std::byte>(mapping, mapping->bytes().data());
  LOQUAT_TRY(folder.Adopt(*manifest, options));
  return folder;
}

base::Result<ModelFolder> ModelFolder::FromBytes(const std::string& name, std::string_view manifest,
                                                 std::string_view weights, const ModelFolderOptions& options) {
  ModelFolder folder;
  folder.path_ = name;
  folder.memory_size_ = weights.size();
  const std::size_t capacity = AlignUp(std::max<std::size_t>(weights.size(), 1));
  auto* copy = static_cast<std::byte*>(std::aligned_alloc(kSectionAlignment, capacity));
  if (copy == nullptr) return base::Internal(fmt::format("model '{}': no memory for {} bytes", name, capacity));
  if (!weights.empty()) std::memcpy(copy, weights.data(), weights.size());
  folder.memory_ =
      std::shared_ptr<const std::byte>(copy, [](const std::byte* p) { std::free(const_cast<std::byte*>(p)); });
  LOQUAT_TRY(folder.Adopt(manifest, options));
  return folder;
}

base::Status ModelFolder::Adopt(std::string_view manifest, const ModelFolderOptions& options) {
  LOQUAT_ASSIGN(manifest_, ParseManifest(FileIn(path_, kManifestFile), manifest));
  std::uint64_t end = 0;
  for (const ModelSection& section : manifest_.sections) end = std::max(end, section.offset + section.size);
  if (AlignUp(end) != memory_size_) {
    return base::DataLoss(fmt::format("{} has {} bytes where its manifest promises {}{}", FileIn(path_, kWeightsFile),
                                      memory_size_, AlignUp(end), kRemedy));
  }
  if (!options.verify_hashes) return {};
  std::uint64_t position = 0;
  for (const ModelSection& section : manifest_.sections) {
    const std::span<const std::byte> all(memory_.get(), memory_size_);
    const auto padding = all.subspan(position, section.offset - position);
    if (std::ranges::any_of(padding, [](std::byte b) { return b != std::byte{0}; })) {
      return Broken(section.name, "the bytes before it are not zero");
    }
    if (base::Sha256Hex(AsText(all.subspan(section.offset, section.size))) != section.sha256) {
      return Broken(section.name, "its bytes do not match their SHA-256");
    }
    position = section.offset + section.size;
  }
  const std::span<const std::byte> tail(memory_.get() + position, memory_size_ - position);
  if (std::ranges::any_of(tail, [](std::byte b) { return b != std::byte{0}; })) {
    return Broken("end", "the bytes after the last section are not zero");
  }
  return {};
}

bool ModelFolder::HasSection(std::string_view name) const {
  return std::ranges::find(manifest_.sections, name, &ModelSection::name) != manifest_.sections.end();
}

base::Result<std::span<const std::byte>> ModelFolder::Section(std::string_view name) const {
  const auto section = std::ranges::find(manifest_.sections, name, &ModelSection::name);
  if (section == manifest_.sections.end()) return Broken(name, "it is missing");
  return std::span<const std::byte>(memory_.get() + section->offset, section->size);
}

base::Error ModelFolder::Broken(std::string_view section, std::string_view why) const {
  return base::DataLoss(fmt::format("model '{}' is damaged: section {}: {}{}", path_, section, why, kRemedy));
}

void ModelFolderWriter::AddSection(std::string name, std::span<const std::byte> bytes) {
  LOQUAT_CHECK(sections_.size() < kSectionsMax, "a model has at most kSectionsMax sections");
  for (const auto& section : sections_) LOQUAT_CHECK(section.first != name, "a section is written once");
  sections_.emplace_back(std::move(name), std::vector<std::byte>(bytes.begin(), bytes.end()));
}

std::pair<std::string, std::string> ModelFolderWriter::Serialize() {
  std::string weights;
  manifest_.sections.clear();
  for (const auto& [name, bytes] : sections_) {
    manifest_.sections.push_back(
        {.name = name, .offset = weights.size(), .size = bytes.size(), .sha256 = base::Sha256Hex(AsText(bytes))});
    weights.append(AsText(bytes));
    weights.resize(AlignUp(weights.size()));
  }
  return {FormatManifest(manifest_), std::move(weights)};
}

base::Status ModelFolderWriter::Write(const std::string& path) {
  const auto [manifest, weights] = Serialize();
  std::error_code failure;
  std::filesystem::create_directories(path, failure);
  if (failure) return base::FileError("create the model folder", path, failure.value());
  LOQUAT_TRY(base::WriteFileAtomically(FileIn(path, kWeightsFile), weights));
  return base::WriteFileAtomically(FileIn(path, kManifestFile), manifest);
}

}  // namespace loquat::understanding
