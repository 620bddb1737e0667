// Accept queues of local ports that seem to be full, or are, as plain data: what SYNs do, and what the kernel
// says about it.
//
// Thread contract: plain values.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tcpeek::ipc {

enum class QueueVerdict : std::uint8_t {
  confirmed,  // the kernel saw the queue full within the last minute
  refuted,    // the kernel had room in it all the time, or nobody listens there
  unknown,    // the kernel could not be asked, or the port is not this host's
};

[[nodiscard]] constexpr std::string_view word(QueueVerdict verdict) noexcept {
  switch (verdict) {
    case QueueVerdict::confirmed:
      return "confirmed";
    case QueueVerdict::refuted:
      return "refuted";
    case QueueVerdict::unknown:
      return "unknown";
  }
  return "";
}

// One responder address and port; of a port that only the kernel complains of, the listener's address.
struct QueueStats {
  std::array<std::uint8_t, 16> bytes{};  // of the address; IPv4 is mapped into IPv6
  std::string address;
  std::uint16_t port = 0;
  bool own = false;  // of this host, not of a --local network
  bool suspected = false;
  QueueVerdict verdict = QueueVerdict::unknown;
  // By the wall clock, in nanoseconds: the first and the last SYN without an answer, no two in between more
  // than a minute apart. 0 without any.
  std::int64_t first_unanswered = 0;
  std::int64_t last_unanswered = 0;
  std::uint64_t unanswered = 0;          // attempts, since the first one
  std::uint64_t answered_meanwhile = 0;  // attempts that succeeded at once while others waited
  std::uint64_t late_synacks = 0;        // not a sign by itself: TCP_DEFER_ACCEPT
  bool answered_ever = false;
  // Of the fullest listener; none where none is known.
  std::optional<std::uint32_t> backlog_now = std::nullopt;
  std::optional<std::uint32_t> backlog_max = std::nullopt;
  std::optional<std::uint64_t> overflows_last_minute = std::nullopt;
};

struct Queues {
  static constexpr std::size_t kMost = 64;

  std::vector<QueueStats> ports;  // at most kMost, those that matter most first
  std::uint64_t ports_left_out = 0;
  // What could be asked: listeners and their backlogs, the kernel's counters.
  bool listeners_known = false;
  bool counters_known = false;
  // Of this network namespace, since tcpeek started.
  std::uint64_t listen_overflows = 0;
  std::uint64_t listen_drops = 0;
  std::uint64_t syn_queue_drops = 0;  // TCPReqQFullDrop
};

}  // namespace tcpeek::ipc
