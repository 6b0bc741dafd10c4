#include "engine/settings.hpp"

#include <algorithm>
#include <charconv>
#include <climits>
#include <cmath>

#include "kernels/error.hpp"

namespace tweedie {
namespace {

/// Whether `word` is one of a list such as "bicubic, average".
bool is_among(std::string_view choices, std::string_view word) {
  while (!choices.empty()) {
    const std::size_t end = choices.find(", ");
    if (choices.substr(0, end) == word) return true;
    choices = end == choices.npos ? std::string_view() : choices.substr(end + 2);
  }
  return false;
}

/// The whole of the text as a number; nothing where it is none. Locale-independent.
template <class T>
std::optional<T> parsed(const std::string& text) {
  T value{};
  const char* const end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, value);
  if (result.ec != std::errc() || result.ptr != end) return {};
  return value;
}

/// A command line's text as a value of the row's kind; of a kind that `fitted` refuses where it is none.
SettingValue from_text(const Setting& row, const std::string& text) {
  using Kind = Setting::Kind;
  if (row.kind == Kind::number)
    if (const auto value = parsed<double>(text)) return *value;
  if (row.kind == Kind::whole)
    if (const auto value = parsed<std::int64_t>(text)) return *value;
  if (row.kind == Kind::seed)
    if (const auto value = parsed<std::uint64_t>(text)) return *value;
  if (row.kind == Kind::flag && (text == "true" || text == "false")) return text == "true";
  return text;
}

/// A whole number as 64 signed bits.
std::optional<std::int64_t> whole_of(const SettingValue& value) {
  if (const auto* v = std::get_if<std::int64_t>(&value)) return *v;
  const auto* v = std::get_if<std::uint64_t>(&value);
  if (v && *v <= std::uint64_t(INT64_MAX)) return std::int64_t(*v);
  return {};
}

std::optional<double> number_of(const SettingValue& value) {
  if (const auto* v = std::get_if<double>(&value)) return *v;
  if (const auto* v = std::get_if<std::int64_t>(&value)) return double(*v);
  if (const auto* v = std::get_if<std::uint64_t>(&value)) return double(*v);
  return {};
}

bool in_range(const Setting& row, double v) {
  return std::isfinite(v) && v <= row.high && (row.above ? v > row.low : v >= row.low);
}

/// The value as the row stores it; nothing where it does not fit.
std::optional<SettingValue> fitted(const Setting& row, const SettingValue& value) {
  using Kind = Setting::Kind;
  switch (row.kind) {
    case Kind::number:
      if (const auto v = number_of(value); v && in_range(row, *v)) return *v;
      if (const auto* v = std::get_if<std::string>(&value); v && row.word && *v == row.word) return *v;
      return {};
    case Kind::whole:
      if (const auto v = whole_of(value); v && std::abs(*v) <= INT_MAX && in_range(row, double(*v)))
        return *v;
      return {};
    case Kind::seed:
      if (const auto* v = std::get_if<std::uint64_t>(&value)) return *v;
      if (const auto v = whole_of(value); v && *v >= 0) return std::uint64_t(*v);
      return {};
    case Kind::text:
      if (const auto* v = std::get_if<std::string>(&value); v && (!*row.choices || is_among(row.choices, *v)))
        return *v;
      return {};
    case Kind::flag:
      if (const auto* v = std::get_if<bool>(&value)) return *v;
      return {};
  }
  return {};
}

/// A limit of a range: all digits of whole numbers.
std::string limit(double v) {
  return std::abs(v) < 1e15 && v == std::floor(v) ? message(std::int64_t(v)) : message(v);
}

std::optional<SettingValue> default_value(const Setting& row) {
  using Kind = Setting::Kind;
  if (row.kind == Kind::text) return row.word ? std::optional<SettingValue>(row.word) : std::nullopt;
  if (std::isnan(row.otherwise)) return {};
  if (row.kind == Kind::number) return row.otherwise;
  if (row.kind == Kind::whole) return std::int64_t(row.otherwise);
  if (row.kind == Kind::seed) return std::uint64_t(row.otherwise);
  return row.otherwise != 0;
}

}  // namespace

std::string to_text(const SettingValue& value) {
  if (const auto* v = std::get_if<bool>(&value)) return *v ? "true" : "false";
  if (const auto* v = std::get_if<std::string>(&value)) return "'" + *v + "'";
  return std::visit(
      [](const auto& v) {
        if constexpr (std::is_arithmetic_v<std::decay_t<decltype(v)>>) return message(v);
        return std::string();
      },
      value);
}

