#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/this_coro.hpp>
#include <cmath>
#include <utility>

#include "pipeline/frame_encoders.h"
#include "text/tokenizer/tokenizer.h"

namespace loquat::pipeline {
namespace {

using boost::asio::awaitable;
using engine::TokenId;
using understanding::Truncation;

// Ours says what stays, the tokenizer's what goes.
text::TruncationPolicy PolicyOf(Truncation truncation) {
  switch (truncation) {
    case Truncation::kError:
      return text::TruncationPolicy::kError;
    case Truncation::kHead:
      return text::TruncationPolicy::kTail;
    case Truncation::kTail:
      return text::TruncationPolicy::kHead;
    case Truncation::kMiddle:
      return text::TruncationPolicy::kMiddle;
  }
  return text::TruncationPolicy::kError;
}

base::Error TooLong(std::string message) {
  return {
      .code = base::Code::kInvalidArgument, .message = std::move(message), .reason = "text_too_long", .param = "/text"};
}

base::Result<std::vector<TokenId>> TokensForIntent(const engine::ModelInfo& info, std::string_view text,
                                                   Truncation truncation, std::uint32_t& left_out, bool& wordless) {
  text::EncodeWorkspace workspace;
  std::vector<TokenId> tokens;
  auto report = info.tokenizer->EncodeTruncated(text, {.parse_special = false}, info.context, PolicyOf(truncation),
                                                workspace, tokens);
  if (!report.has_value()) {
    if (truncation != Truncation::kError) return std::move(report).error();
    return TooLong(fmt::format("{} takes {} tokens: {}", info.name, info.context, report.error().message));
  }
  left_out = report->tokens_before - report->tokens_after;
  wordless = tokens.size() <= info.tokenizer->added_tokens();
  return tokens;
}

void Normalize(std::vector<float>& row) {
  double squares = 0;
  for (const float value : row) squares += static_cast<double>(value) * value;
  if (squares <= 0) return;
  const double scale = 1.0 / std::sqrt(squares);
  for (float& value : row) value = static_cast<float>(value * scale);
}

float Microseconds(base::Duration duration) {
  return std::chrono::duration<float, std::micro>(duration).count();
}

}  // namespace

FrameReading::FrameReading(const FrameEncoders& encoders, PromptWorkers& workers, const base::Clock& clock,
                           const base::CallContext& call, base::CancelToken stop, const Question& question)
    : encoders_(encoders),
      workers_(workers),
      clock_(clock),
      call_(call),
      stop_(std::move(stop)),
      question_(question),
      intents_(question.intent ? encoders.intents().size() : 0),
      slots_(question.slots ? encoders.slots().size() : 0) {}

void FrameReading::Send(const ServedModel& model, std::chrono::milliseconds timeout, std::vector<TokenId> tokens,
                        engine::EncodeOutput output, Asked& asked) {
  engine::EncodeRequest request{.texts = {}, .output = output};
  request.texts.push_back(std::move(tokens));
  asked.call = std::make_unique<EncodeCall>(
      executor_, clock_, call_, EncodeCall::Limits{.deadline = base::Deadline::After(clock_, timeout), .stop = stop_},
      *model.engine, std::move(request));
}

awaitable<void> FrameReading::Ask() {
  executor_ = co_await boost::asio::this_coro::executor;
  if (question_.embedding) co_await AskEmbedding();
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    if (encoders_.slots()[i].model != nullptr) co_await AskSlots(i);
  }
  // Those after the first are asked only where the ones before them are not sure.
  if (!intents_.empty() && encoders_.intents().front().model != nullptr) co_await AskIntent(0);
}

awaitable<void> FrameReading::AskEmbedding() {
  const ServedModel& model = *encoders_.embedding_model();
  const engine::ModelInfo& info = model.info();
  base::Result<std::vector<TokenId>> tokens;
  co_await workers_.Run(question_.text.size(), [&] { tokens = model.text->Encode(question_.text); });
  if (!tokens.has_value()) {
    embedding_.status = std::move(tokens).error();
  } else if (tokens->empty()) {
    embedding_.status = base::InvalidArgument("the text has no tokens", "/text");
  } else if (tokens->size() > info.context) {
    embedding_.status = base::Error{.code = base::Code::kInvalidArgument,
                                    .message = fmt::format("the text has {} tokens, but {} takes {} at most; split it",
                                                           tokens->size(), info.name, info.context),
                                    .reason = "context_length_exceeded",
                                    .param = "/text"};
  } else {
    Send(model, encoders_.embedding().timeout, *std::move(tokens), engine::EncodeOutput::kPooled, embedding_);
  }
}

awaitable<void> FrameReading::AskIntent(std::size_t index) {
  const FrameEncoders::IntentSource& source = encoders_.intents()[index];
  Asked& asked = intents_[index];
  base::Result<std::vector<TokenId>> tokens;
  co_await workers_.Run(question_.text.size(), [&] {
    tokens = TokensForIntent(source.model->info(), question_.text, question_.truncation, asked.tokens_left_out,
                             asked.wordless);
  });
  if (!tokens.has_value()) {
    asked.status = std::move(tokens).error();
  } else if (!asked.wordless) {
    Send(*source.model, source.timeout, *std::move(tokens), engine::EncodeOutput::kLogits, asked);
  }
}

