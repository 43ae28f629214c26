// Who `loquat chat` talks with: a model in this process, or one on a server through its OpenAI API. Both answer word by
// word. One thread at a time, but for Stop, which any thread may call.

#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "app/commands.h"
#include "base/result.h"
#include "pipeline/model_text.h"

namespace loquat::app {

struct ChatAnswer {
  std::string text;
  std::uint32_t tokens = 0;         // Generated.
  std::uint32_t prompt_tokens = 0;  // Of the whole conversation.
  std::chrono::nanoseconds first_token{}, total{};
  bool stopped = false;  // By Stop.
};

class ChatPartner {
 public:
  using OnText = std::function<void(std::string_view piece)>;

  virtual ~ChatPartner() = default;
  virtual const std::string& name() const = 0;
  // Answers the conversation, piece by piece. After a Stop it gives what has come so far.
  virtual base::Result<ChatAnswer> Answer(const std::vector<pipeline::ChatMessage>& messages,
                                          const OnText& on_text) = 0;
  // Ends the answer under way; the next one is not touched. Safe in any thread.
  virtual void Stop() = 0;
};

// Errors: a model that cannot be loaded or cannot chat; a server that cannot be reached or has no model.
base::Result<std::unique_ptr<ChatPartner>> ChatWithModel(const ChatArguments& arguments);
base::Result<std::unique_ptr<ChatPartner>> ChatWithServer(const ChatArguments& arguments);

}  // namespace loquat::app
