#include "text/template/jinja_template.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace loquat::text {
namespace {

using testing::HasSubstr;

constexpr std::chrono::local_seconds kNow =
    std::chrono::local_days(std::chrono::year(2026) / std::chrono::November / 21) + std::chrono::seconds(32707);

base::Result<std::string> TryRender(std::string_view source, std::string_view context = "{}",
                                    const TemplateBounds& bounds = {}) {
  base::JsonParser parser;
  LOQUAT_ASSIGN(const base::JsonValue json, parser.Parse(context));
  LOQUAT_ASSIGN(const base::JsonObject members, json.AsObject());
  std::vector<TemplateVariable> variables;
  for (const auto [name, value] : members) variables.push_back({name, value});
  LOQUAT_ASSIGN(const JinjaTemplate compiled, JinjaTemplate::Compile(source, bounds));
  return compiled.Render(variables, kNow);
}

std::string Render(std::string_view source, std::string_view context = "{}") {
  const base::Result<std::string> text = TryRender(source, context);
  return text.has_value() ? *text : "error: " + text.error().message;
}

base::Error ErrorOf(std::string_view source, std::string_view context = "{}", const TemplateBounds& bounds = {}) {
  const base::Result<std::string> text = TryRender(source, context, bounds);
  EXPECT_FALSE(text.has_value()) << *text;
  return text.has_value() ? base::Error{} : text.error();
}

TEST(JinjaTemplate, TrimsLinesOfBlocksAndKeepsThoseOfPrints) {
  EXPECT_EQ(Render("  {% if true %}\n  x\n  {% endif %}\n  {{ 1 }}\ny\n"), "  x\n  1\ny");
  EXPECT_EQ(Render("a \n {%- if true -%} \n b {%+ endif +%}\n c"), "ab \n c");
  EXPECT_EQ(Render("a {#- gone #}\n b{# gone #}"), "a b");
  EXPECT_EQ(Render("{% raw %}{{ x }}{% endraw %}\r\ny"), "{{ x }}y");
}

TEST(JinjaTemplate, ComputesAsPythonDoes) {
  EXPECT_EQ(
      Render("{{ 7 // -2 }} {{ 7 % -2 }} {{ -7 // 2 }} {{ 7 / 2 }} {{ 2 ** 10 }} {{ 1e3 }} {{ 1e16 }} {{ 0.1 + 0.2 }}"),
      "-4 -1 -4 3.5 1024 1000.0 1e+16 0.30000000000000004");
  EXPECT_EQ(Render("{{ [1, 'it\\'s', none, true, 1.0, {'k': (1,)}] }}"),
            R"([1, "it's", None, True, 1.0, {'k': (1,)}])");
  EXPECT_EQ(Render("{{ 1 < 2 < 3 }} {{ 1 == true }} {{ 'a' in 'cat' }} {{ 3 not in [1] }} {{ not none }}"),
            "True True True True True");
  EXPECT_EQ(Render("{{ 'x' if false }}|{{ missing }}|{{ missing is defined }}|{{ missing or 'd' }}"), "||False|d");
}

TEST(JinjaTemplate, CountsCharactersNotBytes) {
  EXPECT_EQ(Render("{{ s|length }} {{ s[0] }} {{ s[-1] }} {{ s[1:3] }} {{ s[::-1] }} {{ s.find('界') }}",
                   R"({"s": "你好世界"})"),
            "4 你 界 好世 界世好你 3");
}

TEST(JinjaTemplate, WritesJsonAsTransformersDoes) {
  constexpr std::string_view kContext = R"({"v": {"k": ["é<\"'&", 1.0, null, true, {}], "e": []}})";
  EXPECT_EQ(Render("{{ v|tojson }}", kContext), R"({"k": ["é<\"'&", 1.0, null, true, {}], "e": []})");
  EXPECT_EQ(Render("{{ v.k|tojson(indent=1) }}", kContext), "[\n \"é<\\\"'&\",\n 1.0,\n null,\n true,\n {}\n]");
  EXPECT_EQ(Render("{{ '🙂é'|tojson(ensure_ascii=true) }}"), "\"\\ud83d\\ude42\\u00e9\"");
}

