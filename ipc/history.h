// What happened before you came, as plain data: samples of equal intervals, one row of them for the
// totals, one for each filter and one for each service that matters. engine/serve/history.h keeps them, ipc/history_json.h writes them.
//
// Precision: counts of an interval in 32 bits are exact and stop at 2^32 - 1; a CompactCount is exact up
// to 4,095 and within 0.025% beyond. Latency is the bucket of the histogram, within 3.2%.
//
// Thread contract: plain values.
#pragma once

#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "ipc/health_stats.h"
#include "ipc/snapshot.h"

namespace tcpeek::ipc {

// A count in 16 bits: as it is below 4,096, else 12 significant bits and a shift.
class CompactCount {
 public:
  static constexpr std::uint64_t kLargest = std::uint64_t{4095} << 30;

  constexpr CompactCount() = default;
  constexpr explicit CompactCount(std::uint64_t value) noexcept : code_(encode(value)) {}

  friend bool operator==(const CompactCount&, const CompactCount&) = default;

  [[nodiscard]] constexpr std::uint64_t value() const noexcept {
    const unsigned exponent = code_ >> kBits;
    const std::uint64_t fraction = code_ & (kLeading - 1);
    return exponent == 0 ? fraction : (kLeading + fraction) << (exponent - 1);
  }

 private:
  static constexpr unsigned kBits = 11;
  static constexpr std::uint64_t kLeading = std::uint64_t{1} << kBits;

  static constexpr std::uint16_t encode(std::uint64_t value) noexcept {
    if (value < kLeading) return static_cast<std::uint16_t>(value);
    if (value >= kLargest) return std::numeric_limits<std::uint16_t>::max();
    auto shift = static_cast<unsigned>(std::bit_width(value)) - kBits - 1;
    if (shift > 0) {
      value += std::uint64_t{1} << (shift - 1);  // to the nearest
      shift = static_cast<unsigned>(std::bit_width(value)) - kBits - 1;
    }
    return static_cast<std::uint16_t>((shift + 1) << kBits | ((value >> shift) - kLeading));
  }

  std::uint16_t code_ = 0;
};

static_assert(CompactCount(4095).value() == 4095 && CompactCount(8191).value() == 8192);
static_assert(CompactCount(~std::uint64_t{0}).value() == CompactCount::kLargest);

// What happened within one interval.
struct HistorySample {
  static constexpr std::uint16_t kNoLatency = 0x7fff;
  static_assert(LatencyHistogram::kBuckets <= kNoLatency);

  std::uint32_t attempts = 0;
  std::uint32_t success = 0;
  std::uint32_t pending = 0;  // at its end
  CompactCount refused;       // after a SYN/ACK, too
  CompactCount aborted;       // half-open ones and probes, too
  CompactCount timed_out_no_answer;
  CompactCount timed_out_no_ack;
  CompactCount timed_out_superseded;
  CompactCount unreachable;
  CompactCount evicted;
  CompactCount retrying;          // at its end
  CompactCount dup_syn_segments;  // of attempts that ended within the interval
  CompactCount dup_synack_segments;
  std::uint16_t p50 : 15 = kNoLatency;  // bucket of LatencyHistogram
  bool kept : 1 = false;  // false: there is no sample of this series for this interval
  std::uint16_t p99 = kNoLatency;

  friend bool operator==(const HistorySample&, const HistorySample&) = default;
};
static_assert(sizeof(HistorySample) == 36);

// What samples are made of.
struct HistoryCounts : Tallies {
  LatencyHistogram latency;

  HistoryCounts() = default;
  // NOLINTNEXTLINE(google-explicit-constructor): it is a part of it
  HistoryCounts(const Counts& counts) noexcept
      : Tallies(static_cast<const Tallies&>(counts)), latency(counts.latency) {}
};

// The sample of what `grown` counts: an interval's difference, but gauges as they are at its end.
[[nodiscard]] HistorySample sample_of(const HistoryCounts& grown) noexcept;

// What was counted from `before` to `now`; gauges as they are now. If counting began anew in between
// (a tally fell), all of `now`.
[[nodiscard]] HistoryCounts growth(const HistoryCounts& now, const HistoryCounts& before) noexcept;

// Adds an interval to a sum of earlier ones; gauges as they are at its end.
void append_growth(HistoryCounts& sum, const HistoryCounts& grown) noexcept;

// An interval: neighbours touch unless snapshots were late, when one covers more.
struct HistoryMoment {
  std::chrono::system_clock::time_point end;
  std::chrono::milliseconds span{0};
};

enum class HistoryKind : std::uint8_t { totals, filter, service };

struct HistorySeries {
  HistoryKind kind = HistoryKind::filter;
  std::string name;  // none of the totals; of a service see service_name()
  bool removed =
      false;  // the filter is not in force any more; the service is not among the foremost
  SinceWhen times;
  std::vector<HistorySample> seconds;  // one for each of HistoryReport::seconds
  std::vector<HistorySample> minutes;
};

struct HistoryReport {
  std::chrono::system_clock::time_point time;
  std::chrono::milliseconds uptime{0};
  HistoryStats stats;
  std::vector<HistoryMoment> seconds;  // oldest first
  std::vector<HistoryMoment> minutes;
  std::vector<HistorySeries> series;  // the totals, filters, services
};

}  // namespace tcpeek::ipc
