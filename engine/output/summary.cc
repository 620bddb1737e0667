#include "engine/output/summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/text.h"
#include "engine/output/local_time.h"

namespace tcpeek::engine {
namespace {

using ipc::Tally;
using Out = std::back_insert_iterator<std::string>;

constexpr const char* kRule = "------------------------------------";

// Our lines follow the original's, indented as details of them, and only where the count is not zero.
void detail(Out out, const char* label, std::uint64_t count) {
  if (count != 0) fmt::format_to(out, "       {:<24}: {:6}\n", label, count);
}

void unreachable_details(Out out, const ipc::Counts& c) {
  detail(out, "unreach, no route", c[Tally::unreachable_no_route]);
  detail(out, "unreach, host", c[Tally::unreachable_host]);
  detail(out, "unreach, protocol", c[Tally::unreachable_protocol]);
  detail(out, "unreach, port", c[Tally::unreachable_port]);
  detail(out, "unreach, prohibited", c[Tally::unreachable_prohibited]);
  detail(out, "unreach, hop limit", c[Tally::unreachable_hop_limit]);
  detail(out, "unreach, bad header", c[Tally::unreachable_bad_header]);
  detail(out, "unreach, source route", c[Tally::unreachable_source_route]);
  detail(out, "unreach, other", c[Tally::unreachable_other]);
  detail(out, "unreach, unknown", c[Tally::unreachable_unknown]);
}

std::string in_words(std::chrono::microseconds time) {
  const auto us = time.count();
  if (us < 1000) return fmt::format("{} us", us);
  if (us < 1'000'000) return fmt::format("{:.3g} ms", static_cast<double>(us) / 1e3);
  return fmt::format("{:.3g} s", static_cast<double>(us) / 1e6);
}

void times(Out out, const char* label, const ipc::LatencyHistogram& latency) {
  if (latency.count() == 0) return;
  const auto q = latency.quantiles();
  const std::chrono::microseconds most(static_cast<std::int64_t>(latency.max_us()));
  fmt::format_to(out, "       {:<24}: p50 {}, p99 {}, max {}\n", label, in_words(q.p50),
                 in_words(q.p99), in_words(most));
}

void filter_block(Out out, const ipc::FilterStats& filter) {
  const ipc::Counts& c = filter.counts;
  fmt::format_to(out, "{}\n {}\n   Success: {} session\n", kRule, printable(filter.name),
                 c[Tally::success]);
  fmt::format_to(out, "     SYN Segment Duplicate : {:6}\n", c[Tally::success_dup_syn]);
  fmt::format_to(out, "     S/A Segment Duplicate : {:6}\n", c[Tally::success_dup_synack]);
  fmt::format_to(out, "   Failure: {} session\n", c.failures());
  fmt::format_to(out, "     Connection Timed Out  : {:6}\n", c.timed_out());
  fmt::format_to(out, "     Connection Rejected   : {:6}\n", c.rejected());
  fmt::format_to(out, "     ICMP Unreachable      : {:6}\n", c[Tally::unreachable]);
  detail(out, "success, S/A never seen", c[Tally::half_seen]);
  detail(out, "success, proved late", c[Tally::late_proof]);
  detail(out, "success, S/A afterwards", c[Tally::late_synack]);
  detail(out, "timed out, no answer", c[Tally::timed_out_no_answer]);
  detail(out, "timed out, no ACK", c[Tally::timed_out_no_ack]);
  detail(out, "timed out, superseded", c[Tally::superseded]);
  detail(out, "timed out, uncertain", c[Tally::uncertain]);
  detail(out, "rejected after S/A", c[Tally::reset]);
  detail(out, "rejected, RST suspect", c[Tally::rst_suspect]);
  detail(out, "rejected by initiator", c.aborted());
  detail(out, "of those, half-open", c[Tally::half_open]);
  detail(out, "of those, probes", c[Tally::probe]);
  unreachable_details(out, c);
  detail(out, "failed with SYN dup.", c[Tally::failure_dup_syn]);
  detail(out, "failed with S/A dup.", c[Tally::failure_dup_synack]);
  times(out, "handshake", c.latency);
  times(out, "SYN to S/A", c.responder_leg);
  times(out, "S/A to ACK", c.initiator_leg);
  if (c[Tally::pending] != 0) fmt::format_to(out, "   Pending: {} session\n", c[Tally::pending]);
  detail(out, "retrying", c[Tally::retrying]);
  if (c[Tally::evicted] != 0) fmt::format_to(out, "   Evicted: {} session\n", c[Tally::evicted]);
}

void pcap_block(Out out, const ipc::Snapshot& s) {
  std::uint64_t if_dropped = 0;
  for (const ipc::InterfaceStats& interface : s.interfaces) if_dropped += interface.if_dropped;
  fmt::format_to(out, "{}\n pcap stats\n   recv   : {}\n   drop   : {}\n   ifdrop : {}\n", kRule,
                 s.packets.seen, s.packets.dropped, if_dropped);
  fmt::format_to(out, "   used   : {}\n", s.packets.used);
  for (const ipc::NamedCount& reason : s.packets.ignored) {
    if (reason.count != 0) fmt::format_to(out, "   ignored: {} {}\n", reason.count, reason.name);
  }
  if (s.attempts_not_local != 0) {
    fmt::format_to(out, "   not local: {} session\n", s.attempts_not_local);
  }
  if (s.attempts_excluded != 0) {
    fmt::format_to(out, "   excluded: {} session\n", s.attempts_excluded);
  }
}

// "10 refused, 2 no answer"
std::string causes_of(const ipc::FailureCounts& c) {
  const std::array counts{
      std::pair{c.refused, "refused"},         std::pair{c.reset, "reset"},
      std::pair{c.no_answer, "no answer"},     std::pair{c.no_ack, "no ACK"},
      std::pair{c.unreachable, "unreachable"}, std::pair{c.superseded, "superseded"},
  };
  std::string text;
  for (const auto& [count, word] : counts) {
    if (count == 0) continue;
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, word);
  }
  return text;
}

// What an initiator did by itself is no failure of a service.
void services_block(Out out, std::span<const ipc::TopServiceRow> services) {
  using Line = std::pair<std::uint64_t, std::string>;  // failures, text
  std::vector<Line> lines;
  for (const ipc::TopServiceRow& row : services) {
    const std::uint64_t failed = row.failures.causes.suffered();
    if (failed == 0) continue;
    lines.emplace_back(failed, fmt::format("   {}: {} of {} ({})", service_name(row), failed,
                                           row.attempts, causes_of(row.failures.causes)));
  }
  if (lines.empty()) return;
  std::ranges::sort(lines, [](const Line& a, const Line& b) {
    return a.first != b.first ? a.first > b.first : a.second < b.second;
  });
  fmt::format_to(out, "{}\n services that fail\n", kRule);
  for (const auto& [failed, text] : lines) fmt::format_to(out, "{}\n", text);
}

}  // namespace

std::string summary(const ipc::Snapshot& s, std::span<const ipc::TopServiceRow> services) {
  std::string text;
  const Out out = std::back_inserter(text);
  fmt::format_to(out, "========== TCPEEK SUMMARY ==========\n");
  fmt::format_to(out, "     from : {}\n", local_time(s.started));
  fmt::format_to(out, "       to : {}\n", local_time(s.taken));
  fmt::format_to(out, "     time : {:13.3f} (sec)\n",
                 std::chrono::duration<double>(s.uptime).count());
  for (const ipc::FilterStats& filter : s.filters) {
    if (!filter.removed) filter_block(out, filter);
  }
  pcap_block(out, s);
  services_block(out, services);
  fmt::format_to(out, "====================================");
  return text;
}

}  // namespace tcpeek::engine