TEST(JinjaTemplate, LoopsKnowWhereTheyAre) {
  EXPECT_EQ(
      Render("{% for x in 'abc' %}{{ loop.index }}{{ loop.index0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}"
             "{{ loop.previtem }}{{ loop.nextitem }};{% endfor %}"),
      "10TrueFalse3b;21FalseFalse3ac;32FalseTrue3b;");
  EXPECT_EQ(Render("{% for k, v in {'a': 1, 'b': 2}.items() if v > 1 %}{{ k }}{{ v }}{% else %}none{% endfor %}"),
            "b2");
  EXPECT_EQ(Render("{% for x in range(9) %}{% if x == 2 %}{% continue %}{% elif x > 3 %}{% break %}{% endif %}{{ x "
                   "}}{% endfor %}"),
            "013");
}

TEST(JinjaTemplate, WhatALoopSetsEndsWithIt) {
  EXPECT_EQ(Render("{% set x = 1 %}{% for i in [1, 2] %}{{ x }}{% set x = 5 %}{% endfor %}{{ x }}"), "111");
  EXPECT_EQ(Render("{% for i in [] %}{% else %}{% set x = 5 %}{% endfor %}[{{ x }}]"), "[]");
  EXPECT_EQ(Render("{% set n = namespace(x=1) %}{% for i in [1, 2] %}{% set n.x = n.x + i %}{% endfor %}{{ n.x }}"),
            "4");
}

TEST(JinjaTemplate, MacrosSetBlocksAndFilters) {
  EXPECT_EQ(Render("{% macro m(a, b='B') %}<{{ a }}{{ b }}>{% endmacro %}{{ m(1) }}{{ m(b=2, a=3) }}{{ m() }}"),
            "<1B><32><B>");
  EXPECT_EQ(Render("{% macro f(n) %}{{ n }}{% if n > 0 %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(3) }}"), "3210");
  EXPECT_EQ(Render("{% set x | upper %}a{{ 1 }}b{% endset %}{{ x }}"), "A1B");
  EXPECT_EQ(Render("{% macro v() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ v(1, k=2) }}"), "(1,){'k': 2}");
}

TEST(JinjaTemplate, AppendsToListsOfItsOwn) {
  EXPECT_EQ(Render("{% set l = [] %}{% for x in [1, 2] %}{% set _ = l.append(x) %}{% endfor %}{{ l }}"), "[1, 2]");
  EXPECT_EQ(ErrorOf("{% set l = [] %}{% set _ = l.append(l) %}{{ l }}").reason, "template_limit");
}

TEST(JinjaTemplate, MethodsOfADictHideItsKeysAndKeysHideThemInBrackets) {
  constexpr std::string_view kContext = R"({"d": {"items": 5, "x": 1}})";
  EXPECT_EQ(Render("{{ d['items'] }} {{ d.items()|length }} {{ d.x }} {{ d.get('y', 'z') }}", kContext), "5 2 1 z");
}

TEST(JinjaTemplate, TellsTheTimeItIsGiven) {
  EXPECT_EQ(Render("{{ strftime_now('%d %b %Y %H:%M:%S %A %j %-m') }}"), "21 Nov 2026 09:05:07 Saturday 325 11");
  const auto compiled = JinjaTemplate::Compile("{{ strftime_now('%d') }}");
  ASSERT_TRUE(compiled.has_value());
  EXPECT_FALSE(compiled->Render({}).has_value());
  EXPECT_THAT(ErrorOf("{{ strftime_now('%Q') }}").message, HasSubstr("%Q"));
}

TEST(JinjaTemplate, ErrorsNameTheLineAndTheCause) {
  EXPECT_THAT(ErrorOf("a\n{{ b.c }}").message, HasSubstr("line 2: 'b' is undefined"));
  EXPECT_THAT(ErrorOf("\n\n{{ 1 + 'x' }}").message, HasSubstr("line 3: an integer + a string"));
  EXPECT_THAT(ErrorOf("{% if x %}\n").message, HasSubstr("{% endif %} is expected"));
  EXPECT_THAT(ErrorOf("{{ x").message, HasSubstr("does not end"));
  EXPECT_THAT(ErrorOf("{{ x|nosuch }}").message, HasSubstr("no filter is named 'nosuch'"));
  EXPECT_THAT(ErrorOf("{% include 'x' %}").message, HasSubstr("'include'"));
  EXPECT_THAT(ErrorOf("{{ 9223372036854775807 + 1 }}").message, HasSubstr("64-bit"));
  EXPECT_THAT(ErrorOf("{{ v }}", R"({"v": 18446744073709551615})").message, HasSubstr("18446744073709551615"));
  EXPECT_THAT(ErrorOf("\xFF").message, HasSubstr("UTF-8"));
  const base::Error raised = ErrorOf("\n{{ raise_exception('no ' ~ 1) }}");
  EXPECT_EQ(raised.reason, "template_raised");
  EXPECT_THAT(raised.message, HasSubstr("line 2: the template refuses: no 1"));
}

