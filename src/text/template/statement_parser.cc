// The half of Parser that reads tags and what they enclose, and its small tools.

#include <fmt/format.h>

#include <algorithm>

#include "base/utf8.h"
#include "text/template/builtins.h"
#include "text/template/parser.h"

namespace loquat::text::jinja {

using base::Result;
using base::Status;

namespace {

struct Depth {
  std::size_t& depth;
  ~Depth() { --depth; }
};

// Line ends as "\n", and without the last one, as Jinja reads its sources.
std::string Normalized(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\r') {
      out.push_back(source[i]);
    } else if (i + 1 == source.size() || source[i + 1] != '\n') {
      out.push_back('\n');
    }
  }
  if (out.ends_with('\n')) out.pop_back();
  return out;
}

}  // namespace

Result<std::unique_ptr<const Program>> Parser::Parse(std::string_view source, const TemplateBounds& bounds) {
  if (source.size() > bounds.source_bytes_max) {
    return base::ResourceExhausted(
        fmt::format("chat template: {} bytes; at most {} are allowed", source.size(), bounds.source_bytes_max),
        "template_limit");
  }
  if (!base::IsValidUtf8(source)) return base::InvalidArgument("chat template: the source is not UTF-8");
  Parser parser(bounds);
  Program& program = *parser.program_;
  program.source = Normalized(source);
  for (const std::string_view name : {"loop", "varargs", "kwargs"}) parser.SymbolOf(name);
  LOQUAT_ASSIGN(parser.tokens_, Tokenize(program.source, bounds.tokens_max, program.strings));
  LOQUAT_ASSIGN(program.root, parser.Body({}));
  return std::unique_ptr<const Program>(std::move(parser.program_));
}

bool Parser::SkipOperator(std::string_view text) {
  if (!IsOperator(text)) return false;
  Next();
  return true;
}

bool Parser::SkipName(std::string_view text) {
  if (!IsName(text)) return false;
  Next();
  return true;
}

base::Error Parser::Unexpected(std::string_view wanted) const {
  const Token& token = Peek();
  std::string found = fmt::format("'{}'", token.text);
  if (token.kind == TokenKind::kEnd) found = "the end of the template";
  if (token.kind == TokenKind::kBlockEnd || token.kind == TokenKind::kPrintEnd) found = "the end of the tag";
  return TemplateError(token.line, fmt::format("{} is expected, not {}", wanted, found));
}

Status Parser::ExpectOperator(std::string_view text) {
  if (SkipOperator(text)) return {};
  return Unexpected(fmt::format("'{}'", text));
}

Status Parser::ExpectName(std::string_view text) {
  if (SkipName(text)) return {};
  return Unexpected(fmt::format("'{}'", text));
}

Result<std::string_view> Parser::ExpectAnyName(std::string_view what) {
  if (!IsAt(TokenKind::kName)) return Unexpected(what);
  return Next().text;
}

Symbol Parser::SymbolOf(std::string_view name) {
  const auto [found, added] = symbols_.try_emplace(name, static_cast<Symbol>(program_->symbols.size()));
  if (added) program_->symbols.push_back(name);
  return found->second;
}

Expr& Parser::NewExpr(ExprKind kind, std::uint32_t line) {
  Expr& expr = program_->exprs.emplace_back();
  expr.kind = kind;
  expr.line = line;
  return expr;
}

Stmt& Parser::NewStmt(StmtKind kind, std::uint32_t line) {
  Stmt& stmt = program_->stmts.emplace_back();
  stmt.kind = kind;
  stmt.line = line;
  return stmt;
}

Result<const Expr*> Parser::Finish(Expr& expr) const {
  std::uint32_t height = 0;
  for (const Expr* part : expr.args) height = std::max(height, part == nullptr ? 0 : part->height);
  for (const Keyword& keyword : expr.keywords) height = std::max(height, keyword.value->height);
  expr.height = height + 1;
  if (expr.height > bounds_.nesting_max) {
    return base::ResourceExhausted(
        fmt::format("chat template, line {}: an expression nests more than {} deep", expr.line, bounds_.nesting_max),
        "template_limit");
  }
  return &expr;
}

