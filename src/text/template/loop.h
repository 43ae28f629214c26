// The `loop` of a for block, and macros as values. Both live in the arena of one rendering.

#pragma once

#include <cstddef>
#include <memory_resource>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "text/template/syntax.h"
#include "text/template/value.h"
#include "text/template/work.h"

namespace loquat::text::jinja {

struct Loop {
  std::span<const Value> items;
  std::size_t index = 0;  // Of the item at hand.
  Value changed_before;   // What changed() saw last.
};

// loop.index, loop.first …; undefined for a name that a loop does not have.
Value LoopAttribute(Work& work, const Value& loop, std::string_view name);

// The names that a block defines. The innermost scope is asked first, then its parents.
struct Scope {
  Scope(Scope* enclosing, std::pmr::memory_resource* memory) : parent(enclosing), names(memory) {}

  const Value* Find(Symbol symbol) const {
    for (const auto& [name, value] : names) {
      if (name == symbol) return &value;
    }
    return nullptr;
  }
  void Set(Symbol symbol, const Value& value) {
    for (auto& [name, old] : names) {
      if (name == symbol) {
        old = value;
        return;
      }
    }
    names.emplace_back(symbol, value);
  }

  Scope* parent;
  std::pmr::vector<std::pair<Symbol, Value>> names;
};

struct Macro {
  const Stmt* stmt;
  Scope* scope;  // Where it was defined.
};

}  // namespace loquat::text::jinja
