#include "observe/trace.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"

namespace loquat::observe {
namespace {

constexpr std::string_view kGood = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

TEST(Trace, ReadsTheExampleOfTheStandard) {
  const auto parent = ParseTraceparent(kGood);
  ASSERT_TRUE(parent.has_value()) << parent.error().message;
  EXPECT_EQ(HexId(parent->trace_id), "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(HexId(parent->parent_id), "b7ad6b7169203331");
  EXPECT_TRUE(parent->sampled);
  EXPECT_FALSE(ParseTraceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-fe")->sampled);
}

TEST(Trace, RefusesMalformedParents) {
  for (const std::string_view bad : {"", "00", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
                                     "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                                     "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                                     "00-00000000000000000000000000000000-b7ad6b7169203331-01",
                                     "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
                                     "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
                                     "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01x",
                                     "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                                     "0g-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                                     "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0g",
                                     " 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                                     "00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333z-01"}) {
    EXPECT_FALSE(ParseTraceparent(bad).has_value()) << bad;
  }
}

TEST(Trace, ReadsFutureVersionsAsThisOne) {
  EXPECT_TRUE(ParseTraceparent("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").has_value());
  EXPECT_TRUE(ParseTraceparent("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more").has_value());
}

TEST(Trace, StateKeepsOrderAndLosesWhiteSpace) {
  EXPECT_EQ(ParseTracestate(" rojo=00f0 , ,congo=t 6 \t,1a@b=x").value(), "rojo=00f0,congo=t 6,1a@b=x");
  EXPECT_EQ(ParseTracestate("").value(), "");
  EXPECT_EQ(ParseTracestate(std::string(256, 'a') + "=" + std::string(256, 'v')).value().size(), 513u);
  EXPECT_TRUE(ParseTracestate(std::string(241, 'a') + "@" + std::string(14, 's') + "=1").has_value());
}

TEST(Trace, StateIsChecked) {
  for (const std::string& bad :
       {std::string("a"), std::string("=1"), std::string("a="), std::string("A=1"), std::string("1a=1"),
        std::string("a=1,a=2"), std::string("a=b=c"), std::string("a=\x7f"), std::string("a=é"), std::string("@b=1"),
        std::string("a@=1"), std::string("a@1=1"), std::string("a@b@c=1"), std::string(257, 'a') + "=1",
        "a=" + std::string(257, 'v'), std::string(242, 'a') + "@s=1", "a@" + std::string(15, 's') + "=1",
        std::string(kTracestateBytesMax + 1, ' ')}) {
    EXPECT_FALSE(ParseTracestate(bad).has_value()) << bad;
  }
  std::string members;
  for (std::size_t i = 0; i < kTracestateMembersMax; ++i) members += "k" + std::to_string(i) + "=v,";
  EXPECT_TRUE(ParseTracestate(members).has_value());
  EXPECT_FALSE(ParseTracestate(members + "last=v").has_value());
}

TEST(Trace, ContinuesAGoodTraceAndRestartsABadOne) {
  IdGenerator ids(1);
  const auto joined = StartTrace(kGood, "a=1", false, ids);
  EXPECT_EQ(HexId(joined.trace_id), "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(HexId(joined.parent_span_id), "b7ad6b7169203331");
  EXPECT_NE(joined.span_id, joined.parent_span_id);
  EXPECT_TRUE(joined.sampled);
  EXPECT_EQ(joined.state, "a=1");
  EXPECT_EQ(FormatTraceparent(joined), "00-0af7651916cd43dd8448eb211c80319c-" + HexId(joined.span_id) + "-01");
  EXPECT_EQ(StartTrace(kGood, "broken", false, ids).state, "");
  const auto fresh = StartTrace("broken", "a=1", true, ids);
  EXPECT_EQ(fresh.state, "");
  EXPECT_TRUE(fresh.sampled);
  EXPECT_EQ(fresh.parent_span_id, decltype(fresh.parent_span_id){});
  EXPECT_TRUE(ParseTraceparent(FormatTraceparent(fresh)).has_value());
}

TEST(Trace, IdsAreUniqueOverThreads) {
  IdGenerator ids;
  base::Mutex mutex;
  std::set<std::string> all;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        std::vector<std::string> own;
        for (int i = 0; i < 2000; ++i) own.push_back(i % 2 == 0 ? ids.RequestId() : HexId(ids.TraceId()));
        const base::MutexLock lock(mutex);
        all.insert(own.begin(), own.end());
      });
    }
  }
  EXPECT_EQ(all.size(), 8000u);
  EXPECT_NE(IdGenerator().RequestId(), IdGenerator().RequestId());
  EXPECT_EQ(IdGenerator(5).RequestId(), IdGenerator(5).RequestId());
}

TEST(Trace, RequestIdsAreCheckedAtTheirEdges) {
  IdGenerator ids(3);
  const std::string own = ids.RequestId();
  EXPECT_EQ(own.size(), kRequestIdBytes);
  EXPECT_TRUE(IsValidRequestId(own));
  EXPECT_TRUE(IsValidRequestId("AZaz09-_.:/+=@~"));
  EXPECT_TRUE(IsValidRequestId(std::string(kRequestIdBytesMax, 'x')));
  EXPECT_FALSE(IsValidRequestId(std::string(kRequestIdBytesMax + 1, 'x')));
  for (const char* bad : {"", "a b", "a\n", "a\"", "é", "a,b", "<x>", "a\x7f"})
    EXPECT_FALSE(IsValidRequestId(bad)) << bad;
}

}  // namespace
}  // namespace loquat::observe
