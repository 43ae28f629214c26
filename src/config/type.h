// How one kind of value is read, checked and written back: the interface between typed keys and untyped values.
// A Type is constant once its section is declared; then it is safe from any thread.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/value.h"

namespace loquat::config {

// Problems reported in full; further ones are only counted.
inline constexpr std::size_t kProblemsMax = 20;

// Collects what is wrong, with the path of keys that leads to it. One thread.
class Reader {
 public:
  // Opens a key for as long as it lives.
  class Scope {
   public:
    Scope(Reader& reader, std::string_view segment, bool secret = false);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Reader& reader_;
    const std::size_t path_size_;
    const bool was_secret_;
  };

  // "PLACE: PATH: WHAT".
  void Problem(const Place& place, std::string_view what);
  // The value cannot be what it should: "got VALUE WHY; allowed: ALLOWED". The value of a secret is not shown.
  void Reject(const Value& value, std::string_view why, std::string_view allowed);

  const std::string& path() const { return path_; }
  std::size_t problem_count() const { return count_; }
  bool ok() const { return count_ == 0; }
  // Every problem on its own line. REQUIRES: !ok().
  base::Error ToError() const;

 private:
  std::string path_;
  bool secret_ = false;
  std::size_t count_ = 0;
  std::vector<std::string> lines_;
  std::string first_place_;
};

class Schema;

enum class Shape : std::uint8_t { kScalar, kList, kMap, kSection };

class Type {
 public:
  virtual ~Type() = default;

  // Reads `value` into *out, an object of the type this Type stands for. What is wrong goes to the reader, and *out is
  // then of no use.
  virtual void Read(const Value& value, void* out, Reader& reader) const = 0;
  // The value that reads back as *in.
  virtual Value Write(const void* in) const = 0;
  // What may be written there: "integer from 1 to 65535".
  virtual std::string Allowed() const = 0;

  virtual Shape shape() const { return Shape::kScalar; }
  // The keys of a section; null for other shapes.
  virtual const Schema* section() const { return nullptr; }
  // What a list or a map holds; null for other shapes.
  virtual const Type* element() const { return nullptr; }
  // A section with all keys at their defaults; null for other shapes.
  virtual Value Defaults() const { return {}; }
  // True where an absent key means an absent value, not a default one.
  virtual bool optional() const { return false; }
};

}  // namespace loquat::config
