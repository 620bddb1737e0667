// All but the rows is written by JsonWriter. A full history has 132,600 rows of 17 numbers, so these
// are copied from texts that are made once: the two columns of time for each interval, the latency of
// each bucket, a row in which nothing happened.
#include "ipc/history_json.h"

#include <fmt/format.h>

#include <array>
#include <cstring>
#include <span>

#include "ipc/json_text.h"
#include "ipc/json_writer.h"

namespace tcpeek::ipc {
namespace {

constexpr std::array<std::string_view, 17> kColumns{"unix_time",
                                                    "span_seconds",
                                                    "attempts",
                                                    "success",
                                                    "refused",
                                                    "aborted",
                                                    "timed_out_no_answer",
                                                    "timed_out_no_ack",
                                                    "timed_out_superseded",
                                                    "unreachable",
                                                    "evicted",
                                                    "pending",
                                                    "retrying",
                                                    "dup_syn_segments",
                                                    "dup_synack_segments",
                                                    "p50_seconds",
                                                    "p99_seconds"};
constexpr std::size_t kUsualHistoryBytes = 4096;
constexpr std::size_t kUsualSampleBytes = 64;
constexpr std::string_view kNothing = "0,0,0,0,0,0,0,0,0,0,0,0,0,null,null]";

// Seconds with three decimals.
std::string decimals(std::chrono::milliseconds duration) {
  const auto ms = static_cast<std::uint64_t>(std::max<std::int64_t>(duration.count(), 0));
  return fmt::format("{}.{:03}", ms / 1000, ms % 1000);
}

class Rows {
 public:
  Rows() {
    for (std::size_t bucket = 0; bucket < latencies_.size(); ++bucket) {
      const std::uint64_t lower = LatencyHistogram::lower_bound_us(bucket);
      const std::uint64_t width = LatencyHistogram::lower_bound_us(bucket + 1) - lower;
      latencies_[bucket] = json_seconds(Elapsed(lower + width / 2));
    }
  }

  // "[1732660000.123,1.000,"
  static std::vector<std::string> beginnings(std::span<const HistoryMoment> moments) {
    std::vector<std::string> texts;
    texts.reserve(moments.size());
    for (const HistoryMoment& moment : moments) {
      const auto unix_time =
          std::chrono::duration_cast<std::chrono::milliseconds>(moment.end.time_since_epoch());
      texts.push_back('[' + decimals(unix_time) + ',' + decimals(moment.span) + ',');
    }
    return texts;
  }

  std::string_view row(std::string_view beginning, const HistorySample& sample) {
    end_ = row_.data();
    append(beginning);
    if (is_quiet(sample)) {
      append(kNothing);
    } else {
      append_counts(sample);
      append_latency(sample.p50, ',');
      append_latency(sample.p99, ']');
    }
    return {row_.data(), static_cast<std::size_t>(end_ - row_.data())};
  }

 private:
  static bool is_quiet(const HistorySample& sample) noexcept {
    HistorySample quiet;
    quiet.kept = true;
    return sample == quiet;
  }

  void append(std::string_view text) noexcept {
    std::memcpy(end_, text.data(), text.size());
    end_ += text.size();
  }

  void append_number(std::uint64_t value) {
    const fmt::format_int digits(value);
    append({digits.data(), digits.size()});
    *end_++ = ',';
  }

  void append_counts(const HistorySample& sample) {
    append_number(sample.attempts);
    append_number(sample.success);
    for (const CompactCount count :
         {sample.refused, sample.aborted, sample.timed_out_no_answer, sample.timed_out_no_ack,
          sample.timed_out_superseded, sample.unreachable, sample.evicted}) {
      append_number(count.value());
    }
    append_number(sample.pending);
    append_number(sample.retrying.value());
    append_number(sample.dup_syn_segments.value());
    append_number(sample.dup_synack_segments.value());
  }

  void append_latency(std::uint16_t bucket, char next) {
    append(bucket < latencies_.size() ? std::string_view(latencies_[bucket]) : "null");
    *end_++ = next;
  }

  std::array<std::string, LatencyHistogram::kBuckets> latencies_;
  // 15 numbers of at most 20 digits, and the two of time.
  std::array<char, 512> row_{};
  char* end_ = row_.data();
};

std::string_view word(HistoryKind kind) noexcept {
  switch (kind) {
    case HistoryKind::totals:
      return "totals";
    case HistoryKind::filter:
      return "filter";
    case HistoryKind::service:
      return "service";
  }
  return "";
}

void write_identity(JsonWriter& json, const HistorySeries& series) {
  json.member("kind", word(series.kind));
  if (series.kind == HistoryKind::totals) return json.null_member("name");
  json.member("name", series.name);
}

void write_series(JsonWriter& json, const HistorySeries& series) {
  write_identity(json, series);
  json.member("removed", series.removed);
  json.time_member("failing_since", series.times.failing_since);
  json.time_member("last_failure", series.times.last_failure);
  json.time_member("last_success", series.times.last_success);
}

void write_rows(JsonWriter& json, std::string_view name, const HistoryReport& report,
                std::span<const HistoryMoment> moments,
                std::vector<HistorySample> HistorySeries::*samples, Rows& rows) {
  const std::vector<std::string> beginnings = Rows::beginnings(moments);
  json.array(name, [&] {
    for (const HistorySeries& series : report.series) {
      json.object([&] {
        write_identity(json, series);
        json.array("rows", [&] {
          const std::vector<HistorySample>& all = series.*samples;
          for (std::size_t i = 0; i < all.size(); ++i) {
            if (all[i].kept) json.item(rows.row(beginnings[i], all[i]));
          }
        });
      });
    }
  });
}

void write_report(JsonWriter& json, const HistoryReport& report) {
  json.member("schema", kHistorySchema);
  json.member("time", rfc3339_utc(report.time));
  json.member("uptime_seconds", Elapsed(report.uptime));
  json.member("bytes", report.stats.bytes);
  json.member("filters", report.stats.filters);
  json.member("filters_not_kept", report.stats.filters_not_kept);
  json.member("services", report.stats.services);
  json.array("columns", [&] {
    for (const std::string_view column : kColumns) json.item(json_quoted(column));
  });
  json.array("series", [&] {
    for (const HistorySeries& series : report.series) {
      json.object([&] { write_series(json, series); });
    }
  });
  Rows rows;
  write_rows(json, "seconds", report, report.seconds, &HistorySeries::seconds, rows);
  write_rows(json, "minutes", report, report.minutes, &HistorySeries::minutes, rows);
}

}  // namespace

std::string history_reply(const HistoryReport& report) {
  const std::size_t most_rows =
      report.series.size() * (report.seconds.size() + report.minutes.size());
  JsonWriter json(kUsualHistoryBytes + most_rows * kUsualSampleBytes);
  json.object([&] { write_report(json, report); });
  return std::move(json).take();
}

}  // namespace tcpeek::ipc