TEST(JinjaTemplate, SurvivesBeingCutAnywhere) {
  constexpr std::string_view kSource =
      "{% macro m(a, b=[1, {'k': 2}]) -%}{{ a|join(', ')[1:] }}{%- endmacro %}{# c #}{% raw %}x{% endraw %}"
      "{% for a, (b, c) in d.items() if a is not none %}{{ loop.index ~ \"\\u4f60\" }}{% else %}{% break %}{% endfor "
      "%}";
  for (std::size_t size = 0; size <= kSource.size(); ++size) static_cast<void>(TryRender(kSource.substr(0, size)));
}

// Bounds: each at its edge, and each hostile template ends in an error that names the bound.

TEST(JinjaTemplate, BoundsSteps) {
  EXPECT_THAT(ErrorOf("{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}").message,
              HasSubstr("steps"));
  EXPECT_THAT(ErrorOf("{% for a in range(100000) %}{% set x = s.replace('a', 'b') %}{% endfor %}",
                      fmt::format(R"({{"s": "{}"}})", std::string(100000, 'x')))
                  .message,
              HasSubstr("steps"));
  TemplateBounds bounds;
  bounds.steps_max = 3;  // A statement, and one for each 64 bytes begun.
  EXPECT_EQ(TryRender("abc", "{}", bounds).value(), "abc");
  bounds.steps_max = 1;
  EXPECT_EQ(ErrorOf("abc", "{}", bounds).code, base::Code::kResourceExhausted);
}

TEST(JinjaTemplate, BoundsOutput) {
  TemplateBounds bounds;
  bounds.output_bytes_max = 5;
  EXPECT_EQ(TryRender("ab{{ 'cde' }}", "{}", bounds).value(), "abcde");
  EXPECT_THAT(ErrorOf("abc{{ 'def' }}", "{}", bounds).message, HasSubstr("more than 5 bytes of output"));
  EXPECT_THAT(
      ErrorOf("{% for i in range(11) %}{{ s }}{% endfor %}", fmt::format(R"({{"s": "{}"}})", std::string(1 << 20, 'x')))
          .message,
      HasSubstr("output"));
}

TEST(JinjaTemplate, BoundsStringsListsAndRanges) {
  TemplateBounds bounds;
  bounds.string_bytes_max = 12;
  bounds.items_max = 4;
  bounds.range_max = 4;
  EXPECT_EQ(TryRender("{{ 'x' * 12 }}{{ [0] * 4 }}{{ range(4)|list }}", "{}", bounds).value(),
            "xxxxxxxxxxxx[0, 0, 0, 0][0, 1, 2, 3]");
  for (const std::string_view source :
       {"{{ 'x' * 13 }}", "{{ 'xxxxxxx' ~ 'yyyyyy' }}", "{{ [0] * 5 }}", "{{ range(5) }}", "{{ 'abcde'|list }}",
        "{{ 'abc'.replace('', 'xxxx') }}", "{% set x %}1234567890123{% endset %}", "{{ 'aaaaaa'|indent(8, true) }}"}) {
    EXPECT_EQ(ErrorOf(source, "{}", bounds).reason, "template_limit") << source;
  }
  EXPECT_EQ(ErrorOf("{{ 'x' * 9223372036854775807 }}").reason, "template_limit");
  EXPECT_EQ(ErrorOf("{{ range(-9223372036854775807, 9223372036854775807) }}").reason, "template_limit");
  EXPECT_EQ(ErrorOf("{{ '%999999999d' % 1 }}").reason, "template_limit");
}

TEST(JinjaTemplate, BoundsMemory) {
  EXPECT_THAT(ErrorOf("{% set n = namespace(s='x') %}{% for i in range(22) %}{% set n.s = n.s ~ n.s %}{% endfor %}"
                      "{% for i in range(1000) %}{% set y = n.s ~ i %}{% endfor %}")
                  .message,
              HasSubstr("memory"));
}

