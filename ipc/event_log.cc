// The ring of events and the names of their filters.
#include "ipc/event_log.h"

#include <algorithm>

#include "ipc/json_text.h"

namespace tcpeek::ipc {

EventFilters::EventFilters(std::vector<std::string> names) : names_(std::move(names)), json_("[") {
  for (const std::string& name : names_) {
    if (json_.size() > 1) json_ += ',';
    json_ += json_quoted(name);
  }
  json_ += ']';
}

bool EventFilters::has(std::string_view name) const noexcept {
  return std::ranges::find(names_, name) != names_.end();
}

SharedFilters filters_named(std::vector<std::string> names) {
  return std::make_shared<const EventFilters>(std::move(names));
}

void EventLog::keep(bool keep) {
  keeping_ = keep;
  if (keep) return;
  events_ = {};  // its memory too
  bytes_ = 0;
}

void EventLog::add(Event event) {
  ++next_;
  if (!keeping_) return;
  event.line.shrink_to_fit();  // what was reserved to write it would be a fifth of the ring
  bytes_ += event.line.size();
  events_.push_back(std::move(event));
  while (events_.size() > limits_.events || bytes_ > limits_.bytes) {
    bytes_ -= events_.front().line.size();
    events_.pop_front();
  }
}

}  // namespace tcpeek::ipc
