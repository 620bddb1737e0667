#include "ipc/history.h"

#include <algorithm>

namespace tcpeek::ipc {
namespace {

std::uint32_t saturated(std::uint64_t value) noexcept {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint32_t>::max();
  return static_cast<std::uint32_t>(std::min(value, kMost));
}

std::uint16_t bucket_at(const LatencyHistogram& latency, double q) noexcept {
  if (latency.count() == 0) return HistorySample::kNoLatency;
  const auto us = static_cast<std::uint64_t>(latency.quantile(q).count());
  return static_cast<std::uint16_t>(LatencyHistogram::bucket_of(us));
}

void copy_gauges(const Tallies& from, Tallies& to) noexcept {
  for (const Tally gauge :
       {Tally::pending, Tally::retrying, Tally::retrying_syns, Tally::retrying_synacks}) {
    to[gauge] = from[gauge];
  }
}

}  // namespace

HistorySample sample_of(const HistoryCounts& grown) noexcept {
  HistorySample sample;
  sample.attempts = saturated(grown[Tally::attempts]);
  sample.success = saturated(grown[Tally::success]);
  sample.pending = saturated(grown[Tally::pending]);
  sample.refused = CompactCount(grown.refused());
  sample.aborted = CompactCount(grown.aborted());
  sample.timed_out_no_answer = CompactCount(grown[Tally::timed_out_no_answer]);
  sample.timed_out_no_ack = CompactCount(grown[Tally::timed_out_no_ack]);
  sample.timed_out_superseded = CompactCount(grown[Tally::superseded]);
  sample.unreachable = CompactCount(grown[Tally::unreachable]);
  sample.evicted = CompactCount(grown[Tally::evicted]);
  sample.retrying = CompactCount(grown[Tally::retrying]);
  sample.dup_syn_segments =
      CompactCount(grown[Tally::success_dup_syn_segments] + grown[Tally::failure_dup_syn_segments]);
  sample.dup_synack_segments = CompactCount(grown[Tally::success_dup_synack_segments] +
                                            grown[Tally::failure_dup_synack_segments]);
  sample.p50 = bucket_at(grown.latency, 0.5) & HistorySample::kNoLatency;
  sample.p99 = bucket_at(grown.latency, 0.99);
  sample.kept = true;
  return sample;
}

HistoryCounts growth(const HistoryCounts& now, const HistoryCounts& before) noexcept {
  HistoryCounts grown = now;
  for (std::size_t i = 0; i < kTallies; ++i) {
    grown.values[i] -= std::min(grown.values[i], before.values[i]);
  }
  copy_gauges(now, grown);
  grown.latency -= before.latency;
  return grown;
}

void append_growth(HistoryCounts& sum, const HistoryCounts& grown) noexcept {
  sum += grown;
  sum.latency += grown.latency;
  copy_gauges(grown, sum);
}

}  // namespace tcpeek::ipc
