// Everything tcpeek knows at one moment, as plain data: what the writers (JSON, later OpenMetrics)
// read and the engine fills in. It knows nothing of sockets, threads or packets.
//
// Thread contract: plain values, copied or moved between threads, never shared.
// Invariant, for the totals and for every filter (tcpeek-protocol(7), STATS):
//   attempts = success + rejected() + timed_out() + unreachable + evicted + pending
//   retrying <= pending
// and for packets:
//   seen = delivered + dropped + in_ring,  delivered = used + sum(ignored) + in_mailboxes
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ipc/health_stats.h"
#include "ipc/histogram.h"
#include "ipc/queue_stats.h"

namespace tcpeek::ipc {

// What is counted per filter and for the process. All but the gauges only grow.
enum class Tally : std::uint8_t {
  attempts,
  success,
  refused,    // RST from the responder
  reset,      // ... after its SYN/ACK
  aborted,    // RST from the initiator
  half_open,  // ... whose host knew nothing of the attempt
  probe,      // ... instead of the completing ACK
  timed_out_no_answer,
  timed_out_no_ack,
  superseded,  // timed out as the initiator began another attempt in its place
  unreachable,
  evicted,
  pending,             // a gauge: attempts without an outcome yet
  retrying,            // a gauge: of those, the ones whose SYN or SYN/ACK had to be repeated
  uncertain,           // of the timed out: the kernel dropped packets meanwhile
  half_seen,           // of the successes: the SYN/ACK was never captured
  late_proof,          // of the successes: proved by a segment later than the completing ACK
  late_synack,         // SYN/ACKs repeated after success: the responder is dropping ACKs
  success_dup_syn,     // successes with at least one retransmitted SYN
  success_dup_synack,  //                              ... SYN/ACK
  failure_dup_syn,     // failures likewise
  failure_dup_synack,
  success_dup_syn_segments,  // the retransmitted segments themselves, of successes
  success_dup_synack_segments,
  failure_dup_syn_segments,
  failure_dup_synack_segments,
  success_second_syn,  // of the successes with a repeated SYN: sent twice
  success_third_syn,
  success_later_syn,
  rst_suspect,     // of the refused and reset: a RST unlike the responder's SYN/ACKs
  legs_ambiguous,  // of the timed successes: a repetition blurs where the time went
  // Of the unreachable, what the ICMP error said.
  unreachable_no_route,
  unreachable_host,
  unreachable_protocol,
  unreachable_port,
  unreachable_prohibited,
  unreachable_hop_limit,
  unreachable_bad_header,
  unreachable_source_route,
  unreachable_other,
  unreachable_unknown,  // too many at once to be remembered
  // Patterns (engine/pipeline/pattern.h): of the no_answer ones, then of the successes by a repeated SYN.
  stuck_tuple,
  ecn_black_hole,
  fast_open_black_hole,
  // Gauges: what those that are retrying have repeated so far, up to 254 SYNs and as many SYN/ACKs each.
  retrying_syns,
  retrying_synacks,
};
inline constexpr std::size_t kTallies = static_cast<std::size_t>(Tally::retrying_synacks) + 1;

struct Tallies {
  std::array<std::uint64_t, kTallies> values{};

  [[nodiscard]] std::uint64_t& operator[](Tally t) noexcept {
    return values[static_cast<std::size_t>(t)];
  }
  [[nodiscard]] std::uint64_t operator[](Tally t) const noexcept {
    return values[static_cast<std::size_t>(t)];
  }

  Tallies& operator+=(const Tallies& other) noexcept;

  [[nodiscard]] std::uint64_t refused() const noexcept {
    return (*this)[Tally::refused] + (*this)[Tally::reset];
  }
  [[nodiscard]] std::uint64_t aborted() const noexcept {
    return (*this)[Tally::aborted] + (*this)[Tally::half_open] + (*this)[Tally::probe];
  }
  // The members of the original's reply.
  [[nodiscard]] std::uint64_t rejected() const noexcept { return refused() + aborted(); }
  [[nodiscard]] std::uint64_t timed_out() const noexcept {
    return (*this)[Tally::timed_out_no_answer] + (*this)[Tally::timed_out_no_ack] +
           (*this)[Tally::superseded];
  }
  [[nodiscard]] std::uint64_t failures() const noexcept {
    return rejected() + timed_out() + (*this)[Tally::unreachable];
  }
  // For judging: what an initiator aborted itself says nothing of who was to answer.
  [[nodiscard]] HealthFigures health() const noexcept {
    const std::uint64_t repeats =
        (*this)[Tally::success_dup_syn] + (*this)[Tally::success_dup_synack];
    return {.succeeded = (*this)[Tally::success],
            .failed = failures() - aborted(),
            .retried = std::min(repeats, (*this)[Tally::success])};
  }

  // The right side of the identity above: what became of the attempts.
  [[nodiscard]] std::uint64_t accounted() const noexcept {
    return (*this)[Tally::success] + failures() + (*this)[Tally::evicted] + (*this)[Tally::pending];
  }
};

struct Counts : Tallies {
  // Of successes neither proved late nor half-seen. The whole handshake, as the initiator felt it: first SYN
  // to completing ACK. Its legs, where no repetition makes them ambiguous: SYN to SYN/ACK, the way to the
  // responder and back, and SYN/ACK to ACK, to the initiator and back.
  LatencyHistogram latency;
  LatencyHistogram responder_leg;
  LatencyHistogram initiator_leg;

