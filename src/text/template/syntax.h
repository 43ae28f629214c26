// The parsed form of a template: expressions and statements, as plain nodes that a Program owns.
// Immutable once parsed; any number of threads may render one Program at a time. Nodes point at one another, at text
// of the Program and at builtins, all of which live as long as the Program.

#pragma once

#include <cstdint>
#include <deque>
#include <memory_resource>
#include <string>
#include <string_view>
#include <vector>

#include "text/template/value.h"

namespace loquat::text::jinja {

// A name of the template, as an index into Program::symbols.
using Symbol = std::uint32_t;

enum class ExprKind : std::uint8_t {
  kConstant,     // constant
  kName,         // symbol
  kList,         // args
  kTuple,        // args
  kDict,         // args: key, value, key, value …
  kAttribute,    // args[0].name
  kItem,         // args[0][args[1]]
  kSlice,        // args[0][args[1]:args[2]:args[3]], null where left out
  kCall,         // args[0](args[1…], keywords)
  kFilter,       // args[0] | builtin(args[1…], keywords); args[0] is null where a block is filtered
  kTest,         // args[0] is builtin(args[1…], keywords)
  kNegate,       // -args[0]
  kPlus,         // +args[0]
  kNot,          // not args[0]
  kAnd,          // args[0] and args[1]
  kOr,           // args[0] or args[1]
  kBinary,       // args[0] operators[0] args[1]
  kConcat,       // args[0] ~ args[1] ~ …
  kCompare,      // args[0] operators[0] args[1] operators[1] args[2] …
  kConditional,  // args[1] if args[0] else args[2], which may be null
};

enum class Operator : std::uint8_t {
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kFloorDivide,
  kModulo,
  kPower,
  kEqual,
  kNotEqual,
  kLess,
  kLessOrEqual,
  kGreater,
  kGreaterOrEqual,
  kIn,
  kNotIn,
};

struct Expr;

struct Keyword {
  std::string_view name;
  const Expr* value = nullptr;
};

struct Expr {
  ExprKind kind = ExprKind::kConstant;
  std::uint32_t line = 1;
  std::uint32_t height = 1;  // Of the tree below, this node included.
  Symbol symbol = 0;
  std::string_view name;
  Value constant;
  const Builtin* builtin = nullptr;
  std::vector<const Expr*> args;
  std::vector<Operator> operators;
  std::vector<Keyword> keywords;
};

// What `for` and `set` assign to: a name, a namespace's attribute, or a tuple of targets.
struct Target {
  Symbol symbol = 0;
  std::string_view attribute;  // Of the namespace in `symbol`; empty: the name itself.
  std::vector<Target> items;   // Not empty: a tuple; the members above say nothing.
};

struct Stmt;
using Block = std::vector<const Stmt*>;

enum class StmtKind : std::uint8_t {
  kText,      // text
  kPrint,     // exprs[0]
  kIf,        // exprs[i] guards blocks[i]; one more block than exprs: else
  kFor,       // target in exprs[0], if exprs[1] (may be null); blocks[0] body, blocks[1] else
  kSet,       // target = exprs[0]
  kSetBlock,  // target = blocks[0], through the filters exprs[0] (may be null)
  kMacro,     // macro
  kScope,     // blocks[0] with its own names: `with` (targets and exprs), `generation`
  kFilter,    // blocks[0] through the filters exprs[0]
  kBreak,
  kContinue,
};

struct MacroParameter {
  Symbol symbol = 0;
  std::string_view name;
  const Expr* fallback = nullptr;  // Null: undefined.
};

struct Stmt {
  StmtKind kind = StmtKind::kText;
  std::uint32_t line = 1;
  std::string_view text;
  Target target;
  std::vector<Target> targets;
  std::vector<const Expr*> exprs;
  std::vector<Block> blocks;
  std::vector<MacroParameter> parameters;
  bool takes_varargs = false;  // A macro that names `varargs`: values by place past its parameters.
  bool takes_kwargs = false;   // Likewise `kwargs`, by name.
};

// Symbols that every template has, at fixed places.
inline constexpr Symbol kLoopSymbol = 0;
inline constexpr Symbol kVarargsSymbol = 1;
inline constexpr Symbol kKwargsSymbol = 2;

struct Program {
  std::string source;                     // With line ends as "\n".
  std::vector<std::string_view> symbols;  // Names, by Symbol.
  std::deque<Expr> exprs;
  std::deque<Stmt> stmts;
  std::deque<std::string> strings;  // Literals whose escapes are resolved.
  Block root;
};

}  // namespace loquat::text::jinja
