#include "ingress/kafka/out_headers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>
#include <vector>

namespace loquat::ingress::kafka {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::Not;
using testing::Pair;

std::vector<std::pair<std::string, std::string>> List(const Headers& headers) {
  std::vector<std::pair<std::string, std::string>> list;
  const char* name = nullptr;
  const void* value = nullptr;
  std::size_t size = 0;
  for (std::size_t i = 0; rd_kafka_header_get_all(headers.get(), i, &name, &value, &size) == 0; ++i) {
    list.emplace_back(name, value == nullptr ? "(null)" : std::string(static_cast<const char*>(value), size));
  }
  return list;
}

base::CallContext Call() {
  base::CallContext call{.request_id = "r-1", .trace = {}, .received_at = {}, .tenant = "kafka"};
  call.trace.state = "a=b";
  return call;
}
constexpr Source kSource{.topic = "ask", .partition = 3, .offset = 42};

TEST(ResultHeaders, SayWhatIsAnswered) {
  EXPECT_THAT(List(ResultHeaders(Call(), kSource)),
              ElementsAre(Pair("content-type", "application/json"), Pair("x-request-id", "r-1"),
                          Pair("traceparent", "00-00000000000000000000000000000000-0000000000000000-00"),
                          Pair("tracestate", "a=b"), Pair("loquat-source-topic", "ask"),
                          Pair("loquat-source-partition", "3"), Pair("loquat-source-offset", "42")));
}

TEST(DeadLetterHeaders, KeepThoseOfTheRecordAndSayWhy) {
  const Record record{.key = "k",
                      .value = "v",
                      .headers = {{"mine", "1"}, {"empty", std::nullopt}, {"Loquat-Attempts", "9"}, {"mine", "2"}},
                      .timestamp = std::nullopt};
  const base::Error error{.code = base::Code::kInvalidArgument, .message = "no JSON", .reason = "bad"};
  EXPECT_THAT(List(DeadLetterHeaders(Call(), kSource, record, {.error = error, .attempts = 2})),
              ElementsAre(Pair("mine", "1"), Pair("empty", "(null)"), Pair("mine", "2"), Pair("x-request-id", "r-1"),
                          Pair("loquat-error-code", "invalid_argument"), Pair("loquat-error-reason", "bad"),
                          Pair("loquat-error-message", "no JSON"), Pair("loquat-attempts", "2"),
                          Pair("loquat-source-topic", "ask"), Pair("loquat-source-partition", "3"),
                          Pair("loquat-source-offset", "42")));
  const auto bare = List(DeadLetterHeaders(Call(), kSource, record, {.error = error, .bare = true}));
  EXPECT_THAT(bare, Not(Contains(Pair("mine", "1"))));
  EXPECT_THAT(bare, Contains(Pair("loquat-dropped-bytes", std::to_string(record.bytes()))));
}

TEST(DeadLetterHeaders, AMessageIsCutAtACharacter) {
  const Record record;
  base::Error error{.code = base::Code::kInternal, .message = std::string(kErrorMessageBytesMax, 'x')};
  EXPECT_THAT(List(DeadLetterHeaders(Call(), kSource, record, {.error = error})),
              Contains(Pair("loquat-error-message", error.message)));
  error.message = std::string(kErrorMessageBytesMax - 1, 'x') + "天";
  EXPECT_THAT(List(DeadLetterHeaders(Call(), kSource, record, {.error = error})),
              Contains(Pair("loquat-error-message", std::string(kErrorMessageBytesMax - 1, 'x'))));
}

}  // namespace
}  // namespace loquat::ingress::kafka
