// Changes of health as messages, one line each.
//
// What fails is a warning, what is or gets better a notice; that something has succeeded for the first
// time, or only failed so far, is information: it tells of no change. What flaps for months must not
// fill the log: of one series kMostOfOne messages a minute, of all together kMostOfAll; the next one
// says that messages are suppressed.
//
// Thread contract: one thread. Bounds: series with changes within a minute.
// Units: uptimes, a steady clock.
#pragma once

#include <chrono>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/alerts/health.h"
#include "engine/base/journal.h"
#include "ipc/event_lines.h"

namespace tcpeek::engine {

struct HealthMessage {
  int severity = 0;  // as syslog(3) numbers them
  std::string text;
  JournalEntry entry;
};

// What a change is, in words.
[[nodiscard]] HealthMessage message_of(const HealthChange& change);

// The same for those who watch events. It refers to `change`.
// The filters whose watchers are told: none of a service.
[[nodiscard]] std::vector<std::string> filters_of(const HealthChange& change);
[[nodiscard]] ipc::ChangeEvent event_of(const HealthChange& change,
                                        std::chrono::system_clock::time_point time) noexcept;

class HealthMessages {
 public:
  static constexpr std::chrono::minutes kInterval{1};
  static constexpr unsigned kMostOfOne = 4;
  static constexpr unsigned kMostOfAll = 20;

  // Those to log.
  [[nodiscard]] std::vector<HealthMessage> of(const std::vector<HealthChange>& changes,
                                              std::chrono::milliseconds now);

 private:
  // Messages since the interval began.
  struct Told {
    std::chrono::milliseconds since{0};
    unsigned count = 0;
  };

  Told all_;
  std::unordered_map<std::string, Told> told_;  // by key
};

}  // namespace tcpeek::engine
