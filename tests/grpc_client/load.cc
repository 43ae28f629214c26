// A closed loop of Understand calls: so many at a time over so many connections, for so long.
//
//   grpc_load ADDRESS CALLS_AT_ONCE CONNECTIONS SECONDS [sessions]
//
// Prints one line of JSON: calls a second, failures, and percentiles of the latency in microseconds. With "sessions",
// each of the calls at once talks in a session of its own. One thread drives all of them by a completion queue.

#include <grpcpp/grpcpp.h>
#include <loquat/v1/understanding.grpc.pb.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using loquat::v1::Understanding;
using loquat::v1::UnderstandRequest;
using loquat::v1::UnderstandResponse;

constexpr const char* kTexts[] = {"帮我订明天去上海的火车票",
                                  "wake me up at 7 tomorrow",
                                  "play some jazz",
                                  "上海天气",
                                  "what is the weather in berlin on friday",
                                  "把客厅的灯关掉"};

struct Slot {
  UnderstandRequest request;
  UnderstandResponse response;
  std::unique_ptr<grpc::ClientContext> context;
  std::unique_ptr<grpc::ClientAsyncResponseReader<UnderstandResponse>> reader;
  Understanding::Stub* stub = nullptr;
  grpc::Status status;
  Clock::time_point begun;
  std::size_t turn = 0;
};

void Begin(Slot& slot, grpc::CompletionQueue& queue) {
  slot.request.set_text(kTexts[slot.turn++ % std::size(kTexts)]);
  slot.context = std::make_unique<grpc::ClientContext>();
  slot.begun = Clock::now();
  slot.reader = slot.stub->AsyncUnderstand(slot.context.get(), slot.request, &queue);
  slot.reader->Finish(&slot.response, &slot.status, &slot);
}

double Percentile(const std::vector<double>& sorted, double at) {
  return sorted.empty() ? 0 : sorted[static_cast<std::size_t>(at * static_cast<double>(sorted.size() - 1))];
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) {
    std::fprintf(stderr, "usage: grpc_load ADDRESS CALLS_AT_ONCE CONNECTIONS SECONDS [sessions]\n");
    return 2;
  }
  const std::size_t calls = std::strtoul(argv[2], nullptr, 10);
  const std::size_t connections = std::strtoul(argv[3], nullptr, 10);
  const double seconds = std::strtod(argv[4], nullptr);
  std::vector<std::unique_ptr<Understanding::Stub>> stubs;
  for (std::size_t i = 0; i < connections; ++i) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    stubs.push_back(
        Understanding::NewStub(grpc::CreateCustomChannel(argv[1], grpc::InsecureChannelCredentials(), arguments)));
  }
  grpc::CompletionQueue queue;
  std::vector<Slot> slots(calls);
  for (std::size_t i = 0; i < calls; ++i) {
    slots[i].stub = stubs[i % connections].get();
    slots[i].turn = i;
    if (argc > 5) slots[i].request.set_session("load-" + std::to_string(i));
    Begin(slots[i], queue);
  }
  const auto start = Clock::now();
  const auto end = start + std::chrono::duration<double>(seconds);
  std::vector<double> latencies;
  std::size_t failures = 0, running = calls;
  void* tag = nullptr;
  bool ok = false;
  while (running > 0 && queue.Next(&tag, &ok)) {
    Slot& slot = *static_cast<Slot*>(tag);
    const auto now = Clock::now();
    latencies.push_back(std::chrono::duration<double, std::micro>(now - slot.begun).count());
    if (!slot.status.ok() && failures++ == 0) {
      std::fprintf(stderr, "%s\n", slot.status.error_message().c_str());
    }
    if (now < end) {
      Begin(slot, queue);
    } else {
      --running;
    }
  }
  const double elapsed = std::chrono::duration<double>(Clock::now() - start).count();
  std::sort(latencies.begin(), latencies.end());
  std::printf("{\"calls_per_second\": %.0f, \"calls\": %zu, \"failures\": %zu, \"p50_us\": %.0f, \"p99_us\": %.0f}\n",
              static_cast<double>(latencies.size()) / elapsed, latencies.size(), failures, Percentile(latencies, 0.5),
              Percentile(latencies, 0.99));
  return failures == 0 ? 0 : 1;
}
