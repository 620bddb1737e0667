// Which client makes room for one more when all places are taken: so that nobody who holds places
// can keep others out.
//
// The rule: a client that has its reply and only stays goes first; it loses nothing. Otherwise the
// user that holds the most places gives one up, and of its processes the one that holds the most,
// the newcomer counted with its own. Of that process's clients it is the one that has been longest
// at its request or at reading its reply; if all wait for their replies to be made, the one that
// asked last, so that the others get theirs.
//
// So whoever floods the socket displaces itself, before much work was done for it, and a process
// that asks now and then is served however many places others hold.
//
// Thread contract: a pure function.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <span>

namespace tcpeek::ipc {

// Who is at the other end, by SO_PEERCRED (unix(7)): as it was at connect(), pid 0 if it lives in
// another process namespace.
struct Peer {
  uid_t user = 0;
  pid_t process = 0;

  friend bool operator==(const Peer&, const Peer&) = default;
};

// One taken place.
struct Place {
  enum class State { asking, being_answered, receiving, answered };

  Peer peer;
  State state = State::asking;
  std::chrono::steady_clock::time_point since;  // in this state
};

// Its index in `places`, which are not empty.
[[nodiscard]] std::size_t who_makes_room(std::span<const Place> places, const Peer& newcomer);

}  // namespace tcpeek::ipc
