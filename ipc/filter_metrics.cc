// Family by family, as both forms want all samples of a family together. Labels of filters are made once, as
// they are in every family.
#include "ipc/filter_metrics.h"

#include <fmt/format.h>

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "ipc/metrics_buckets.h"

namespace tcpeek::ipc {
namespace {

using std::string_view;

std::uint64_t count_of(const Counts& counts, FailureReason reason) noexcept {
  switch (reason) {
    case FailureReason::refused:
      return counts.refused();
    case FailureReason::aborted:
      return counts.aborted();
    case FailureReason::timed_out:
      return counts.timed_out();
    case FailureReason::unreachable:
      return counts[Tally::unreachable];
  }
  return 0;
}

struct CauseLabel {
  string_view text;
  Tally tally;
};
constexpr std::array kCauseLabels{
    CauseLabel{R"(cause="refused")", Tally::refused},
    CauseLabel{R"(cause="reset")", Tally::reset},
    CauseLabel{R"(cause="aborted")", Tally::aborted},
    CauseLabel{R"(cause="half_open")", Tally::half_open},
    CauseLabel{R"(cause="probe")", Tally::probe},
    CauseLabel{R"(cause="no_answer")", Tally::timed_out_no_answer},
    CauseLabel{R"(cause="no_ack")", Tally::timed_out_no_ack},
    CauseLabel{R"(cause="superseded")", Tally::superseded},
    CauseLabel{R"(cause="unreachable")", Tally::unreachable},
};

// A filter in force.
struct Filter {
  const FilterStats* stats;
  std::string labels;

  [[nodiscard]] const Counts& counts() const noexcept { return stats->counts; }
};

using BoundLabels = std::array<std::string, kMetricsBuckets>;

BoundLabels bound_labels() {
  BoundLabels labels;
  for (std::size_t i = 0; i < kMetricsBuckets; ++i) {
    const std::uint64_t us = kMetricsBoundsUs.at(i);
    labels.at(i) = fmt::format("le=\"{}.{:06}\"", us / 1'000'000, us % 1'000'000);
  }
  return labels;
}

class FilterMetrics {
 public:
  FilterMetrics(MetricsWriter& out, const Snapshot& snapshot, const FailureExamples* examples)
      : out_(out), examples_(examples) {
    filters_.reserve(snapshot.filters.size());
    for (const FilterStats& filter : snapshot.filters) {
      if (!filter.removed) filters_.push_back({&filter, label("filter", filter.name)});
    }
  }

  void write_attempts();
  void write_failures();
  void write_retransmits();
  void write_durations();
  void write_legs();
  void write_health();

 private:
  void write_failure(const Filter& filter, FailureReason reason, string_view reason_label);
  void write_duration(const Filter& filter, const BoundLabels& bounds);

  // A family with one sample of each filter.
  template <typename Value>
  void by_filter(string_view name, MetricType type, string_view help, Value value) {
    out_.family(name, type, help);
    for (const Filter& filter : filters_) out_.sample(value(filter.counts()), filter.labels);
  }

