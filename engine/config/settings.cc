#include "engine/config/settings.h"

#include <algorithm>
#include <array>
#include <utility>

#include "engine/base/text.h"
#include "engine/config/near_miss.h"

namespace tcpeek::engine {
namespace {

constexpr std::string_view kExclude = "exclude";
constexpr std::array<std::string_view, 19> kLiveOnly{"--interface",
                                                     "--socket",
                                                     "--no-socket",
                                                     "--buffer",
                                                     "--promisc",
                                                     "--capture",
                                                     "--prefilter",
                                                     "--cpus",
                                                     "--failing-ratio",
                                                     "--degraded-ratio",
                                                     "--failing-run",
                                                     "--alert-min-attempts",
                                                     "--netns",
                                                     "--metrics-listen",
                                                     "--metrics-services",
                                                     "--metrics-services-tx",
                                                     "--metrics-exemplars",
                                                     "--prefault",
                                                     "--web"};
// What the command line alone can say.
constexpr std::array<std::string_view, 4> kNotInFiles{"config", "reload", "help", "version"};

bool is_live_only(std::string_view name) noexcept {
  return std::ranges::find(kLiveOnly, name) != kLiveOnly.end();
}

// The name of an option as a file has it.
std::string_view key_of(std::string_view names) noexcept {
  return long_name(names).substr(2);
}

std::vector<std::string> known_keys() {
  std::vector<std::string> keys;
  for (const ValueOption& option : value_options()) keys.emplace_back(key_of(option.names));
  for (const FlagOption& option : flag_options()) keys.emplace_back(key_of(option.names));
  return keys;
}

// "interface" for "i".
std::string key_for_letter(std::string_view letter) {
  const std::string names = "-" + std::string(letter) + ",";
  for (const ValueOption& option : value_options()) {
    if (std::string_view(option.names).starts_with(names)) return std::string(key_of(option.names));
  }
  for (const FlagOption& option : flag_options()) {
    if (std::string_view(option.names).starts_with(names)) return std::string(key_of(option.names));
  }
  return {};
}

// --quiet, or --timeout=5.
void append_words(const Setting& setting, std::vector<std::string>& words) {
  if (setting.flag != nullptr) words.emplace_back(setting.name());
  for (const ConfigText& value : setting.values) {
    words.push_back(std::string(setting.name()) + '=' + value.text);
  }
}

}  // namespace

const Setting* Settings::find(std::string_view name) const noexcept {
  const auto found = std::ranges::find(settings_, name, &Setting::name);
  return found == settings_.end() ? nullptr : &*found;
}

void Settings::add(ConfigFile file) {
  file_.emplace(std::move(file));
  for (const ConfigEntry& entry : file_->options()) add_option(entry);
  std::vector<std::string> filters;
  for (const ConfigEntry& entry : file_->filters()) add_filter(entry, filters);
  expressions_.insert(expressions_.begin(), std::make_move_iterator(filters.begin()),
                      std::make_move_iterator(filters.end()));
}

bool Settings::overruled(std::string_view name) const noexcept {
  const auto said = [this](std::string_view other) {
    const Setting* setting = find(other);
    return setting != nullptr && !setting->from_file;
  };
  return said(name) || (name == "--socket" && said("--no-socket")) ||
         (name == "--no-socket" && said("--socket")) || (is_live_only(name) && said("--read"));
}

void Settings::add_option(const ConfigEntry& entry) {
  const std::string& key = entry.key.text;
  const auto is_key = [&](const auto& option) { return key_of(option.names) == key; };
  if (const auto known = std::ranges::find_if(value_options(), is_key);
      known != value_options().end()) {
    if (entry.values.empty()) {
      file_->refuse(entry.key.at, key + " needs a value: " + known->allowed);
    }
    if (overruled(long_name(known->names))) return;
    settings_.push_back({.value = &*known,
                         .values = known->repeatable
                                       ? entry.items()
                                       : std::vector{ConfigText{entry.joined(), entry.value_at()}},
                         .from_file = true,
                         .at = entry.key.at});
    return;
  }
  const auto known = std::ranges::find_if(flag_options(), is_key);
  if (known == flag_options().end()) refuse_key(entry);
  if (!is_true(entry) || overruled(long_name(known->names))) return;
  settings_.push_back({.flag = &*known, .values = {}, .from_file = true, .at = entry.key.at});
}

void Settings::refuse_key(const ConfigEntry& entry) const {
  const std::string& key = entry.key.text;
  if (std::ranges::find(kNotInFiles, key) != kNotInFiles.end()) {
    file_->refuse(entry.key.at, in_quotes(key) + " is for the command line alone");
  }
  std::string_view bare = key;
  while (bare.starts_with('-')) bare.remove_prefix(1);
  std::vector<std::string> meant = near_misses(bare, known_keys(), 2);
  if (bare.size() == 1) meant = {key_for_letter(bare)};
  if (meant.empty() || meant.front().empty()) {
    const bool filter = entry.values.size() == 1 && entry.joined().find('@') != std::string::npos;
    file_->refuse(entry.key.at,
                  in_quotes(key) + (filter ? " is not an option: filters are below [filters]"
                                           : " is not an option; --help lists them all"));
  }
  file_->refuse(entry.key.at, in_quotes(key) + " is not an option: " + did_you_mean(meant));
}

// As CLI11 takes them, in the main.
bool Settings::is_true(const ConfigEntry& entry) const {
  constexpr std::array<std::string_view, 4> kTrue{"true", "yes", "on", "1"};
  constexpr std::array<std::string_view, 4> kFalse{"false", "no", "off", "0"};
  if (entry.values.empty()) return true;
  const std::string value = entry.joined();
  if (std::ranges::find(kTrue, value) != kTrue.end()) return true;
  if (std::ranges::find(kFalse, value) != kFalse.end()) return false;
  file_->refuse(entry.value_at(),
                entry.key.text + ": " + in_quotes(value) + " is not true or false");
}

void Settings::add_filter(const ConfigEntry& entry, std::vector<std::string>& filters) {
  const std::string& name = entry.key.text;
  if (entry.values.empty()) {
    file_->refuse(entry.key.at,
                  "what " + in_quotes(name) + " counts is missing: NAME = \"RX@ADDR:PORT\"");
  }
  if (name.empty()) {
    file_->refuse(entry.key.at, "a name is missing; what excludes is a list: exclude = [...]");
  }
  const bool excludes = name == kExclude;
  const std::vector<ConfigText> values =
      excludes ? entry.items() : std::vector{ConfigText{entry.joined(), entry.value_at()}};
  for (const ConfigText& value : values) {
    filters.push_back((excludes ? "" : name) + ":" + value.text);
    places_.push_back(excludes ? value.at : entry.key.at);
    check_filter(entry, value, filters.back());
  }
}

void Settings::check_filter(const ConfigEntry& entry, const ConfigText& value,
                            const std::string& text) const {
  try {
    static_cast<void>(parse_filter(text));
  } catch (const FilterError& error) {
    const std::size_t name = text.size() - value.text.size() - 1;  // its length
    if (error.position() < name) file_->refuse(entry.key.at + error.position(), error.reason());
    const std::size_t offset = error.position() - std::min(error.position(), name + 1);
    file_->refuse(entry.key.text == kExclude ? value.at + offset : entry.value_at(offset),
                  error.reason());
  }
}

void Settings::refuse(const Setting& setting, std::size_t at, const std::string& reason) const {
  if (setting.from_file) file_->refuse(at, std::string(setting.name().substr(2)) + ": " + reason);
  throw UsageError(std::string(setting.name()) + ": " + reason);
}

void Settings::apply(const Setting& setting, const ConfigText& value, Options& options) const {
  bool accepted = false;
  try {
    accepted = setting.value->apply(options, value.text);
  } catch (const UsageError& error) {
    const std::string name = std::string(setting.name()) + ": ";
    std::string_view reason = error.what();
    if (reason.starts_with(name)) reason.remove_prefix(name.size());
    refuse(setting, value.at, std::string(reason));
  }
  if (!accepted) {
    refuse(setting, value.at, in_quotes(value.text) + " is not " + setting.value->allowed);
  }
}

void Settings::apply_to(Options& options) const {
  for (const Setting& setting : settings_) {
    if (setting.flag != nullptr) {
      options.*setting.flag->flag = true;
      continue;
    }
    if (!setting.value->repeatable && setting.values.size() > 1) {
      refuse(setting, setting.at,
             "given more than once (" + in_quotes(setting.values[0].text) + ", then " +
                 in_quotes(setting.values[1].text) + "); give it once");
    }
    for (const ConfigText& value : setting.values) apply(setting, value, options);
  }
  refuse_contradictions();
  refuse_crossed_limits(options.health);
  apply_filters(options);
}

void Settings::refuse_contradictions() const {
  const Setting* none = find("--no-socket");
  if (none != nullptr && find("--socket") != nullptr) {
    refuse(*none, none->at, "cannot be combined with --socket; give one of them");
  }
  if (find("--read") == nullptr) return refuse_live_contradictions();
  for (const Setting& setting : settings_) {
    if (!is_live_only(setting.name())) continue;
    refuse(setting, setting.at, "for live capture only, cannot be combined with --read");
  }
}

void Settings::refuse_live_contradictions() const {
  constexpr std::array kForFiles{
      std::pair{"--explain", "for a running tcpeek, use tcpeekstat explain"},
      std::pair{"--report", "a running tcpeek serves this page with --web"},
      std::pair{"--redact", "a running tcpeek shows addresses as they are"},
  };
  for (const auto& [name, instead] : kForFiles) {
    const Setting* setting = find(name);
    if (setting == nullptr) continue;
    refuse(*setting, setting->at,
           std::string("works on capture files and needs --read; ").append(instead));
  }
  const Setting* web = find("--web");
  if (web != nullptr && find("--metrics-listen") == nullptr) {
    refuse(*web, web->at,
           "served beside the metrics, needs --metrics-listen, such as --metrics-listen=9475");
  }
}

void Settings::refuse_crossed_limits(const HealthLimits& limits) const {
  if (limits.degraded_percent <= limits.failing_percent) return;
  const std::string reason = std::to_string(limits.degraded_percent) +
                             " is more than --failing-ratio (" +
                             std::to_string(limits.failing_percent) + "); give at most as much";
  const Setting* degraded = find("--degraded-ratio");
  if (degraded != nullptr) refuse(*degraded, degraded->values.front().at, reason);
  throw UsageError("--degraded-ratio: " + reason);
}

void Settings::apply_filters(Options& options) const {
  try {
    options.filters = parse_filters(expressions_);
  } catch (const FilterError& error) {
    const auto refused = std::ranges::find(expressions_, error.text());
    const auto index = static_cast<std::size_t>(refused - expressions_.begin());
    if (index < places_.size()) file_->refuse(places_[index], error.reason());
    throw;
  }
}

std::vector<std::string> Settings::arguments() const {
  std::vector<std::string> arguments;
  for (const Setting& setting : settings_) append_words(setting, arguments);
  arguments.emplace_back("--");
  arguments.insert(arguments.end(), expressions_.begin(), expressions_.end());
  return arguments;
}

std::vector<std::string> Settings::own_options() const {
  std::vector<std::string> options;
  for (const Setting& setting : settings_) {
    if (!setting.from_file) append_words(setting, options);
  }
  return options;
}

}  // namespace tcpeek::engine
