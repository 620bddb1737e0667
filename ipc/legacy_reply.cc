// The original's two replies. Its clients expect every byte of the format strings.
#include "ipc/legacy_reply.h"

#include <fmt/format.h>

#include <iterator>
#include <utility>

#include "ipc/json_text.h"

namespace tcpeek::ipc {

std::string get_reply(const Snapshot& snapshot) {
  std::string reply = "[";
  auto out = std::back_inserter(reply);
  for (const FilterStats& filter : snapshot.filters) {
    if (filter.removed) continue;
    const Counts& counts = filter.counts;
    fmt::format_to(out,
                   R"({{{}:{{"success":{{"total":{},"dupsyn":{},"dupsynack":{}}},)"
                   R"("failure":{{"total":{},"timeout":{},"reject":{}, "unreach":{}}}}}}},)",
                   json_quoted(filter.name), counts[Tally::success], counts[Tally::success_dup_syn],
                   counts[Tally::success_dup_synack], counts.failures(), counts.timed_out(),
                   counts.rejected(), counts[Tally::unreachable]);
  }
  std::uint64_t if_dropped = 0;
  for (const InterfaceStats& interface : snapshot.interfaces) if_dropped += interface.if_dropped;
  fmt::format_to(out, R"({{"pcap":{{"stats":{{"recv":{},"drop":{},"ifdrop":{}}}}}}}])",
                 snapshot.packets.seen, snapshot.packets.dropped, if_dropped);
  return reply;
}

std::string RefreshMarks::refresh_reply(const Snapshot& snapshot) {
  std::map<std::string, Mark> marks;
  std::string reply = "[";
  auto out = std::back_inserter(reply);
  for (const FilterStats& filter : snapshot.filters) {
    if (filter.removed) continue;
    const Mark now = mark_of(filter);
    const auto before = marks_.find(filter.name);
    const Mark delta = before == marks_.end() ? now : since(now, before->second);
    if (reply.size() > 1) reply += ',';
    fmt::format_to(out,
                   R"({{{}:{{"success":{{"total":{},"dupsyn":{},"dupsynack":{}}},)"
                   R"("failure":{{"total":{},"timeout":{},"reject":{}}}}}}})",
                   json_quoted(filter.name), delta.success, delta.dup_syn, delta.dup_synack,
                   delta.timed_out + delta.rejected, delta.timed_out, delta.rejected);
    marks.emplace(filter.name, now);
  }
  reply += ']';
  marks_ = std::move(marks);
  return reply;
}

RefreshMarks::Mark RefreshMarks::mark_of(const FilterStats& filter) noexcept {
  const Counts& counts = filter.counts;
  return {.filter_since = filter.since,
          .success = counts[Tally::success],
          .dup_syn = counts[Tally::success_dup_syn],
          .dup_synack = counts[Tally::success_dup_synack],
          .timed_out = counts.timed_out(),
          .rejected = counts.rejected() + counts[Tally::unreachable]};
}

RefreshMarks::Mark RefreshMarks::since(const Mark& now, const Mark& before) noexcept {
  const bool was_reset = now.success < before.success || now.dup_syn < before.dup_syn ||
                         now.dup_synack < before.dup_synack || now.timed_out < before.timed_out ||
                         now.rejected < before.rejected;
  if (was_reset || now.filter_since != before.filter_since) return now;
  return {.filter_since = now.filter_since,
          .success = now.success - before.success,
          .dup_syn = now.dup_syn - before.dup_syn,
          .dup_synack = now.dup_synack - before.dup_synack,
          .timed_out = now.timed_out - before.timed_out,
          .rejected = now.rejected - before.rejected};
}

}  // namespace tcpeek::ipc