Result<const Expr*> Parser::Binary(ExprKind kind, std::uint32_t line, const Expr* left, const Expr* right) {
  Expr& expr = NewExpr(kind, line);
  expr.args = {left, right};
  return Finish(expr);
}

Status Parser::Enter(std::size_t& depth) const {
  if (depth == bounds_.nesting_max) {
    return base::ResourceExhausted(
        fmt::format("chat template, line {}: more than {} levels of nesting", Peek().line, bounds_.nesting_max),
        "template_limit");
  }
  ++depth;
  return {};
}

Status Parser::EndTag() {
  if (!IsAt(TokenKind::kBlockEnd)) return Unexpected("the end of the tag");
  Next();
  return {};
}

// The tag that ends a body, from its name on. Body() has found it.
Status Parser::CloseBody(std::string_view end) {
  LOQUAT_TRY(ExpectName(end));
  return EndTag();
}

Result<Block> Parser::Body(std::initializer_list<std::string_view> ends) {
  LOQUAT_TRY(Enter(block_depth_));
  const Depth depth{block_depth_};
  Block block;
  while (!IsAt(TokenKind::kEnd)) {
    const Token token = Peek();
    if (token.kind == TokenKind::kText) {
      Next();
      Stmt& text = NewStmt(StmtKind::kText, token.line);
      text.text = token.text;
      block.push_back(&text);
    } else if (token.kind == TokenKind::kPrintBegin) {
      LOQUAT_ASSIGN(const Stmt* print, Print());
      block.push_back(print);
    } else {
      Next();  // The opening of a block tag: text, prints and block tags are all that can stand here.
      if (IsAt(TokenKind::kName) && std::ranges::find(ends, Peek().text) != ends.end()) return block;
      LOQUAT_ASSIGN(const Stmt* stmt, Statement());
      block.push_back(stmt);
    }
  }
  if (ends.size() > 0) return Unexpected(fmt::format("{{% {} %}}", *(ends.end() - 1)));
  return block;
}

Result<const Stmt*> Parser::Print() {
  Stmt& print = NewStmt(StmtKind::kPrint, Next().line);
  LOQUAT_ASSIGN(const Expr* value, TupleOrExpression(true));
  print.exprs = {value};
  if (!IsAt(TokenKind::kPrintEnd)) return Unexpected("the end of the expression");
  Next();
  return &print;
}

Result<const Stmt*> Parser::Statement() {
  const Token token = Peek();
  LOQUAT_ASSIGN(const std::string_view name, ExpectAnyName("the name of a tag"));
  if (name == "if") return If(token.line);
  if (name == "for") return For(token.line);
  if (name == "set") return Set(token.line);
  if (name == "macro") return MacroDefinition(token.line);
  if (name == "with") return With(token.line);
  if (name == "generation") return Generation(token.line);
  if (name == "filter") return FilterBlock(token.line);
  if (name == "break") return LoopControl(StmtKind::kBreak, token.line);
  if (name == "continue") return LoopControl(StmtKind::kContinue, token.line);
  return TemplateError(token.line, fmt::format("the tag '{}' is not expected here or not supported", name));
}

Result<const Stmt*> Parser::If(std::uint32_t line) {
  Stmt& stmt = NewStmt(StmtKind::kIf, line);
  while (true) {
    LOQUAT_ASSIGN(const Expr* condition, TupleOrExpression(false));
    LOQUAT_TRY(EndTag());
    LOQUAT_ASSIGN(Block body, Body({"elif", "else", "endif"}));
    stmt.exprs.push_back(condition);
    stmt.blocks.push_back(std::move(body));
    if (!SkipName("elif")) break;
  }
  if (SkipName("else")) {
    LOQUAT_TRY(EndTag());
    LOQUAT_ASSIGN(Block otherwise, Body({"endif"}));
    stmt.blocks.push_back(std::move(otherwise));
  }
  LOQUAT_TRY(CloseBody("endif"));
  return &stmt;
}

