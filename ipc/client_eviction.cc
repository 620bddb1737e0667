#include "ipc/client_eviction.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

namespace tcpeek::ipc {
namespace {

// How many places a peer's user holds, and the peer itself.
using Holding = std::pair<std::size_t, std::size_t>;

Holding holding_of(const Peer& peer, std::span<const Place> places, const Peer& newcomer) {
  Holding holding{peer.user == newcomer.user ? 1 : 0, peer == newcomer ? 1 : 0};
  for (const Place& place : places) {
    if (place.peer.user == peer.user) ++holding.first;
    if (place.peer == peer) ++holding.second;
  }
  return holding;
}

template <class Condition>
std::optional<std::size_t> longest(std::span<const Place> places, Condition&& wanted) {
  std::optional<std::size_t> found;
  for (std::size_t i = 0; i < places.size(); ++i) {
    if (wanted(places[i]) && (!found || places[i].since < places[*found].since)) found = i;
  }
  return found;
}

}  // namespace

std::size_t who_makes_room(std::span<const Place> places, const Peer& newcomer) {
  const auto answered =
      longest(places, [](const Place& p) { return p.state == Place::State::answered; });
  if (answered) return *answered;

  std::vector<Holding> holdings;
  for (const Place& p : places) holdings.push_back(holding_of(p.peer, places, newcomer));
  const Holding most = *std::max_element(holdings.begin(), holdings.end());
  const auto one_of_them = [&](const Place& p) {
    return holdings[static_cast<std::size_t>(&p - places.data())] == most;
  };
  const auto slow = longest(places, [&](const Place& p) {
    return p.state != Place::State::being_answered && one_of_them(p);
  });
  if (slow) return *slow;

  std::size_t last = 0;
  for (std::size_t i = 0; i < places.size(); ++i) {
    if (holdings[i] == most && (holdings[last] != most || places[i].since >= places[last].since))
      last = i;
  }
  return last;
}

}  // namespace tcpeek::ipc
