// The half of Renderer that computes values.

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "text/template/builtins.h"
#include "text/template/lexer.h"
#include "text/template/operators.h"
#include "text/template/renderer.h"

namespace loquat::text::jinja {

using base::Result;
using base::Status;

Result<Value> Renderer::Evaluate(const Expr& expr) {
  LOQUAT_TRY(work_.Enter());
  const DepthGuard depth(work_);
  LOQUAT_TRY(work_.Charge(1));
  Result<Value> value = EvaluateKind(expr);
  if (!value.has_value()) return LocatedError(std::move(value).error(), expr.line);
  return value;
}

Result<Value> Renderer::EvaluateKind(const Expr& expr) {
  switch (expr.kind) {
    case ExprKind::kConstant:
      return expr.constant;
    case ExprKind::kName:
      return Lookup(expr);
    case ExprKind::kList:
    case ExprKind::kTuple:
      return MakeList(expr);
    case ExprKind::kDict:
      return MakeDict(expr);
    case ExprKind::kAttribute: {
      LOQUAT_ASSIGN(const Value subject, Evaluate(*expr.args[0]));
      return GetAttribute(work_, subject, expr.name);
    }
    case ExprKind::kItem:
      return EvaluateItem(expr);
    case ExprKind::kSlice:
      return EvaluateSlice(expr);
    case ExprKind::kCall:
      return EvaluateCall(expr);
    case ExprKind::kFilter:
    case ExprKind::kTest:
      return EvaluateFilter(expr);
    case ExprKind::kNegate:
    case ExprKind::kPlus:
    case ExprKind::kNot:
    case ExprKind::kAnd:
    case ExprKind::kOr:
    case ExprKind::kBinary:
      return EvaluateBinary(expr);
    case ExprKind::kConcat:
      return EvaluateConcat(expr);
    case ExprKind::kCompare:
      return EvaluateCompare(expr);
    case ExprKind::kConditional:
      return EvaluateConditional(expr);
  }
  return Value();
}

const Value* Renderer::Find(Symbol symbol) const {
  for (const Scope* scope = scope_; scope != nullptr; scope = scope->parent) {
    if (const Value* found = scope->Find(symbol)) return found;
  }
  return &globals_[symbol];
}

Result<Value> Renderer::Lookup(const Expr& expr) const {
  const Value& value = *Find(expr.symbol);
  return value.IsUndefined() ? Value::Undefined(expr.name) : value;
}

Result<Value> Renderer::MakeList(const Expr& expr) {
  LOQUAT_ASSIGN(List * list, work_.NewList(expr.args.size()));
  for (const Expr* item : expr.args) {
    LOQUAT_ASSIGN(const Value value, Evaluate(*item));
    list->items.push_back(value);
  }
  return expr.kind == ExprKind::kTuple ? Value::TupleOf(list) : Value::Of(list);
}

Result<Value> Renderer::MakeDict(const Expr& expr) {
  Dict* dict = work_.arena().NewDict();
  for (std::size_t i = 0; i < expr.args.size(); i += 2) {
    LOQUAT_ASSIGN(const Value key, Evaluate(*expr.args[i]));
    LOQUAT_ASSIGN(const Value value, Evaluate(*expr.args[i + 1]));
    if (!Dict::IsKey(key)) return Fault(fmt::format("{} cannot be a key", KindName(key.kind())));
    dict->Set(key, value);
  }
  return Value::Of(dict);
}

Result<Value> Renderer::EvaluateItem(const Expr& expr) {
  LOQUAT_ASSIGN(const Value subject, Evaluate(*expr.args[0]));
  LOQUAT_ASSIGN(const Value key, Evaluate(*expr.args[1]));
  return GetItem(work_, subject, key);
}

Result<Value> Renderer::EvaluateSlice(const Expr& expr) {
  LOQUAT_ASSIGN(const Value subject, Evaluate(*expr.args[0]));
  std::array<Value, 3> bounds;
  for (std::size_t i = 0; i < bounds.size(); ++i) {
    if (expr.args[i + 1] == nullptr) continue;
    LOQUAT_ASSIGN(bounds[i], Evaluate(*expr.args[i + 1]));
    if (bounds[i].IsUndefined()) return Fault(UndefinedMessage(bounds[i]));
  }
  return Slice(work_, subject, bounds[0], bounds[1], bounds[2]);
}

Status Renderer::EvaluateArguments(const Expr& expr, std::vector<Value>& values, std::vector<NamedValue>& named) {
  values.reserve(expr.args.size() - 1);
  for (std::size_t i = 1; i < expr.args.size(); ++i) {
    LOQUAT_ASSIGN(const Value value, Evaluate(*expr.args[i]));
    values.push_back(value);
  }
  for (const Keyword& keyword : expr.keywords) {
    LOQUAT_ASSIGN(const Value value, Evaluate(*keyword.value));
    named.push_back({keyword.name, value});
  }
  return {};
}

Result<Value> Renderer::EvaluateCall(const Expr& expr) {
  LOQUAT_ASSIGN(const Value callee, Evaluate(*expr.args[0]));
  if (callee.IsUndefined()) return Fault(UndefinedMessage(callee));
  if (!callee.IsCallable()) return Fault(fmt::format("{} cannot be called", KindName(callee.kind())));
  std::vector<Value> values;
  std::vector<NamedValue> named;
  LOQUAT_TRY(EvaluateArguments(expr, values, named));
  if (callee.Is(Kind::kMacro)) return CallMacro(callee.AsMacro(), values, named);
  if (callee.Is(Kind::kFunction)) return CallBuiltin(work_, callee.AsFunction(), Value(), values, named);
  return CallBuiltin(work_, *callee.AsMethod().builtin, callee.AsMethod().self, values, named);
}

Result<Value> Renderer::EvaluateFilter(const Expr& expr) {
  Value subject = filter_subject_;
  if (expr.args[0] != nullptr) {
    LOQUAT_ASSIGN(subject, Evaluate(*expr.args[0]));
  }
  std::vector<Value> values;
  std::vector<NamedValue> named;
  LOQUAT_TRY(EvaluateArguments(expr, values, named));
  return CallBuiltin(work_, *expr.builtin, subject, values, named);
}

Result<Value> Renderer::EvaluateBinary(const Expr& expr) {
  LOQUAT_ASSIGN(const Value left, Evaluate(*expr.args[0]));
  switch (expr.kind) {
    case ExprKind::kNegate:
      return Negate(left);
    case ExprKind::kPlus:
      if (!left.IsNumber()) return Fault(fmt::format("+ needs a number, not {}", KindName(left.kind())));
      return left.IsInteger() ? Value::Int(left.AsInt()) : left;
    case ExprKind::kNot:
      return Value::Bool(!IsTrue(left));
    case ExprKind::kAnd:
      return IsTrue(left) ? Evaluate(*expr.args[1]) : Result<Value>(left);
    case ExprKind::kOr:
      return IsTrue(left) ? Result<Value>(left) : Evaluate(*expr.args[1]);
    default:
      break;
  }
  LOQUAT_ASSIGN(const Value right, Evaluate(*expr.args[1]));
  return Calculate(work_, expr.operators[0], left, right);
}

Result<Value> Renderer::EvaluateConcat(const Expr& expr) {
  std::string text;
  for (const Expr* part : expr.args) {
    LOQUAT_ASSIGN(const Value value, Evaluate(*part));
    LOQUAT_TRY(AppendText(work_, value, text));
    LOQUAT_TRY(work_.CheckBytes(text.size()));
  }
  return work_.Text(text);
}

Result<Value> Renderer::EvaluateCompare(const Expr& expr) {
  LOQUAT_ASSIGN(Value left, Evaluate(*expr.args[0]));
  for (std::size_t i = 0; i < expr.operators.size(); ++i) {
    LOQUAT_ASSIGN(const Value right, Evaluate(*expr.args[i + 1]));
    LOQUAT_ASSIGN(const bool holds, Compare(work_, expr.operators[i], left, right));
    if (!holds) return Value::Bool(false);
    left = right;
  }
  return Value::Bool(true);
}

Result<Value> Renderer::EvaluateConditional(const Expr& expr) {
  LOQUAT_ASSIGN(const Value condition, Evaluate(*expr.args[0]));
  if (IsTrue(condition)) return Evaluate(*expr.args[1]);
  return expr.args[2] == nullptr ? Result<Value>(Value()) : Evaluate(*expr.args[2]);
}

// Into the scope at hand, which is that of the call.
Status Renderer::BindParameters(const Stmt& macro, std::span<const Value> values, std::span<const NamedValue> named) {
  const std::vector<MacroParameter>& parameters = macro.parameters;
  if (values.size() > parameters.size() && !macro.takes_varargs) {
    return Fault(
        fmt::format("the macro {} takes at most {} values, not {}", macro.text, parameters.size(), values.size()));
  }
  Dict* kwargs = work_.arena().NewDict();
  for (const NamedValue& argument : named) {
    const auto found = std::ranges::find(parameters, argument.name, &MacroParameter::name);
    if (found == parameters.end() && !macro.takes_kwargs) {
      return Fault(fmt::format("the macro {} has no parameter named {}", macro.text, argument.name));
    }
    if (found != parameters.end() && static_cast<std::size_t>(found - parameters.begin()) < values.size()) {
      return Fault(fmt::format("the macro {} is given {} twice", macro.text, argument.name));
    }
    if (found == parameters.end()) kwargs->Set(Value::String(argument.name), argument.value);
  }
  if (macro.takes_kwargs) scope_->Set(kKwargsSymbol, Value::Of(kwargs));
  if (macro.takes_varargs) {
    LOQUAT_ASSIGN(List * rest, work_.NewList(0));
    for (std::size_t i = parameters.size(); i < values.size(); ++i) rest->items.push_back(values[i]);
    scope_->Set(kVarargsSymbol, Value::TupleOf(rest));
  }
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const auto by_name = std::ranges::find(named, parameters[i].name, &NamedValue::name);
    Value value = Value::Undefined(parameters[i].name);
    if (i < values.size()) {
      value = values[i];
    } else if (by_name != named.end()) {
      value = by_name->value;
    } else if (parameters[i].fallback != nullptr) {
      LOQUAT_ASSIGN(value, Evaluate(*parameters[i].fallback));
    }
    scope_->Set(parameters[i].symbol, value);
  }
  return {};
}

Result<Value> Renderer::CallMacro(const Macro& macro, std::span<const Value> values,
                                  std::span<const NamedValue> named) {
  Scope* const caller = std::exchange(scope_, work_.arena().New<Scope>(macro.scope, work_.arena().memory()));
  LOQUAT_TRY(BindParameters(*macro.stmt, values, named));
  Value text;
  LOQUAT_TRY(Capture(macro.stmt->blocks[0], nullptr, text));
  scope_ = caller;
  return text;
}

}  // namespace loquat::text::jinja
