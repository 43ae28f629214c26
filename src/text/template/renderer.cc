#include "text/template/renderer.h"

#include <fmt/format.h>

#include <utility>

#include "text/template/lexer.h"
#include "text/template/operators.h"

namespace loquat::text::jinja {

using base::Result;
using base::Status;

Renderer::Renderer(const Program& program, std::span<const Value> globals, Work& work)
    : program_(program),
      globals_(globals),
      work_(work),
      scope_(work.arena().New<Scope>(nullptr, work.arena().memory())),
      out_bytes_max_(work.bounds().output_bytes_max) {}

Result<std::string> Renderer::Run() {
  LOQUAT_TRY(Render(program_.root));
  return std::move(output_);
}

Status Renderer::Emit(std::string_view text) {
  LOQUAT_TRY(work_.ChargeBytes(text.size()));
  if (out_->size() + text.size() > out_bytes_max_) {
    return LimitFault(fmt::format("more than {} bytes of output", out_bytes_max_));
  }
  *out_ += text;
  return {};
}

Status Renderer::Print(const Value& value) {
  LOQUAT_ASSIGN(const Value text, ToText(work_, value));
  return Emit(text.AsString());
}

Result<Renderer::Flow> Renderer::Render(const Block& block) {
  LOQUAT_TRY(work_.Enter());
  const DepthGuard depth(work_);
  for (const Stmt* stmt : block) {
    Result<Flow> flow = RenderStatement(*stmt);
    if (!flow.has_value()) return LocatedError(std::move(flow).error(), stmt->line);
    if (*flow != Flow::kNext) return *flow;
  }
  return Flow::kNext;
}

Result<Renderer::Flow> Renderer::RenderStatement(const Stmt& stmt) {
  LOQUAT_TRY(work_.Charge(1));
  switch (stmt.kind) {
    case StmtKind::kText:
      LOQUAT_TRY(Emit(stmt.text));
      return Flow::kNext;
    case StmtKind::kPrint: {
      LOQUAT_ASSIGN(const Value value, Evaluate(*stmt.exprs[0]));
      LOQUAT_TRY(Print(value));
      return Flow::kNext;
    }
    case StmtKind::kIf:
      return RenderIf(stmt);
    case StmtKind::kFor:
      return RenderFor(stmt);
    case StmtKind::kSet: {
      LOQUAT_ASSIGN(const Value value, Evaluate(*stmt.exprs[0]));
      LOQUAT_TRY(Assign(stmt.target, value));
      return Flow::kNext;
    }
    case StmtKind::kSetBlock:
      return RenderSetBlock(stmt);
    case StmtKind::kMacro:
      scope_->Set(stmt.target.symbol, Value::Of(work_.arena().New<Macro>(&stmt, scope_)));
      return Flow::kNext;
    case StmtKind::kScope:
      return RenderScope(stmt);
    case StmtKind::kFilter:
      return RenderFilterBlock(stmt);
    case StmtKind::kBreak:
      return Flow::kBreak;
    case StmtKind::kContinue:
      return Flow::kContinue;
  }
  return Flow::kNext;
}

Result<Renderer::Flow> Renderer::RenderIf(const Stmt& stmt) {
  for (std::size_t i = 0; i < stmt.exprs.size(); ++i) {
    LOQUAT_ASSIGN(const Value condition, Evaluate(*stmt.exprs[i]));
    if (IsTrue(condition)) return Render(stmt.blocks[i]);
  }
  if (stmt.blocks.size() > stmt.exprs.size()) return Render(stmt.blocks.back());
  return Flow::kNext;
}

// The items of the loop that pass its condition. `scope` takes the target while the condition is looked at.
Result<std::span<const Value>> Renderer::LoopItems(const Stmt& stmt, Scope& scope) {
  LOQUAT_ASSIGN(const Value value, Evaluate(*stmt.exprs[0]));
  LOQUAT_ASSIGN(const std::span<const Value> items, work_.Items(value));
  if (stmt.exprs[1] == nullptr) return items;
  Scope* const outer = std::exchange(scope_, &scope);
  List* passed = work_.arena().NewList();
  for (const Value& item : items) {
    scope.names.clear();
    LOQUAT_TRY(Assign(stmt.target, item));
    LOQUAT_ASSIGN(const Value condition, Evaluate(*stmt.exprs[1]));
    if (IsTrue(condition)) passed->items.push_back(item);
  }
  scope_ = outer;
  return std::span<const Value>(passed->items);
}

// After an error the scope and the output stay as they are: the rendering is over.
Result<Renderer::Flow> Renderer::RenderFor(const Stmt& stmt) {
  Scope& scope = *work_.arena().New<Scope>(scope_, work_.arena().memory());
  Loop& loop = *work_.arena().New<Loop>();
  LOQUAT_ASSIGN(loop.items, LoopItems(stmt, scope));
  Scope* const outer = std::exchange(scope_, &scope);
  if (loop.items.empty()) {
    scope.names.clear();
    LOQUAT_ASSIGN(const Flow flow, Render(stmt.blocks[1]));
    scope_ = outer;
    return flow;
  }
  for (loop.index = 0; loop.index < loop.items.size(); ++loop.index) {
    scope.names.clear();
    scope.Set(kLoopSymbol, Value::Of(&loop));
    LOQUAT_TRY(Assign(stmt.target, loop.items[loop.index]));
    LOQUAT_ASSIGN(const Flow flow, Render(stmt.blocks[0]));
    if (flow == Flow::kBreak) break;
  }
  scope_ = outer;
  return Flow::kNext;
}

Result<Renderer::Flow> Renderer::RenderScope(const Stmt& stmt) {
  Scope* const inner = work_.arena().New<Scope>(scope_, work_.arena().memory());
  std::vector<Value> values;
  for (const Expr* expr : stmt.exprs) {  // All are evaluated before any is named.
    LOQUAT_ASSIGN(const Value value, Evaluate(*expr));
    values.push_back(value);
  }
  Scope* const outer = std::exchange(scope_, inner);
  for (std::size_t i = 0; i < values.size(); ++i) LOQUAT_TRY(Assign(stmt.targets[i], values[i]));
  LOQUAT_ASSIGN(const Flow flow, Render(stmt.blocks[0]));
  scope_ = outer;
  return flow;
}

Result<Renderer::Flow> Renderer::Capture(const Block& block, const Expr* filters, Value& captured) {
  std::string text;
  std::string* const outer = std::exchange(out_, &text);
  const std::size_t outer_max = std::exchange(out_bytes_max_, work_.bounds().string_bytes_max);
  Result<Flow> flow = Render(block);
  out_ = outer;
  out_bytes_max_ = outer_max;
  if (!flow.has_value() || *flow != Flow::kNext) return flow;
  LOQUAT_ASSIGN(captured, work_.Text(text));
  if (filters == nullptr) return Flow::kNext;
  const Value outer_subject = std::exchange(filter_subject_, captured);
  LOQUAT_ASSIGN(captured, Evaluate(*filters));
  filter_subject_ = outer_subject;
  return Flow::kNext;
}

// The body has names of its own.
Result<Renderer::Flow> Renderer::RenderSetBlock(const Stmt& stmt) {
  Value value;
  Scope* const outer = std::exchange(scope_, work_.arena().New<Scope>(scope_, work_.arena().memory()));
  LOQUAT_ASSIGN(const Flow flow, Capture(stmt.blocks[0], stmt.exprs[0], value));
  scope_ = outer;
  if (flow == Flow::kNext) LOQUAT_TRY(Assign(stmt.target, value));
  return flow;
}

Result<Renderer::Flow> Renderer::RenderFilterBlock(const Stmt& stmt) {
  Value value;
  Scope* const outer = std::exchange(scope_, work_.arena().New<Scope>(scope_, work_.arena().memory()));
  LOQUAT_ASSIGN(const Flow flow, Capture(stmt.blocks[0], stmt.exprs[0], value));
  scope_ = outer;
  if (flow == Flow::kNext) {
    LOQUAT_TRY(Print(value));
  }
  return flow;
}

Status Renderer::AssignAttribute(const Target& target, const Value& value) {
  const Value* holder = Find(target.symbol);
  const std::string_view name = program_.symbols[target.symbol];
  if (holder == nullptr || holder->IsUndefined()) return Fault(fmt::format("'{}' is undefined", name));
  if (!holder->Is(Kind::kNamespace)) {
    return Fault(fmt::format("only a namespace takes attributes; '{}' is {}", name, KindName(holder->kind())));
  }
  holder->AsDict().Set(Value::String(target.attribute), value);
  return {};
}

Status Renderer::Assign(const Target& target, const Value& value) {
  if (target.items.empty()) {
    if (!target.attribute.empty()) return AssignAttribute(target, value);
    scope_->Set(target.symbol, value);
    return {};
  }
  if (value.IsUndefined()) return Fault(UndefinedMessage(value));
  LOQUAT_ASSIGN(const std::span<const Value> items, work_.Items(value));
  if (items.size() != target.items.size()) {
    return Fault(fmt::format("{} names stand for {} values", target.items.size(), items.size()));
  }
  for (std::size_t i = 0; i < items.size(); ++i) LOQUAT_TRY(Assign(target.items[i], items[i]));
  return {};
}

}  // namespace loquat::text::jinja
