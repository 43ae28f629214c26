// The half of Parser that reads expressions. The precedence is that of Jinja 3.1.

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "text/template/builtins.h"
#include "text/template/parser.h"

namespace loquat::text::jinja {

using base::Result;
using base::Status;

namespace {

// Calls Leave on the depth that Parser::Enter has raised.
struct Depth {
  std::size_t& depth;
  ~Depth() { --depth; }
};

}  // namespace

Result<const Expr*> Parser::Expression() {
  LOQUAT_TRY(Enter(expression_depth_));
  const Depth depth{expression_depth_};
  return ExpressionWithin();
}

Result<const Expr*> Parser::ExpressionWithin() {
  LOQUAT_ASSIGN(const Expr* value, OrExpression());
  while (IsName("if")) {
    Expr& conditional = NewExpr(ExprKind::kConditional, Next().line);
    LOQUAT_ASSIGN(const Expr* condition, OrExpression());
    const Expr* otherwise = nullptr;
    if (SkipName("else")) {
      LOQUAT_ASSIGN(otherwise, Expression());
    }
    conditional.args = {condition, value, otherwise};
    LOQUAT_ASSIGN(value, Finish(conditional));
  }
  return value;
}

Result<const Expr*> Parser::OrExpression() {
  LOQUAT_ASSIGN(const Expr* left, AndExpression());
  while (IsName("or")) {
    const std::uint32_t line = Next().line;
    LOQUAT_ASSIGN(const Expr* right, AndExpression());
    LOQUAT_ASSIGN(left, Binary(ExprKind::kOr, line, left, right));
  }
  return left;
}

Result<const Expr*> Parser::AndExpression() {
  LOQUAT_ASSIGN(const Expr* left, NotExpression());
  while (IsName("and")) {
    const std::uint32_t line = Next().line;
    LOQUAT_ASSIGN(const Expr* right, NotExpression());
    LOQUAT_ASSIGN(left, Binary(ExprKind::kAnd, line, left, right));
  }
  return left;
}

Result<const Expr*> Parser::NotExpression() {
  if (!IsName("not")) return Comparison();
  LOQUAT_TRY(Enter(expression_depth_));
  const Depth depth{expression_depth_};
  Expr& negation = NewExpr(ExprKind::kNot, Next().line);
  LOQUAT_ASSIGN(const Expr* operand, NotExpression());
  negation.args = {operand};
  return Finish(negation);
}

Result<const Expr*> Parser::Comparison() {
  constexpr std::array<std::string_view, 6> kSigns = {"==", "!=", "<", "<=", ">", ">="};
  LOQUAT_ASSIGN(const Expr* first, Sum());
  Expr* comparison = nullptr;
  while (true) {
    Operator op = Operator::kIn;
    const std::uint32_t line = Peek().line;
    const auto sign = IsAt(TokenKind::kOperator) ? std::ranges::find(kSigns, Peek().text) : kSigns.end();
    if (sign != kSigns.end()) {
      op = static_cast<Operator>(static_cast<int>(Operator::kEqual) + (sign - kSigns.begin()));
      Next();
    } else if (IsName("not") && Peek(1).kind == TokenKind::kName && Peek(1).text == "in") {
      op = Operator::kNotIn;
      Next();
      Next();
    } else if (!SkipName("in")) {
      break;
    }
    LOQUAT_ASSIGN(const Expr* operand, Sum());
    if (comparison == nullptr) {
      comparison = &NewExpr(ExprKind::kCompare, line);
      comparison->args = {first};
    }
    comparison->operators.push_back(op);
    comparison->args.push_back(operand);
  }
  if (comparison == nullptr) return first;
  return Finish(*comparison);
}

Result<const Expr*> Parser::Sum() {
  LOQUAT_ASSIGN(const Expr* left, Concatenation());
  while (IsOperator("+") || IsOperator("-")) {
    const Token sign = Next();
    LOQUAT_ASSIGN(const Expr* right, Concatenation());
    Expr& sum = NewExpr(ExprKind::kBinary, sign.line);
    sum.operators = {sign.text == "+" ? Operator::kAdd : Operator::kSubtract};
    sum.args = {left, right};
    LOQUAT_ASSIGN(left, Finish(sum));
  }
  return left;
}

Result<const Expr*> Parser::Concatenation() {
  LOQUAT_ASSIGN(const Expr* first, Product());
  if (!IsOperator("~")) return first;
  Expr& whole = NewExpr(ExprKind::kConcat, Peek().line);
  whole.args = {first};
  while (SkipOperator("~")) {
    LOQUAT_ASSIGN(const Expr* part, Product());
    whole.args.push_back(part);
  }
  return Finish(whole);
}

Result<const Expr*> Parser::Product() {
  constexpr std::array<std::string_view, 4> kSigns = {"*", "/", "//", "%"};
  LOQUAT_ASSIGN(const Expr* left, Power());
  while (IsAt(TokenKind::kOperator)) {
    const auto sign = std::ranges::find(kSigns, Peek().text);
    if (sign == kSigns.end()) break;
    Expr& product = NewExpr(ExprKind::kBinary, Next().line);
    LOQUAT_ASSIGN(const Expr* right, Power());
    product.operators = {static_cast<Operator>(static_cast<int>(Operator::kMultiply) + (sign - kSigns.begin()))};
    product.args = {left, right};
    LOQUAT_ASSIGN(left, Finish(product));
  }
  return left;
}

Result<const Expr*> Parser::Power() {
  LOQUAT_ASSIGN(const Expr* left, Unary(true));
  while (IsOperator("**")) {
    Expr& power = NewExpr(ExprKind::kBinary, Next().line);
    LOQUAT_ASSIGN(const Expr* right, Unary(true));
    power.operators = {Operator::kPower};
    power.args = {left, right};
    LOQUAT_ASSIGN(left, Finish(power));
  }
  return left;
}

Result<const Expr*> Parser::Unary(bool with_filters) {
  const Expr* value = nullptr;
  if (IsOperator("-") || IsOperator("+")) {
    LOQUAT_TRY(Enter(expression_depth_));
    const Depth depth{expression_depth_};
    const Token sign = Next();
    LOQUAT_ASSIGN(const Expr* operand, Unary(false));
    Expr& unary = NewExpr(sign.text == "-" ? ExprKind::kNegate : ExprKind::kPlus, sign.line);
    unary.args = {operand};
    LOQUAT_ASSIGN(value, Finish(unary));
  } else {
    LOQUAT_ASSIGN(value, Primary());
  }
  LOQUAT_ASSIGN(value, Postfix(value));
  if (with_filters) return FiltersAndTests(value);
  return value;
}

Result<const Expr*> Parser::Constant(const Value& value, std::uint32_t line) {
  Expr& constant = NewExpr(ExprKind::kConstant, line);
  constant.constant = value;
  return Finish(constant);
}

Result<const Expr*> Parser::Primary() {
  const Token token = Peek();
  switch (token.kind) {
    case TokenKind::kName: {
      Next();
      if (token.text == "true" || token.text == "True") return Constant(Value::Bool(true), token.line);
      if (token.text == "false" || token.text == "False") return Constant(Value::Bool(false), token.line);
      if (token.text == "none" || token.text == "None") return Constant(Value::None(), token.line);
      Expr& name = NewExpr(ExprKind::kName, token.line);
      name.symbol = SymbolOf(token.text);
      name.name = token.text;
      return Finish(name);
    }
    case TokenKind::kString:
      return Strings();
    case TokenKind::kInteger:
      Next();
      return Constant(Value::Int(token.integer), token.line);
    case TokenKind::kFloat:
      Next();
      return Constant(Value::Float(token.number), token.line);
    default:
      break;
  }
  if (IsOperator("(")) return Parenthesised();
  if (IsOperator("[")) return ListDisplay();
  if (IsOperator("{")) return DictDisplay();
  return Unexpected("a value");
}

// Strings side by side are one.
Result<const Expr*> Parser::Strings() {
  const Token first = Next();
  if (!IsAt(TokenKind::kString)) return Constant(Value::String(first.text), first.line);
  std::string& whole = program_->strings.emplace_back(first.text);
  while (IsAt(TokenKind::kString)) whole += Next().text;
  return Constant(Value::String(whole), first.line);
}

Result<const Expr*> Parser::ListDisplay() {
  Expr& list = NewExpr(ExprKind::kList, Next().line);
  while (!IsOperator("]")) {
    if (!list.args.empty()) {
      LOQUAT_TRY(ExpectOperator(","));
      if (IsOperator("]")) break;
    }
    LOQUAT_ASSIGN(const Expr* item, Expression());
    list.args.push_back(item);
  }
  LOQUAT_TRY(ExpectOperator("]"));
  return Finish(list);
}

Result<const Expr*> Parser::DictDisplay() {
  Expr& dict = NewExpr(ExprKind::kDict, Next().line);
  while (!IsOperator("}")) {
    if (!dict.args.empty()) {
      LOQUAT_TRY(ExpectOperator(","));
      if (IsOperator("}")) break;
    }
    LOQUAT_ASSIGN(const Expr* key, Expression());
    LOQUAT_TRY(ExpectOperator(":"));
    LOQUAT_ASSIGN(const Expr* value, Expression());
    dict.args.push_back(key);
    dict.args.push_back(value);
  }
  LOQUAT_TRY(ExpectOperator("}"));
  return Finish(dict);
}

Result<const Expr*> Parser::Parenthesised() {
  const std::uint32_t line = Next().line;
  if (SkipOperator(")")) return Finish(NewExpr(ExprKind::kTuple, line));
  LOQUAT_ASSIGN(const Expr* inner, TupleOrExpression(true));
  LOQUAT_TRY(ExpectOperator(")"));
  return inner;
}

Result<const Expr*> Parser::TupleOrExpression(bool with_conditional) {
  LOQUAT_TRY(Enter(expression_depth_));
  const Depth depth{expression_depth_};
  const std::uint32_t line = Peek().line;
  std::vector<const Expr*> items;
  bool is_tuple = false;
  while (true) {
    LOQUAT_ASSIGN(const Expr* item, with_conditional ? ExpressionWithin() : OrExpression());
    items.push_back(item);
    if (!SkipOperator(",")) break;
    is_tuple = true;
    if (IsOperator(")") || IsAt(TokenKind::kBlockEnd) || IsAt(TokenKind::kPrintEnd)) break;
  }
  if (!is_tuple) return items.front();
  Expr& tuple = NewExpr(ExprKind::kTuple, line);
  tuple.args = std::move(items);
  return Finish(tuple);
}

Result<const Expr*> Parser::Postfix(const Expr* value) {
  while (true) {
    if (IsOperator(".") || IsOperator("[")) {
      LOQUAT_ASSIGN(value, Subscript(value));
    } else if (IsOperator("(")) {
      LOQUAT_ASSIGN(value, Call(value));
    } else {
      return value;
    }
  }
}

Result<const Expr*> Parser::Subscript(const Expr* subject) {
  const Token opening = Next();
  if (opening.text == ".") {
    const Token token = Next();
    if (token.kind == TokenKind::kName) {
      Expr& attribute = NewExpr(ExprKind::kAttribute, token.line);
      attribute.name = token.text;
      attribute.args = {subject};
      return Finish(attribute);
    }
    if (token.kind != TokenKind::kInteger) return TemplateError(token.line, "a name or a number is missing behind '.'");
    LOQUAT_ASSIGN(const Expr* index, Constant(Value::Int(token.integer), token.line));
    return Binary(ExprKind::kItem, token.line, subject, index);
  }
  std::array<const Expr*, 3> bounds = {};
  std::size_t colons = 0;
  while (!IsOperator("]")) {
    if (SkipOperator(":")) {
      if (++colons > 2) return Unexpected("']'");
      continue;
    }
    if (bounds[colons] != nullptr) return Unexpected("']'");
    LOQUAT_ASSIGN(bounds[colons], Expression());
  }
  LOQUAT_TRY(ExpectOperator("]"));
  if (colons == 0) {
    if (bounds[0] == nullptr) return TemplateError(opening.line, "what stands in [] is missing");
    return Binary(ExprKind::kItem, opening.line, subject, bounds[0]);
  }
  Expr& slice = NewExpr(ExprKind::kSlice, opening.line);
  slice.args = {subject, bounds[0], bounds[1], bounds[2]};
  return Finish(slice);
}

Result<const Expr*> Parser::Call(const Expr* callee) {
  Expr& call = NewExpr(ExprKind::kCall, Peek().line);
  call.args = {callee};
  LOQUAT_TRY(CallArguments(call));
  return Finish(call);
}

// From '(' to ')': values by place, then values by name.
Status Parser::CallArguments(Expr& call) {
  LOQUAT_TRY(ExpectOperator("("));
  bool first = true;
  while (!IsOperator(")")) {
    if (!first) {
      LOQUAT_TRY(ExpectOperator(","));
      if (IsOperator(")")) break;
    }
    first = false;
    if (IsOperator("*") || IsOperator("**"))
      return TemplateError(Peek().line, "arguments with * and ** are not supported");
    if (IsAt(TokenKind::kName) && Peek(1).kind == TokenKind::kOperator && Peek(1).text == "=") {
      const std::string_view name = Next().text;
      Next();
      if (std::ranges::find(call.keywords, name, &Keyword::name) != call.keywords.end()) {
        return TemplateError(Peek().line, fmt::format("the argument {} is given twice", name));
      }
      LOQUAT_ASSIGN(const Expr* value, Expression());
      call.keywords.push_back({name, value});
      continue;
    }
    if (!call.keywords.empty()) return TemplateError(Peek().line, "an argument by place stands behind one by name");
    LOQUAT_ASSIGN(const Expr* value, Expression());
    call.args.push_back(value);
  }
  return ExpectOperator(")");
}

Result<const Expr*> Parser::FiltersAndTests(const Expr* value) {
  while (true) {
    if (IsOperator("|")) {
      LOQUAT_ASSIGN(value, Filter(value));
    } else if (IsName("is")) {
      LOQUAT_ASSIGN(value, Test(value));
    } else if (IsOperator("(")) {
      LOQUAT_ASSIGN(value, Call(value));
    } else {
      return value;
    }
  }
}

Result<const Expr*> Parser::Filter(const Expr* subject) {
  if (IsOperator("|")) Next();
  const std::uint32_t line = Peek().line;
  LOQUAT_ASSIGN(const std::string_view name, ExpectAnyName("the name of a filter"));
  Expr& filter = NewExpr(ExprKind::kFilter, line);
  filter.builtin = FindFilter(name);
  if (filter.builtin == nullptr) return TemplateError(line, fmt::format("no filter is named '{}'", name));
  filter.args = {subject};
  if (IsOperator("(")) LOQUAT_TRY(CallArguments(filter));
  return Finish(filter);
}

Result<const Expr*> Parser::Test(const Expr* subject) {
  const std::uint32_t line = Next().line;
  const bool negated = SkipName("not");
  LOQUAT_ASSIGN(const std::string_view name, ExpectAnyName("the name of a test"));
  Expr& test = NewExpr(ExprKind::kTest, line);
  test.builtin = FindTest(name);
  if (test.builtin == nullptr) return TemplateError(line, fmt::format("no test is named '{}'", name));
  test.args = {subject};
  const bool value_follows = (IsAt(TokenKind::kName) && !IsName("else") && !IsName("or") && !IsName("and")) ||
                             IsAt(TokenKind::kString) || IsAt(TokenKind::kInteger) || IsAt(TokenKind::kFloat) ||
                             IsOperator("[") || IsOperator("{");
  if (IsOperator("(")) {
    LOQUAT_TRY(CallArguments(test));
  } else if (value_follows) {
    if (IsName("is")) return TemplateError(line, "tests cannot be chained with is");
    LOQUAT_ASSIGN(const Expr* argument, Primary());
    LOQUAT_ASSIGN(argument, Postfix(argument));
    test.args.push_back(argument);
  }
  LOQUAT_ASSIGN(const Expr* result, Finish(test));
  if (!negated) return result;
  Expr& negation = NewExpr(ExprKind::kNot, line);
  negation.args = {result};
  return Finish(negation);
}

}  // namespace loquat::text::jinja
