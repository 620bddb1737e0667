// How the reactor asks a reader for TOP, and for the services of METRICS, and the reader answers between two batches.
//
// Why not in the reader's report: all services are 29 MB, to be copied each second by every reader whether
// anybody asks or not. So TOP has a report of its own, on request, in two parts: first each reader names its
// foremost candidates; from these the reactor chooses, and all readers tell what they know of the chosen
// ones, so that their counts are whole though a service's connections are spread over readers.
//
// The reader looks at kRowsAtOnce rows in one turn (less than half a millisecond) and then goes on
// reading packets; counts of one report may thus be some milliseconds apart.
//
// Thread contract: ask(), ready(), report() and descriptor() are the reactor's; work() is the reader's. The
// query and the report belong to the reader from ask() until ready(), and to the reactor otherwise.
// Nothing is locked, and the reader allocates nothing.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "engine/base/event_fd.h"
#include "engine/pipeline/packet_timeline.h"
#include "engine/pipeline/top_report.h"
#include "engine/pipeline/top_tables.h"

namespace tcpeek::engine {

class TopExchange {
 public:
  static constexpr std::size_t kRowsAtOnce = 4096;

  // Precondition: ready().
  void ask(const TopQuery& query) {
    query_ = query;
    asked_.fetch_add(1, std::memory_order_release);
  }
  [[nodiscard]] bool ready() const noexcept {
    return answered_.load(std::memory_order_acquire) == asked_.load(std::memory_order_relaxed);
  }
  // Valid while ready().
  [[nodiscard]] const TopReport& report() const noexcept { return report_; }
  // Readable when an answer has come; cleared by clear().
  [[nodiscard]] int descriptor() const noexcept { return answered_event_.descriptor(); }
  void clear() const noexcept { answered_event_.clear(); }

  // One turn; true if there is more to do.
  bool work(TopTables& tables, const PacketTimeline& timeline, flowtable::PacketTime now) noexcept {
    const std::uint64_t asked = asked_.load(std::memory_order_acquire);
    if (asked == answered_.load(std::memory_order_relaxed)) [[likely]]
      return false;
    tables.advance(now);
    return answer(tables, timeline, asked);
  }

 private:
  [[gnu::cold]] bool answer(TopTables& tables, const PacketTimeline& timeline,
                            std::uint64_t asked) noexcept;
  [[nodiscard]] bool rank_services(const ServiceTable& services) noexcept;
  [[nodiscard]] bool sum_services(const ServiceTable& services) noexcept;
  void rank_peers(const PeerTables& peers, PeerKind kind) noexcept;
  void tell_services(const TopTables& tables) noexcept;
  void tell_peers(const PeerTables& peers, PeerKind kind) noexcept;

  TopQuery query_;
  TopReport report_;
  std::size_t next_row_ = 0;  // the reader's: 0 when nothing is begun
  std::atomic<std::uint64_t> asked_{0};
  std::atomic<std::uint64_t> answered_{0};
  EventFd answered_event_;
};

}  // namespace tcpeek::engine
