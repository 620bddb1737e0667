// What EXPLAIN tells: the few things most worth knowing now, each as a sentence with its evidence, its
// limits, its figures, since when, and what to run next. Plain data; addresses are already text.
//
// A finding says whose a trouble is only as far as that is proved from where the capture stands; `unknown`
// is an answer. It is about one service, or about several of which the same rule says the same.
//
// Thread contract: plain values.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ipc/top.h"

namespace tcpeek::ipc {

enum class Verdict : std::uint8_t {
  here,       // this host; on a mirror, the near network
  there,      // the far end: the host, or what filters for it
  path,       // what lies between
  initiator,  // who connects: a scan, a probe, one that does not wait
  unknown,
};

[[nodiscard]] constexpr std::string_view word(Verdict verdict) noexcept {
  switch (verdict) {
    case Verdict::here:
      return "here";
    case Verdict::there:
      return "there";
    case Verdict::path:
      return "path";
    case Verdict::initiator:
      return "initiator";
    case Verdict::unknown:
      return "unknown";
  }
  return "";
}

struct ExplainedService {
  std::string address;
  std::uint16_t port = 0;
  bool operator==(const ExplainedService&) const = default;
};

// Of all services of a finding together.
struct FindingFigures {
  std::uint64_t attempts = 0;  // since `counting_since`, as the next five
  std::uint64_t success = 0;
  std::uint64_t pending = 0;
  std::uint64_t retrying = 0;  // of the pending
  TopFailures failures;
  std::uint64_t evicted = 0;
  std::uint64_t recent_attempts = 0;
  std::uint64_t recent_failures = 0;  // by what the finding is about
};

struct FindingTimes {
  TopTime counting_since;
  TopTime failing_since;  // none if it never succeeded, or some succeed
  TopTime last_success;
  TopTime last_failure;
  bool never_worked = false;  // nothing was ever seen to succeed
};

struct Finding {
  static constexpr std::size_t kMostServices = 8;

  Verdict verdict = Verdict::unknown;
  std::string_view rule;  // a name that stays; outlives the finding
  std::string subject;    // in words: "192.0.2.1:443", "3 ports of 192.0.2.1"
  std::string_view direction;
  std::vector<ExplainedService> services;  // kMostServices at most
  std::uint64_t service_count = 0;         // of all
  std::string sentence;
  std::vector<std::string> evidence;
  std::vector<std::string> limits;  // what would refute it, and what it cannot know
  std::vector<std::string> next;    // commands, ready to run
  FindingFigures figures;
  FindingTimes times;
};

// An attempt that had not ended where a capture file does.
struct PendingAttempt {
  std::string initiator;  // with its port
  std::string responder;
  std::chrono::system_clock::time_point since;  // its first SYN
  bool answered = false;
  unsigned syns = 1;  // sent
};

struct Explanation {
  static constexpr std::size_t kMostFindings = 3;

  std::chrono::system_clock::time_point taken;
  bool whole_file = false;                  // of a capture file: "recent" is all of it
  std::chrono::seconds recent_at_least{0};  // how far back "recent" goes
  std::chrono::seconds recent_at_most{0};
  std::string summary;
  std::vector<std::string> doubts;  // what makes figures uncertain; empty: nothing was lost
  std::vector<Finding> findings;    // the foremost first
  std::uint64_t more_findings = 0;  // found, and left out

  // Of all attempts since the start.
  std::uint64_t attempts = 0;
  std::uint64_t success = 0;
  std::uint64_t failures = 0;
  std::uint64_t pending = 0;
  std::uint64_t retrying = 0;
  std::uint64_t evicted = 0;
  std::vector<PendingAttempt> pending_attempts;  // of a capture file: a few, the oldest first

  // What was looked at.
  std::uint64_t services_examined = 0;
  std::uint64_t services_known = 0;
  std::uint64_t unlisted_failures = 0;  // recent ones of any service that was not examined, at most
};

}  // namespace tcpeek::ipc
