// Settings: a table of rows says which there are, and one class holds their values.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace tweedie {

/// One row: a setting of an operator or a solver. Files, command lines, `--help` and C++ callers all go by
/// it. Rows are made by the functions below and kept in constexpr tables:
///   constexpr Setting settings[] = {Setting::whole("angles", 60, 1, 100000, "number of directions"), ...};
struct Setting {
  enum class Kind { number, whole, seed, text, flag };
  static constexpr double unbounded = std::numeric_limits<double>::infinity();
  /// As a default: there is none. Whoever reads the setting must state it, or ask `Settings::stated` first.
  static constexpr double none = std::numeric_limits<double>::quiet_NaN();

  const char* name;  ///< in files; words are joined by underscores
  const char* what;  ///< for `--help`
  Kind kind;
  double otherwise = none;  ///< the default of number, whole and flag (0 or 1)
  double low = -unbounded, high = unbounded;
  bool above = false;            ///< `low` itself is not allowed
  const char* word = nullptr;    ///< the default of text, null: none; a word that may stand for a number
  const char* choices = "";      ///< of text, joined by ", "; empty: any text
  const char* option = nullptr;  ///< on command lines; null: the name as `--some-name`; empty: in files only
  bool needed = false;           ///< a file must state it, although it has a default on command lines

  static constexpr Setting number(const char* name, double otherwise, double low, double high,
                                  const char* what) {
    return {name, what, Kind::number, otherwise, low, high};
  }
  /// More than 0.
  static constexpr Setting positive(const char* name, double otherwise, const char* what) {
    return {name, what, Kind::number, otherwise, 0, unbounded, true};
  }
  /// A whole number; the limits are at most those of `int`.
  static constexpr Setting whole(const char* name, double otherwise, double low, double high,
                                 const char* what) {
    return {name, what, Kind::whole, otherwise, low, high};
  }
  /// A whole number of 64 bits from 0 on; 0 where nothing is stated.
  static constexpr Setting seed(const char* name, const char* what) {
    return {name, what, Kind::seed, 0, 0, unbounded};
  }
  /// One of `choices` ("bicubic, average").
  static constexpr Setting text(const char* name, const char* otherwise, const char* choices,
                                const char* what) {
    return {name, what, Kind::text, none, -unbounded, unbounded, false, otherwise, choices};
  }
  /// True or false; false where nothing is stated.
  static constexpr Setting flag(const char* name, const char* what) {
    return {name, what, Kind::flag, 0, 0, 1};
  }
  /// The same row with another spelling on command lines ("--blur-sigma"), or with none ("").
  constexpr Setting spelled(const char* spelling) const {
    Setting row = *this;
    row.option = spelling;
    return row;
  }
  /// The same row of a number, for which this word may stand, too: "auto".
  constexpr Setting or_word(const char* instead) const {
    Setting row = *this;
    row.word = instead;
    return row;
  }
  /// The same row, but a file must state it.
  constexpr Setting stated_in_files() const {
    Setting row = *this;
    row.needed = true;
    return row;
  }
};

/// How the row is spelled on command lines; empty where it is in files only.
std::string option_of(const Setting& row);
/// What the row takes: "a whole number from 1 to 64", "one of bicubic, average".
std::string expected_of(const Setting& row);
/// The default as text, as a command line would state it; empty where there is none.
std::string default_of(const Setting& row);

using SettingValue = std::variant<bool, std::int64_t, std::uint64_t, double, std::string>;

/// The values of one thing's settings. Every value fits its row: what does not is refused when it is set, in
/// one line that names the thing, the setting, the value and what was expected.
class Settings {
 public:
  /// `what` begins every message ("operator ct"). Several tables count as one. The rows' texts must outlive
  /// this; nothing is stated at first.
  explicit Settings(std::string what, std::span<const Setting> rows = {});
  Settings(std::string what, std::initializer_list<std::span<const Setting>> tables);

  const std::string& what() const { return what_; }
  const std::vector<Setting>& rows() const { return rows_; }
  /// Whether there is a row of this name.
  bool knows(std::string_view name) const { return index(name) < rows_.size(); }
  /// Whether its value was set, be it to the default. False for names without a row.
  bool stated(std::string_view name) const;
  /// Whether a number's value is the word that may stand for it; `number` refuses it then. False for names
  /// without a row.
  bool worded(std::string_view name) const;

  /// The value that was set, or the default. Errors: no such row, a row of another kind (mistakes of the
  /// program); neither a value nor a default.
  double number(std::string_view name) const;
  int integer(std::string_view name) const;
  std::uint64_t seed(std::string_view name) const;
  std::string text(std::string_view name) const;
  bool flag(std::string_view name) const;
  /// The same for any kind; nothing where there is neither.
  std::optional<SettingValue> value(std::string_view name) const;

  /// States a value. A whole number is a number too, not the other way round. Errors: an unknown name; a
  /// value of another kind or out of range.
  void set(std::string_view name, const SettingValue& value);
  /// The same from a command line's text; `shown` is how messages call the setting ("--angles").
  void parse(std::string_view name, const std::string& text, const std::string& shown);
  /// States every default that a command line could have stated.
  void state_defaults();

 private:
  std::size_t index(std::string_view name) const;
  std::size_t require_known(std::string_view name) const;
  void store(std::size_t row, const SettingValue& value, const std::string& shown);
  template <class T>
  T get(std::string_view name, Setting::Kind kind) const;

  std::string what_;
  std::vector<Setting> rows_;
  std::vector<std::optional<SettingValue>> values_;  // beside rows_
};

/// The value as a message shows it.
std::string to_text(const SettingValue& value);

}  // namespace tweedie
