// Quoting is left to nlohmann; the time is taken apart by the calendar types of <chrono>, which
// need no time zone and no C library buffer.
#include "ipc/json_text.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace tcpeek::ipc {

std::string json_quoted(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string rfc3339_utc(std::chrono::system_clock::time_point time) {
  using std::chrono::days;
  using std::chrono::floor;
  using std::chrono::microseconds;

  // In microseconds from here on: the midnight before the first nanosecond there is, is none.
  const auto shown = floor<microseconds>(time);
  const auto midnight = floor<days>(shown);
  const std::chrono::year_month_day date{midnight};
  const std::chrono::hh_mm_ss clock{shown - midnight};
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count(),
                     clock.subseconds().count());
}

std::string json_seconds(Elapsed duration) {
  constexpr auto kMicrosecondsPerSecond = Elapsed::period::den;
  return fmt::format("{}.{:06}", duration.count() / kMicrosecondsPerSecond,
                     duration.count() % kMicrosecondsPerSecond);
}

}  // namespace tcpeek::ipc
