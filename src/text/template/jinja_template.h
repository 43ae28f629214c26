// A template in the language of Jinja 3, compiled once and rendered many times, in a sandbox: it reads the variables
// that it is given, writes text, and has bounds on everything (template_bounds.h).
// docs/chat_templates.md says which part of the language there is.
//
// Immutable after Compile; any number of threads may render it at the same time. Movable; rendered text belongs to the
// caller.

#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "base/json_value.h"
#include "base/result.h"
#include "text/template/template_bounds.h"

namespace loquat::text {

namespace jinja {
struct Program;
}

struct TemplateVariable {
  std::string_view name;
  // Strings and JSON stay alive while the template is rendered.
  std::variant<base::JsonValue, std::string_view, bool> value;
};

class JinjaTemplate {
 public:
  // kInvalidArgument names the line and what is wrong; kResourceExhausted: past a bound.
  static base::Result<JinjaTemplate> Compile(std::string_view source, const TemplateBounds& bounds = {});

  JinjaTemplate(JinjaTemplate&&) noexcept;
  JinjaTemplate& operator=(JinjaTemplate&&) noexcept;
  ~JinjaTemplate();

  // `now`: the local time that strftime_now() tells; none: calling it is an error. Of two variables of one name the
  // later counts. Errors name the line and have a reason: "template_raised" (the template called raise_exception),
  // "template_error" (the template cannot deal with these variables), "template_limit" (kResourceExhausted).
  base::Result<std::string> Render(std::span<const TemplateVariable> variables,
                                   std::optional<std::chrono::local_seconds> now = std::nullopt) const;

  // Whether that name stands in the template, as a variable or otherwise outside text and strings.
  bool Names(std::string_view variable) const;

 private:
  JinjaTemplate(std::unique_ptr<const jinja::Program> program, const TemplateBounds& bounds);

  std::unique_ptr<const jinja::Program> program_;
  TemplateBounds bounds_;
};

}  // namespace loquat::text
