// Errors as OpenAI's API writes them: {"error": {"message", "type", "param", "code"}}. Pure functions.

#pragma once

#include <string>
#include <string_view>

#include "base/json_writer.h"
#include "base/result.h"

namespace loquat::ingress::openai {

// `code` is our reason, or else our code's name; `param` is written as "messages[0].content".
void WriteErrorObject(const base::Error& error, base::JsonWriter& json);

std::string ErrorBody(const base::Error& error, std::string_view request_id);

// "messages[0].content" for "/messages/0/content"; what is no JSON pointer stays as it is.
std::string ParamOfPointer(std::string_view pointer);

}  // namespace loquat::ingress::openai
