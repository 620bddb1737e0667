// What the command line and a configuration file say together, before the values are checked.
//
// The command line overrides the file, for repeatable options too: -i eth1 replaces the file's interfaces. Filters of
// both count, the file's first. With -r the file's options for live capture are dropped; --socket and --no-socket
// override each other.
//
// Thread contract: one thread, for the moment of parsing.
// Errors: UsageError; for what comes from the file with its place.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/config/config_file.h"
#include "engine/config/option_table.h"
#include "engine/config/options.h"

namespace tcpeek::engine {

struct Setting {
  const ValueOption* value = nullptr;  // this, or
  const FlagOption* flag = nullptr;
  std::vector<ConfigText> values;  // their places count if they are from the file
  bool from_file = false;
  std::size_t at = 0;  // of the key

  [[nodiscard]] std::string_view name() const noexcept {
    return long_name(value != nullptr ? value->names : flag->names);
  }
};

class Settings {
 public:
  // Of the command line; before add().
  void give(Setting setting) { settings_.push_back(std::move(setting)); }
  void give_filter(std::string expression) { expressions_.push_back(std::move(expression)); }

  void add(ConfigFile file);

  [[nodiscard]] const Setting* find(std::string_view name) const noexcept;
  // Stores all values, then the filters.
  void apply_to(Options& options) const;
  [[nodiscard]] const std::vector<std::string>& expressions() const noexcept {
    return expressions_;
  }
  // As words of a command line.
  [[nodiscard]] std::vector<std::string> arguments() const;
  // The same of the options that the command line gave itself.
  [[nodiscard]] std::vector<std::string> own_options() const;

 private:
  void add_option(const ConfigEntry& entry);
  void add_filter(const ConfigEntry& entry, std::vector<std::string>& filters);
  void check_filter(const ConfigEntry& entry, const ConfigText& value,
                    const std::string& text) const;
  [[nodiscard]] bool overruled(std::string_view name) const noexcept;
  [[nodiscard]] bool is_true(const ConfigEntry& entry) const;
  [[noreturn]] void refuse_key(const ConfigEntry& entry) const;
  // "--timeout: ", or the place in the file; the reason is without the option's name.
  [[noreturn]] void refuse(const Setting& setting, std::size_t at, const std::string& reason) const;
  void apply(const Setting& setting, const ConfigText& value, Options& options) const;
  void refuse_contradictions() const;
  void refuse_live_contradictions() const;
  void refuse_crossed_limits(const HealthLimits& limits) const;
  void apply_filters(Options& options) const;

  std::vector<Setting> settings_;
  std::vector<std::string> expressions_;
  std::vector<std::size_t> places_;  // of the expressions that are from the file, which come first
  std::optional<ConfigFile> file_;
};

}  // namespace tcpeek::engine
