#include "text/template/jinja_template.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "text/template/builtins.h"
#include "text/template/parser.h"
#include "text/template/renderer.h"
#include "text/template/work.h"

namespace loquat::text {

using base::Result;
using jinja::Value;
using jinja::Work;

namespace {

Result<Value> FromJson(Work& work, const base::JsonValue& json, int depth);

Result<Value> FromJsonArray(Work& work, const base::JsonArray& array, int depth) {
  LOQUAT_ASSIGN(jinja::List * list, work.NewList(array.size()));
  for (const base::JsonValue item : array) {
    LOQUAT_ASSIGN(const Value value, FromJson(work, item, depth + 1));
    list->items.push_back(value);
  }
  return Value::Of(list);
}

Result<Value> FromJsonObject(Work& work, const base::JsonObject& object, int depth) {
  jinja::Dict* dict = work.arena().NewDict();
  for (const auto [key, member] : object) {
    LOQUAT_ASSIGN(const Value value, FromJson(work, member, depth + 1));
    dict->Set(Value::String(key), value);
    LOQUAT_TRY(work.CheckItems(dict->entries().size()));
  }
  return Value::Of(dict);
}

// Strings stay where the parser has put them.
Result<Value> FromJson(Work& work, const base::JsonValue& json, int depth) {
  if (depth > jinja::kValueDepthMax) {
    return jinja::LimitFault(fmt::format("chat template: variables nest more than {} deep", jinja::kValueDepthMax));
  }
  LOQUAT_TRY(work.Charge(1));
  switch (json.type()) {
    case base::JsonType::kNull:
      return Value::None();
    case base::JsonType::kBool:
      return Value::Bool(json.AsBool().value());
    case base::JsonType::kInt:
      return Value::Int(json.AsInt().value());
    case base::JsonType::kUint:
      return jinja::Fault(
          fmt::format("chat template: the integer {} does not fit 64 bits with a sign", json.AsUint().value()));
    case base::JsonType::kDouble:
      return Value::Float(json.AsDouble().value());
    case base::JsonType::kString: {
      const std::string_view text = json.AsString().value();
      LOQUAT_TRY(work.CheckBytes(text.size()));
      return Value::String(text);
    }
    case base::JsonType::kArray:
      return FromJsonArray(work, json.AsArray().value(), depth);
    case base::JsonType::kObject:
      return FromJsonObject(work, json.AsObject().value(), depth);
  }
  return Value::None();
}

Result<Value> FromVariable(Work& work, const TemplateVariable& variable) {
  if (const auto* json = std::get_if<base::JsonValue>(&variable.value)) return FromJson(work, *json, 0);
  if (const auto* flag = std::get_if<bool>(&variable.value)) return Value::Bool(*flag);
  const std::string_view text = std::get<std::string_view>(variable.value);
  LOQUAT_TRY(work.CheckBytes(text.size()));
  return Value::String(text);
}

}  // namespace

JinjaTemplate::JinjaTemplate(std::unique_ptr<const jinja::Program> program, const TemplateBounds& bounds)
    : program_(std::move(program)), bounds_(bounds) {}
JinjaTemplate::JinjaTemplate(JinjaTemplate&&) noexcept = default;
JinjaTemplate& JinjaTemplate::operator=(JinjaTemplate&&) noexcept = default;
JinjaTemplate::~JinjaTemplate() = default;

Result<JinjaTemplate> JinjaTemplate::Compile(std::string_view source, const TemplateBounds& bounds) {
  LOQUAT_ASSIGN(std::unique_ptr<const jinja::Program> program, jinja::Parser::Parse(source, bounds));
  return JinjaTemplate(std::move(program), bounds);
}

bool JinjaTemplate::Names(std::string_view variable) const {
  return std::ranges::find(program_->symbols, variable) != program_->symbols.end();
}

Result<std::string> JinjaTemplate::Render(std::span<const TemplateVariable> variables,
                                          std::optional<std::chrono::local_seconds> now) const {
  Work work(bounds_, now);
  std::vector<Value> globals;
  globals.reserve(program_->symbols.size());
  for (const std::string_view name : program_->symbols) {
    const jinja::Builtin* function = jinja::FindFunction(name);
    globals.push_back(function == nullptr ? Value::Undefined(name) : Value::Of(function));
  }
  for (const TemplateVariable& variable : variables) {
    const auto symbol = std::ranges::find(program_->symbols, variable.name);
    if (symbol == program_->symbols.end()) continue;
    LOQUAT_ASSIGN(globals[static_cast<std::size_t>(symbol - program_->symbols.begin())], FromVariable(work, variable));
  }
  return jinja::Renderer(*program_, globals, work).Run();
}

}  // namespace loquat::text
