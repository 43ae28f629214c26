#include <google/rpc/error.pb.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

#include "ingress/grpc/generic_service.h"
#include "ingress/grpc/infer_messages.h"
#include "ingress/grpc/status.h"
#include "ingress/grpc/stream_messages.h"
#include "ingress/grpc/understand_messages.h"
#include "ingress/grpc/wire.h"
#include "ingress/http/understand_body.h"
#include "pipeline/stream/stream_options.h"

namespace loquat::ingress::grpc {
namespace {

namespace v1 = loquat::v1;

constexpr base::WallTime kNow{std::chrono::seconds(1'763'715'600)};

::grpc::ByteBuffer Bytes(std::string_view bytes) {
  const ::grpc::Slice slice(bytes.data(), bytes.size());
  return {&slice, 1};
}

// The param of the error that a request is refused with; empty: it is taken.
std::string RefusedAt(const v1::UnderstandRequest& message, std::size_t text_bytes_max = 16) {
  pipeline::UnderstandRequest request;
  const base::Status read = ReadRequest(message, kNow, text_bytes_max, request);
  return read.has_value() ? "" : read.error().param;
}

TEST(Wire, TakesWhatItWroteAlsoInPieces) {
  v1::UnderstandRequest message;
  message.set_text("帮我订票");
  ::grpc::ByteBuffer buffer;
  WriteMessage(message, buffer);
  v1::UnderstandRequest read;
  ASSERT_TRUE(ReadMessage(buffer, read).has_value());
  EXPECT_EQ(read.text(), message.text());

  const std::string bytes = message.SerializeAsString();
  const ::grpc::Slice pieces[] = {::grpc::Slice(bytes.substr(0, 5)), ::grpc::Slice(bytes.substr(5))};
  read.set_text("old");
  ASSERT_TRUE(ReadMessage(::grpc::ByteBuffer(pieces, 2), read).has_value());
  EXPECT_EQ(read.text(), message.text());
}

TEST(Wire, NoBytesAreAnEmptyMessage) {
  v1::UnderstandRequest message;
  message.set_text("old");
  ASSERT_TRUE(ReadMessage(::grpc::ByteBuffer(), message).has_value());
  EXPECT_EQ(message.text(), "");
}

TEST(Wire, RefusesWhatIsNoMessageAndTextThatIsNotUtf8) {
  google::protobuf::SetLogHandler(nullptr);
  v1::UnderstandRequest message;
  for (const std::string_view bytes : {"\xff\xff\xff", "\x0a\x02\xc3\x28", "\x0a\x7f"}) {
    const base::Status read = ReadMessage(Bytes(bytes), message);
    ASSERT_FALSE(read.has_value());
    EXPECT_EQ(read.error().code, base::Code::kInvalidArgument);
    EXPECT_EQ(read.error().reason, "malformed_message");
  }
}

TEST(Status, CarriesTheFactsAsDetails) {
  const base::Error error{.code = base::Code::kResourceExhausted,
                          .message = "too many",
                          .reason = "too_many_calls",
                          .param = "/text",
                          .retry_after = std::chrono::milliseconds(1250)};
  const ::grpc::Status status = ToStatus(error, "r-1");
  EXPECT_EQ(status.error_code(), ::grpc::RESOURCE_EXHAUSTED);
  google::rpc::Status details;
  ASSERT_TRUE(details.ParseFromString(status.error_details()));
  EXPECT_EQ(details.code(), 8);
  google::rpc::ErrorInfo info;
  google::rpc::RetryInfo retry;
  google::rpc::BadRequest bad;
  ASSERT_EQ(details.details_size(), 3);
  ASSERT_TRUE(details.details(0).UnpackTo(&info) && details.details(1).UnpackTo(&retry) &&
              details.details(2).UnpackTo(&bad));
  EXPECT_EQ(info.reason(), "too_many_calls");
  EXPECT_EQ(info.domain(), "loquat");
  EXPECT_EQ(info.metadata().at("request_id"), "r-1");
  EXPECT_EQ(retry.retry_delay().seconds(), 1);
  EXPECT_EQ(retry.retry_delay().nanos(), 250'000'000);
  EXPECT_EQ(bad.field_violations(0).field(), "/text");
}

TEST(Status, LongAndForeignTextStaysWithinWhatMetadataTakes) {
  const base::Error error{.code = base::Code::kInvalidArgument,
                          .message = std::string(kStatusTextBytesMax - 1, 'x') + "语语",
                          .param = "/语\n"};
  const ::grpc::Status status = ToStatus(error, "");
  EXPECT_LE(status.error_message().size(), kStatusTextBytesMax + 2);  // The cut character is replaced by another one.
  for (const auto& [key, value] : ErrorTrailers(error)) EXPECT_EQ(value, "/????");
}

TEST(UnderstandRequest, DefaultsAreThoseOfTheHttpApi) {
  v1::UnderstandRequest message;
  message.set_text("hello");
  pipeline::UnderstandRequest request;
  request.want_reply = request.want_embedding = true;  // Of the call before.
  request.delivery = domain::DeliveryMode::kCallback;
  ASSERT_TRUE(ReadRequest(message, kNow, 16, request).has_value());
  EXPECT_TRUE(request.want_intent && request.want_slots && !request.want_embedding && !request.want_reply);
  EXPECT_FALSE(request.delivery.has_value());
  EXPECT_EQ(request.reference_time, kNow);
  EXPECT_TRUE(request.utterance.final);
}

TEST(UnderstandRequest, EachBoundHoldsAtItsEdge) {
  v1::UnderstandRequest message;
  message.set_text(std::string(16, 'x'));
  message.set_utc_offset_minutes(kUtcOffsetMinutesMax);
  message.set_reference_time_ms(kReferenceTimeMsMax);
  message.set_session(std::string(context::kSessionIdBytesMax, 's'));
  for (int i = 0; i < kFeaturesMax; ++i) message.add_features(v1::FEATURE_SLOTS);
  message.set_callback_url("http://x/" + std::string(kCallbackUrlBytesMax - 9, 'y'));
  EXPECT_EQ(RefusedAt(message), "");

  const auto with = [&message](auto change) {
    v1::UnderstandRequest changed = message;
    change(changed);
    return RefusedAt(changed);
  };
  EXPECT_EQ(with([](auto& m) { m.mutable_text()->push_back('x'); }), "/text");
  EXPECT_EQ(with([](auto& m) { m.set_utc_offset_minutes(kUtcOffsetMinutesMax + 1); }), "/utc_offset_minutes");
  EXPECT_EQ(with([](auto& m) { m.set_utc_offset_minutes(-kUtcOffsetMinutesMax - 1); }), "/utc_offset_minutes");
  EXPECT_EQ(with([](auto& m) { m.set_reference_time_ms(kReferenceTimeMsMax + 1); }), "/reference_time_ms");
  EXPECT_EQ(with([](auto& m) { m.set_reference_time_ms(-1); }), "/reference_time_ms");
  EXPECT_EQ(with([](auto& m) { m.mutable_session()->push_back('s'); }), "/session");
  EXPECT_EQ(with([](auto& m) { m.add_features(v1::FEATURE_SLOTS); }), "/features");
  EXPECT_EQ(with([](auto& m) { m.mutable_callback_url()->push_back('y'); }), "/callback_url");
  EXPECT_EQ(with([](auto& m) { m.set_locale(static_cast<v1::Locale>(3)); }), "/locale");
  EXPECT_EQ(with([](auto& m) { m.set_delivery(static_cast<v1::DeliveryMode>(4)); }), "/delivery");
  EXPECT_EQ(with([](auto& m) { m.set_features(2, v1::FEATURE_UNSPECIFIED); }), "/features/2");
}

TEST(UnderstandResponse, HoldsWhatWasAskedFor) {
  pipeline::UnderstandRequest request;
  request.utterance.text = "to Rome";
  request.want_intent = false;
  pipeline::UnderstandAnswer answer;
  answer.frame.locale = domain::Locale::kEnglish;
  answer.frame.intent_ranking = {{"go", 0.9F}};
  answer.frame.slots.push_back(
      {.entity = "city", .role = "to", .value = "Rome", .span = {.byte_begin = 3, .byte_end = 7}});
  answer.frame.notes.push_back({.feature = "embedding", .model = "m", .error = base::Unavailable("busy")});
  answer.reply.emplace();
  answer.reply->generation = domain::ReplyGeneration{.model = "m", .failed = base::Internal("no"), .cut = true};
  v1::UnderstandResponse message;
  WriteResponse("r", request, answer, message);
  EXPECT_EQ(message.frame().intent_ranking_size(), 0);
  ASSERT_EQ(message.frame().slots_size(), 1);
  EXPECT_EQ(message.frame().slots(0).name(), "to");
  EXPECT_EQ(message.frame().slots(0).span().byte_end(), 7U);
  EXPECT_EQ(message.frame().notes(0).fault().code(), "unavailable");
  EXPECT_EQ(message.reply().failed().message(), "no");
  EXPECT_TRUE(message.reply().cut());
  EXPECT_FALSE(message.has_session());
}

TEST(StreamOpen, PointsIntoTheMessage) {
  v1::StreamOpen open;
  open.mutable_request()->set_session("a b");
  EXPECT_EQ(ReadOpen(open, 16).error().param, "/open/request/session");
  open.mutable_request()->set_session("ab");
  open.set_turn_ending(v1::TURN_ENDING_SERVER);
  open.set_turn_timeout_ms(kTurnTimeoutMsMax);
  const auto read = ReadOpen(open, 16);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->ending, pipeline::TurnEnding::kServer);
  EXPECT_EQ(read->request.reference_time, base::WallTime{});
  open.set_turn_timeout_ms(kTurnTimeoutMsMax + 1);
  EXPECT_EQ(ReadOpen(open, 16).error().param, "/open/turn_timeout_ms");
}

TEST(StreamOpen, UtteranceNamesAreBounded) {
  EXPECT_TRUE(CheckUtterance(std::string(pipeline::kUtteranceIdBytesMax, 'u'), "/x").has_value());
  EXPECT_EQ(CheckUtterance(std::string(pipeline::kUtteranceIdBytesMax + 1, 'u'), "/x").error().param, "/x");
}

TEST(InferMessages, TheFirstNamesAModelAndLaterOnesNoOther) {
  v1::StreamInferRequest first;
  EXPECT_EQ(CheckFirst(first).error().param, "/model");
  first.set_model(std::string(kModelNameBytesMax, 'm'));
  first.set_session_id("s");
  EXPECT_TRUE(CheckFirst(first).has_value());
  v1::StreamInferRequest later;
  EXPECT_TRUE(CheckLater(first, later).has_value());
  EXPECT_TRUE(CheckLater(first, first).has_value());
  later.set_stream_id("t");
  EXPECT_EQ(CheckLater(first, later).error().reason, "stream_changed");
  first.mutable_model()->push_back('m');
  EXPECT_EQ(CheckFirst(first).error().param, "/model");
}

TEST(InferMessages, OptionsAreBounded) {
  engine::GenerateRequest request;
  v1::GenerationOptions options;
  options.set_tokens_max(kInferTokensMax);
  options.set_temperature(0);
  for (int i = 0; i < kStopStringsMax; ++i) options.add_stop(std::string(kStopStringBytesMax, 'x'));
  for (std::uint32_t i = 0; i < engine::kLogitBiasMax; ++i) (*options.mutable_logit_bias())[static_cast<int>(i)] = 1;
  ASSERT_TRUE(ReadOptions(options, request).has_value());
  EXPECT_TRUE(request.sampling.greedy());
  EXPECT_EQ(request.top_logprobs, 0U);
  const auto with = [&options](auto change) {
    v1::GenerationOptions changed = options;
    change(changed);
    engine::GenerateRequest other;
    return ReadOptions(changed, other).error().param;
  };
  EXPECT_EQ(with([](auto& o) { o.set_tokens_max(kInferTokensMax + 1); }), "/options/tokens_max");
  EXPECT_EQ(with([](auto& o) { o.add_stop("x"); }), "/options/stop");
  EXPECT_EQ(with([](auto& o) { o.mutable_stop(3)->push_back('x'); }), "/options/stop/3");
  EXPECT_EQ(with([](auto& o) { o.set_stop(0, ""); }), "/options/stop/0");
  EXPECT_EQ(with([](auto& o) { (*o.mutable_logit_bias())[-1] = 1; }), "/options/logit_bias");
}

TEST(InferMessages, FaultsPointAtTheseMessages) {
  EXPECT_EQ(AtMessage(base::InvalidArgument("", "/prompt")).param, "/input_ids");
  EXPECT_EQ(AtMessage(base::InvalidArgument("", "/top_p")).param, "/options/top_p");
  EXPECT_EQ(AtMessage(base::InvalidArgument("", "/model")).param, "/model");
  EXPECT_EQ(AtMessage(base::InvalidArgument("")).param, "");
}

TEST(InferMessages, ADeltaHasAProbabilityForEachToken) {
  pipeline::AnswerDelta delta;
  v1::StreamInferResponse message;
  EXPECT_FALSE(WriteDelta(delta, message));
  delta.tokens = {5, 6};
  delta.logprobs = {{.token = 5, .logprob = 0}, {.token = 6, .logprob = std::log(0.25F)}};
  EXPECT_TRUE(WriteDelta(delta, message));
  EXPECT_EQ(message.output_ids_size(), 2);
  EXPECT_FLOAT_EQ(message.probabilities(0), 1.0F);
  EXPECT_FLOAT_EQ(message.probabilities(1), 0.25F);
}

TEST(Reflection, GivesAFileWithItsImports) {
  ::grpc::reflection::v1::ServerReflectionRequest request;
  ::grpc::reflection::v1::ServerReflectionResponse response;
  request.set_file_containing_symbol("google.rpc.Status");
  AnswerReflection(request, {}, response);
  EXPECT_EQ(response.file_descriptor_response().file_descriptor_proto_size(), 3);  // Itself, Any, Duration.
  response.Clear();
  request.set_all_extension_numbers_of_type("google.rpc.Status");
  AnswerReflection(request, {}, response);
  EXPECT_EQ(response.all_extension_numbers_response().base_type_name(), "google.rpc.Status");
  response.Clear();
  request.clear_message_request();
  AnswerReflection(request, {}, response);
  EXPECT_EQ(response.error_response().error_code(), 3);
}

}  // namespace
}  // namespace loquat::ingress::grpc
