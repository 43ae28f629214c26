// The partner on a server: POST /v1/chat/completions with "stream": true, read event by event.

#include <fmt/format.h>

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>
#include <utility>

#include "app/chat_partner.h"
#include "base/json_value.h"
#include "base/json_writer.h"
#include "net/event_loop.h"
#include "net/http_client.h"

namespace loquat::app {
namespace {

using boost::asio::awaitable;
using SteadyClock = std::chrono::steady_clock;

constexpr std::size_t kEventBytesMax = 1 << 20;
constexpr std::string_view kData = "data: ";
constexpr std::chrono::minutes kSilenceMax{10};  // A long prompt on a slow machine; Ctrl-C is quicker.

base::Error AsError(std::string_view what) {
  return base::Unavailable(fmt::format("the server answered: {}", what));
}

// The message of {"error": {"message": …}}, or nothing.
std::string ErrorMessage(const base::JsonValue& root) {
  const auto object = root.AsObject();
  if (!object.has_value()) return {};
  const auto error = object->Find("error").AsObject();
  if (!error.has_value()) return {};
  return std::string(error->Find("message").AsString().value_or("an error without words"));
}

// Of the list of GET /v1/models, the first that does not say that it cannot chat; empty without one.
std::string FirstThatChats(const base::JsonValue& root) {
  const auto object = root.AsObject();
  if (!object.has_value()) return {};
  const auto models = object->Find("data").AsArray();
  if (!models.has_value()) return {};
  for (const base::JsonValue item : *models) {
    const auto model = item.AsObject();
    if (!model.has_value()) continue;
    // Only servers of this kind tell.
    const auto can = model->Find("capabilities").AsObject();
    if (can.has_value() && !can->Find("chat").AsBool().value_or(true)) continue;
    return std::string(model->Find("id").AsString().value_or(""));
  }
  return {};
}

class ServerPartner final : public ChatPartner {
 public:
  explicit ServerPartner(const ChatArguments& arguments) : arguments_(arguments), name_(arguments.name) {
    loops_.Start();
  }
  ~ServerPartner() override {
    loops_.Stop();
    loops_.Join();
  }

  const std::string& name() const override { return name_; }

  base::Status Connect() {
    if (!name_.empty()) return {};
    LOQUAT_ASSIGN(name_, Run(FirstModel()));
    return {};
  }

  base::Result<ChatAnswer> Answer(const std::vector<pipeline::ChatMessage>& messages, const OnText& on_text) override {
    stop_.store(false, std::memory_order_relaxed);
    return Run(Stream(Body(messages), on_text));
  }

  void Stop() override {
    stop_.store(true, std::memory_order_relaxed);  // A flag that orders nothing else.
    loops_.at(0).Post([this] {
      if (connection_ != nullptr) connection_->conn().CancelRead();
    });
  }

 private:
  template <typename T>
  T Run(awaitable<T> work) {
    return boost::asio::co_spawn(loops_.at(0).executor(), std::move(work), boost::asio::use_future).get();
  }

  std::string Body(const std::vector<pipeline::ChatMessage>& messages) const {
    std::string out;
    base::JsonWriter json(out);
    json.BeginObject();
    json.Key("model");
    json.String(name_);
    json.Key("messages");
    json.BeginArray();
    for (const pipeline::ChatMessage& message : messages) {
      json.BeginObject();
      json.Key("role");
      json.String(message.role);
      json.Key("content");
      json.String(message.content);
      json.EndObject();
    }
    json.EndArray();
    json.Key("temperature");
    json.Double(arguments_.temperature);
    if (arguments_.tokens_max > 0) {
      json.Key("max_completion_tokens");
      json.Uint(arguments_.tokens_max);
    }
    json.Key("stream");
    json.Bool(true);
    json.Key("stream_options");
    json.Raw("{\"include_usage\":true}");
    json.EndObject();
    return out;
  }

  awaitable<base::Result<std::string>> FirstModel() {
    net::HttpFetch fetch;
    fetch.url = arguments_.url + "/v1/models";
    LOQUAT_CO_ASSIGN(const net::HttpFetched answer, co_await client_.Fetch(std::move(fetch)));
    base::JsonParser parser;
    LOQUAT_CO_ASSIGN(const base::JsonValue root, parser.Parse(answer.body));
    if (std::string error = ErrorMessage(root); !error.empty()) co_return AsError(error);
    std::string name = FirstThatChats(root);
    if (name.empty()) {
      co_return base::NotFound(
          fmt::format("{} runs no model that chats; start it with --model NAME=PATH", arguments_.url));
    }
    co_return name;
  }

