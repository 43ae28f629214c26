// Result, Code, Clock, Deadline, Cancel, Mutex, Check: the small types everything else stands on.

#include <gtest/gtest.h>
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <thread>
#include <vector>

#include "base/call_context.h"
#include "base/cancel.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/deadline.h"
#include "base/mutex.h"
#include "base/result.h"
#include "base/this_thread.h"

namespace loquat::base {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

Result<int> Half(int number) {
  if (number % 2 != 0) return InvalidArgument("odd", "/number");
  return number / 2;
}

Result<int> Quarter(int number) {
  LOQUAT_ASSIGN(const int half, Half(number));
  LOQUAT_ASSIGN(const int quarter, Half(half));
  return quarter;
}

Status CheckEven(int number) {
  LOQUAT_TRY(Half(number));
  return {};
}

TEST(Result, CarriesValueOrErrorThroughTheMacros) {
  EXPECT_EQ(Quarter(12).value(), 3);
  ASSERT_FALSE(Quarter(6).has_value());
  EXPECT_EQ(Quarter(6).error(), InvalidArgument("odd", "/number"));
  EXPECT_TRUE(CheckEven(2).has_value());
  EXPECT_EQ(CheckEven(3).error().code, Code::kInvalidArgument);
}

TEST(Result, MakersSetTheirCodes) {
  EXPECT_EQ(NotFound("x").code, Code::kNotFound);
  EXPECT_EQ(Internal("x").code, Code::kInternal);
  EXPECT_EQ(DataLoss("x").code, Code::kDataLoss);
  EXPECT_EQ(Unavailable("x").code, Code::kUnavailable);
  EXPECT_EQ(FailedPrecondition("x").code, Code::kFailedPrecondition);
  EXPECT_EQ(DeadlineExceeded("x").code, Code::kDeadlineExceeded);
  EXPECT_EQ(Cancelled("x").code, Code::kCancelled);
  const Error refused = ResourceExhausted("x", "queue_full");
  EXPECT_EQ(refused.code, Code::kResourceExhausted);
  EXPECT_EQ(refused.reason, "queue_full");
}

TEST(Code, NamesFollowTheNumbersOfGrpc) {
  EXPECT_EQ(CodeName(Code::kOk), "ok");
  EXPECT_EQ(CodeName(Code::kInvalidArgument), "invalid_argument");
  EXPECT_EQ(CodeName(Code::kResourceExhausted), "resource_exhausted");
  EXPECT_EQ(CodeName(Code::kUnauthenticated), "unauthenticated");
  EXPECT_EQ(static_cast<int>(Code::kUnauthenticated), 16);
}

TEST(Clock, ManualStandsStillUntilAdvanced) {
  const WallTime wall = WallTime(hours(24));
  ManualClock clock(wall);
  const TimePoint start = clock.Now();
  EXPECT_EQ(clock.Now(), start);
  clock.Advance(seconds(3));
  EXPECT_EQ(clock.Now() - start, seconds(3));
  EXPECT_EQ(clock.WallNow() - wall, seconds(3));
}

TEST(Clock, SystemNeverGoesBack) {
  const SystemClock clock;
  const TimePoint first = clock.Now();
  EXPECT_GE(clock.Now(), first);
  EXPECT_GT(clock.WallNow(), WallTime(hours(24 * 365 * 50)));
}

TEST(Deadline, PassesExactlyWhenItsTimeComes) {
  ManualClock clock;
  const Deadline deadline = Deadline::After(clock, milliseconds(10));
  EXPECT_FALSE(deadline.Passed(clock));
  EXPECT_EQ(deadline.Left(clock), milliseconds(10));
  clock.Advance(milliseconds(10) - Duration(1));
  EXPECT_FALSE(deadline.Passed(clock));
  clock.Advance(Duration(1));
  EXPECT_TRUE(deadline.Passed(clock));
  clock.Advance(seconds(1));
  EXPECT_EQ(deadline.Left(clock), Duration::zero());
}

TEST(Deadline, UnlimitedNeverPassesAndIsTheLater) {
  ManualClock clock;
  clock.Advance(hours(1));
  const Deadline never;
  EXPECT_TRUE(never.unlimited());
  EXPECT_FALSE(never.Passed(clock));
  EXPECT_EQ(never.Left(clock), Duration::max());
  EXPECT_TRUE(Deadline::After(clock, Duration::max()).unlimited());
  const Deadline soon = Deadline::After(clock, seconds(1));
  EXPECT_EQ(never.EarlierOf(soon).at(), soon.at());
  EXPECT_EQ(soon.EarlierOf(never).at(), soon.at());
}

TEST(Cancel, TellsEveryTokenAndRunsCallbacksOnce) {
  CancelSource source;
  const CancelToken token = source.token();
  int calls = 0;
  const CancelCallback callback(token, [&calls] { ++calls; });
  EXPECT_FALSE(token.cancelled());
  EXPECT_TRUE(token.can_be_cancelled());
  source.Cancel();
  source.Cancel();
  EXPECT_TRUE(source.cancelled());
  EXPECT_TRUE(token.cancelled());
  EXPECT_EQ(calls, 1);
  const CancelCallback late(token, [&calls] { ++calls; });
  EXPECT_EQ(calls, 2);
}

TEST(Cancel, DefaultTokenIsNeverCancelled) {
  const CallContext context;
  EXPECT_FALSE(context.cancel.cancelled());
  EXPECT_FALSE(context.cancel.can_be_cancelled());
}

TEST(Cancel, DestroyedCallbackIsNotRun) {
  CancelSource source;
  int calls = 0;
  {
    const CancelCallback callback(source.token(), [&calls] { ++calls; });
  }
  source.Cancel();
  EXPECT_EQ(calls, 0);
}

TEST(Mutex, GuardsACountAndWakesAWaiter) {
  constexpr int kRounds = 20000;
  Mutex mutex;
  CondVar changed;
  int count = 0;
  std::jthread other([&] {
    for (int i = 0; i < kRounds; ++i) {
      const MutexLock lock(mutex);
      ++count;
      changed.NotifyAll();
    }
  });
  const MutexLock lock(mutex);
  while (count < kRounds) changed.Wait(mutex);
  EXPECT_EQ(count, kRounds);
}

TEST(Mutex, WaitUntilReportsThatTheTimeCame) {
  Mutex mutex;
  CondVar never;
  const MutexLock lock(mutex);
  EXPECT_FALSE(never.WaitUntil(mutex, std::chrono::steady_clock::now()));
}

TEST(Mutex, TryLockFailsWhileAnotherHoldsIt) {
  Mutex mutex;
  mutex.lock();
  bool taken = true;
  std::thread([&] {
    if (mutex.try_lock()) {
      mutex.unlock();
    } else {
      taken = false;
    }
  }).join();
  mutex.unlock();
  EXPECT_FALSE(taken);
}

TEST(CheckDeathTest, SaysWhereAndWhy) {
  LOQUAT_CHECK(1 + 1 == 2, "arithmetic holds");
  EXPECT_DEATH(LOQUAT_CHECK(1 + 1 == 3, "arithmetic broke"), "core_test.cc:.*1 \\+ 1 == 3: arithmetic broke");
}

TEST(ThisThread, IsLoweredUpToTheSystemsBoundAndAlone) {
  const int before = getpriority(PRIO_PROCESS, 0);
  int first = 0, last = 0;
  std::array<char, 32> name{};
  std::thread([&] {
    NameThisThread("a name of more than fifteen bytes");
    pthread_getname_np(pthread_self(), name.data(), name.size());
    LowerThisThread(3);
    first = getpriority(PRIO_PROCESS, 0);
    LowerThisThread(-5);
    EXPECT_EQ(getpriority(PRIO_PROCESS, 0), first);
    LowerThisThread(kNicenessMax);
    LowerThisThread(1);
    last = getpriority(PRIO_PROCESS, 0);
  }).join();
  EXPECT_STREQ(name.data(), "a name of more ");
  EXPECT_EQ(first, std::min(kNicenessMax, before + 3));
  EXPECT_EQ(last, kNicenessMax);
  EXPECT_EQ(getpriority(PRIO_PROCESS, 0), before);
}

TEST(ThisThread, BeyondTheBoundIsTheIdleClass) {
  const int before = sched_getscheduler(0);
  int within = -1, beyond = -1;
  std::thread([&] {
    LowerThisThread(kNicenessMax);
    within = sched_getscheduler(0);
    LowerThisThread(kNicenessIdle);
    beyond = sched_getscheduler(0);
  }).join();
  EXPECT_EQ(within, before);
  EXPECT_EQ(beyond, SCHED_IDLE);
}

TEST(ThisThread, IsPinnedToOneCoreWhileTheProcessKeepsItsOwn) {
  const std::vector<int> cores = AllowedCores();
  ASSERT_FALSE(cores.empty());
  std::vector<int> seen, of_process;
  std::thread([&] {
    PinThisThread(cores.back());
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return;
    for (int core = 0; core < CPU_SETSIZE; ++core) {
      if (CPU_ISSET(core, &set)) seen.push_back(core);
    }
    of_process = AllowedCores();
  }).join();
  EXPECT_EQ(seen, std::vector<int>{cores.back()});
  EXPECT_EQ(of_process, cores);
}

}  // namespace
}  // namespace loquat::base
