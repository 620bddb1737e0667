#include "ipc/client_eviction.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

namespace tcpeek::ipc {
namespace {

// How many slots a peer's user holds, and how many the peer itself.
using Holding = std::pair<std::size_t, std::size_t>;

Holding holding_of(const Peer& peer, std::span<const ClientSlot> slots, const Peer& newcomer) {
  Holding holding{peer.user == newcomer.user ? 1 : 0, peer == newcomer ? 1 : 0};
  for (const ClientSlot& slot : slots) {
    if (slot.peer.user == peer.user) ++holding.first;
    if (slot.peer == peer) ++holding.second;
  }
  return holding;
}

// Of each slot's peer. Clients of one peer often come in a row, so the last count is reused.
std::vector<Holding> holdings_of(std::span<const ClientSlot> slots, const Peer& newcomer) {
  std::vector<Holding> holdings;
  holdings.reserve(slots.size());
  for (std::size_t i = 0; i < slots.size(); ++i) {
    const bool same = i > 0 && slots[i].peer == slots[i - 1].peer;
    holdings.push_back(same ? holdings.back() : holding_of(slots[i].peer, slots, newcomer));
  }
  return holdings;
}

// The slot that has been in its state for longest, of those with an index that is wanted.
template <class Condition>
std::optional<std::size_t> longest(std::span<const ClientSlot> slots, Condition&& is_wanted) {
  std::optional<std::size_t> found;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    if (is_wanted(i) && (!found || slots[i].since < slots[*found].since)) found = i;
  }
  return found;
}

}  // namespace

std::size_t choose_client_to_evict(std::span<const ClientSlot> slots, const Peer& newcomer) {
  const auto answered =
      longest(slots, [&](std::size_t i) { return slots[i].state == ClientSlot::State::answered; });
  if (answered) return *answered;

  const std::vector<Holding> holdings = holdings_of(slots, newcomer);
  const Holding most = *std::max_element(holdings.begin(), holdings.end());
  const auto slow = longest(slots, [&](std::size_t i) {
    return holdings[i] == most && slots[i].state != ClientSlot::State::being_answered;
  });
  if (slow) return *slow;

  std::optional<std::size_t> last;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    if (holdings[i] == most && (!last || slots[i].since >= slots[*last].since)) last = i;
  }
  return *last;
}

}  // namespace tcpeek::ipc
