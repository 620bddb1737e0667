#include "engine/forward/window.h"

#include <algorithm>
#include <utility>

namespace tcpeek::forward {

void Window::add(Message message) {
  bytes_ += message.payload.size();
  entries_.emplace_back().message = std::move(message);
  places_.emplace(entries_.back().message.id, first_ + entries_.size() - 1);
}

void Window::pass(const Position& position) {
  if (!entries_.empty()) {
    entries_.back().message.resume_after = position;
    return;
  }
  reach(position);
}

std::optional<Window::Sending> Window::send_next() {
  while (has_unsent()) {
    const std::uint64_t place = unsent_++;
    Entry& entry = entries_[static_cast<std::size_t>(place - first_)];
    if (entry.acknowledged || entry.in_flight) continue;
    if (!entry.stored_after) entry.stored_after = newest_stored_;
    entry.in_flight = true;
    ++in_flight_;
    return Sending{place, entry.message};
  }
  return std::nullopt;
}

const Message* Window::waiting(std::uint64_t place) const noexcept {
  if (place < first_ || place - first_ >= entries_.size()) return nullptr;
  const Entry& entry = entries_[static_cast<std::size_t>(place - first_)];
  return entry.acknowledged ? nullptr : &entry.message;
}

void Window::replace(std::uint64_t place, Message message) {
  Entry& entry = entries_[static_cast<std::size_t>(place - first_)];
  if (entry.in_flight) --in_flight_;
  entry.in_flight = false;
  unsent_ = std::min(unsent_, place);
  const auto named = places_.find(entry.message.id);
  if (named != places_.end() && named->second == place) places_.erase(named);
  bytes_ -= entry.message.payload.size();
  bytes_ += message.payload.size();
  message.resume_after = std::move(entry.message.resume_after);
  entry.message = std::move(message);
  places_.emplace(entry.message.id, place);
}

bool Window::acknowledge(std::uint64_t place, std::uint64_t stored_at) {
  if (waiting(place) == nullptr) return false;
  settle(place, stored_at);
  return true;
}

bool Window::acknowledge(std::string_view id, std::uint64_t stored_at) {
  const auto found = places_.find(id);
  return found != places_.end() && acknowledge(found->second, stored_at);
}

void Window::settle(std::uint64_t place, std::uint64_t stored_at) {
  Entry& entry = entries_[static_cast<std::size_t>(place - first_)];
  entry.acknowledged = true;
  if (entry.in_flight) --in_flight_;
  entry.in_flight = false;
  newest_stored_ = std::max(newest_stored_, stored_at);
  drop_acknowledged();
}

void Window::drop_acknowledged() {
  while (!entries_.empty() && entries_.front().acknowledged) {
    Entry& front = entries_.front();
    Position reached = std::move(front.message.resume_after);
    bytes_ -= front.message.payload.size();
    places_.erase(front.message.id);
    entries_.pop_front();
    unsent_ = std::max(unsent_, ++first_);
    reach(std::move(reached));
  }
}

// The sequence stays that of when the position was reached: messages of later events may be stored since.
void Window::reach(Position position) {
  if (position == progress_.position) return;
  const bool behind = position.boot == release_after_.boot && position.seq >= release_after_.seq;
  if (behind && !release_after_.boot.empty()) held_at_.reset();
  const std::uint64_t after = stored_after();
  progress_ = {std::move(position), held_at_ ? std::min(*held_at_, after) : after};
}

void Window::release_after(const Position& position) {
  if (held_at_ && release_after_.boot != position.boot) release_after_ = position;
}

void Window::rewind() noexcept {
  for (Entry& entry : entries_) entry.in_flight = false;
  in_flight_ = 0;
  unsent_ = first_;
}

void Window::restart_sequences(std::uint64_t after) noexcept {
  newest_stored_ = after;
  progress_.stored_after = after;
  if (held_at_) held_at_ = after;
  for (Entry& entry : entries_) entry.stored_after.reset();
}

std::uint64_t Window::stored_after() const noexcept {
  if (entries_.empty()) return newest_stored_;
  return entries_.front().stored_after.value_or(newest_stored_);
}

}  // namespace tcpeek::forward
