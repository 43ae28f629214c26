// Many people typing at once: opens WebSockets on /v1/stream, types texts at a human pace on each, and measures from
// the send of each update to the frame that answers it (or a newer one). Shares nothing with the server but the
// protocol. One thread, epoll. Prints one JSON object. Run by bench/realtime/run.
//
// Usage: typing PORT CONVERSATIONS SECONDS CHARACTERS_PER_SECOND TEXT_FILE

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <queue>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using Time = Clock::time_point;

[[noreturn]] void Die(const std::string& why) {
  std::fprintf(stderr, "typing: %s\n", why.c_str());
  std::exit(1);
}

std::string Frame(std::string_view payload) {
  std::string frame = "\x81";
  if (payload.size() < 126) {
    frame += static_cast<char>(0x80 | payload.size());
  } else {
    frame += static_cast<char>(0x80 | 126);
    frame += static_cast<char>(payload.size() >> 8);
    frame += static_cast<char>(payload.size() & 0xff);
  }
  frame.append(4, '\0');  // A mask of zeros: the bytes stay as they are.
  frame += payload;
  return frame;
}

std::string Escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) >= 0x20) out += c;
  }
  return out;
}

// Where each character of a UTF-8 text ends.
std::vector<std::size_t> Ends(const std::string& text) {
  std::vector<std::size_t> ends;
  for (std::size_t i = 1; i <= text.size(); ++i) {
    if (i == text.size() || (static_cast<unsigned char>(text[i]) & 0xC0) != 0x80) ends.push_back(i);
  }
  return ends;
}

struct Typist {
  int fd = -1;
  std::size_t text = 0, typed = 0;  // Which text, and how many of its characters.
  std::uint32_t utterance = 0, revision = 0;
  std::deque<std::pair<std::uint32_t, Time>> waiting;  // Updates of this utterance without a frame yet.
  std::string in;
  bool final_sent = false;
};

class Bench {
 public:
  Bench(int port, std::size_t people, double seconds, double rate, std::vector<std::string> texts)
      : port_(port), rate_(rate), seconds_(seconds), texts_(std::move(texts)), typists_(people) {
    for (const std::string& text : texts_) ends_.push_back(Ends(text));
  }

