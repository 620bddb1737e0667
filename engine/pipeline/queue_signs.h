// Signs of a full accept queue, by what SYNs do: at a responder on this side, SYNs that came and were not
// answered, while the same port answers others. Linux drops the SYN when a queue is full.
//
// A SYN/ACK that is repeated after the completing ACK is noted beside, and never is a sign by itself: a
// listener with TCP_DEFER_ACCEPT does the same towards a client that stays silent, and data, which would tell
// them apart, is mostly not captured.
//
// Bounded: kMost services. One that never answered gives way first, so that a scan of a host that drops in
// silence displaces none that may have a queue; then the one without signs for longest.
//
// Thread contract: one reader owns it; the list is copied into its report. Nothing here allocates, locks or
// throws.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>

#include "flowtable/flow_key.h"
#include "flowtable/time.h"

namespace tcpeek::engine {

// Of one service, since `first`: no two of its signs are further apart than kRun.
struct QueueSign {
  flowtable::AddressWords address;
  std::uint16_t port = 0;
  bool own = false;              // the responder is this host
  bool answered_ever = false;    // it has, while we were counting
  std::uint32_t unanswered = 0;  // attempts whose SYN was repeated or given up without an answer
  std::uint32_t answered_meanwhile = 0;  // attempts that succeeded while others waited
  std::uint32_t late_synacks = 0;
  flowtable::PacketTime first{};
  flowtable::PacketTime last{};
};

class QueueSigns {
 public:
  static constexpr std::size_t kMost = 64;
  static constexpr std::chrono::seconds kRun{60};

  struct List {
    std::array<QueueSign, kMost> signs;
    std::size_t count = 0;
    std::int64_t wall_offset = 0;  // from packet time to wall-clock time, in nanoseconds
    [[nodiscard]] std::span<const QueueSign> all() const noexcept {
      return std::span(signs).first(count);
    }
  };

  struct Service {
    flowtable::AddressWords address;
    std::uint16_t port = 0;
    bool own = false;
    bool answered_ever = false;
  };

  void unanswered(const Service& service, flowtable::PacketTime at) noexcept;
  // These two are noted of services that have a sign.
  void answered_meanwhile(const flowtable::AddressWords& address, std::uint16_t port) noexcept;
  void late_synack(const flowtable::AddressWords& address, std::uint16_t port) noexcept;

  // Those of the last kRun.
  void report_to(List& list, flowtable::PacketTime now) const noexcept;

 private:
  [[nodiscard]] QueueSign* find(const flowtable::AddressWords& address,
                                std::uint16_t port) noexcept;
  [[nodiscard]] QueueSign& place() noexcept;

  std::array<QueueSign, kMost> signs_{};
  std::size_t used_ = 0;
};

}  // namespace tcpeek::engine