Result<const Stmt*> Parser::For(std::uint32_t line) {
  Stmt& stmt = NewStmt(StmtKind::kFor, line);
  LOQUAT_ASSIGN(stmt.target, AssignmentTarget(false));
  LOQUAT_TRY(ExpectName("in"));
  LOQUAT_ASSIGN(const Expr* items, TupleOrExpression(false));
  const Expr* condition = nullptr;
  if (SkipName("if")) {
    LOQUAT_ASSIGN(condition, Expression());
  }
  if (IsName("recursive")) return TemplateError(line, "recursive loops are not supported");
  LOQUAT_TRY(EndTag());
  stmt.exprs = {items, condition};
  ++loop_depth_;
  LOQUAT_ASSIGN(Block body, Body({"else", "endfor"}));
  --loop_depth_;
  stmt.blocks.push_back(std::move(body));
  Block otherwise;
  if (SkipName("else")) {
    LOQUAT_TRY(EndTag());
    LOQUAT_ASSIGN(otherwise, Body({"endfor"}));
  }
  stmt.blocks.push_back(std::move(otherwise));
  LOQUAT_TRY(CloseBody("endfor"));
  return &stmt;
}

Result<const Stmt*> Parser::Set(std::uint32_t line) {
  Stmt& stmt = NewStmt(StmtKind::kSet, line);
  LOQUAT_ASSIGN(stmt.target, AssignmentTarget(true));
  if (SkipOperator("=")) {
    LOQUAT_ASSIGN(const Expr* value, TupleOrExpression(true));
    stmt.exprs = {value};
    LOQUAT_TRY(EndTag());
    return &stmt;
  }
  stmt.kind = StmtKind::kSetBlock;
  const Expr* filters = nullptr;
  while (IsOperator("|")) {
    LOQUAT_ASSIGN(filters, Filter(filters));
  }
  stmt.exprs = {filters};
  LOQUAT_TRY(EndTag());
  LOQUAT_ASSIGN(Block body, Body({"endset"}));
  stmt.blocks.push_back(std::move(body));
  LOQUAT_TRY(CloseBody("endset"));
  return &stmt;
}

Result<const Stmt*> Parser::MacroDefinition(std::uint32_t line) {
  Stmt& stmt = NewStmt(StmtKind::kMacro, line);
  LOQUAT_ASSIGN(stmt.text, ExpectAnyName("the name of a macro"));
  stmt.target.symbol = SymbolOf(stmt.text);
  LOQUAT_TRY(ExpectOperator("("));
  while (!IsOperator(")")) {
    if (!stmt.parameters.empty()) LOQUAT_TRY(ExpectOperator(","));
    LOQUAT_ASSIGN(const std::string_view name, ExpectAnyName("a parameter"));
    if (std::ranges::find(stmt.parameters, name, &MacroParameter::name) != stmt.parameters.end()) {
      return TemplateError(line, fmt::format("the parameter {} stands here twice", name));
    }
    const Expr* fallback = nullptr;
    if (SkipOperator("=")) {
      LOQUAT_ASSIGN(fallback, Expression());
    } else if (!stmt.parameters.empty() && stmt.parameters.back().fallback != nullptr) {
      return TemplateError(line, fmt::format("the parameter {} needs a default, as the one before it has one", name));
    }
    stmt.parameters.push_back({SymbolOf(name), name, fallback});
  }
  LOQUAT_TRY(ExpectOperator(")"));
  LOQUAT_TRY(EndTag());
  const std::size_t outer_loops = std::exchange(loop_depth_, 0);
  const std::size_t first_inside = program_->exprs.size();
  LOQUAT_ASSIGN(Block body, Body({"endmacro"}));
  loop_depth_ = outer_loops;
  stmt.blocks.push_back(std::move(body));
  for (std::size_t i = first_inside; i < program_->exprs.size(); ++i) {
    const Expr& expr = program_->exprs[i];
    stmt.takes_varargs |= expr.kind == ExprKind::kName && expr.symbol == kVarargsSymbol;
    stmt.takes_kwargs |= expr.kind == ExprKind::kName && expr.symbol == kKwargsSymbol;
  }
  LOQUAT_TRY(ExpectName("endmacro"));
  if (IsAt(TokenKind::kName)) Next();  // The name may be repeated.
  LOQUAT_TRY(EndTag());
  return &stmt;
}