  void Run() {
    epoll_ = ::epoll_create1(0);
    for (std::size_t i = 0; i < typists_.size(); ++i) Open(i);
    const Time start = Clock::now();
    const auto stroke = std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(1 / rate_));
    for (std::size_t i = 0; i < typists_.size(); ++i) {
      typists_[i].text = i * 7919 % texts_.size();
      strokes_.push({start + stroke * i / static_cast<int>(typists_.size()), i});
    }
    // The first fifth warms up and is not measured.
    const auto whole = std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds_));
    measured_from_ = start + whole / 5;
    const Time end = start + whole;
    while (Clock::now() < end) {
      while (!strokes_.empty() && strokes_.top().first <= Clock::now()) {
        const auto [at, who] = strokes_.top();
        strokes_.pop();
        Stroke(typists_[who]);
        if (at >= measured_from_) late_.push_back(std::chrono::duration<double, std::micro>(Clock::now() - at).count());
        strokes_.push({at + stroke, who});
      }
      Poll(strokes_.top().first);
    }
    Report();
  }

 private:
  void Open(std::size_t who) {
    Typist& typist = typists_[who];
    typist.fd = ::socket(AF_INET, SOCK_STREAM, 0);
    const int one = 1;
    ::setsockopt(typist.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port_));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(typist.fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) Die("cannot connect");
    Send(typist,
         "GET /v1/stream HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
         "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
         "Sec-WebSocket-Protocol: loquat.v1\r\n\r\n");
    std::string head;
    char byte = 0;
    while (!head.ends_with("\r\n\r\n")) {
      if (::read(typist.fd, &byte, 1) != 1) Die("no handshake: " + head);
      head += byte;
    }
    if (!head.starts_with("HTTP/1.1 101")) Die(head);
    Send(typist, Frame(R"({"type":"open","reply":true})"));
    ::fcntl(typist.fd, F_SETFL, O_NONBLOCK);
    epoll_event event{.events = EPOLLIN, .data = {.u64 = who}};
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, typist.fd, &event);
  }

  static void Send(const Typist& typist, std::string_view bytes) {
    if (::send(typist.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(bytes.size())) {
      Die("the server does not read");
    }
  }

  // One more character, or the end of the turn after the last.
  void Stroke(Typist& typist) {
    const std::string& text = texts_[typist.text];
    const std::vector<std::size_t>& ends = ends_[typist.text];
    if (typist.typed == ends.size()) {
      if (typist.final_sent) return;  // Its answer is still on its way.
      typist.final_sent = true;
      Send(typist, Frame(R"({"type":"final","utterance":")" + std::to_string(typist.utterance) + "\"}"));
      return;
    }
    const std::string part = Escaped(std::string_view(text).substr(0, ends[typist.typed++]));
    ++typist.revision;
    typist.waiting.emplace_back(typist.revision, Clock::now());
    Send(typist, Frame(R"({"type":"partial","utterance":")" + std::to_string(typist.utterance) + R"(","text":")" +
                       part + "\"}"));
    ++sent_;
  }

  void Poll(Time until) {
    const auto left = std::chrono::duration_cast<std::chrono::nanoseconds>(until - Clock::now()).count();
    const timespec wait{.tv_sec = 0, .tv_nsec = std::clamp<long>(left, 0, 100'000'000)};
    epoll_event events[256];
    const int ready = ::epoll_pwait2(epoll_, events, 256, &wait, nullptr);
    for (int i = 0; i < ready; ++i) Read(typists_[events[i].data.u64]);
  }

  void Read(Typist& typist) {
    char bytes[65536];
    for (;;) {
      const ssize_t got = ::read(typist.fd, bytes, sizeof bytes);
      if (got < 0 && errno == EAGAIN) return;
      if (got <= 0) Die("the server closed a connection");
      typist.in.append(bytes, static_cast<std::size_t>(got));
      std::size_t at = 0;
      while (TakeFrame(typist, at)) {
      }
      typist.in.erase(0, at);
      if (static_cast<std::size_t>(got) < sizeof bytes) return;
    }
  }

  bool TakeFrame(Typist& typist, std::size_t& at) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(typist.in[at + i]); };
    const std::size_t have = typist.in.size() - at;
    if (have < 2) return false;
    std::size_t size = byte(1), head = 2;
    if (size == 126) {
      if (have < 4) return false;
      size = static_cast<std::size_t>(byte(2)) << 8 | byte(3);
      head = 4;
    }
    if (byte(1) == 127 || (byte(0) != 0x81 && byte(0) != 0x89)) Die("an unexpected frame");
    if (have < head + size) return false;
    if (byte(0) == 0x81) Take(typist, std::string_view(typist.in).substr(at + head, size));
    at += head + size;
    return true;
  }

  static std::string_view After(std::string_view event, std::string_view key) {
    const std::size_t found = event.find(key);
    return found == std::string_view::npos ? std::string_view() : event.substr(found + key.size());
  }

  void Take(Typist& typist, std::string_view event) {
    if (event.starts_with(R"({"type":"frame")")) {
      const auto revision = static_cast<std::uint32_t>(std::strtoul(After(event, "\"revision\":").data(), nullptr, 10));
      const Time now = Clock::now();
      while (!typist.waiting.empty() && typist.waiting.front().first <= revision) {
        const Time since = typist.waiting.front().second;
        typist.waiting.pop_front();
        if (since < measured_from_) continue;
        latencies_.push_back(std::chrono::duration<double, std::micro>(now - since).count());
      }
      ++frames_;
    } else if (event.starts_with(R"({"type":"turn_end")")) {
      ++turns_;
      ++typist.utterance;
      typist.revision = 0;
      typist.typed = 0;
      typist.final_sent = false;
      typist.waiting.clear();
      typist.text = (typist.text + 1) % texts_.size();
    } else if (event.starts_with(R"({"type":"error")")) {
      Die("an error: " + std::string(event));
    }
  }

  static double Percentile(std::vector<double>& sorted, double share) {
    if (sorted.empty()) return 0;
    return sorted[std::min(sorted.size() - 1, static_cast<std::size_t>(share * static_cast<double>(sorted.size())))];
  }

  void Report() {
    std::sort(latencies_.begin(), latencies_.end());
    std::sort(late_.begin(), late_.end());
    std::printf(
        "{\"conversations\": %zu, \"updates_per_second\": %.0f, \"frames\": %zu, \"turns\": %zu, \"measured\": %zu, "
        "\"p50_us\": %.0f, \"p99_us\": %.0f, \"p999_us\": %.0f, \"max_us\": %.0f, \"client_late_p99_us\": %.0f}\n",
        typists_.size(), static_cast<double>(sent_) / seconds_, frames_, turns_, latencies_.size(),
        Percentile(latencies_, 0.5), Percentile(latencies_, 0.99), Percentile(latencies_, 0.999),
        latencies_.empty() ? 0 : latencies_.back(), Percentile(late_, 0.99));
  }

  const int port_;
  const double rate_, seconds_;
  const std::vector<std::string> texts_;
  std::vector<std::vector<std::size_t>> ends_;
  std::vector<Typist> typists_;
  int epoll_ = -1;
  Time measured_from_;
  std::priority_queue<std::pair<Time, std::size_t>, std::vector<std::pair<Time, std::size_t>>, std::greater<>> strokes_;
  std::size_t sent_ = 0, frames_ = 0, turns_ = 0;
  std::vector<double> latencies_, late_;  // Microseconds.
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) Die("usage: typing PORT CONVERSATIONS SECONDS CHARACTERS_PER_SECOND TEXT_FILE");
  std::ifstream file(argv[5]);
  std::vector<std::string> texts;
  for (std::string line; std::getline(file, line);) {
    if (!line.empty()) texts.push_back(line);
  }
  if (texts.empty()) Die("no texts");
  Bench(std::atoi(argv[1]), static_cast<std::size_t>(std::atoi(argv[2])), std::atof(argv[3]), std::atof(argv[4]), texts)
      .Run();
  return 0;
}
