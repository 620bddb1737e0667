// What EXPLAIN reasons from, as plain data: services with their counts, and what was seen around them. The
// rules (rules.h) read this and nothing else.
//
// "Of late" is what TOP calls recent; of a capture file it is all of it. Direction and siblings: only
// services of the same direction are compared with one another.
//
// Thread contract: plain values.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ipc/explain.h"
#include "ipc/top.h"

namespace tcpeek::engine {

// An initiator that fails at this host, at whatever port of it.
struct InitiatorFacts {
  std::string address;
  std::uint64_t attempts = 0;  // of late, at most
  std::uint64_t failures = 0;  // of late, at least
};

// How many different initiators the failures of late are spread over; unknown unless most failures of the host are
// this service's.
enum class Spread : std::uint8_t { unknown, few, many };

// The last ICMP error that ended an attempt.
struct RouterFacts {
  std::string address;
  std::string says;           // "no route"
  bool is_responder = false;  // the address that was to answer says it itself
  std::uint64_t ended = 0;    // attempts of late, by any router
};

struct ServiceFacts {
  ipc::TopServiceRow row;
  std::string network;  // of the responder: its /24 or /48
  bool own = false;     // the local end is this host, not one behind a mirror

  // Of late.
  std::uint64_t attempts = 0;
  ipc::FailureCounts causes;
  std::uint64_t repeated_successes = 0;  // after the SYN had been repeated
  std::uint64_t answered_twice =
      0;                           // of them: the SYN/ACK was, too, so the first SYN had an answer
  std::uint64_t uncertain = 0;     // timeouts while packets were lost
  std::uint64_t stuck_tuples = 0;  // 4-tuples unanswered while others of the pair succeed
  std::uint64_t option_black_holes = 0;  // a SYN with an option died, the plain one came through
  std::uint64_t rst_suspect = 0;         // a RST unlike the responder's SYN/ACKs
  ipc::TopTime last_refusal;             // by another RST
  std::optional<RouterFacts> router;
  Spread spread = Spread::unknown;
  std::vector<InitiatorFacts> initiators;  // the worst, a few

  // Now.
  std::uint64_t failed_in_a_row = 0;    // without a success since
  std::uint64_t retrying = 0;           // of the pending: a SYN or SYN/ACK had to be repeated
  std::uint64_t answered_retrying = 0;  // of them: the SYN/ACK
};

// Of the accept queue of a port: what SYNs do, and what the kernel says to that.
struct QueueFacts {
  enum class Kernel : std::uint8_t {
    unknown,   // it could not be asked, or the port is not this host's
    confirms,  // the queue was full within the last minute
    refutes,   // there was room in it all the time
  };

  std::string address;  // 0.0.0.0 and ::, where a listener has all addresses
  std::uint16_t port = 0;
  bool suspected = false;  // SYNs stay unanswered while others are answered
  Kernel kernel = Kernel::unknown;
  std::uint32_t waiting = 0;    // to be accepted, now
  std::uint32_t limit = 0;      // 0: not known
  std::uint64_t overflows = 0;  // in the last minute
};

struct ExplainInput {
  std::chrono::system_clock::time_point taken;
  bool whole_file = false;
  std::chrono::seconds recent_at_least{0};
  std::chrono::seconds recent_at_most{0};

  std::vector<ServiceFacts> services;  // the worst, and their siblings; each once
  std::uint64_t services_known = 0;
  std::uint64_t unlisted_failures = 0;
  std::vector<QueueFacts> queues;

  // Of all attempts since the start.
  std::uint64_t attempts = 0;
  std::uint64_t success = 0;
  std::uint64_t failures = 0;
  std::uint64_t pending = 0;
  std::uint64_t retrying = 0;
  std::uint64_t evicted = 0;
  std::uint64_t uncertain = 0;
  std::uint64_t lost_packets = 0;
  std::vector<ipc::PendingAttempt> pending_attempts;  // see Explanation
};

}  // namespace tcpeek::engine
