// Walks a Program and writes what it says. One thread uses a Renderer, for one rendering.

#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "text/template/loop.h"
#include "text/template/python_text.h"
#include "text/template/syntax.h"
#include "text/template/value.h"
#include "text/template/work.h"

namespace loquat::text::jinja {

class Renderer {
 public:
  // `globals`: what each Symbol means where the template does not define it. All three outlive the Renderer.
  Renderer(const Program& program, std::span<const Value> globals, Work& work);

  // Once. Errors name the line.
  base::Result<std::string> Run();

 private:
  enum class Flow : std::uint8_t { kNext, kBreak, kContinue };

  // Statements (renderer.cc).
  base::Result<Flow> Render(const Block& block);
  base::Result<Flow> RenderStatement(const Stmt& stmt);
  base::Result<Flow> RenderIf(const Stmt& stmt);
  base::Result<Flow> RenderFor(const Stmt& stmt);
  base::Result<Flow> RenderScope(const Stmt& stmt);
  base::Result<Flow> RenderSetBlock(const Stmt& stmt);
  base::Result<Flow> RenderFilterBlock(const Stmt& stmt);
  base::Status Emit(std::string_view text);
  base::Status Print(const Value& value);
  base::Result<std::span<const Value>> LoopItems(const Stmt& stmt, Scope& scope);
  base::Status Assign(const Target& target, const Value& value);
  base::Status AssignAttribute(const Target& target, const Value& value);
  // Renders into a string of its own, then through `filters`, if there are any.
  base::Result<Flow> Capture(const Block& block, const Expr* filters, Value& captured);

  // Expressions (evaluator.cc).
  base::Result<Value> Evaluate(const Expr& expr);
  base::Result<Value> EvaluateKind(const Expr& expr);
  base::Result<Value> Lookup(const Expr& expr) const;
  base::Result<Value> MakeList(const Expr& expr);
  base::Result<Value> MakeDict(const Expr& expr);
  base::Result<Value> EvaluateItem(const Expr& expr);
  base::Result<Value> EvaluateSlice(const Expr& expr);
  base::Result<Value> EvaluateCall(const Expr& expr);
  base::Result<Value> EvaluateFilter(const Expr& expr);
  base::Result<Value> EvaluateBinary(const Expr& expr);
  base::Result<Value> EvaluateConcat(const Expr& expr);
  base::Result<Value> EvaluateCompare(const Expr& expr);
  base::Result<Value> EvaluateConditional(const Expr& expr);
  base::Result<Value> CallMacro(const Macro& macro, std::span<const Value> values, std::span<const NamedValue> named);
  base::Status BindParameters(const Stmt& macro, std::span<const Value> values, std::span<const NamedValue> named);
  base::Status EvaluateArguments(const Expr& expr, std::vector<Value>& values, std::vector<NamedValue>& named);
  const Value* Find(Symbol symbol) const;

  const Program& program_;
  const std::span<const Value> globals_;
  Work& work_;
  Scope* scope_;
  std::string output_;
  std::string* out_ = &output_;
  std::size_t out_bytes_max_;
  Value filter_subject_;  // What a filter without a subject is applied to: the text of its block.
};

}  // namespace loquat::text::jinja