TEST(JinjaTemplate, BoundsDepthOfCallsAndValues) {
  EXPECT_THAT(ErrorOf("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}").message, HasSubstr("deep"));
  EXPECT_THAT(
      ErrorOf("{% set n = namespace(v=[]) %}{% for i in range(1000) %}{% set n.v = [n.v] %}{% endfor %}{{ n.v }}")
          .message,
      HasSubstr("deep"));
  EXPECT_THAT(ErrorOf("{% set n = namespace(v=[]) %}{% for i in range(1000) %}{% set n.v = [n.v] %}{% endfor %}{{ n.v "
                      "== [n.v] or n.v|tojson }}")
                  .message,
              HasSubstr("deep"));
  std::string maps = "'map'";
  for (int i = 0; i < 2000; ++i) maps += ", 'map'";
  EXPECT_THAT(
      ErrorOf("{% set n = namespace(v=[]) %}{% for i in range(3000) %}{% set n.v = [n.v] %}{% endfor %}{{ n.v|map(" +
              maps + ") }}")
          .message,
      HasSubstr("deep"));
}

TEST(JinjaTemplate, BoundsNesting) {
  const auto repeat = [](std::string_view text, std::size_t times) {
    std::string out;
    for (std::size_t i = 0; i < times; ++i) out += text;
    return out;
  };
  constexpr std::size_t kMax = TemplateBounds().nesting_max;
  EXPECT_TRUE(TryRender("{{ " + repeat("[", kMax - 1) + "1" + repeat("]", kMax - 1) + " }}").has_value());
  for (const std::size_t times : {kMax + 1, std::size_t{50'000}}) {
    for (const std::string& source :
         {"{{ " + repeat("[", times) + "1" + repeat("]", times) + " }}",
          "{{ " + repeat("(", times) + "1" + repeat(")", times) + " }}", "{{ " + repeat("not ", times) + "1 }}",
          "{{ " + repeat("-", times) + "1 }}", "{{ 1" + repeat("+1", times) + " }}",
          "{{ x" + repeat(".x", times) + " }}", "{{ x" + repeat("|trim", times) + " }}",
          "{{ x" + repeat("()", times) + " }}", "{{ " + repeat("1 if 1 else ", times) + "1 }}",
          "{{ " + repeat("{1:", times) + "1" + repeat("}", times) + " }}",
          repeat("{% if x %}", times) + repeat("{% endif %}", times),
          "{% for " + repeat("(", times) + "x" + repeat(")", times) + " in y %}{% endfor %}"}) {
      EXPECT_EQ(ErrorOf(source).code, base::Code::kResourceExhausted) << source.substr(0, 40);
    }
  }
  EXPECT_EQ(Render("{{ ''" + repeat(" ~ 'x'", 5000) + " }}").size(), 5000u);
}

TEST(JinjaTemplate, BoundsTheSource) {
  TemplateBounds bounds;
  bounds.source_bytes_max = 8;
  EXPECT_TRUE(TryRender("{{ 12 }}", "{}", bounds).has_value());
  EXPECT_EQ(ErrorOf("{{ 123 }}", "{}", bounds).code, base::Code::kResourceExhausted);
  bounds = {};
  bounds.tokens_max = 4;  // Opening, name, closing, end.
  EXPECT_TRUE(TryRender("{{ x }}", "{}", bounds).has_value());
  EXPECT_EQ(ErrorOf("{{ x }} ", "{}", bounds).code, base::Code::kResourceExhausted);
}

TEST(JinjaTemplate, ThreadsShareACompiledTemplate) {
  const auto compiled = JinjaTemplate::Compile(
      "{% macro m(x) %}{{ x|tojson }}{% endmacro %}{% for i in range(50) %}{{ m([i, who]) }}{% endfor %}");
  ASSERT_TRUE(compiled.has_value());
  std::vector<std::string> texts(4);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < texts.size(); ++t) {
    threads.emplace_back([&, t] {
      const std::string who(1, static_cast<char>('a' + t));
      const std::vector<TemplateVariable> variables = {{"who", std::string_view(who)}};
      for (int i = 0; i < 20; ++i) texts[t] = compiled->Render(variables).value();
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (std::size_t t = 0; t < texts.size(); ++t) {
    EXPECT_THAT(texts[t], HasSubstr(fmt::format("[49, \"{}\"]", static_cast<char>('a' + t))));
    EXPECT_EQ(texts[t].size(), texts[0].size());
  }
}

}  // namespace
}  // namespace loquat::text
