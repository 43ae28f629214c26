// Amounts with what they count: money, temperatures, measures, plain numbers with their counters; and codes.
// Pure functions over a whole folded surface: each appends the normal form, or returns false and leaves `out` as it
// was.

#pragma once

#include <cstddef>
#include <string>

#include "understanding/values/cursor.h"

namespace loquat::understanding {

// "500 CNY": the amount and the ISO 4217 code. A bare amount is CNY in Chinese, and nothing in English.
bool AppendMoney(Cursor cursor, bool chinese, std::string& out);

// "26 C", "72 F". Without a scale, above kCelsiusMax degrees in English is Fahrenheit.
inline constexpr int kCelsiusMax = 45;
bool AppendTemperature(Cursor cursor, bool chinese, std::string& out);

// "5 km", "3.5 L": the number and the unit's symbol (docs/values.md lists them).
bool AppendMeasure(Cursor cursor, std::string& out);

// "35", "0.5", "30%"; 两张 without its counter.
bool AppendNumber(Cursor cursor, std::string& out);

// "CA1831": capitals and digits, at least one digit.
inline constexpr std::size_t kCodeSizeMax = 32;
bool AppendCode(Cursor cursor, std::string& out);

}  // namespace loquat::understanding
