#include "ingress/http/error_body.h"

#include <gtest/gtest.h>

namespace loquat::ingress {
namespace {

TEST(ErrorBody, HasEveryFieldThatHasAValue) {
  const base::Error error{.code = base::Code::kResourceExhausted,
                          .message = "too much; wait",
                          .reason = "rate_limited",
                          .param = "/inputs/3/text",
                          .retry_after = std::chrono::milliseconds(1500)};
  EXPECT_EQ(ErrorBody(error, "r-1"),
            "{\"error\":{\"code\":\"resource_exhausted\",\"message\":\"too much; wait\",\"reason\":\"rate_limited\","
            "\"retry_after_ms\":1500,\"param\":\"/inputs/3/text\",\"request_id\":\"r-1\"}}\n");
}

TEST(ErrorBody, LeavesOutWhatHasNone) {
  EXPECT_EQ(ErrorBody(base::Internal("oh"), {}), "{\"error\":{\"code\":\"internal\",\"message\":\"oh\"}}\n");
}

TEST(ErrorBody, IsValidJsonWhateverTheMessageHolds) {
  EXPECT_EQ(ErrorBody(base::Internal("a\"b\\c\n\x01\xff"), {}),
            "{\"error\":{\"code\":\"internal\",\"message\":\"a\\\"b\\\\c\\n\\u0001\xEF\xBF\xBD\"}}\n");
}

}  // namespace
}  // namespace loquat::ingress
