// Test-only. Reads one JSON object a line, {"template": TEXT, "context": {…}}, and writes one a line:
// {"text": TEXT}, or {"error": MESSAGE, "reason": WORD}. strftime_now() always tells 2026-11-21 09:05:07.

#include <chrono>
#include <iostream>
#include <string>
#include <vector>

#include "base/json_value.h"
#include "base/json_writer.h"
#include "text/template/jinja_template.h"

namespace loquat::text {
namespace {

base::Result<std::string> Answer(base::JsonParser& parser, const std::string& line) {
  using std::chrono::November;
  LOQUAT_ASSIGN(const base::JsonValue request, parser.Parse(line));
  LOQUAT_ASSIGN(const base::JsonObject members, request.AsObject());
  LOQUAT_ASSIGN(const std::string_view source, members.Find("template").AsString());
  LOQUAT_ASSIGN(const base::JsonObject context, members.Find("context").AsObject());
  std::vector<TemplateVariable> variables;
  for (const auto [name, value] : context) variables.push_back({name, value});
  LOQUAT_ASSIGN(const JinjaTemplate compiled, JinjaTemplate::Compile(source));
  constexpr std::chrono::local_seconds kNow =
      std::chrono::local_days(std::chrono::year(2026) / November / 21) + std::chrono::seconds(9 * 3600 + 5 * 60 + 7);
  return compiled.Render(variables, kNow);
}

void Serve(std::istream& in, std::ostream& out) {
  base::JsonParser parser;
  std::string line;
  while (std::getline(in, line)) {
    const base::Result<std::string> text = Answer(parser, line);
    std::string answer;
    base::JsonWriter writer(answer);
    writer.BeginObject();
    if (text.has_value()) {
      writer.Key("text");
      writer.String(*text);
    } else {
      writer.Key("error");
      writer.String(text.error().message);
      writer.Key("reason");
      writer.String(text.error().reason);
    }
    writer.EndObject();
    out << answer << '\n';
  }
}

}  // namespace
}  // namespace loquat::text

int main() {
  std::ios::sync_with_stdio(false);
  loquat::text::Serve(std::cin, std::cout);  // NOLINT(tidy)
  return 0;
}
