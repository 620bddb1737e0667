// The HISTORY reply: one JSON object, rows of numbers under names that are given once. Times of rows are
// Unix times, all others RFC 3339 in UTC; durations are seconds as decimals.
//
//   schema              1; raised when a member or a column changes its meaning or goes
//   time, uptime_seconds   when this was told; since the start, by the steady clock
//   bytes, filters, filters_not_kept   the memory it is kept in; filters kept; in force but not kept
//   columns[]           what the numbers of a row are, in their order:
//     unix_time, span_seconds   the end of the interval, and how long it is
//     attempts, success, refused, aborted, timed_out_no_answer, timed_out_no_ack, timed_out_superseded,
//     unreachable, evicted   within the interval, as in STATS
//     pending, retrying   at its end
//     dup_syn_segments, dup_synack_segments   of attempts that ended within it
//     p50_seconds, p99_seconds   of its handshakes; null if there was none
//   series[]            kind (totals, filter or service), name (null for the totals), removed (no longer in
//                       force), failing_since, last_failure, last_success (null: none)
//   seconds[], minutes[]   for each series: kind, name, rows[], the oldest first
//
// An interval that no snapshot ended is no row: the next row has a longer span. A series has no rows for
// the time when there was no such filter.
//
// A pure function, callable from any thread.
#pragma once

#include <string>

#include "ipc/history.h"

namespace tcpeek::ipc {

inline constexpr int kHistorySchema = 1;

[[nodiscard]] std::string history_reply(const HistoryReport& report);

}  // namespace tcpeek::ipc
