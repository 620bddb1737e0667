#include "engine/live_reload.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

#include "engine/config/option_table.h"
#include "engine/filters/filter_changes.h"
#include "ipc/json_text.h"

namespace tcpeek::engine {
namespace {

// The daemon opens no file for anyone: whoever asks has read it.
[[noreturn]] std::string refuse_file(const std::string& /*path*/) {
  throw UsageError("--config: not allowed in a RELOAD request; run tcpeek --config FILE --reload");
}

std::string_view name_of(std::string_view word) noexcept {
  return word.substr(0, word.find('='));
}

bool says(std::span<const std::string> arguments, std::string_view name) {
  const auto end = std::ranges::find(arguments, "--");
  return std::ranges::any_of(arguments.begin(), end,
                             [&](const std::string& word) { return name_of(word) == name; });
}

void refuse_fixed(const std::vector<std::string>& changed) {
  if (changed.empty()) return;
  throw UsageError(fmt::format(
      "{} cannot change while tcpeek runs; nothing was changed: restart tcpeek, or leave {} as at "
      "the start",
      fmt::join(changed, ", "), changed.size() == 1 ? "it" : "them"));
}

}  // namespace

std::optional<std::string> LiveReload::answer(std::string_view request) {
  const auto asked = ipc::parse_reload_request(request);
  if (!asked) return std::nullopt;
  try {
    if (!asked->error.empty()) throw UsageError(asked->error);
    const ipc::ReloadReport report = reload(*asked);
    log_.notice("reloaded: {}", ipc::in_words(report));
    return ipc::reload_reply(report);
  } catch (const UsageError& error) {
    log_.notice("a reload was refused: {}", error.what());
    return ipc::error_reply(error.what());
  } catch (const std::length_error& error) {
    log_.notice("a reload was refused: {}", error.what());
    return ipc::error_reply(error.what());
  }
}

Options LiveReload::wanted_by(const ipc::ReloadRequest& request) const {
  std::vector<const char*> words;
  for (const std::string& word : running_.own_words) {
    if (!says(request.arguments, name_of(word))) words.push_back(word.c_str());
  }
  for (const std::string& word : request.arguments) words.push_back(word.c_str());
  CommandLine line = parse_command_line(words, refuse_file);
  if (line.print_and_exit || line.reload) {
    throw UsageError("--help, --version and --reload are not allowed in a RELOAD request");
  }
  line.options.socket_path = running_.socket_path;
  line.options.own_words = running_.own_words;
  return std::move(line.options);
}

ipc::ReloadReport LiveReload::reload(const ipc::ReloadRequest& request) {
  Options wanted = wanted_by(request);
  ChangedOptions changed = changed_options(running_, wanted);
  refuse_fixed(changed.fixed);
  FilterChanges filters = changes_of_filters(running_.filters, wanted.filters);

  // The one step that may be refused comes first.
  if (filters.any()) filters_.exchange(filters.next);
  wanted.filters = std::move(filters.next);
  running_ = std::move(wanted);
  if (filters.any() || !changed.changeable.empty()) link_watcher_.go_by_new_rules(running_.local);
  health_.go_by(running_.health);
  reporter_.show(running_.only);
  log_.show(running_.log_level);
  for (const std::string& warning : running_.warnings) log_.warning("{}", warning);

  return {.added = std::move(filters.added),
          .removed = std::move(filters.removed),
          .restarted = std::move(filters.restarted),
          .kept = filters.kept,
          .exclusions_added = std::move(filters.exclusions_added),
          .exclusions_removed = std::move(filters.exclusions_removed),
          .options = std::move(changed.changeable)};
}

}  // namespace tcpeek::engine