  Counts& operator+=(const Counts& other) noexcept;
};

struct FilterStats {
  std::string name;
  std::string expression;
  Counts counts;
  bool removed = false;  // no longer in force; attempts of it have not ended
  // The exchange of filters that brought it, or removed it: another number under the same name is another
  // filter, which counts from 0.
  std::uint32_t since = 0;
  std::optional<FilterHealth> health = std::nullopt;  // filled in live, by the reactor
  bool restarted = false;                             // of a difference: counts since it began anew
};

// A count with the words it is shown under; the words outlive every snapshot.
struct NamedCount {
  std::string_view name;
  std::uint64_t count = 0;
};

struct PacketStats {
  std::uint64_t seen = 0;       // passed the kernel filter
  std::uint64_t dropped = 0;    // of those, found no room in a ring
  std::uint64_t in_ring = 0;    // of those, not read yet
  std::uint64_t delivered = 0;  // read from the rings
  std::uint64_t used = 0;       // moved an attempt
  std::vector<NamedCount> ignored;
  std::uint64_t in_mailboxes = 0;  // on their way from one reader to the flow's owner
  std::uint64_t misrouted = 0;     // packets handed to another reader's mailbox

  [[nodiscard]] std::uint64_t ignored_total() const noexcept;
};

struct ReaderStats {
  unsigned id = 0;
  int cpu = -1;  // -1: not pinned
  std::uint64_t packets = 0;
  std::uint64_t dropped = 0;
  std::uint64_t freezes = 0;     // times a ring was found full by the kernel
  std::uint64_t pending = 0;     // attempts without an outcome
  std::uint64_t remembered = 0;  // attempts with an outcome, kept to know late segments
  std::uint64_t capacity = 0;    // most attempts it can hold
  std::uint64_t mailbox_depth = 0;
  std::uint64_t event_queue_depth = 0;
  std::uint64_t events_lost = 0;  // outcomes counted but not shown: the queue was full
};

enum class InterfaceState : std::uint8_t {
  up,
  no_carrier,  // set up, but its cable or its other end is not
  down,        // set down
  gone,        // no interface has that name
};

struct InterfaceStats {
  std::string name;
  std::string link_type;  // as libpcap names it: EN10MB, RAW, ...
  InterfaceState state = InterfaceState::down;
  std::uint64_t packets = 0;
  std::uint64_t dropped = 0;
  std::uint64_t if_dropped = 0;  // dropped by the interface itself, before any tap
};

// Of reporting, not of counting: what was served and what was lost.
struct ServerStats {
  std::uint64_t clients_accepted = 0;
  std::uint64_t clients_displaced = 0;  // evicted for another before they had their reply
  std::uint64_t accept_failures = 0;    // accept() failed, mostly for want of descriptors
  std::uint64_t requests = 0;
  std::uint64_t requests_dropped = 0;  // unfinished or too long
  std::uint64_t replies_dropped = 0;   // too large, too late, or the client left before the end
  std::uint64_t lines_lost = 0;        // standard error or output took no more
  std::uint64_t watchers = 0;          // a gauge: clients with a reply without end
  std::uint64_t watchers_refused = 0;  // there were as many as may be
  std::uint64_t watchers_stalled = 0;  // closed, as they took nothing for minutes
  std::uint64_t deltas_displaced = 0;  // names of DELTA forgotten for others
};

// Whether the kernel drops ACKs that no attempt waits for (--prefilter).
struct PrefilterStats {
  std::string mode;             // as asked for
  bool active = false;          // on every interface
  std::string reason;           // why not
  std::uint64_t map_bytes = 0;  // of its marks, in the kernel
};

struct Snapshot {
  std::string version;
  std::chrono::system_clock::time_point started;
  std::chrono::system_clock::time_point taken;
  std::chrono::milliseconds uptime{0};
  std::vector<InterfaceStats> interfaces;
  std::vector<ReaderStats> readers;
  // RX, TX, then the named ones in command-line order, then those that were removed.
  std::vector<FilterStats> filters;
  Counts totals;  // every attempt, matched by a filter or not
  std::uint64_t attempts_excluded = 0;
  std::uint64_t attempts_not_local = 0;      // neither end local: matches nothing
  std::uint64_t filter_sets_overflowed = 0;  // attempts that counted under RX or TX alone
  std::uint64_t syn_copies = 0;              // made by the capture, not by the initiator
  std::uint64_t synack_copies = 0;
  std::uint64_t late_syns = 0;   // copies of a SYN whose attempt had its outcome
  std::uint64_t stray_syns = 0;  // with another ISN than the attempt that went on
  PacketStats packets;
  ServerStats server;
  std::optional<ServerStats> http;          // where metrics are served by HTTP; without lines_lost
  std::optional<HistoryStats> history;      // live, if any is kept
  std::optional<PrefilterStats> prefilter;  // live
  Queues queues;

  [[nodiscard]] UptimeClock clock() const noexcept { return {taken, uptime}; }
};

}  // namespace tcpeek::ipc
