#include "engine/alerts/health_messages.h"

#include <fmt/format.h>
#include <syslog.h>

#include <string_view>
#include <utility>

#include "engine/base/text.h"
#include "ipc/json_text.h"

namespace tcpeek::engine {
namespace {

using ipc::HealthFigures;
using ipc::HealthState;

std::string attempts_in_words(std::uint64_t count) {
  return fmt::format("{} attempt{}", count, count == 1 ? "" : "s");
}

// "12 of 15 attempts failed, 2 succeeded only after a repeat"
std::string in_words(const HealthFigures& figures) {
  std::string text =
      fmt::format("{} of {} failed", figures.failed, attempts_in_words(figures.ended()));
  if (figures.retried != 0) {
    text += fmt::format(", {} succeeded only after a repeat", figures.retried);
  }
  return text;
}

// To two digits, more or less.
std::string in_words(std::chrono::milliseconds duration) {
  using namespace std::chrono;
  if (duration < minutes(2)) return fmt::format("{} s", round<seconds>(duration).count());
  if (duration < hours(2)) return fmt::format("{} min", floor<minutes>(duration).count());
  if (duration < days(2)) return fmt::format("{} h", floor<hours>(duration).count());
  return fmt::format("{} days", floor<days>(duration).count());
}

std::string by_what(const HealthChange& change) {
  const SeriesHealth::Change& c = change.change;
  if (c.window.count() != 0)
    return fmt::format("{} in {} s", in_words(c.figures), c.window.count());
  std::string text =
      fmt::format("{} failure{} in a row", c.figures.failed, c.figures.failed == 1 ? "" : "s");
  if (change.times.last_success) {
    text += ", last success " + ipc::rfc3339_utc(*change.times.last_success);
  }
  return text;
}

// "; before that ok for 3 h (2 of 8000 attempts failed)"
std::string what_was(const SeriesHealth::Change& change) {
  if (!change.lasted) return "";
  return fmt::format("; before that {} for {} ({})", word(change.from), in_words(*change.lasted),
                     in_words(change.before));
}

// As it is named to people.
std::string subject(const HealthChange& change) {
  switch (change.of) {
    case HealthChange::Of::filter:
      return printable(change.key);
    case HealthChange::Of::service:
      return "service " + printable(change.key);
  }
  return "";
}

std::string_view field_of(HealthChange::Of of) noexcept {
  return of == HealthChange::Of::filter ? "TCPEEK_FILTER" : "TCPEEK_SERVICE";
}

int severity_of(const SeriesHealth::Change& change) noexcept {
  switch (change.to) {
    case HealthState::unknown:
    case HealthState::never_succeeded:
      return LOG_INFO;
    case HealthState::ok:
      return change.from > HealthState::ok ? LOG_NOTICE : LOG_INFO;
    case HealthState::degraded:
      return change.from == HealthState::failing ? LOG_NOTICE : LOG_WARNING;
    case HealthState::failing:
      return LOG_WARNING;
  }
  return LOG_INFO;
}

std::string_view phrase(HealthState to) noexcept {
  switch (to) {
    case HealthState::unknown:
      return "is unknown";
    case HealthState::never_succeeded:
      return "has never succeeded since tcpeek started";
    case HealthState::ok:
      return "is ok";
    case HealthState::degraded:
      return "is degraded";
    case HealthState::failing:
      return "is failing";
  }
  return "";
}

}  // namespace

namespace {

JournalEntry entry_of(const HealthChange& change) {
  const SeriesHealth::Change& c = change.change;
  return {.message_id = kChangeMessage,
          .fields = {{field_of(change.of), change.key},
                     {"TCPEEK_STATE", std::string(word(c.to))},
                     {"TCPEEK_STATE_BEFORE", std::string(word(c.from))},
                     {"TCPEEK_ENDED", std::to_string(c.figures.ended())},
                     {"TCPEEK_FAILED", std::to_string(c.figures.failed)},
                     {"TCPEEK_RETRIED", std::to_string(c.figures.retried)},
                     {"TCPEEK_WINDOW_SECONDS", std::to_string(c.window.count())}}};
}

}  // namespace

HealthMessage message_of(const HealthChange& change) {
  return {.severity = severity_of(change.change),
          .text = fmt::format("{} {}: {}{}", subject(change), phrase(change.change.to),
                              by_what(change), what_was(change.change)),
          .entry = entry_of(change)};
}

std::vector<std::string> filters_of(const HealthChange& change) {
  if (change.of == HealthChange::Of::service) return {};
  return {change.key};
}

ipc::ChangeEvent event_of(const HealthChange& change,
                          std::chrono::system_clock::time_point time) noexcept {
  const SeriesHealth::Change& c = change.change;
  return {.time = time,
          .name = change.key,
          .of_service = change.of == HealthChange::Of::service,
          .from = c.from,
          .to = c.to,
          .figures = c.figures,
          .window = c.window,
          .lasted = c.lasted,
          .times = change.times};
}

std::vector<HealthMessage> HealthMessages::of(const std::vector<HealthChange>& changes,
                                              std::chrono::milliseconds now) {
  const auto over = [now](const Told& told) { return now - told.since >= kInterval; };
  std::erase_if(told_, [&](const auto& entry) { return over(entry.second); });
  if (over(all_)) all_ = {.since = now, .count = 0};
  std::vector<HealthMessage> messages;
  for (const HealthChange& change : changes) {
    HealthMessage message = message_of(change);
    if (message.severity == LOG_INFO) {  // once for each series
      messages.push_back(std::move(message));
      continue;
    }
    Told& told = told_.try_emplace(subject(change), Told{.since = now, .count = 0}).first->second;
    if (++told.count > kMostOfOne + 1 || ++all_.count > kMostOfAll + 1) continue;
    if (all_.count == kMostOfAll + 1) {
      message.text =
          "too many filters and services change between ok, degraded and failing: suppressing "
          "messages for one minute (STATS and TOP have every state)";
      message.entry = {.message_id = kSuppressedMessage, .fields = {}};
    } else if (told.count == kMostOfOne + 1) {
      message.text = subject(change) + " is flapping; suppressing messages for one minute";
      message.severity = LOG_WARNING;
      message.entry = {.message_id = kSuppressedMessage,
                       .fields = {{field_of(change.of), change.key}}};
    }
    messages.push_back(std::move(message));
  }
  return messages;
}

}  // namespace tcpeek::engine
