// What an event is of, and the sets of kinds that a watcher may ask for by name.
//
// Thread contract: plain values, pure functions.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace tcpeek::ipc {

// Outcomes by their cause, then what is no outcome.
enum class EventKind : std::uint8_t {
  success,
  refused,
  reset,
  aborted,
  half_open,
  probe,
  no_answer,
  no_ack,
  superseded,
  unreachable,
  undecided,  // pending where a capture file ends, or evicted: no watcher is told
  change,     // of a filter's health
  gap,        // something is not known
};
inline constexpr std::size_t kEventKinds = static_cast<std::size_t>(EventKind::gap) + 1;

class EventKinds {
 public:
  constexpr EventKinds() = default;  // none
  template <class... Kinds>
  constexpr explicit EventKinds(Kinds... kinds) noexcept : bits_((0U | ... | bit(kinds))) {}

  [[nodiscard]] static constexpr EventKinds all() noexcept {
    EventKinds kinds;
    kinds.bits_ = (1U << kEventKinds) - 1;
    return kinds;
  }

  constexpr EventKinds& operator|=(EventKinds other) noexcept {
    bits_ |= other.bits_;
    return *this;
  }
  [[nodiscard]] constexpr bool has(EventKind kind) const noexcept {
    return (bits_ & bit(kind)) != 0;
  }

  friend constexpr bool operator==(EventKinds, EventKinds) noexcept = default;

 private:
  [[nodiscard]] static constexpr unsigned bit(EventKind kind) noexcept {
    return 1U << static_cast<unsigned>(kind);
  }

  unsigned bits_ = 0;
};

struct NamedKinds {
  std::string_view name;
  EventKinds kinds;
};

// Results, then causes, then what is no outcome. A gap has no name: everybody is told of it.
inline constexpr std::array<NamedKinds, 15> kNamedKinds{{
    {"success", EventKinds(EventKind::success)},
    {"failure", EventKinds(EventKind::refused, EventKind::reset, EventKind::aborted,
                           EventKind::half_open, EventKind::probe, EventKind::no_answer,
                           EventKind::no_ack, EventKind::superseded, EventKind::unreachable)},
    {"reject", EventKinds(EventKind::refused, EventKind::reset, EventKind::aborted,
                          EventKind::half_open, EventKind::probe)},
    {"timeout", EventKinds(EventKind::no_answer, EventKind::no_ack, EventKind::superseded)},
    {"unreach", EventKinds(EventKind::unreachable)},
    {"refused", EventKinds(EventKind::refused)},
    {"reset", EventKinds(EventKind::reset)},
    {"aborted", EventKinds(EventKind::aborted)},
    {"half_open", EventKinds(EventKind::half_open)},
    {"probe", EventKinds(EventKind::probe)},
    {"no_answer", EventKinds(EventKind::no_answer)},
    {"no_ack", EventKinds(EventKind::no_ack)},
    {"superseded", EventKinds(EventKind::superseded)},
    {"unreachable", EventKinds(EventKind::unreachable)},
    {"change", EventKinds(EventKind::change)},
}};

[[nodiscard]] constexpr std::optional<EventKinds> kinds_named(std::string_view name) noexcept {
  for (const NamedKinds& named : kNamedKinds) {
    if (named.name == name) return named.kinds;
  }
  return std::nullopt;
}

}  // namespace tcpeek::ipc