std::string option_of(const Setting& row) {
  if (row.option) return row.option;
  std::string name = row.name;
  std::replace(name.begin(), name.end(), '_', '-');
  return "--" + name;
}

std::string expected_of(const Setting& row) {
  using Kind = Setting::Kind;
  if (row.kind == Kind::flag) return "true or false";
  if (row.kind == Kind::text) return *row.choices ? message("one of ", row.choices) : "a text";
  if (row.kind == Kind::seed) return "a whole number from 0 on, of 64 bits";
  if (row.word) {
    Setting number = row;
    number.word = nullptr;
    return message(row.word, " or ", expected_of(number));
  }
  const std::string number = row.kind == Kind::whole ? "a whole number" : "a number";
  const bool from = row.low > -Setting::unbounded, to = row.high < Setting::unbounded;
  const std::string low = limit(row.low), high = limit(row.high);
  if (row.above && to) return message(number, " above ", low, ", and ", high, " at most");
  if (row.above) return message(number, " above ", low);
  if (from && to) return message(number, " from ", low, " to ", high);
  if (from) return message(number, " from ", low, " on");
  if (to) return message(number, " up to ", high);
  return row.kind == Kind::whole ? number : "a finite number";
}

std::string default_of(const Setting& row) {
  const auto value = default_value(row);
  if (!value) return {};
  const std::string text = to_text(*value);
  return row.kind == Setting::Kind::text ? text.substr(1, text.size() - 2) : text;
}

Settings::Settings(std::string what, std::span<const Setting> rows) : Settings(std::move(what), {rows}) {}

Settings::Settings(std::string what, std::initializer_list<std::span<const Setting>> tables)
    : what_(std::move(what)) {
  for (const auto& table : tables) rows_.insert(rows_.end(), table.begin(), table.end());
  values_.resize(rows_.size());
}

std::size_t Settings::index(std::string_view name) const {
  std::size_t i = 0;
  while (i < rows_.size() && rows_[i].name != name) ++i;
  return i;
}

std::size_t Settings::require_known(std::string_view name) const {
  const std::size_t i = index(name);
  require(i < rows_.size(), what_, ": the setting '", name, "' is not known here");
  return i;
}

bool Settings::stated(std::string_view name) const {
  const std::size_t i = index(name);
  return i < rows_.size() && values_[i].has_value();
}

bool Settings::worded(std::string_view name) const {
  const std::size_t i = index(name);
  return i < rows_.size() && rows_[i].kind == Setting::Kind::number && values_[i] &&
         std::holds_alternative<std::string>(*values_[i]);
}

std::optional<SettingValue> Settings::value(std::string_view name) const {
  const std::size_t i = require_known(name);
  return values_[i] ? values_[i] : default_value(rows_[i]);
}

template <class T>
T Settings::get(std::string_view name, Setting::Kind kind) const {
  const std::size_t i = require_known(name);
  require(rows_[i].kind == kind, what_, ": the setting '", name,
          "' is read as another kind than its row has");
  const auto found = value(name);
  require(found.has_value(), what_, ": the setting '", name, "' is missing");
  require(std::holds_alternative<T>(*found), what_, ": the setting '", name, "' is ", to_text(*found),
          ", no number");
  return std::get<T>(*found);
}

double Settings::number(std::string_view name) const { return get<double>(name, Setting::Kind::number); }
int Settings::integer(std::string_view name) const {
  return int(get<std::int64_t>(name, Setting::Kind::whole));
}
std::uint64_t Settings::seed(std::string_view name) const {
  return get<std::uint64_t>(name, Setting::Kind::seed);
}
std::string Settings::text(std::string_view name) const {
  return get<std::string>(name, Setting::Kind::text);
}
bool Settings::flag(std::string_view name) const { return get<bool>(name, Setting::Kind::flag); }

void Settings::store(std::size_t row, const SettingValue& value, const std::string& shown) {
  auto fit = fitted(rows_[row], value);
  require(fit.has_value(), shown, " is ", to_text(value), ", expected ", expected_of(rows_[row]));
  values_[row] = std::move(fit);
}

void Settings::set(std::string_view name, const SettingValue& value) {
  store(require_known(name), value, message(what_, ": '", name, "'"));
}

void Settings::parse(std::string_view name, const std::string& text, const std::string& shown) {
  const std::size_t i = require_known(name);
  store(i, from_text(rows_[i], text), shown);
}

void Settings::state_defaults() {
  for (std::size_t i = 0; i < rows_.size(); ++i)
    if (!values_[i] && !option_of(rows_[i]).empty()) values_[i] = default_value(rows_[i]);
}

}  // namespace tweedie