  MetricsWriter& out_;
  const FailureExamples* examples_;
  std::vector<Filter> filters_;
};

void FilterMetrics::write_attempts() {
  by_filter("tcpeek_handshakes", MetricType::counter,
            "Attempts to connect, by filter. Filters overlap: an attempt counts in each that "
            "matches it, so do "
            "not sum over filters; RX and TX have all.",
            [](const Counts& counts) { return counts[Tally::attempts]; });
  by_filter("tcpeek_handshake_successes", MetricType::counter,
            "Attempts that became connections, by filter. Filters overlap: do not sum over them.",
            [](const Counts& counts) { return counts[Tally::success]; });
  by_filter("tcpeek_handshakes_evicted", MetricType::counter,
            "Attempts that were given up for want of room and have no outcome, by filter.",
            [](const Counts& counts) { return counts[Tally::evicted]; });
  by_filter("tcpeek_handshakes_pending", MetricType::gauge,
            "Attempts without an outcome yet, by filter.",
            [](const Counts& counts) { return counts[Tally::pending]; });
  by_filter("tcpeek_handshakes_retrying", MetricType::gauge,
            "Of the pending attempts, those whose SYN or SYN/ACK had to be repeated.",
            [](const Counts& counts) { return counts[Tally::retrying]; });
}

void FilterMetrics::write_failure(const Filter& filter, FailureReason reason,
                                  string_view reason_label) {
  const std::uint64_t count = count_of(filter.counts(), reason);
  const FailureExample* const example =
      examples_ != nullptr ? examples_->find(filter.stats->name, reason) : nullptr;
  if (example == nullptr) return out_.sample(count, filter.labels, reason_label);
  out_.sample(count, filter.labels, reason_label, example->labels, example->when);
}

void FilterMetrics::write_failures() {
  out_.family("tcpeek_handshake_failures", MetricType::counter,
              "Attempts that failed, by filter and reason. Filters overlap: do not sum over them.");
  for (const Filter& filter : filters_) {
    for_reasons([&](FailureReason reason, string_view reason_label) {
      write_failure(filter, reason, reason_label);
    });
  }
  out_.family("tcpeek_handshake_failure_causes", MetricType::counter,
              "The same failures, each by its exact cause.");
  for (const Filter& filter : filters_) {
    for (const auto& [text, tally] : kCauseLabels) {
      out_.sample(filter.counts()[tally], filter.labels, text);
    }
  }
  by_filter("tcpeek_handshake_timeouts_uncertain", MetricType::counter,
            "Of the timeouts, those during which the kernel dropped packets: the answer may have "
            "been missed.",
            [](const Counts& counts) { return counts[Tally::uncertain]; });
}

void FilterMetrics::write_retransmits() {
  out_.family("tcpeek_handshake_retransmits", MetricType::counter,
              "SYN and SYN/ACK segments that were sent again, of attempts that ended, by filter.");
  for (const Filter& filter : filters_) {
    const Counts& counts = filter.counts();
    out_.sample(counts[Tally::success_dup_syn_segments] + counts[Tally::failure_dup_syn_segments],
                filter.labels, kSynLabel);
    out_.sample(
        counts[Tally::success_dup_synack_segments] + counts[Tally::failure_dup_synack_segments],
        filter.labels, kSynAckLabel);
  }
  by_filter(
      "tcpeek_handshake_late_synacks", MetricType::counter,
      "SYN/ACK segments repeated after success: the responder drops ACKs or defers its accept.",
      [](const Counts& counts) { return counts[Tally::late_synack]; });
}

void FilterMetrics::write_duration(const Filter& filter, const BoundLabels& bounds) {
  const LatencyHistogram& latency = filter.counts().latency;
  const auto below = counts_below_bounds(latency);
  for (std::size_t i = 0; i < kMetricsBuckets; ++i) {
    out_.sample_of("_bucket", below.at(i), filter.labels, bounds.at(i));
  }
  out_.sample_of("_bucket", latency.count(), filter.labels, R"(le="+Inf")");
  out_.seconds("_sum", latency.sum_us(), filter.labels);
  out_.sample_of("_count", latency.count(), filter.labels);
}

void FilterMetrics::write_durations() {
  out_.family("tcpeek_handshake_duration_seconds", MetricType::histogram,
              "From the first SYN to the completing ACK, of successes seen whole, by filter.");
  const BoundLabels bounds = bound_labels();
  for (const Filter& filter : filters_) write_duration(filter, bounds);
}

// Without buckets, which would be two thirds of a scrape.
void FilterMetrics::write_legs() {
  out_.family(
      "tcpeek_handshake_leg_duration_seconds", MetricType::summary,
      "Legs of the handshake, where no repetition blurs them: to the responder and back, to the "
      "initiator and back.");
  for (const Filter& filter : filters_) {
    const Counts& counts = filter.counts();
    for (const auto& [text, leg] :
         {std::pair{string_view(R"(leg="syn_to_synack")"), &counts.responder_leg},
          std::pair{string_view(R"(leg="synack_to_ack")"), &counts.initiator_leg}}) {
      out_.seconds("_sum", leg->sum_us(), filter.labels, text);
      out_.sample_of("_count", leg->count(), filter.labels, text);
    }
  }
}

void FilterMetrics::write_health() {
  out_.family("tcpeek_filter_health", MetricType::gauge,
              "1 for the state a filter is in, 0 for the others.");
  for (const Filter& filter : filters_) {
    if (!filter.stats->health) continue;
    for_states([&](HealthState state, string_view state_label) {
      out_.sample(filter.stats->health->is == state ? 1 : 0, filter.labels, state_label);
    });
  }
  out_.family("tcpeek_filter_health_changed_timestamp_seconds", MetricType::gauge,
              "When a filter came into its state, in seconds since 1970.");
  for (const Filter& filter : filters_) {
    const auto& health = filter.stats->health;
    if (health && health->since) out_.time(*health->since, filter.labels);
  }
}

}  // namespace

void write_filter_metrics(MetricsWriter& out, const Snapshot& snapshot,
                          const FailureExamples* examples) {
  FilterMetrics metrics(out, snapshot, examples);
  metrics.write_attempts();
  metrics.write_failures();
  metrics.write_retransmits();
  metrics.write_durations();
  metrics.write_legs();
  metrics.write_health();
}

}  // namespace tcpeek::ipc