Result<const Stmt*> Parser::With(std::uint32_t line) {
  Stmt& stmt = NewStmt(StmtKind::kScope, line);
  while (!IsAt(TokenKind::kBlockEnd)) {
    if (!stmt.targets.empty()) LOQUAT_TRY(ExpectOperator(","));
    LOQUAT_ASSIGN(Target target, SingleTarget(false));
    LOQUAT_TRY(ExpectOperator("="));
    LOQUAT_ASSIGN(const Expr* value, Expression());
    stmt.targets.push_back(std::move(target));
    stmt.exprs.push_back(value);
  }
  LOQUAT_TRY(EndTag());
  LOQUAT_ASSIGN(Block body, Body({"endwith"}));
  stmt.blocks.push_back(std::move(body));
  LOQUAT_TRY(CloseBody("endwith"));
  return &stmt;
}

// What an assistant has said, marked for training; rendered as if it were not marked.
Result<const Stmt*> Parser::Generation(std::uint32_t line) {
  Stmt& stmt = NewStmt(StmtKind::kScope, line);
  LOQUAT_TRY(EndTag());
  LOQUAT_ASSIGN(Block body, Body({"endgeneration"}));
  stmt.blocks.push_back(std::move(body));
  LOQUAT_TRY(CloseBody("endgeneration"));
  return &stmt;
}

Result<const Stmt*> Parser::FilterBlock(std::uint32_t line) {
  Stmt& stmt = NewStmt(StmtKind::kFilter, line);
  LOQUAT_ASSIGN(const Expr* filters, Filter(nullptr));
  while (IsOperator("|")) {
    LOQUAT_ASSIGN(filters, Filter(filters));
  }
  stmt.exprs = {filters};
  LOQUAT_TRY(EndTag());
  LOQUAT_ASSIGN(Block body, Body({"endfilter"}));
  stmt.blocks.push_back(std::move(body));
  LOQUAT_TRY(CloseBody("endfilter"));
  return &stmt;
}

Result<const Stmt*> Parser::LoopControl(StmtKind kind, std::uint32_t line) {
  if (loop_depth_ == 0) return TemplateError(line, "break and continue stand outside a loop");
  LOQUAT_TRY(EndTag());
  return &NewStmt(kind, line);
}

Result<Target> Parser::SingleTarget(bool with_namespace) {
  if (SkipOperator("(")) {
    LOQUAT_TRY(Enter(expression_depth_));
    const Depth depth{expression_depth_};
    LOQUAT_ASSIGN(Target inner, AssignmentTarget(false));
    LOQUAT_TRY(ExpectOperator(")"));
    return inner;
  }
  const std::uint32_t line = Peek().line;
  LOQUAT_ASSIGN(const std::string_view name, ExpectAnyName("a name to assign to"));
  if (name == "true" || name == "True" || name == "false" || name == "False" || name == "none" || name == "None") {
    return TemplateError(line, fmt::format("{} cannot be assigned to", name));
  }
  Target target{.symbol = SymbolOf(name)};
  if (with_namespace && SkipOperator(".")) {
    LOQUAT_ASSIGN(target.attribute, ExpectAnyName("the name of an attribute"));
  }
  return target;
}

Result<Target> Parser::AssignmentTarget(bool with_namespace) {
  LOQUAT_ASSIGN(Target first, SingleTarget(with_namespace));
  if (!IsOperator(",")) return first;
  Target tuple;
  tuple.items.push_back(std::move(first));
  while (SkipOperator(",")) {
    if (!IsAt(TokenKind::kName) && !IsOperator("(")) break;
    if (IsName("in")) break;
    LOQUAT_ASSIGN(Target item, SingleTarget(with_namespace));
    tuple.items.push_back(std::move(item));
  }
  return tuple;
}

}  // namespace loquat::text::jinja
