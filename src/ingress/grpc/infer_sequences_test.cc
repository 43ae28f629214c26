#include "ingress/grpc/infer_sequences.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace loquat::ingress::grpc {
namespace {

using Tokens = std::vector<engine::TokenId>;

void Put(InferSequences& sequences, const std::string& key, std::size_t tokens) {
  auto lease = sequences.Take(key);
  ASSERT_TRUE(lease.has_value());
  lease->tokens().assign(tokens, 1);
}

std::size_t Held(InferSequences& sequences, const std::string& key) {
  return sequences.Take(key)->tokens().size();
}

TEST(InferSequences, KeepsWhatALeaseLeaves) {
  InferSequences sequences;
  {
    auto lease = sequences.Take("a");
    ASSERT_TRUE(lease.has_value());
    lease->tokens() = {1, 2, 3};
    EXPECT_EQ(sequences.size(), 0U);
  }
  EXPECT_EQ(sequences.tokens(), 3U);
  EXPECT_EQ(sequences.Take("a")->tokens(), Tokens({1, 2, 3}));
  EXPECT_EQ(sequences.Take("b")->tokens(), Tokens());
  EXPECT_EQ(sequences.size(), 1U);
}

TEST(InferSequences, OneCallAtATimeHasASequence) {
  InferSequences sequences;
  {
    const auto lease = sequences.Take("a");
    const auto second = sequences.Take("a");
    ASSERT_FALSE(second.has_value());
    EXPECT_EQ(second.error().code, base::Code::kAborted);
    EXPECT_EQ(second.error().reason, "stream_in_use");
    EXPECT_TRUE(sequences.Take("b").has_value());
  }
  EXPECT_TRUE(sequences.Take("a").has_value());
}

TEST(InferSequences, WithoutAKeyNothingIsKept) {
  InferSequences sequences;
  Put(sequences, "", 5);
  EXPECT_EQ(sequences.size(), 0U);
  const auto first = sequences.Take("");
  EXPECT_TRUE(sequences.Take("").has_value());
}

TEST(InferSequences, ForgetsTheLeastRecentlyUsedBeyondEitherBound) {
  InferSequences sequences(2, 10);
  Put(sequences, "a", 1);
  Put(sequences, "b", 1);
  EXPECT_EQ(Held(sequences, "a"), 1U);  // Used again.
  Put(sequences, "c", 1);
  EXPECT_EQ(sequences.size(), 2U);
  EXPECT_EQ(Held(sequences, "b"), 0U);
  EXPECT_EQ(Held(sequences, "a"), 1U);
  Put(sequences, "c", 10);
  EXPECT_EQ(sequences.tokens(), 10U);
  EXPECT_EQ(Held(sequences, "a"), 0U);
  Put(sequences, "c", 11);
  EXPECT_EQ(sequences.size(), 0U);
  EXPECT_EQ(sequences.tokens(), 0U);
}

}  // namespace
}  // namespace loquat::ingress::grpc
