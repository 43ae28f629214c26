// A temporary folder of model files, for tests: removed at the end. One thread.

#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <string_view>

#include "base/file.h"

namespace loquat::model {

class ModelTestFolder {
 public:
  ModelTestFolder() {
    std::string name = testing::TempDir() + "loquat-model-XXXXXX";
    path_ = ::mkdtemp(name.data());
  }
  ~ModelTestFolder() { std::filesystem::remove_all(path_); }
  ModelTestFolder(const ModelTestFolder&) = delete;
  ModelTestFolder& operator=(const ModelTestFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string File(std::string_view name) const { return path_ + "/" + std::string(name); }
  std::string Write(std::string_view name, std::string_view bytes) const {
    const std::string path = File(name);
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    EXPECT_TRUE(base::WriteFileAtomically(path, bytes).has_value());
    return path;
  }

 private:
  std::string path_;
};

}  // namespace loquat::model
