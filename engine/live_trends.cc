#include "engine/live_trends.h"

#include <utility>

namespace tcpeek::engine {

void LiveTrends::on_second(const ipc::Snapshot& snapshot) {
  tell(health_.on_second(snapshot), snapshot.clock());
  if (!history_ || history_->on_second(snapshot)) look_at_services(snapshot.clock());
  for (const ipc::GapEvent& gap : gap_finder_.on_second(snapshot)) tell(gap);
}

// A reader that hangs does not answer: asking again would only pile up requests.
void LiveTrends::look_at_services(const ipc::UptimeClock& now) {
  constexpr ipc::TopRequest kForemost{.count = 2 * History::kMostServices};
  if (std::exchange(services_requested_, true)) return;
  top_collector_.collect(kForemost, [this, now](const ipc::Top& top) {
    services_requested_ = false;
    tell(health_.on_services(top, now), now);
    if (history_) history_->on_services(top, now);
  });
}

void LiveTrends::tell_of_unwatched() {
  tell({.time = std::chrono::system_clock::now(),
        .reason = ipc::GapReason::unwatched,
        .count = std::nullopt});
}

void LiveTrends::describe(ipc::Snapshot& snapshot) const {
  health_.describe(snapshot);
  if (history_) snapshot.history = history_->stats();
}

void LiveTrends::tell(const std::vector<HealthChange>& changes, const ipc::UptimeClock& now) {
  for (const HealthChange& change : changes) {
    events_.add({.kind = ipc::EventKind::change,
                 .filters = ipc::filters_named(filters_of(change)),
                 .line = to_json_line(events_.stamp(), event_of(change, now.taken))});
  }
  for (const HealthMessage& message : health_messages_.of(changes, now.uptime)) {
    log_.write(message.severity, message.text, message.entry);
  }
}

void LiveTrends::tell(const ipc::GapEvent& gap) {
  events_.add({.kind = ipc::EventKind::gap,
               .filters = nullptr,
               .line = to_json_line(events_.stamp(), gap)});
}

}  // namespace tcpeek::engine