awaitable<void> FrameReading::AskSlots(std::size_t index) {
  const FrameEncoders::SlotSource& source = encoders_.slots()[index];
  Asked& asked = slots_[index];
  const engine::ModelInfo& info = source.model->info();
  base::Result<understanding::WordTokens> words;
  co_await workers_.Run(question_.text.size(), [&] {
    words = understanding::TokenizeWords(question_.text, *info.tokenizer, info.context, question_.truncation);
  });
  if (!words.has_value()) {
    asked.status = std::move(words).error();
    co_return;
  }
  asked.words = *std::move(words);
  asked.tokens_left_out = asked.words.tokens_left_out;
  asked.wordless = asked.words.words.empty();
  if (!asked.wordless) {
    Send(*source.model, source.timeout, asked.words.tokens, engine::EncodeOutput::kLogits, asked);
  }
}

// REQUIRES: asked, and not wordless.
awaitable<base::Result<std::vector<float>>> FrameReading::RowOf(Asked& asked) {
  LOQUAT_CO_TRY(asked.status);
  LOQUAT_CO_ASSIGN(engine::EncodeResult result, co_await asked.call->Get());
  if (result.rows.size() != 1) co_return base::Internal("the model answered another number of texts than one");
  co_return std::move(result.rows.front());
}

base::Status FrameReading::Note(std::string_view feature, const ServedModel& model, const base::Error& error,
                                domain::Frame& frame) const {
  if (call_.cancel.cancelled()) return base::Cancelled("the client went away");
  if (error.reason == "text_too_long") return error;
  frame.notes.push_back({.feature = std::string(feature), .model = model.info().name, .error = error});
  return {};
}

bool FrameReading::Sure(const domain::Frame& frame) const {
  return !frame.out_of_scope && !frame.intent_ranking.empty() &&
         frame.intent_ranking.front().confidence >= encoders_.sure_at();
}

awaitable<base::Status> FrameReading::Finish(domain::Frame& frame) {
  base::TimePoint start = clock_.Now();
  const auto lap = [&] {
    const base::TimePoint now = clock_.Now();
    return Microseconds(now - std::exchange(start, now));
  };
  if (!intents_.empty()) LOQUAT_CO_TRY(co_await ReadIntents(frame));
  frame.timings.intent += lap();
  if (!slots_.empty()) LOQUAT_CO_TRY(co_await ReadSlots(frame));
  frame.timings.slots += lap();
  if (question_.embedding) LOQUAT_CO_TRY(co_await ReadEmbedding(frame));
  frame.timings.embedding += lap();
  co_return base::Status();
}

awaitable<base::Status> FrameReading::ReadEmbedding(domain::Frame& frame) {
  auto row = co_await RowOf(embedding_);
  if (!row.has_value()) co_return Note("embedding", *encoders_.embedding_model(), row.error(), frame);
  Normalize(*row);
  frame.embedding = *std::move(row);
  co_return base::Status();
}

awaitable<base::Status> FrameReading::ReadIntent(std::size_t index, domain::Frame& frame) {
  const FrameEncoders::IntentSource& source = encoders_.intents()[index];
  Asked& asked = intents_[index];
  if (index > 0) co_await AskIntent(index);
  if (asked.wordless) {
    frame.intent_ranking.clear();
    frame.out_of_scope = true;
    co_return base::Status();
  }
  LOQUAT_CO_ASSIGN(const std::vector<float> row, co_await RowOf(asked));
  LOQUAT_CO_TRY(source.reader->Read(row, question_.ranking_max, frame));
  frame.truncated_tokens = std::max(frame.truncated_tokens, asked.tokens_left_out);
  co_return base::Status();
}

awaitable<base::Status> FrameReading::ReadIntents(domain::Frame& frame) {
  // What the assistant says, for its turn in the order.
  const std::vector<domain::IntentScore> own = frame.intent_ranking;
  const bool own_out_of_scope = frame.out_of_scope;
  base::Status failed;
  bool answered = false;
  for (std::size_t i = 0; i < intents_.size(); ++i) {
    const ServedModel* model = encoders_.intents()[i].model;
    if (model == nullptr) {
      frame.intent_ranking = own;
      frame.out_of_scope = own_out_of_scope;
    } else if (base::Status read = co_await ReadIntent(i, frame); !read.has_value()) {
      LOQUAT_CO_TRY(Note("intent", *model, read.error(), frame));
      failed = std::move(read);
      continue;
    }
    answered = true;
    if (Sure(frame)) break;
  }
  if (!answered) co_return failed;
  co_return base::Status();
}

awaitable<base::Status> FrameReading::ReadSlotsOf(std::size_t index, std::string_view text,
                                                  std::vector<domain::Slot>& slots, domain::Frame& frame) {
  Asked& asked = slots_[index];
  if (asked.wordless) co_return base::Status();
  LOQUAT_CO_ASSIGN(const std::vector<float> row, co_await RowOf(asked));
  LOQUAT_CO_TRY(encoders_.slots()[index].reader->Read(text, asked.words, row, slots));
  frame.truncated_tokens = std::max(frame.truncated_tokens, asked.tokens_left_out);
  co_return base::Status();
}

awaitable<base::Status> FrameReading::ReadSlots(domain::Frame& frame) {
  const std::vector<domain::Slot> own = std::exchange(frame.slots, {});
  base::Status failed;
  bool answered = false;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    const ServedModel* model = encoders_.slots()[i].model;
    std::vector<domain::Slot> found;
    if (model == nullptr) {
      found = own;
    } else if (base::Status read = co_await ReadSlotsOf(i, question_.text, found, frame); !read.has_value()) {
      LOQUAT_CO_TRY(Note("slots", *model, read.error(), frame));
      failed = std::move(read);
      continue;
    } else {
      added_slots_ |= !found.empty();
    }
    answered = true;
    understanding::MergeSlots(std::move(found), frame.slots);
  }
  if (!answered) co_return failed;
  co_return base::Status();
}

}  // namespace loquat::pipeline
