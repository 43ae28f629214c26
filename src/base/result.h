// Errors are values: Result<T> holds a T or an Error that says what went wrong, where, and what to do.
// Values; no thread rule beyond that of T.

#pragma once

#include <chrono>
#include <expected>
#include <string>
#include <utility>

#include "base/code.h"

namespace loquat::base {

struct Error {
  Code code = Code::kUnknown;
  std::string message;      // A sentence for a person: what, where, what to do.
  std::string reason = {};  // A stable word for a program and for metrics ("rate_limited"); may be empty.
  std::string param = {};   // JSON pointer, config key or file:line of the culprit; may be empty.
  std::chrono::milliseconds retry_after = {};  // Zero: no hint.

  bool operator==(const Error&) const = default;
};

template <typename T>
class [[nodiscard]] Result : public std::expected<T, Error> {
 public:
  using std::expected<T, Error>::expected;
  Result(Error error) : std::expected<T, Error>(std::unexpected(std::move(error))) {}  // NOLINT: an Error is a Result.
};

using Status = Result<void>;

inline Error InvalidArgument(std::string message, std::string param = {}) {
  return {.code = Code::kInvalidArgument, .message = std::move(message), .param = std::move(param)};
}
inline Error NotFound(std::string message) {
  return {.code = Code::kNotFound, .message = std::move(message)};
}
inline Error Internal(std::string message) {
  return {.code = Code::kInternal, .message = std::move(message)};
}
inline Error DataLoss(std::string message) {
  return {.code = Code::kDataLoss, .message = std::move(message)};
}
inline Error Unavailable(std::string message) {
  return {.code = Code::kUnavailable, .message = std::move(message)};
}
inline Error FailedPrecondition(std::string message) {
  return {.code = Code::kFailedPrecondition, .message = std::move(message)};
}

inline Error ResourceExhausted(std::string message, std::string reason = {}) {
  return {.code = Code::kResourceExhausted, .message = std::move(message), .reason = std::move(reason)};
}
inline Error DeadlineExceeded(std::string message) {
  return {.code = Code::kDeadlineExceeded, .message = std::move(message)};
}
inline Error Cancelled(std::string message) {
  return {.code = Code::kCancelled, .message = std::move(message)};
}

}  // namespace loquat::base

// Leaves the function with the error of `expr` if it has one.
#define LOQUAT_TRY(expr)                                                                                     \
  do {                                                                                                       \
    if (auto loquat_status_ = (expr); !loquat_status_.has_value()) return std::move(loquat_status_).error(); \
  } while (false)

// Binds `lhs` to the value of `expr`, or leaves the function with its error.
#define LOQUAT_ASSIGN(lhs, expr) LOQUAT_ASSIGN_IMPL_(LOQUAT_CONCAT_(loquat_result_, __LINE__), lhs, expr)
#define LOQUAT_ASSIGN_IMPL_(tmp, lhs, expr)            \
  auto tmp = (expr);                                   \
  if (!tmp.has_value()) return std::move(tmp).error(); \
  lhs = std::move(tmp).value()
// The same in a coroutine.
#define LOQUAT_CO_TRY(expr)                                                                                     \
  do {                                                                                                          \
    if (auto loquat_status_ = (expr); !loquat_status_.has_value()) co_return std::move(loquat_status_).error(); \
  } while (false)
#define LOQUAT_CO_ASSIGN(lhs, expr) LOQUAT_CO_ASSIGN_IMPL_(LOQUAT_CONCAT_(loquat_result_, __LINE__), lhs, expr)
#define LOQUAT_CO_ASSIGN_IMPL_(tmp, lhs, expr)            \
  auto tmp = (expr);                                      \
  if (!tmp.has_value()) co_return std::move(tmp).error(); \
  lhs = std::move(tmp).value()
#define LOQUAT_CONCAT_(a, b) LOQUAT_CONCAT_IMPL_(a, b)
#define LOQUAT_CONCAT_IMPL_(a, b) a##b
