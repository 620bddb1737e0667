// The STATS reply: one JSON object with everything a snapshot holds. Members keep their names and
// their order; new ones may be added anywhere, so readers go by name. Counts are integers of 64
// bits, durations are seconds as decimals, times are RFC 3339 in UTC.
//
//   schema                2; raised when a member changes its meaning or goes
//   version               of tcpeek
//   started, time         when counting began, when this was taken
//   uptime_seconds        by the steady clock
//   interfaces[]          name, link_type, up, state (up, no_carrier, down, gone), packets, dropped,
//                         if_dropped
//   readers[]             id, cpu (-1: not pinned), packets, dropped, freezes, pending, remembered,
//                         capacity, mailbox_depth, event_queue_depth, events_lost
//   filters[]             name, expression, removed (only if it is), then live:
//     state               is (unknown, never_succeeded, ok, degraded, failing), since (null while
//                         unknown), ended, failed, retried: by which the change was judged;
//                         before {is, ended, failed, retried}: while it was so
//     failing_since, last_failure, last_success   null: none
//                         then the members of `totals`
//   totals                every attempt, matched by a filter or not:
//     attempts, pending, retrying (of those pending), retrying_dup_syn_segments,
//     retrying_dup_synack_segments (what these have repeated so far)
//     success             total, half_seen, late_proof, dup_syn, dup_synack (attempts with at least
//                         one), dup_syn_segments, dup_synack_segments (the segments), by_syn {second,
//                         third, later} (which SYN got through)
//     failure             total, refused, aborted, timed_out {total, no_answer, no_ack, superseded,
//                         uncertain}, unreachable, the four dup_ members, causes {one for each, and
//                         unreachable by reason}, rst_suspect
//     evicted, late_synack
//     patterns            stuck_tuple, ecn_black_hole, fast_open_black_hole
//     latency_seconds     count, sum, p50, p90, p99, p999 (within 3.2%), max; null while count is 0
//     legs_seconds        syn_to_synack, synack_to_ack {the same}, ambiguous (handshakes left out)
//   attempts_excluded, attempts_not_local, filter_sets_overflowed
//   copies                syn, synack: made by the capture
//   late_syns, stray_syns
//   packets               seen, dropped, in_ring, delivered, used, ignored {reason: count},
//                         in_mailboxes, misrouted
//   server                clients_accepted, clients_displaced, accept_failures, requests,
//                         requests_dropped, replies_dropped, lines_lost, watchers (now),
//                         watchers_refused, watchers_stalled, deltas_displaced
//   http                  with --metrics-listen: the members of `server` about clients and watchers
//   prefilter             live: mode (as asked for), active, reason (why not, or null), map_bytes
//   queues                accept queues: ports[] (queue_stats.h), ports_left_out, listeners_known,
//                         kernel_counters {known, listen_overflows, listen_drops, syn_queue_drops}
//   history               live, if there is a socket: bytes, filters, filters_not_kept, services (HISTORY)
//   accounting            both sides of each identity, and whether it `holds`:
//     attempts            attempts, accounted
//     filters[]           name, attempts, accounted
//     seen                seen, accounted (delivered + dropped + in_ring)
//     delivered           delivered, accounted (used + ignored + in_mailboxes)
//
// DELTA is the same as differences (delta.h), with two members more:
//   delta                 name, since (of the name's last DELTA, or the start), span_seconds, first (the
//                         name's first: all since the start)
//   filters[].restarted   only if it is: began anew within that time
// `accounting` is that of all since the start.
//
// Pure functions, callable from any thread.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "ipc/snapshot.h"

namespace tcpeek::ipc {

inline constexpr int kStatsSchema = 2;

[[nodiscard]] std::string stats_reply(const Snapshot& snapshot);

struct DeltaSpan {
  std::string_view name;
  std::chrono::system_clock::time_point since;
  std::chrono::milliseconds lasted{0};
  bool first = false;
};

[[nodiscard]] std::string delta_reply(const DeltaSpan& span, const Snapshot& difference,
                                      const Snapshot& now);

}  // namespace tcpeek::ipc
