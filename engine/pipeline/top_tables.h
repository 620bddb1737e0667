// What one reader knows of services and peers, without any filter: it is told of attempts by the outcome
// counter, and read by TOP (top_exchange.h).
//
// "Recent" is what ended in the present window or in the one before: the last five to ten minutes.
// Windows follow packet time. Of a capture file all is recent: whoever reads it asks about all of it.
//
// Thread contract: one reader owns it. After construction nothing here allocates, locks or throws.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "engine/pipeline/pattern.h"
#include "engine/pipeline/peer_tables.h"
#include "engine/pipeline/queue_signs.h"
#include "engine/pipeline/service_notes.h"
#include "engine/pipeline/service_table.h"
#include "engine/pipeline/waiting_tuples.h"
#include "flowtable/attempt.h"
#include "flowtable/outcome.h"

namespace tcpeek::engine {

class TopTables {
 public:
  static constexpr std::chrono::minutes kWindow{5};
  // The note of an attempt that is counted nowhere.
  static constexpr ServiceTable::Number kUncounted = 0xffff;
  static_assert(kUncounted >= ServiceTable::kMostServices);

  enum class Recent : std::uint8_t { two_windows, everything };

  // Errors: std::system_error, std::bad_alloc; std::exception without random numbers.
  explicit TopTables(Recent recent = Recent::two_windows)
      : TopTables(AddressHash::random(), recent) {}
  explicit TopTables(const AddressHash& hash, Recent recent = Recent::two_windows)
      : hash_(hash),
        services_(hash),
        peers_(hash),
        window_ends_(recent == Recent::everything ? flowtable::PacketTime::max()
                                                  : flowtable::PacketTime::min()) {}

  // It is that late: windows that are over end. Done for all that happens; to be called before reading.
  void advance(flowtable::PacketTime now) noexcept {
    if (now >= window_ends_) [[unlikely]]
      begin_window(now);
  }

  // `directions`: bits of Direction. The number is to be given to ended().
  [[nodiscard]] ServiceTable::Number opened(const flowtable::Attempt& attempt,
                                            std::uint8_t directions) noexcept {
    advance(attempt.first_syn);
    const PeerEnds ends = ends_of(attempt, directions);
    const std::uint64_t initiator_hash = hash_(ends.initiator);
    const std::uint64_t responder_hash = hash_(ends.responder);
    peers_.opened(ends, initiator_hash, responder_hash);
    const bool low = attempt.initiator() == flowtable::Sender::low;
    const ServiceKey key{ends.responder, low ? attempt.key.high_port : attempt.key.low_port,
                         directions};
    return services_.opened(key, services_.hash_of(key, responder_hash), attempt.first_syn);
  }
  // It ends, once: by a success that repeated nothing and whose times are all known, or otherwise.
  void succeeded(const flowtable::Attempt& attempt, ServiceTable::Number service,
                 flowtable::PacketTime at, const Times& times) noexcept {
    if (service == kUncounted) [[unlikely]]
      return;
    services_.succeeded(service, at, times);
    if (services_.is_watched(service)) [[unlikely]]
      succeeded_watched(attempt, service);
  }
  // `directions` as they were.
  [[nodiscard]] Pattern ended(const flowtable::Attempt& attempt, const flowtable::Outcome& outcome,
                              ServiceTable::Number service, std::uint8_t directions) noexcept {
    const flowtable::Handshake& h = attempt.handshake;
    const bool repeated = (h.dup_syns | h.dup_synacks) != 0;
    const bool plain = outcome.cause == flowtable::Cause::evicted && !repeated;
    if (!plain || service == kUncounted) [[unlikely]]
      return ended_otherwise(attempt, outcome, service, directions);
    services_.evicted(service);
    return Pattern::none;
  }
  // Its SYN or SYN/ACK is repeated for the first time, or was before it opened; once.
  [[gnu::cold]] void retrying(const flowtable::Attempt& attempt,
                              ServiceTable::Number service) noexcept;
  // Its SYN/ACK is repeated for the first time, or was before it opened; once.
  [[gnu::cold]] void answered_again(ServiceTable::Number service) noexcept;
  // Segments of one that is retrying, as repeated_while_pending() counts them.
  [[gnu::cold]] void sent_again(ServiceTable::Number service, unsigned syns,
                                unsigned synacks) noexcept;
  void late_synack(const flowtable::Attempt& attempt) noexcept;

  [[nodiscard]] const ServiceTable& services() const noexcept { return services_; }
  [[nodiscard]] const ServiceNotes& notes() const noexcept { return notes_; }
  [[nodiscard]] PeerTables& peers() noexcept { return peers_; }
  [[nodiscard]] const QueueSigns& queue_signs() const noexcept { return queue_signs_; }
  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return services_.memory_bytes() + ServiceNotes::memory_bytes() + PeerTables::memory_bytes();
  }

 private:
  Pattern ended_otherwise(const flowtable::Attempt& attempt, const flowtable::Outcome& outcome,
                          ServiceTable::Number service, std::uint8_t directions) noexcept;
  [[gnu::cold]] void succeeded_watched(const flowtable::Attempt& attempt,
                                       ServiceTable::Number service) noexcept;
  [[nodiscard]] Pattern stopped_retrying(const flowtable::Attempt& attempt,
                                         const flowtable::Outcome& outcome,
                                         ServiceTable::Number service) noexcept;
  void note_unanswered(const flowtable::Attempt& attempt, ServiceTable::Number service,
                       flowtable::PacketTime at) noexcept;
  [[nodiscard]] std::uint64_t peers_of(const flowtable::Attempt& attempt,
                                       ServiceTable::Number service) const noexcept;
  [[nodiscard]] static PeerEnds ends_of(const flowtable::Attempt& attempt,
                                        std::uint8_t directions) noexcept;
  [[gnu::cold]] void begin_window(flowtable::PacketTime now) noexcept;

  AddressHash hash_;
  ServiceTable services_;
  ServiceNotes notes_;
  PeerTables peers_;
  WaitingTuples waiting_;
  QueueSigns queue_signs_;
  flowtable::PacketTime window_ends_;
};

inline PeerEnds TopTables::ends_of(const flowtable::Attempt& attempt,
                                   std::uint8_t directions) noexcept {
  constexpr std::uint8_t kOutgoingOnly = 2;  // Direction::tx
  const bool low = attempt.initiator() == flowtable::Sender::low;
  const auto low_end = flowtable::AddressWords::of(attempt.key.low_address.data());
  const auto high_end = flowtable::AddressWords::of(attempt.key.high_address.data());
  return {low ? low_end : high_end, low ? high_end : low_end, directions == kOutgoingOnly};
}

}  // namespace tcpeek::engine
