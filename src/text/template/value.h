// The values that a template computes with, in the manner of Python's: none, booleans, 64-bit integers, doubles,
// strings, lists, tuples, dicts, namespaces, and the things that can be called.
//
// A Value is 16 bytes and copies freely. What it points at (text, items) lives in the Arena of one rendering, in the
// compiled template, or in the caller's input, all of which outlive the rendering; nothing is freed before its end, so
// cycles do no harm. One thread at a time uses an arena and the values in it.

#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory_resource>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"

namespace loquat::text::jinja {

enum class Kind : std::uint8_t {
  kUndefined,
  kNone,
  kBool,
  kInt,
  kFloat,
  kString,
  kList,
  kTuple,
  kDict,
  kNamespace,
  kLoop,
  kMacro,
  kFunction,
  kMethod,
};

// With its article, for messages: "a string".
std::string_view KindName(Kind kind);

struct List;
class Dict;
struct Loop;
struct Macro;
struct Builtin;
struct Method;

class Value {
 public:
  Value() = default;  // Undefined, without a name.
  // `name` is what was looked for.
  static Value Undefined(std::string_view name) { return Text(Kind::kUndefined, name); }
  static Value None() { return Value(Kind::kNone, 0, 0); }
  static Value Bool(bool value) { return Value(Kind::kBool, value ? 1 : 0, 0); }
  static Value Int(std::int64_t value) { return Value(Kind::kInt, std::bit_cast<std::uint64_t>(value), 0); }
  static Value Float(double value) { return Value(Kind::kFloat, std::bit_cast<std::uint64_t>(value), 0); }
  // REQUIRES: fewer than 4 GiB, which every bound on strings is far below.
  static Value String(std::string_view text) { return Text(Kind::kString, text); }
  static Value Of(List* list) { return Pointer(Kind::kList, list); }
  static Value TupleOf(List* list) { return Pointer(Kind::kTuple, list); }
  static Value Of(Dict* dict) { return Pointer(Kind::kDict, dict); }
  static Value NamespaceOf(Dict* dict) { return Pointer(Kind::kNamespace, dict); }
  static Value Of(Loop* loop) { return Pointer(Kind::kLoop, loop); }
  static Value Of(const Macro* macro) { return Pointer(Kind::kMacro, macro); }
  static Value Of(const Builtin* function) { return Pointer(Kind::kFunction, function); }
  static Value Of(const Method* method) { return Pointer(Kind::kMethod, method); }

  Kind kind() const { return kind_; }
  bool Is(Kind kind) const { return kind_ == kind; }
  bool IsUndefined() const { return kind_ == Kind::kUndefined; }
  bool IsString() const { return kind_ == Kind::kString; }
  bool IsSequence() const { return kind_ == Kind::kList || kind_ == Kind::kTuple; }
  bool IsInteger() const { return kind_ == Kind::kInt || kind_ == Kind::kBool; }  // As Python has it.
  bool IsNumber() const { return IsInteger() || kind_ == Kind::kFloat; }
  bool IsCallable() const { return kind_ >= Kind::kMacro; }

  // REQUIRES for each: the kind that it speaks of.
  bool AsBool() const { return bits_ != 0; }
  std::int64_t AsInt() const { return std::bit_cast<std::int64_t>(bits_); }  // Booleans as 0 and 1.
  double AsDouble() const {
    return kind_ == Kind::kFloat ? std::bit_cast<double>(bits_) : static_cast<double>(AsInt());
  }
  std::string_view AsString() const { return {As<const char>(), size_}; }
  std::string_view UndefinedName() const { return AsString(); }
  List& AsList() const { return *As<List>(); }
  Dict& AsDict() const { return *As<Dict>(); }
  Loop& AsLoop() const { return *As<Loop>(); }
  const Macro& AsMacro() const { return *As<const Macro>(); }
  const Builtin& AsFunction() const { return *As<const Builtin>(); }
  const Method& AsMethod() const { return *As<const Method>(); }

  // The same object, or the same number, truth value or text.
  bool IsIdenticalTo(const Value& other) const;

 private:
  Value(Kind kind, std::uint64_t bits, std::uint32_t size) : bits_(bits), size_(size), kind_(kind) {}
  static Value Pointer(Kind kind, const void* pointer) {
    return Value(kind, reinterpret_cast<std::uintptr_t>(pointer), 0);
  }
  static Value Text(Kind kind, std::string_view text) {
    LOQUAT_CHECK(text.size() <= UINT32_MAX, "a template's string is longer than any bound allows");
    return Value(kind, reinterpret_cast<std::uintptr_t>(text.data()), static_cast<std::uint32_t>(text.size()));
  }
  template <typename T>
  T* As() const {
    return reinterpret_cast<T*>(static_cast<std::uintptr_t>(bits_));
  }

  std::uint64_t bits_ = 0;  // A number or a pointer.
  std::uint32_t size_ = 0;  // Bytes of text.
  Kind kind_ = Kind::kUndefined;
};

struct List {
  explicit List(std::pmr::memory_resource* memory) : items(memory) {}
  std::pmr::vector<Value> items;
};

// Keeps the order of insertion. Keys are none, booleans, numbers and strings; 1, 1.0 and true are one key.
class Dict {
 public:
  struct Entry {
    Value key;
    Value value;
  };

  explicit Dict(std::pmr::memory_resource* memory) : entries_(memory), slots_(memory) {}

  static bool IsKey(const Value& value) { return value.IsNumber() || value.IsString() || value.Is(Kind::kNone); }
  // Null: no such key.
  const Value* Find(const Value& key) const;
  const Value* Find(std::string_view key) const { return Find(Value::String(key)); }
  // Replaces the value, or appends. REQUIRES: IsKey(key).
  void Set(const Value& key, const Value& value);
  std::span<const Entry> entries() const { return entries_; }

 private:
  static constexpr std::size_t kLinearMax = 8;  // Up to here a search walks the entries.
  static constexpr std::uint32_t kFree = UINT32_MAX;

  std::size_t SlotOf(const Value& key) const;   // Of the key, or the free one where it belongs.
  std::size_t IndexOf(const Value& key) const;  // entries_.size(): not here.
  void GrowSlots();

  std::pmr::vector<Entry> entries_;
  std::pmr::vector<std::uint32_t> slots_;  // Open addressing over indices of entries_; empty up to kLinearMax.
};

struct Method {
  Value self;
  const Builtin* builtin;
};

// Where one rendering keeps its values. Everything goes at once, with the arena.
class Arena {
 public:
  Arena() : memory_(kFirstChunkBytes, &counted_) {}
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  std::pmr::memory_resource* memory() { return &memory_; }
  // What was taken from the system so far.
  std::size_t bytes() const { return counted_.bytes; }

  std::string_view Copy(std::string_view text);
  template <typename T, typename... Args>
  T* New(Args&&... args) {
    return new (memory_.allocate(sizeof(T), alignof(T))) T{std::forward<Args>(args)...};
  }
  List* NewList() { return New<List>(&memory_); }
  Dict* NewDict() { return New<Dict>(&memory_); }

 private:
  static constexpr std::size_t kFirstChunkBytes = 4096;

  struct Counted : std::pmr::memory_resource {
    void* do_allocate(std::size_t size, std::size_t alignment) override;
    void do_deallocate(void* memory, std::size_t size, std::size_t alignment) override;
    bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override { return this == &other; }
    std::size_t bytes = 0;
  };

  Counted counted_;
  std::pmr::monotonic_buffer_resource memory_;
};

}  // namespace loquat::text::jinja
