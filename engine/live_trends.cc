#include "engine/live_trends.h"

#include <utility>

namespace tcpeek::engine {

void LiveTrends::on_second(const ipc::Snapshot& snapshot, bool changed) {
  tell(health_.on_second(snapshot), snapshot.clock());
  if (!history_ || history_->on_second(snapshot)) look_at_services(snapshot.clock(), changed);
  for (const ipc::GapEvent& gap : gap_finder_.on_second(snapshot)) tell(gap);
}

// Counts of services are what they were while no reader has counted anything; only their order by recent failures
// changes, in minutes. A reader that hangs does not answer: asking again would only pile up requests.
void LiveTrends::look_at_services(const ipc::UptimeClock& now, bool changed) {
  constexpr ipc::TopRequest kForemost{.count = 2 * History::kMostServices};
  constexpr std::chrono::minutes kReordered{1};
  services_changed_ = services_changed_ || changed;
  if (services_requested_) return;
  const bool known = services_told_ && now.uptime - *services_told_ < kReordered;
  if (known && !services_changed_) return on_services(now);
  services_requested_ = true;
  services_changed_ = false;
  top_collector_.collect(kForemost, [this, now](const ipc::Top& top) {
    services_requested_ = false;
    services_ = top;
    services_told_ = now.uptime;
    on_services(now);
  });
}

void LiveTrends::on_services(const ipc::UptimeClock& now) {
  tell(health_.on_services(services_, now), now);
  if (history_) history_->on_services(services_, now);
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
