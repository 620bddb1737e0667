// Which services METRICS lists, and their counts summed over readers.
//
// Sticky: a service that is listed once stays, so that its series have no holes; when all places are taken, no
// more come. The first to come are those with most attempts.
//
// Counts never fall, though a reader's table may give a service's row to another (service_table.h): what the row had is
// kept here. What was counted between the last look and that moment is lost.
//
// Thread contract: the reactor's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "engine/pipeline/top_builder.h"
#include "engine/pipeline/top_report.h"
#include "ipc/service_metrics.h"

namespace tcpeek::engine {

class ServiceMembers {
 public:
  // Of each kind, TopQuery's room at most; 0: none is listed.
  struct Limits {
    std::size_t local = 0;
    std::size_t remote = 0;
  };

  explicit ServiceMembers(const Limits& limits) : limits_(limits) {}

  [[nodiscard]] bool any_wanted() const noexcept { return limits_.local + limits_.remote > 0; }

  [[nodiscard]] TopQuery query() const;
  // Takes the readers' answers to the last query. True: there are new members, which the answers to
  // the next query tell of.
  [[nodiscard]] bool update(TopReports readers);

  // Of all members, local ones first.
  [[nodiscard]] ipc::ServiceMetrics metrics() const;

 private:
  // Counts as they were last read, and what rows that were given up had.
  struct Member {
    ipc::ServiceMetric service;
    ipc::ServiceCounts last;
    ipc::ServiceCounts given_up;
  };
  template <typename Key>
  struct Kind {
    std::vector<Key> keys;
    std::vector<Member> members;
  };
  template <typename Key>
  using Candidates = std::map<Key, std::uint64_t>;  // attempts

  static void follow(Member& member, const ipc::ServiceCounts& now) noexcept;
  void follow_local(TopReports readers);
  void follow_remote(TopReports readers);
  [[nodiscard]] Candidates<std::uint16_t> new_ports(TopReports readers) const;
  [[nodiscard]] Candidates<TopKey> new_remote(TopReports readers) const;
  template <typename Key>
  [[nodiscard]] bool admit(Kind<Key>& kind, std::size_t limit, const Candidates<Key>& candidates);

  Limits limits_;
  Kind<std::uint16_t> local_;
  Kind<TopKey> remote_;
  std::uint64_t not_listed_ = 0;
};

}  // namespace tcpeek::engine
