#include "engine/pipeline/queue_signs.h"

#include <algorithm>
#include <utility>

namespace tcpeek::engine {

using flowtable::AddressWords;

QueueSign* QueueSigns::find(const AddressWords& address, std::uint16_t port) noexcept {
  for (QueueSign& sign : std::span(signs_).first(used_)) {
    if (sign.port == port && sign.address.low == address.low && sign.address.high == address.high)
      return &sign;
  }
  return nullptr;
}

QueueSign& QueueSigns::place() noexcept {
  if (used_ < kMost) return signs_[used_++];
  return *std::ranges::min_element(
      signs_, {}, [](const QueueSign& sign) { return std::pair(sign.answered_ever, sign.last); });
}

void QueueSigns::unanswered(const Service& service, flowtable::PacketTime at) noexcept {
  QueueSign* sign = find(service.address, service.port);
  const bool goes_on = sign != nullptr && at - sign->last <= kRun;
  if (!goes_on) {
    if (sign == nullptr) sign = &place();
    *sign = {.address = service.address, .port = service.port, .first = at};
  }
  sign->own = service.own;
  sign->answered_ever = service.answered_ever;
  sign->last = std::max(sign->last, at);
  ++sign->unanswered;
}

void QueueSigns::answered_meanwhile(const AddressWords& address, std::uint16_t port) noexcept {
  if (QueueSign* const sign = find(address, port); sign != nullptr) ++sign->answered_meanwhile;
}

void QueueSigns::late_synack(const AddressWords& address, std::uint16_t port) noexcept {
  if (QueueSign* const sign = find(address, port); sign != nullptr) ++sign->late_synacks;
}

void QueueSigns::report_to(List& list, flowtable::PacketTime now) const noexcept {
  list.count = 0;
  for (const QueueSign& sign : std::span(signs_).first(used_)) {
    if (now - sign.last <= kRun) list.signs[list.count++] = sign;
  }
}

}  // namespace tcpeek::engine
