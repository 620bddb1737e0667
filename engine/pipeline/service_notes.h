// What is noted of a service beside its row (service_table.h), only when something is not as it should be: the
// causes of failures of late, successes that needed a second SYN, and the last ICMP error. EXPLAIN needs it to
// speak of now, where the row has causes since it began to count.
//
// An array by the service's number, as rows are reused: a note of a row that was given up does not count any
// more, which the time tells since when the row counts. Pages take memory when a service is first noted.
//
// "Of late" is the present window and the one before (begin_window()), as in the service's row.
//
// Thread contract: one reader owns it. After construction nothing here allocates, locks or throws.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "engine/pipeline/pattern.h"
#include "engine/pipeline/service_table.h"
#include "flowtable/icmp_error.h"
#include "flowtable/outcome.h"
#include "flowtable/page_array.h"

namespace tcpeek::engine {

// Of late, but for the error, which is the last one.
struct NotedOfService {
  FailureCounts causes;
  std::uint64_t repeated_successes = 0;  // the SYN had to be sent again
  std::uint64_t answered_twice = 0;      // of them: the SYN/ACK, too
  std::uint64_t uncertain = 0;           // timeouts while packets were lost
  std::uint64_t rst_suspect = 0;         // by a RST unlike the responder's SYN/ACKs
  std::int64_t last_refusal = 0;         // by another RST; 0: none
  std::uint64_t stuck_tuples = 0;        // see pattern.h
  std::uint64_t option_black_holes = 0;
  flowtable::IcmpError error;
  std::int64_t error_at = 0;            // 0: none is known
  bool own_responder = false;           // its address is one of a captured interface
  std::uint64_t answered_retrying = 0;  // now: of those retrying, the SYN/ACK was repeated
};

// What of an attempt had to be sent again.
struct Repeated {
  bool syn = false;
  bool synack = false;
};

class ServiceNotes {
 public:
  // Errors: std::system_error when there is no memory.
  ServiceNotes() = default;

  // `counting_since`: of the row. Neither plain successes nor evictions are worth a note.
  void ended(ServiceTable::Number number, std::int64_t counting_since,
             const flowtable::Outcome& outcome, Repeated repeated, bool own_responder) noexcept;

  // The SYN/ACK of a pending attempt is repeated for the first time.
  void answered_again(ServiceTable::Number number, std::int64_t counting_since) noexcept;
  void matched(ServiceTable::Number number, std::int64_t counting_since, Pattern pattern) noexcept;

  void begin_window() noexcept { ++window_; }
  [[nodiscard]] NotedOfService of(ServiceTable::Number number,
                                  std::int64_t counting_since) const noexcept;

  [[nodiscard]] static constexpr std::size_t memory_bytes() noexcept {
    return ServiceTable::kMostServices * sizeof(Note);
  }

 private:
  // Neither evictions nor attempts that are pending at a file's end are noted.
  static constexpr std::size_t kNotedCauses =
      static_cast<std::size_t>(flowtable::Cause::unreachable) + 1;

  struct Window {
    std::array<std::uint32_t, kNotedCauses> causes{};
    std::uint32_t repeated_successes = 0;
    std::uint32_t uncertain = 0;
    std::uint32_t rst_suspect = 0;
    std::uint32_t stuck_tuples = 0;
    std::uint32_t option_black_holes = 0;
    std::uint32_t answered_twice = 0;
  };

  // A plain failure touches the first line alone.
  struct alignas(64) Note {
    std::int64_t counting_since = 0;
    std::int64_t last_refusal = 0;
    std::uint32_t window = 0;  // that `present` is of
    bool own_responder = false;
    Window present;
    Window former;
    std::uint32_t answered_retrying = 0;  // no matter in which window
    std::int64_t error_at = 0;
    flowtable::IcmpError error;
  };
  static_assert(sizeof(Note) == 192);

  [[nodiscard]] Note& current(ServiceTable::Number number, std::int64_t counting_since) noexcept;
  static void add(NotedOfService& sum, const Window& window) noexcept;

  flowtable::PageArray<Note> notes_{ServiceTable::kMostServices,
                                    flowtable::PageArray<Note>::Untouched()};
  std::uint32_t window_ = 0;
};

}  // namespace tcpeek::engine
