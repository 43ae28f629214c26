#include "response/action_set.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "response/action_caller.h"

namespace loquat::response {
namespace {

using testing::HasSubstr;

constexpr std::string_view kGood = R"(version: "1"
actions:
  book:
    url: "https://h:8443/v1/{slots.city}"
    headers: {Authorization: "Bearer s3cret"}
    query: {q: "{text}", d: "{slots.date?}"}
    body: {city: "{slots.city.normalized?}", turn: "{session.turn}", words: "to {slots.city}"}
    take: {number: /order/0/number}
  cancel: {url: "https://h/cancel", method: DELETE, body: {key: "{room.key}", n: "{room.number?}"}}
intents:
  go:
    steps: [{name: room, action: book, undo: cancel}]
    keep: {order: "{room.number}"}
    replies: {en: ["{room.number}"]}
    failed: {en: [no]}
    pending: {en: [soon]}
)";

std::string ErrorOf(std::string_view from, std::string_view to) {
  std::string yaml(kGood);
  const std::size_t at = yaml.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  yaml.replace(at, from.size(), to);
  const auto set = ActionSet::Compile(yaml, "a.yml");
  EXPECT_FALSE(set.has_value()) << to;
  return set.has_value() ? std::string() : set.error().message;
}

TEST(ActionSet, MistakesAreNamedWithLineAndColumn) {
  const struct {
    std::string_view from, to, place, what;
  } kCases[] = {
      {"{text}", "{texts}", "a.yml:6:16", "nothing that is known"},
      {"{text}", "{text", "a.yml:6:16", "'{' without '}'"},
      {"{text}", "{room.number}", "a.yml:6:16", "nothing that is known"},
      {"action: book", "action: boook", "a.yml:12:34", "no action \"boook\""},
      {"undo: cancel", "undo: c", "a.yml:12:46", "no action \"c\""},
      {"{room.number?}", "{room.number}", "a.yml:9:", "answer never came"},
      {"https://h:8443/v1", "https://{slots.city}/v1", "a.yml:4:10", "no field in them"},
      {"https://h:8443/v1", "ftp://h/v1", "a.yml:4:10", ""},
      {"Authorization", "Idempotency-Key", "a.yml:5:", "may not be set"},
      {"Authorization", "content-length", "a.yml:5:", "may not be set"},
      {"/order/0/number", "order", "a.yml:8:20", "JSON pointer"},
      {"/order/0/number", "/a~2", "a.yml:8:20", "JSON pointer"},
      {"number: /order", "key: /order", "a.yml:8:", "not key"},
      {"method: DELETE", "method: GET", "a.yml:9:", "GET has no body"},
      {"method: DELETE", "method: TRACE", "a.yml:9:", "GET, POST, PUT, PATCH, DELETE"},
      {"method: DELETE", "methods: DELETE", "a.yml:9:", "unknown key"},
      {"method: DELETE", "url: x", "a.yml:9:", "url"},
      {"en: [no]", "fr: [no]", "a.yml:15:", "no locale"},
      {"en: [no]", "en: []", "a.yml:15:", "one variant or more"},
      {"en: [\"{room.number}\"]", "en: [\"{room.x}\"]", "a.yml:14:", "no result of a step"},
      {"steps: [{name: room, action: book, undo: cancel}]", "steps: []", "a.yml:12:", "1 to 16 steps"},
      {"{name: room, action: book, undo: cancel}", "{name: room, action: book}, {name: room, action: book}",
       "a.yml:12:", "two steps are called"},
      {"name: room", "name: slots", "a.yml:12:", "name"},
      {"version: \"1\"", "version: \"2\"", "a.yml:1:", "version"},
  };
  for (const auto& [from, to, place, what] : kCases) {
    const std::string error = ErrorOf(from, to);
    EXPECT_THAT(error, HasSubstr(place)) << to;
    EXPECT_THAT(error, HasSubstr(what)) << to;
    EXPECT_THAT(error, testing::Not(HasSubstr("s3cret")));
  }
}

TEST(ActionSet, BoundsHoldAtTheirEdges) {
  const auto compile = [](std::size_t steps, std::size_t query, std::size_t actions) {
    std::string yaml = "actions:\n";
    for (std::size_t i = 0; i < actions; ++i) yaml += fmt::format("  x{}: {{url: \"http://h/\"}}\n", i);
    yaml.pop_back();
    yaml += "\n  a: {url: \"http://h/\", query: {";
    for (std::size_t i = 0; i < query; ++i) yaml += fmt::format("{}q{}: v", i == 0 ? "" : ", ", i);
    yaml += "}}\nintents:\n  go: {failed: {en: [n]}, pending: {en: [p]}, steps: [";
    for (std::size_t i = 0; i < steps; ++i) yaml += fmt::format("{}{{name: s{}, action: a}}", i == 0 ? "" : ", ", i);
    yaml += "]}\n";
    const auto set = ActionSet::Compile(yaml, "a.yml");
    return set.has_value() ? std::string() : set.error().message;
  };
  EXPECT_EQ(compile(kStepsMax, kMappedFieldsMax, kActionsMax - 1), "");
  EXPECT_THAT(compile(kStepsMax + 1, 1, 1), HasSubstr("steps"));
  EXPECT_THAT(compile(1, kMappedFieldsMax + 1, 1), HasSubstr("at most 64"));
  EXPECT_THAT(compile(1, 1, kActionsMax), HasSubstr("at most 256 actions"));
}

TEST(ActionSet, AJournalHasADefinitionWithoutSecretsThatReadsAsTheSame) {
  const auto set = ActionSet::Compile(kGood, "a.yml");
  ASSERT_TRUE(set.has_value()) << set.error().message;
  const auto& saga = (*set)->Find("go")->saga;
  EXPECT_THAT(saga->text, testing::Not(HasSubstr("s3cret")));
  EXPECT_THAT(saga->text, HasSubstr("Authorization"));
  const auto again = ActionSet::CompileSaga(saga->text);
  ASSERT_TRUE(again.has_value()) << again.error().message;
  EXPECT_EQ((*again)->text, saga->text);
  EXPECT_FALSE((*again)->steps[0].call.has_header_values);
  EXPECT_TRUE((*again)->steps[0].undo->has_header_values) << "it has no headers";
  EXPECT_EQ((*(*set)->HeadersOf("book"))[0].second, "Bearer s3cret");
  EXPECT_EQ((*set)->HeadersOf("none"), nullptr);
  EXPECT_EQ((*set)->Find("go")->slots, std::vector<std::string>({"city", "date"}));
}

TEST(ActionRequest, FieldsAreEscapedForWhereTheyStand) {
  const auto set = ActionSet::Compile(kGood, "a.yml");
  ASSERT_TRUE(set.has_value());
  const CallDefinition& call = (*set)->Find("go")->saga->steps[0].call;
  FieldValues fields = {{"text", {.text = "a&b=c \"d\""}},
                        {"session.turn", {.text = "3", .literal = true}},
                        {"slots.city", {.text = "São/Paulo?#"}}};
  const auto request = FillIn(call, fields);
  ASSERT_TRUE(request.has_value()) << request.error().message;
  EXPECT_EQ(request->url, "https://h:8443/v1/S%C3%A3o%2FPaulo%3F%23?q=a%26b%3Dc%20%22d%22");
  EXPECT_EQ(request->body, R"({"turn":3,"words":"to São/Paulo?#"})");
  for (const std::string_view odd : {".", ".."}) {
    fields["slots.city"].text = odd;
    EXPECT_EQ(FillIn(call, fields).error().reason, "action_url") << odd;
  }
  fields.erase("slots.city");
  EXPECT_EQ(FillIn(call, fields).error().reason, "action_field_missing");
  fields["slots.city"].text = std::string(kActionUrlBytesMax, 'x');
  EXPECT_EQ(FillIn(call, fields).error().reason, "action_url");
}

TEST(ActionResults, PointersLeadToPlainValuesAlone) {
  CallDefinition call{.timeout = {}, .backoff_first = {}, .backoff_max = {}, .retry = {}, .attempts_max = 1};
  base::JsonParser parser;
  const auto take = [&](std::string_view pointer, std::string_view answer) -> std::string {
    call.take = {{"v", std::string(pointer)}};
    const auto results = TakeResults(call, answer, parser);
    return results.has_value() ? results->at("v").text + (results->at("v").literal ? "!" : "") : "error";
  };
  EXPECT_EQ(take("", R"("whole")"), "whole");
  EXPECT_EQ(take("/a/1", R"({"a":[1,22]})"), "22!");
  EXPECT_EQ(take("/a", R"({"a":true})"), "true!");
  EXPECT_EQ(take("/a", R"({"a":1.5})"), "1.5!");
  EXPECT_EQ(take("/a~1b/~0", R"({"a/b":{"~":"x"}})"), "x");
  EXPECT_EQ(take("/", R"({"":"empty"})"), "empty");
  for (const auto& [pointer, answer] :
       std::vector<std::pair<std::string_view, std::string_view>>{{"/a", R"({"b":1})"},
                                                                  {"/a/01", R"({"a":[1,2]})"},
                                                                  {"/a/-", R"({"a":[1]})"},
                                                                  {"/a/1", R"({"a":[1]})"},
                                                                  {"/a", R"({"a":null})"},
                                                                  {"/a", R"({"a":{}})"},
                                                                  {"/a/b", R"({"a":"x"})"},
                                                                  {"/a", "{"},
                                                                  {"/a", ""}}) {
    EXPECT_EQ(take(pointer, answer), "error") << pointer << " in " << answer;
  }
  EXPECT_EQ(take("/a", fmt::format(R"({{"a":"{}"}})", std::string(kResultBytesMax, 'x'))).size(), kResultBytesMax);
  EXPECT_EQ(take("/a", fmt::format(R"({{"a":"{}"}})", std::string(kResultBytesMax + 1, 'x'))), "error");
}

TEST(ActionVerdict, TheRetryClassDecides) {
  CallDefinition call{.timeout = {}, .backoff_first = {}, .backoff_max = {}, .retry = {}, .attempts_max = 3};
  const auto verdict = [&](RetryClass retry, int status, std::uint32_t attempt, bool undo = false) {
    call.retry = retry;
    return VerdictOf(call, JudgeAnswer(call, status), attempt, undo);
  };
  EXPECT_EQ(verdict(RetryClass::kNever, 204, 1), CallVerdict::kDone);
  EXPECT_EQ(verdict(RetryClass::kNever, 503, 1), CallVerdict::kFailed);
  EXPECT_EQ(verdict(RetryClass::kIdempotent, 503, 1), CallVerdict::kRetry);
  EXPECT_EQ(verdict(RetryClass::kIdempotent, 503, 2), CallVerdict::kRetry);
  EXPECT_EQ(verdict(RetryClass::kIdempotent, 503, 3), CallVerdict::kFailed);
  EXPECT_EQ(verdict(RetryClass::kIdempotent, 503, 99, true), CallVerdict::kRetry) << "undoing counts no attempts";
  EXPECT_EQ(verdict(RetryClass::kIdempotent, 404, 1), CallVerdict::kFailed);
  EXPECT_EQ(verdict(RetryClass::kAlways, 404, 1), CallVerdict::kRetry);
  EXPECT_EQ(verdict(RetryClass::kAlways, 404, 3), CallVerdict::kFailed);
  call.success = {404};
  EXPECT_EQ(verdict(RetryClass::kIdempotent, 404, 1), CallVerdict::kDone);
  EXPECT_EQ(verdict(RetryClass::kIdempotent, 200, 1), CallVerdict::kFailed);
  EXPECT_TRUE(JudgeAnswer(call, 200).unsure);
  EXPECT_TRUE(JudgeAnswer(call, 500).unsure);
  EXPECT_FALSE(JudgeAnswer(call, 422).unsure);
  EXPECT_EQ(VerdictOf(call, {.outcome = "refused", .detail = {}, .hopeless = true, .results = {}}, 1, true),
            CallVerdict::kFailed);
}

}  // namespace
}  // namespace loquat::response
