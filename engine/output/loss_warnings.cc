#include "engine/output/loss_warnings.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

namespace tcpeek::engine {
namespace {

std::uint64_t ignored(const ipc::Snapshot& snapshot, std::string_view reason) {
  const auto& all = snapshot.packets.ignored;
  const auto found = std::ranges::find(all, reason, &ipc::NamedCount::name);
  return found != all.end() ? found->count : 0;
}

LossWarning warning(std::string_view kind, std::uint64_t lost, std::string text) {
  return {.text = std::move(text),
          .entry = {.message_id = kLossMessage,
                    .fields = {{"TCPEEK_LOSS", std::string(kind)},
                               {"TCPEEK_LOST", std::to_string(lost)}}}};
}

std::string counted(std::uint64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

}  // namespace

std::optional<std::string> tunnel_warning(const ipc::Snapshot& snapshot) {
  const std::uint64_t passed_over = ignored(snapshot, "tunnel");
  if (passed_over == 0) return std::nullopt;
  return fmt::format(
      "ignored {} with TCP inside a tunnel: name the tunnels to look into with --decap, at most "
      "four deep",
      counted(passed_over, "packet"));
}

std::uint64_t LossWarnings::due(Loss& loss, std::uint64_t lost, Clock::time_point now) noexcept {
  const bool again = loss.reported != 0;
  if (lost <= loss.reported || (again && now - loss.reported_at < kInterval)) return 0;
  loss.reported_at = now;
  return lost - std::exchange(loss.reported, lost);
}

std::vector<LossWarning> LossWarnings::warnings(const ipc::Snapshot& snapshot,
                                                Clock::time_point now) {
  std::uint64_t events_lost = 0;
  std::uint64_t capacity = 0;
  for (const ipc::ReaderStats& reader : snapshot.readers) {
    events_lost += reader.events_lost;
    capacity += reader.capacity;
  }
  std::vector<LossWarning> due_now;
  if (const auto n = due(dropped_, snapshot.packets.dropped, now)) {
    due_now.push_back(warning(
        "packets_dropped", n,
        fmt::format("the kernel dropped {} (ring full): try a larger ring (-B, now {} MiB), more "
                    "readers (--threads, now {}) or a narrower capture (--bpf)",
                    counted(n, "packet"), in_use_.ring_mib, in_use_.readers)));
  }
  if (const auto n = due(evicted_, snapshot.totals[ipc::Tally::evicted], now)) {
    due_now.push_back(warning(
        "attempts_evicted", n,
        fmt::format("evicted {}, oldest unanswered first: the table is full (a SYN flood?); "
                    "--max-sessions (now {}) makes it larger",
                    counted(n, "attempt"), capacity)));
  }
  if (const auto n = due(mail_, ignored(snapshot, "mailbox_full"), now)) {
    due_now.push_back(warning(
        "packets_between_readers", n,
        fmt::format(
            "lost {} on the way from one reader to another: try fewer readers (--threads, now "
            "{})",
            counted(n, "packet"), in_use_.readers)));
  }
  if (const auto n = due(events_, events_lost, now)) {
    due_now.push_back(
        warning("outcomes_not_told", n,
                fmt::format("counted {} but did not print or send {}: print less (-q, "
                            "--only failure), or watch less",
                            counted(n, "outcome"), n == 1 ? "it" : "them")));
  }
  if (!tunnels_reported_) {
    if (auto text = tunnel_warning(snapshot)) {
      tunnels_reported_ = true;
      due_now.push_back(
          warning("tunnels_passed_over", ignored(snapshot, "tunnel"), std::move(*text)));
    }
  }
  return due_now;
}

}  // namespace tcpeek::engine
