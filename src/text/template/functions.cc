// Functions that templates may call by name.

#include <fmt/format.h>

#include "text/template/builtins.h"
#include "text/template/operators.h"
#include "text/template/strftime.h"

namespace loquat::text::jinja {

using base::Result;
using base::Status;

namespace {

Result<Value> Range(Work& work, const Value&, const Arguments& args) {
  const std::span<const Value> values = args.values();
  if (values.empty() || values.size() > 3 || !args.named().empty()) return Fault("range takes one to three integers");
  std::array<std::int64_t, 3> numbers = {0, 0, 1};
  for (std::size_t i = 0; i < values.size(); ++i) {
    LOQUAT_ASSIGN(const std::int64_t number, NeedInteger(values[i], "range's argument"));
    numbers[values.size() == 1 ? 1 : i] = number;
  }
  __extension__ using Wide = __int128;
  const auto [start, stop, step] = numbers;
  if (step == 0) return Fault("range's step cannot be zero");
  const Wide distance = step > 0 ? Wide(stop) - start : Wide(start) - stop;
  const Wide stride = step > 0 ? Wide(step) : -Wide(step);
  const Wide count = distance <= 0 ? 0 : (distance + stride - 1) / stride;
  if (count > static_cast<Wide>(work.bounds().range_max)) {
    return LimitFault(fmt::format("range gives more than {} numbers", work.bounds().range_max));
  }
  LOQUAT_ASSIGN(List * list, work.NewList(static_cast<std::size_t>(count)));
  for (std::int64_t i = 0; i < static_cast<std::int64_t>(count); ++i) {
    list->items.push_back(Value::Int(static_cast<std::int64_t>(start + Wide(i) * step)));
  }
  return Value::Of(list);
}

// From a dict or pairs, and then from what is given by name.
Result<Dict*> DictOf(Work& work, const Arguments& args, std::string_view what) {
  Dict* dict = work.arena().NewDict();
  if (args.values().size() > 1) return Fault(fmt::format("{} takes at most one value by place", what));
  if (!args.values().empty()) {
    const Value& source = args.values()[0];
    LOQUAT_ASSIGN(const std::span<const Value> items, work.Items(source));
    for (const Value& item : items) {
      const bool is_dict = source.Is(Kind::kDict);
      if (!is_dict && (!item.IsSequence() || item.AsList().items.size() != 2))
        return Fault(fmt::format("{} takes a dict or pairs", what));
      const Value key = is_dict ? item : item.AsList().items[0];
      if (!Dict::IsKey(key)) return Fault(fmt::format("{} cannot be a key", KindName(key.kind())));
      dict->Set(key, is_dict ? *source.AsDict().Find(item) : item.AsList().items[1]);
    }
  }
  for (const NamedValue& argument : args.named()) dict->Set(Value::String(argument.name), argument.value);
  LOQUAT_TRY(work.Charge(1 + args.named().size()));
  return dict;
}

Result<Value> MakeDict(Work& work, const Value&, const Arguments& args) {
  LOQUAT_ASSIGN(Dict * dict, DictOf(work, args, "dict"));
  return Value::Of(dict);
}

Result<Value> MakeNamespace(Work& work, const Value&, const Arguments& args) {
  LOQUAT_ASSIGN(Dict * dict, DictOf(work, args, "namespace"));
  return Value::NamespaceOf(dict);
}

Result<Value> RaiseException(Work& work, const Value&, const Arguments& args) {
  std::string message;
  LOQUAT_TRY(AppendText(work, args[0], message));
  base::Error error = Fault(fmt::format("the template refuses: {}", message));
  error.reason = "template_raised";
  return error;
}

Result<Value> StrftimeNow(Work& work, const Value&, const Arguments& args) {
  if (!work.now()) return Fault("strftime_now: no time was given to the template");
  LOQUAT_ASSIGN(const std::string_view format, NeedString(args[0], "strftime_now's format"));
  std::string out;
  LOQUAT_TRY(work.ChargeBytes(format.size()));
  LOQUAT_TRY(AppendTime(format, *work.now(), out));
  return work.Text(out);
}

constexpr Builtin kFunctions[] = {
    {"range", Range, {}, 0, true},
    {"dict", MakeDict, {}, 0, true},
    {"namespace", MakeNamespace, {}, 0, true},
    {"raise_exception", RaiseException, {"message"}, 1},
    {"strftime_now", StrftimeNow, {"format"}, 1},
};

}  // namespace

std::span<const Builtin> Functions() {
  return kFunctions;
}

}  // namespace loquat::text::jinja