  awaitable<base::Result<ChatAnswer>> Stream(std::string body, const OnText& on_text) {
    const auto start = SteadyClock::now();
    net::HttpFetch fetch{.method = "POST", .url = arguments_.url + "/v1/chat/completions", .headers = {}, .body = {}};
    fetch.headers.emplace_back("Content-Type", "application/json");
    fetch.body = std::move(body);
    LOQUAT_CO_ASSIGN(net::HttpClient::Stream stream, co_await client_.Open(std::move(fetch)));
    connection_ = stream.connection.get();
    ChatAnswer answer;
    std::string rest;
    base::Status status;
    while (status.has_value() && !stop_.load(std::memory_order_relaxed)) {
      const auto piece = co_await connection_->ReadBody();
      if (!piece.has_value()) {
        status = piece.error();
      } else if (piece->empty()) {
        if (stream.head->status != 200) status = TakeError(rest);
        break;
      } else {
        rest += *piece;
        if (rest.size() > kEventBytesMax) status = AsError("an event without an end");
        if (stream.head->status == 200 && status.has_value()) status = TakeLines(rest, start, answer, on_text);
      }
    }
    connection_ = nullptr;
    client_.GiveBack(std::move(stream));
    answer.stopped = stop_.load(std::memory_order_relaxed);
    answer.total = SteadyClock::now() - start;
    if (!status.has_value() && !answer.stopped) co_return std::move(status).error();
    co_return answer;
  }

  static base::Status TakeError(std::string_view body) {
    base::JsonParser parser;
    const auto root = parser.Parse(body);
    return AsError(root.has_value() ? ErrorMessage(*root) : std::string(body.substr(0, 200)));
  }

  // Takes the whole lines off `rest`.
  base::Status TakeLines(std::string& rest, SteadyClock::time_point start, ChatAnswer& answer, const OnText& on_text) {
    std::size_t begin = 0;
    for (std::size_t end = rest.find('\n'); end != std::string::npos; end = rest.find('\n', begin)) {
      const std::string_view line = std::string_view(rest).substr(begin, end - begin);
      begin = end + 1;
      if (!line.starts_with(kData) || line == "data: [DONE]") continue;
      LOQUAT_ASSIGN(const base::JsonValue root, parser_.Parse(line.substr(kData.size())));
      if (std::string error = ErrorMessage(root); !error.empty()) return AsError(error);
      TakeChunk(root, start, answer, on_text);
    }
    rest.erase(0, begin);
    return {};
  }

  static void TakeChunk(const base::JsonValue& root, SteadyClock::time_point start, ChatAnswer& answer,
                        const OnText& on_text) {
    const auto chunk = root.AsObject();
    if (!chunk.has_value()) return;
    if (const auto usage = chunk->Find("usage").AsObject(); usage.has_value()) {
      answer.tokens = static_cast<std::uint32_t>(usage->Find("completion_tokens").AsInt().value_or(0));
      answer.prompt_tokens = static_cast<std::uint32_t>(usage->Find("prompt_tokens").AsInt().value_or(0));
    }
    const auto choices = chunk->Find("choices").AsArray();
    if (!choices.has_value() || choices->empty()) return;
    const auto choice = (*choices->begin()).AsObject();
    const auto delta = choice.has_value() ? choice->Find("delta").AsObject() : base::Internal("no delta");
    if (!delta.has_value()) return;
    const std::string_view text = delta->Find("content").AsString().value_or("");
    if (text.empty()) return;
    if (answer.text.empty()) answer.first_token = SteadyClock::now() - start;
    answer.text += text;
    on_text(text);
  }

  const ChatArguments arguments_;
  std::string name_;
  std::atomic<bool> stop_{false};
  net::EventLoops loops_;

  // The loop's thread only.
  net::HttpClient client_{loops_.at(0), {.head_timeout = kSilenceMax, .stall_timeout = kSilenceMax}};
  net::HttpClientConnection* connection_ = nullptr;  // Of the answer under way.
  base::JsonParser parser_;
};

}  // namespace

base::Result<std::unique_ptr<ChatPartner>> ChatWithServer(const ChatArguments& arguments) {
  auto partner = std::make_unique<ServerPartner>(arguments);
  LOQUAT_TRY(partner->Connect());
  return partner;
}

}  // namespace loquat::app
