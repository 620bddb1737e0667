// What TOP tells: services and peers in the order of their failures, with what they are a part of. Plain
// data; addresses are already text.
//
// Of services all counts are exact since `counting_since`; what else there was is in the row of the others.
// Of peers, only failures and attempts of the last windows are known, and not exactly: see Top.
//
// Thread contract: plain values.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ipc/health_stats.h"

namespace tcpeek::ipc {

enum class TopBy : std::uint8_t { service, initiator, pair, network };

struct TopRequest {
  static constexpr unsigned kUsual = 10;
  static constexpr unsigned kMost = 100;

  unsigned count = kUsual;
  TopBy by = TopBy::service;
  auto operator<=>(const TopRequest&) const = default;
};

using TopTime = std::optional<std::chrono::system_clock::time_point>;

// Never is earlier than everything for the latest, and later for the earliest.
[[nodiscard]] inline TopTime latest(const TopTime& a, const TopTime& b) {
  return std::max(a, b);
}
[[nodiscard]] inline TopTime earliest(const TopTime& a, const TopTime& b) {
  return a && b ? std::min(a, b) : a ? a : b;
}

// By cause.
struct FailureCounts {
  std::uint64_t refused = 0;
  std::uint64_t reset = 0;
  std::uint64_t aborted = 0;
  std::uint64_t half_open = 0;
  std::uint64_t probe = 0;
  std::uint64_t no_answer = 0;
  std::uint64_t no_ack = 0;
  std::uint64_t superseded = 0;
  std::uint64_t unreachable = 0;

  [[nodiscard]] std::uint64_t total() const noexcept {
    return refused + reset + aborted + half_open + probe + no_answer + no_ack + superseded +
           unreachable;
  }
  // Those that no initiator brought about itself: what TOP goes by.
  [[nodiscard]] std::uint64_t suffered() const noexcept {
    return refused + reset + no_answer + no_ack + superseded + unreachable;
  }
  FailureCounts& operator+=(const FailureCounts& other) noexcept {
    refused += other.refused;
    reset += other.reset;
    aborted += other.aborted;
    half_open += other.half_open;
    probe += other.probe;
    no_answer += other.no_answer;
    no_ack += other.no_ack;
    superseded += other.superseded;
    unreachable += other.unreachable;
    return *this;
  }
};

struct TopFailures {
  std::uint64_t total = 0;
  FailureCounts causes;
};

// A leg of the handshake.
struct TopLeg {
  std::uint64_t count = 0;
  std::chrono::microseconds p50{0};
  std::chrono::microseconds p99{0};
};

[[nodiscard]] std::string_view direction_word(bool responder_local, bool initiator_local) noexcept;

struct TopServiceRow {
  std::string address;  // of the responder; empty: the row of the others
  std::uint16_t port = 0;
  bool responder_local = false;
  bool initiator_local = false;
  std::uint64_t attempts = 0;
  std::uint64_t pending = 0;
  std::uint64_t success = 0;
  TopFailures failures;
  std::uint64_t evicted = 0;
  std::uint64_t dup_syn_segments = 0;
  std::uint64_t dup_synack_segments = 0;
  std::uint64_t recent_attempts = 0;
  std::uint64_t recent_failures = 0;
  TopTime counting_since;
  std::int64_t identity = 0;  // of its counts; unlike times, no step of the wall clock changes it
  TopTime last_success;
  TopTime last_failure;
  TopTime failing_since;  // first failure after the last success
  TopLeg syn_to_synack;
  TopLeg synack_to_ack;
  std::uint64_t legs_left_out = 0;  // successes with a repeated segment, or seen in part
  std::uint64_t retrying = 0;       // of the pending: a SYN or SYN/ACK was repeated
  std::uint64_t retrying_dup_syn_segments = 0;  // that these have repeated so far
  std::uint64_t retrying_dup_synack_segments = 0;
  std::uint64_t rst_suspect = 0;  // of the failures: by a RST unlike the responder's SYN/ACKs
  std::uint64_t answered_meanwhile = 0;  // successes at the first SYN while others were retrying
  std::uint64_t stuck_tuples = 0;
  std::uint64_t ecn_black_holes = 0;
  std::uint64_t fast_open_black_holes = 0;
  std::optional<FilterHealth> health;  // filled in live, by the reactor, of those that matter

  [[nodiscard]] std::string_view direction() const noexcept {
    return direction_word(responder_local, initiator_local);
  }
};

// "rx 192.0.2.1:443"
[[nodiscard]] std::string service_name(const TopServiceRow& row);

struct TopPeerRow {
  std::string initiator;  // of an initiator, of a pair
  std::string responder;  // of a pair
  std::string network;    // of a network
  std::uint64_t attempts = 0;
  TopFailures failures;              // `total` at most; the causes are of those counted one by one
  std::uint64_t failures_error = 0;  // total - failures_error at least
  TopTime first_failure;
  TopTime last_failure;
};

struct Top {
  std::chrono::system_clock::time_point taken;
  TopRequest request;
  std::chrono::seconds recent_at_least{0};  // how far back "recent" goes
  std::chrono::seconds recent_at_most{0};
  std::uint64_t unlisted_failures = 0;  // recent ones of any that is not listed, at most

  // By service.
  std::vector<TopServiceRow> services;
  TopServiceRow others;
  std::uint64_t services_known = 0;
  std::uint64_t services_displaced = 0;

  // By initiator, pair or network.
  std::vector<TopPeerRow> peers;
  std::uint64_t attempts_error =
      0;  // `attempts` of a peer is too high by this for one in eight at most
};

}  // namespace tcpeek::ipc
