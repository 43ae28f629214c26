// Turns a template's source into a Program: the grammar of Jinja 3 as far as chat templates use it.
// One thread uses a Parser, for one source.
//
// Filters, tests and functions are looked up here, so that an unknown one is an error before anything is rendered.
// The height of every tree of expressions and the depth of blocks are bounded, so that nothing that walks a Program
// needs more stack than that.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "text/template/lexer.h"
#include "text/template/syntax.h"
#include "text/template/template_bounds.h"

namespace loquat::text::jinja {

class Parser {
 public:
  // kInvalidArgument for what is no template, kResourceExhausted past a bound; both name the line.
  static base::Result<std::unique_ptr<const Program>> Parse(std::string_view source, const TemplateBounds& bounds);

 private:
  explicit Parser(const TemplateBounds& bounds) : bounds_(bounds), program_(std::make_unique<Program>()) {}

  // Tokens.
  const Token& Peek(std::size_t ahead = 0) const { return tokens_[std::min(at_ + ahead, tokens_.size() - 1)]; }
  bool IsAt(TokenKind kind) const { return Peek().kind == kind; }
  bool IsOperator(std::string_view text) const { return IsAt(TokenKind::kOperator) && Peek().text == text; }
  bool IsName(std::string_view text) const { return IsAt(TokenKind::kName) && Peek().text == text; }
  Token Next() { return tokens_[at_ + 1 < tokens_.size() ? at_++ : at_]; }
  bool SkipOperator(std::string_view text);
  bool SkipName(std::string_view text);
  base::Status ExpectOperator(std::string_view text);
  base::Status ExpectName(std::string_view text);
  base::Result<std::string_view> ExpectAnyName(std::string_view what);
  base::Error Unexpected(std::string_view wanted) const;

  // Nodes.
  Symbol SymbolOf(std::string_view name);
  Expr& NewExpr(ExprKind kind, std::uint32_t line);
  Stmt& NewStmt(StmtKind kind, std::uint32_t line);
  // Sets the height from the parts; past the bound: a fault.
  base::Result<const Expr*> Finish(Expr& expr) const;
  base::Result<const Expr*> Binary(ExprKind kind, std::uint32_t line, const Expr* left, const Expr* right);
  base::Status Enter(std::size_t& depth) const;

  // Expressions, loosest first (expression_parser.cc).
  base::Result<const Expr*> Expression();
  base::Result<const Expr*> ExpressionWithin();
  base::Result<const Expr*> OrExpression();
  base::Result<const Expr*> AndExpression();
  base::Result<const Expr*> NotExpression();
  base::Result<const Expr*> Comparison();
  base::Result<const Expr*> Sum();
  base::Result<const Expr*> Concatenation();
  base::Result<const Expr*> Product();
  base::Result<const Expr*> Power();
  base::Result<const Expr*> Unary(bool with_filters);
  base::Result<const Expr*> Primary();
  base::Result<const Expr*> Constant(const Value& value, std::uint32_t line);
  base::Result<const Expr*> Strings();
  base::Result<const Expr*> ListDisplay();
  base::Result<const Expr*> DictDisplay();
  base::Result<const Expr*> Parenthesised();
  // One expression, or several with commas as a tuple; without conditionals where `for … if` would be unclear.
  base::Result<const Expr*> TupleOrExpression(bool with_conditional);
  base::Result<const Expr*> Postfix(const Expr* subject);
  base::Result<const Expr*> Subscript(const Expr* subject);
  base::Result<const Expr*> Call(const Expr* callee);
  base::Status CallArguments(Expr& call);
  base::Result<const Expr*> FiltersAndTests(const Expr* subject);
  base::Result<const Expr*> Filter(const Expr* subject);
  base::Result<const Expr*> Test(const Expr* subject);

  // Statements (statement_parser.cc). A body ends before the block tag whose name is one of `ends`.
  base::Result<Block> Body(std::initializer_list<std::string_view> ends);
  base::Result<const Stmt*> Statement();
  base::Result<const Stmt*> Print();
  base::Result<const Stmt*> If(std::uint32_t line);
  base::Result<const Stmt*> For(std::uint32_t line);
  base::Result<const Stmt*> Set(std::uint32_t line);
  base::Result<const Stmt*> MacroDefinition(std::uint32_t line);
  base::Result<const Stmt*> With(std::uint32_t line);
  base::Result<const Stmt*> Generation(std::uint32_t line);
  base::Result<const Stmt*> FilterBlock(std::uint32_t line);
  base::Result<const Stmt*> LoopControl(StmtKind kind, std::uint32_t line);
  base::Result<Target> AssignmentTarget(bool with_namespace);
  base::Result<Target> SingleTarget(bool with_namespace);
  base::Status EndTag();
  base::Status CloseBody(std::string_view end);

  const TemplateBounds& bounds_;
  std::unique_ptr<Program> program_;
  std::unordered_map<std::string_view, Symbol> symbols_;
  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  std::size_t expression_depth_ = 0;
  std::size_t block_depth_ = 0;
  std::size_t loop_depth_ = 0;
};

}  // namespace loquat::text::jinja
