// Which client is evicted for one more when all slots are taken, so that no client can keep others
// out by holding many slots.
//
// The rule: a client that already has its reply and only stays connected goes first; it loses
// nothing. Otherwise the user with the most slots gives one up, and of that user's processes the one
// with the most, counting the newcomer with its own. Among that process's clients it is the one that
// has spent longest on its request or on reading its reply; if all of them are waiting for their
// replies to be made, the one that asked last, so that the others get theirs.
//
// So a process that floods the socket evicts its own clients, before much work was done for them, and
// a process that asks now and then is served however many slots others hold.
//
// Thread contract: a pure function.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <span>

namespace tcpeek::ipc {

// The process at the other end, by SO_PEERCRED (unix(7)): as it was at connect(); pid 0 if it lives
// in another PID namespace.
struct Peer {
  uid_t user = 0;
  pid_t process = 0;

  friend bool operator==(const Peer&, const Peer&) = default;
};

// One taken slot.
struct ClientSlot {
  enum class State { asking, being_answered, receiving, answered };

  Peer peer;
  State state = State::asking;
  std::chrono::steady_clock::time_point since;  // in this state
};

// An index into `slots`, which must not be empty.
[[nodiscard]] std::size_t choose_client_to_evict(std::span<const ClientSlot> slots,
                                                 const Peer& newcomer);

}  // namespace tcpeek::ipc
